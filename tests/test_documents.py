"""README and docs: the command line accepts their commands; their options and settings exist."""

from __future__ import annotations

import pkgutil
import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest
import typer
from typer.core import TyperGroup

from acgan.cli.main import app
from acgan.config import with_overrides
from acgan.errors import AcganError
from acgan.recipes.recipe import load_recipe, recipe_names
from acgan.runs.config import RunConfig

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = cast(TyperGroup, typer.main.get_command(app)).commands
VALUES = {"N": "10", "M": "10", "F": "0.1"}
"""Values for placeholders of numbers; those of names and paths, such as RUN, stay as they are."""


def spans(document: str) -> list[str]:
    """Everything in backticks outside of blocks, except what is shortened by an ellipsis."""
    rest = re.sub(r"^```.*?^```$", "", document, flags=re.MULTILINE | re.DOTALL)
    found = (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", rest))
    return [span for span in found if "…" not in span]


def commands(document: str) -> list[list[str]]:
    """The words after `acgan` of every command in a block or, with an argument, in backticks."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", document, flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += [span for span in spans(document) if len(span.split()) > 2]
    found = [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("acgan ")]
    return [[VALUES.get(word, word) for word in each] for each in found if each[0] != "COMMAND"]


def accept(command: list[str]) -> None:
    """Parse a command without running it; placeholders such as RUN are plain strings."""
    name, *arguments = command
    COMMANDS[name].make_context(name, arguments).close()


CASES = [(path.name, each) for path in DOCUMENTS for each in commands(path.read_text("utf-8"))]


@pytest.mark.parametrize(("document", "command"), CASES)
def test_the_parser_accepts_a_command(document: str, command: list[str]) -> None:
    accept(command)


def test_commands_are_found() -> None:
    found = {command[0] for _, command in CASES}
    assert found >= {"train", "sample", "evaluate", "compare", "interpolate", "compare-objectives"}
    assert len(CASES) > 40


@pytest.mark.parametrize("command", [["train", "digits", "--sheet", "x"], ["evaluate"]])
def test_a_wrong_command_is_found(command: list[str]) -> None:
    with pytest.raises(typer.TyperException):
        accept(command)


OPTIONS = {name for each in COMMANDS.values() for p in each.params for name in p.opts}
OPTIONS |= {name for each in COMMANDS.values() for p in each.params for name in p.secondary_opts}
OTHERS = {"--help", "--torch-backend", "--full"}
for benchmark in (ROOT / "benchmarks").glob("*.py"):
    OTHERS |= set(re.findall(r'"(--[a-z][\w-]*)"', benchmark.read_text("utf-8")))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_options_exist(path: Path) -> None:
    named = {
        word
        for span in spans(path.read_text("utf-8"))
        for word in re.findall(r"(?<!\S)--[a-z][\w-]*", span)
    }
    assert sorted(named - OPTIONS - OTHERS) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_settings_exist(path: Path) -> None:
    """Each `-o key=value` is accepted by a default, by its command's recipe or by any recipe."""
    document = path.read_text("utf-8")
    given = commands(document) + [shlex.split(s) for s in spans(document) if s.startswith("-o ")]
    for words in given:
        overrides = [after for word, after in pairwise(words) if word == "-o"]
        if not overrides:
            continue
        wanted = [after for word, after in pairwise(words) if word == "--recipe"]
        errors = []
        for name in wanted or recipe_names():
            try:
                values = {"recipe": name, **load_recipe(name).values}
                RunConfig.model_validate(with_overrides(values, overrides))
                break
            except (AcganError, ValueError) as error:
                errors.append(str(error))
        else:
            pytest.fail(f"{words}: {errors[0]}")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """Files exist, and an anchor is a heading as GitHub names it."""
    for file, anchor in re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]+))?\)", path.read_text("utf-8")):
        target = path.parent / file if file else path
        assert target.exists(), file
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), flags=re.MULTILINE)
            named = [re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings]
            assert anchor in named, (file, anchor)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_code_exists(path: Path) -> None:
    """Python files from the root or below src/acgan, and names of modules and definitions."""
    for span in spans(path.read_text("utf-8")):
        if re.fullmatch(r"[\w/]+/\w+\.py", span):
            assert any((ROOT / base / span).exists() for base in ("", "src", "src/acgan")), span
        if re.fullmatch(r"acgan(\.\w+)+", span):
            assert pkgutil.resolve_name(span) is not None
