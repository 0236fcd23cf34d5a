from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import typer.main
from hypothesis import given
from hypothesis import strategies as st

from acgan.cli.main import app
from acgan.errors import command, find_name

PIECES = st.sampled_from(
    ["-", "x", " ", "'", '"', "$(x)", "`", "\n", "\\", "é", "*", "=", "--json"]
)
NAMES = st.lists(PIECES, min_size=1, max_size=5).map("".join)


@given(NAMES, NAMES)
def test_a_command_in_a_message_gives_back_its_words(folder: str, name: str) -> None:
    """After a shell, and after the parser of the command line."""
    program, *words = shlex.split(command("acgan", "sample", Path(folder), f"--class={name}"))
    assert program == "acgan"
    group: Any = typer.main.get_command(app)
    parsed = group.commands[words[0]].make_context("sample", words[1:])
    assert parsed.params["model"] == Path(folder)
    assert parsed.params["label"] == [name]


def test_the_exact_name_comes_before_one_in_another_case() -> None:
    assert [find_name(name, ["cat", "Cat"]) for name in ("cat", "Cat")] == ["cat", "Cat"]
