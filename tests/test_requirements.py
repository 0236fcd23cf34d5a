"""The lock files are in step with pyproject.toml, and hold for every machine."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BUILD = PROJECT["dependency-groups"]["build"]
BASE = PROJECT["project"]["dependencies"]
DEV = PROJECT["project"]["optional-dependencies"]["dev"]
RANGES = {"base": [*BASE, *BUILD], "dev": [*BASE, *DEV, *BUILD]}
PIN = r"[a-z0-9-]+==[^\s;]+(?: ; [a-z_]+ [^\\]+| ; \([^\\]+)?"
HASHES = r"(?: \\\n    --hash=sha256:[0-9a-f]{64})+"


def read(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def drift() -> ModuleType:
    """`.ci/drift.py`, which is in no package."""
    spec = importlib.util.spec_from_file_location("drift", ROOT / ".ci" / "drift.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def out_of_step(ranges: list[str], locked: dict[str, str]) -> list[str]:
    """The ranges that no locked version lies in."""
    requirements = [Requirement(text) for text in ranges]
    return [
        str(each)
        for each in requirements
        if each.name not in locked or Version(locked[each.name]) not in each.specifier
    ]


def not_portable(text: str) -> list[str]:
    """What is neither a comment nor an exact version with hashes, and what names a place."""
    rest = re.sub(rf"^{PIN}{HASHES}$", "", text, flags=re.MULTILINE)
    foreign = [line for line in rest.splitlines() if line and not re.match(r" *# ", line)]
    places = [
        line for line in rest.splitlines() if re.search(r"://|index|find-links|(^|\s)/", line)
    ]
    return [*foreign, *places]


@pytest.mark.parametrize("name", RANGES)
def test_every_range_has_a_locked_version(name: str, drift: ModuleType) -> None:
    locked = drift.locked_versions(read(name))
    assert out_of_step(RANGES[name], locked) == [], "run `make lock`"
    newer = [*RANGES[name], "numpy>=1000", "unheard-of>=1"]
    assert out_of_step(newer, locked) == ["numpy>=1000", "unheard-of>=1"]


@pytest.mark.parametrize("name", RANGES)
def test_every_line_is_an_exact_version_with_hashes_and_names_no_place(name: str) -> None:
    text = read(name)
    assert not_portable(text) == []
    for bad in ("numpy>=2", "numpy==2.4.6", "--extra-index-url https://here.example", "-e ./x"):
        assert not_portable(f"{text}{bad}\n")
    assert not_portable(f"{text}    #   -c /home/me/versions.txt\n")


def test_users_get_the_versions_that_were_tested(drift: ModuleType) -> None:
    base, dev = (drift.locked_versions(read(name)) for name in ("base", "dev"))
    assert base.items() <= dev.items()


def test_drift_is_told_by_name(drift: ModuleType) -> None:
    locked = drift.locked_versions(
        "filelock==4.2.0 \\\n    --hash=…\ncolorama==1 ; win\nrich==15.0.0 \\"
    )
    assert drift.canonical("torch_Fidelity") == "torch-fidelity"
    assert drift.drift(locked, {"rich": "15.0.0", "filelock": "4.3.1", "new": "1.0"}) == [
        "drift: filelock 4.2.0 → 4.3.1",
        "drift: new (not locked) → 1.0",
    ]
    assert drift.drift(locked, {"rich": "15.0.0"}) == []
