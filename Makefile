# make demo    installs into .venv, trains on the embedded digits, draws them: minutes, no data needed
# make test    installs and passes every test        make test-fast    the fast ones alone
# make lint    ruff, mypy, import-linter              make clean        removes .venv and runs/demo-*

PYTHON ?= python3
SEED ?= 0
BIN := .venv/bin

.PHONY: demo test test-fast lint clean
.DELETE_ON_ERROR:

demo: .venv/installed
	$(BIN)/acgan train digits --seed $(SEED) --run runs/demo-$(SEED)
	@$(BIN)/acgan sample runs/demo-$(SEED) --class all --count 10 --grid runs/demo-$(SEED)/digits.png
	@echo
	@echo "Look at       runs/demo-$(SEED)/digits.png           ten of each digit, drawn by the network"
	@echo "              runs/demo-$(SEED)/first-and-last.png   before, after, and real ones"
	@echo "              runs/demo-$(SEED)/trajectory.gif       how it learned"
	@echo "              runs/demo-$(SEED)/curves.png           losses and accuracies"
	@echo "Then try      $(BIN)/acgan sample runs/demo-$(SEED) --class seven --count 16 --out sevens"

test: .venv/installed-dev
	$(BIN)/python -m pytest

test-fast: .venv/installed-dev
	$(BIN)/python -m pytest -m "not slow"

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.venv/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/installed: .venv/created pyproject.toml
	@echo "Installing into .venv (PyTorch is large; the first time takes some minutes) …"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	@touch $@

clean:
	rm -rf .venv runs/demo-*
