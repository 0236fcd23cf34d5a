"""The words of README, docs, help and messages: numbers, spelling and terms follow one style."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
SOURCES = sorted(
    path for folder in ("src", "benchmarks", "examples") for path in (ROOT / folder).rglob("*.py")
)
RECIPES = sorted((ROOT / "src").rglob("*.toml"))

PATTERNS = {
    "a number without a leading zero": re.compile(r"(?<![\w.)\]/*])\.\d"),
    "British spelling": re.compile(
        r"colour|grey|neighbour|behaviour|favour|labell(?:ed|ing)|judgement|artefact|catalogue"
        r"|\bcentred?\b|\blicen[c]e|\banalys(?:e|ed|ing)\b|modell(?:ed|ing)|cancelled"
        r"|(?:memor|normal|optim|initial|regular|standard|recogn|summar|organ|serial|general|minim"
        r"|maxim|random|penal|quant|character|real|util|categor|synchron)is(?:e[ds]?\b|ing\b|ation)",
        re.IGNORECASE,
    ),
    "an old term": re.compile(
        r"\bjudges?\b|\btrunks?\b|in floors\b|\bfloors\b|reads? as asked|\bset aside\b"
        r"|class(?:es)? asked for|\bmirrored\b|\bkept checkpoints?\b|open head",
        re.IGNORECASE,
    ),
    "a banned phrase": re.compile(
        r"\bwhoever\b|\bwhatever\b|\bhardly\b|\bas they come\b|\bnothing but\b|\bof its own\b"
        r"|\bnobody (?:knows|learned|hears)\b|\bmends?\b|\bmended\b|\bis told (?:of|that|what)\b"
        r"|\bD (?:says|asks|knows)\b|\bwhat D (?:says|sees)\b|\basked again\b",
        re.IGNORECASE,
    ),
}
CODE = re.compile(
    r"```.*?```|`[^`]*`|<[^>]+>|\]\([^)]*\)|https?://\S+|\{[\w.\[\]]+:[\w.%]+\}", re.DOTALL
)


def prose(document: str) -> str:
    """Blank out code, links, addresses and format fields; line numbers stay."""
    return CODE.sub(lambda match: "\n" * match[0].count("\n"), document)


def violations(text: str, where: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        for name, pattern in PATTERNS.items():
            if found := pattern.search(line):
                yield f"{where}:{number}: {name}: {found[0]!r} in {line.strip()[:100]!r}"


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """Every string of a module, docstrings and messages, without code in backticks.

    A string of one word is an identifier, a key or a path, and no prose.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, prose(node.value.replace("``", "`"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents(path: Path) -> None:
    assert not list(violations(prose(path.read_text(encoding="utf-8")), path.name))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_recipes(path: Path) -> None:
    assert not list(violations(path.read_text(encoding="utf-8"), path.name))


@pytest.mark.slow
def test_messages_and_docstrings() -> None:
    found = [
        each
        for path in SOURCES
        for line, text in strings(path)
        for each in violations(text, f"{path.relative_to(ROOT)}:{line}")
    ]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("the accuracy is .93 here", "a number without a leading zero"),
        ("a grey image", "British spelling"),
        ("it was normalised", "British spelling"),
        ("the judge reads them", "an old term"),
        ("5.5 in floors", "an old term"),
        ("whoever finds it", "a banned phrase"),
    ],
)
def test_each_pattern_finds_its_fault(line: str, name: str) -> None:
    assert [each for each in violations(line, "x") if name in each]


@pytest.mark.parametrize(
    "line", ["version 1.2.3", "0.93 ± 0.01", "a realistic characteristic", "otherwise noise"]
)
def test_good_words_pass(line: str) -> None:
    assert not list(violations(line, "x"))
