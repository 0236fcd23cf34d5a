"""Commands in messages: a shell and the parser of the command line give back the same values."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer.main
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acgan.cli import train
from acgan.cli.main import app, execute
from acgan.data.images import make_classes
from acgan.errors import UsageError
from acgan.evaluation.prepare import training_data
from acgan.model.model import load

PIECES = ["-", "--json", "x", " ", "'", '"', "$(x)", "$HOME", "`", "\n", "\\", "é", "日", "*", "="]
PIECES += ["~", ";", "|", "&", "#", "!", "<", "%", ","]
NAMES = st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("".join)
pytestmark = pytest.mark.slow
several = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
GROUP: Any = typer.main.get_command(app)


def parsed(written: str) -> dict[str, Any]:
    """Return the values that the command gets of a line that is pasted into a shell."""
    program, name, *words = shlex.split(written)
    assert program == "acgan"
    values: dict[str, Any] = GROUP.commands[name].make_context(name, words).params
    return values


def pasted(lines: list[str]) -> str:
    """Return a command that ends in the last of these lines and begins with acgan."""
    return "\n".join(lines).replace("\\\n", "")


@several
@given(name=NAMES)
def test_the_folder_of_a_run_without_report(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).mkdir(exist_ok=True)
    Path(name, "config.json").write_text("{}")
    assert execute(["compare", "--", name, "another"]) == 2
    written = re.search(r"run `(acgan .*)` first", capsys.readouterr().err, re.DOTALL)
    assert written is not None
    assert parsed(written[1])["path"] == Path(name)


@several
@given(name=NAMES)
def test_the_data_root_of_a_model(
    name: str, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ACGAN_DATA", raising=False)
    model = load(tiny_run)
    config = model.config
    data = config.data.model_copy(update={"source": "digits", "root": name})
    info = replace(model.record.info, config=config.model_copy(update={"data": data}))
    with pytest.raises(UsageError) as caught:
        training_data(replace(model, record=replace(model.record, info=info)))
    written = re.search(r"with `(.*)`, and folders", str(caught.value), re.DOTALL)
    assert written is not None
    assert parsed(f"acgan evaluate run {written[1]}")["data_root"] == Path(name)


@several
@given(run=NAMES, name=NAMES)
def test_the_next_commands_of_a_run(run: str, name: str, tiny_run: Path) -> None:
    model = load(tiny_run)
    info = replace(model.record.info, classes=make_classes([f"a{name}", "other"]))
    model = replace(model, record=replace(model.record, info=info))
    lines = train._next_commands(Path(run), model, [])
    last = lines.index("to measure their quality:")
    values = parsed(pasted(lines[1:last]))
    assert values["model"] == Path(run)
    assert values["label"] == [info.classes[0].name]
    assert parsed(pasted(lines[last + 1 :]))["path"] == Path(run)


@several
@given(data=NAMES, run=NAMES, root=NAMES, name=NAMES)
def test_the_command_that_improves_a_run(data: str, run: str, root: str, name: str) -> None:
    words = [f"--run={run}", f"--data-root={root}", f"--only-class={name}", "-o", f"a.b={name}"]
    context = GROUP.commands["train"].make_context("train", [*words, "--images=8", "--", data])
    given_values = dict(context.params)
    again = train._command_again(context, {"images": 90}, continues=True)
    values = parsed(shlex.join(again))
    path = os.path.normpath(data) if data.startswith("-") else data
    assert os.path.normpath(values.pop("data")) == os.path.normpath(path)
    assert values.pop("images") == 90
    assert values.items() <= given_values.items()
