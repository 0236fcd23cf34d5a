"""Text that commands print: long commands and lines."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acgan.cli.output import command_lines
from acgan.errors import wrapped

WORDS = st.lists(
    st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), max_size=300)
)


@given(WORDS)
def test_a_command_keeps_its_words_in_lines_of_120_characters(words: list[str]) -> None:
    lines = command_lines(["acgan", *words])
    assert max(map(len, lines)) <= 120
    assert [line.endswith("\\") for line in lines[:-1]] == [True] * (len(lines) - 1)
    joined = "\n".join(lines).replace("\\\n", "")
    assert shlex.split(joined) == ["acgan", *words]


def test_a_shell_reads_a_long_command_as_it_is_meant() -> None:
    words = ["--run=" + "a 'long' path/" * 30, "$HOME `x` \\", "*", "é" * 200, "-o", "a=[b]"]
    script = "\n".join(command_lines(["printf", "%s\\0", *words]))
    done = subprocess.run(["sh", "-c", script], check=True, capture_output=True)
    assert done.stdout.decode().split("\0")[:-1] == words


@settings(max_examples=30)
@given(st.text(max_size=300), st.integers(20, 200))
def test_wrapped_lines_fit_and_keep_their_words(text: str, width: int) -> None:
    lines = wrapped(text, width).splitlines()
    assert all(len(line) <= width for line in lines)
    if max(map(len, text.split()), default=0) < width - 6:
        assert " ".join(lines).split() == text.split()


@pytest.mark.parametrize("text", ["  indented by two", "a  b", "", "x" * 120])
def test_a_short_line_stays_as_it_is(text: str) -> None:
    assert wrapped(text, 130) == text
