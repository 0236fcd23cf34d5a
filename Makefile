# make demo    installs into .venv, trains on the embedded digits, samples them: minutes, no data needed
# make test    installs and runs the tests           make test-fast    the fast ones only
# make lint    ruff, mypy, import-linter              make test-full    also what only a release needs
# make lock    renews requirements/, the exact versions that all of these install
# make clean   removes .venv and runs/demo-*

PYTHON ?= python3
SEED ?= 0
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

# Each process computes with one thread and holds a PyTorch of its own, hence no more by default than
# every laptop has cores and memory for. A process that is done takes over tests that wait for others.
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

.PHONY: demo test test-fast test-full lint lock clean
.DELETE_ON_ERROR:

demo: .venv/installed
	$(BIN)/acgan train digits --seed $(SEED) --run runs/demo-$(SEED)
	@$(BIN)/acgan sample runs/demo-$(SEED) --class all --count 10 --grid runs/demo-$(SEED)/digits.png
	@echo
	@echo "Look at       runs/demo-$(SEED)/digits.png           ten samples of each digit"
	@echo "              runs/demo-$(SEED)/first-and-last.png   before, after, and real ones"
	@echo "              runs/demo-$(SEED)/trajectory.gif       how it learned"
	@echo "              runs/demo-$(SEED)/curves.png           losses and accuracies"
	@echo "Then try      $(BIN)/acgan sample runs/demo-$(SEED) --class seven --count 16 --out sevens"

# Threads that wait busily on shared cores slow each other down.
test test-fast test-full: export OMP_WAIT_POLICY = passive

test: .venv/installed-dev
	$(PYTEST) -m "not full"

test-fast: .venv/installed-dev
	$(PYTEST) -m "not slow and not full"

test-full: .venv/installed-dev
	$(PYTEST)

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Takes the newest versions that pyproject.toml allows, one for all systems and Pythons. base.txt
# takes from dev.txt, so that what is installed without the tests' packages is what was tested.
COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --fork-strategy fewest \
	--python-version 3.11 --group build --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock" --upgrade

lock: .venv/created
	$(PIP) install "uv>=0.9,<1"
	$(COMPILE) --extra dev --output-file requirements/dev.txt
	$(COMPILE) --constraints requirements/dev.txt --output-file requirements/base.txt

.venv/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv .venv
	@touch $@

# Wheels alone: to build one would fetch build tools that nothing pins.
LOCKED := $(PIP) install --require-hashes --only-binary :all: --requirement

.venv/installed: .venv/created pyproject.toml requirements/base.txt
	@echo "Installing into .venv (PyTorch is large; the first time takes some minutes) …"
	@$(LOCKED) requirements/base.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/installed-dev: .venv/installed requirements/dev.txt
	@echo "Installing what tests and linters need into .venv …"
	@$(LOCKED) requirements/dev.txt
	@touch $@

clean:
	rm -rf .venv runs/demo-*
