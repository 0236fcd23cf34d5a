"""Which packages of this environment have other versions than a lock file says.

    python .ci/drift.py requirements/dev.txt

Needs the standard library alone.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import distributions
from pathlib import Path

# What venv and the editable installation bring along.
_NOT_LOCKED = {"acgan", "pip", "setuptools"}


def canonical(name: str) -> str:
    """A package's name as the lock files spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked_versions(text: str) -> dict[str, str]:
    """Versions by name, of the content of a lock file."""
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", text, flags=re.MULTILINE))


def drift(locked: dict[str, str], installed: dict[str, str]) -> list[str]:
    """A line for each package that is newer, older or not locked; one not installed is no drift.

    >>> drift({"filelock": "4.2.0", "torch": "2.14.1"}, {"filelock": "4.3.1", "torch": "2.14.1"})
    ['drift: filelock 4.2.0 → 4.3.1']
    """
    return [
        f"drift: {name} {locked.get(name, '(not locked)')} → {version}"
        for name, version in sorted(installed.items())
        if locked.get(name) != version
    ]


def main() -> None:
    """Print what differs between this environment and the lock file that is named."""
    locked = locked_versions(Path(sys.argv[1]).read_text(encoding="utf-8"))
    found = {canonical(each.metadata["Name"]): each.version for each in distributions()}
    installed = {name: found[name] for name in found.keys() - _NOT_LOCKED}
    for line in drift(locked, installed) or [
        "drift: none, the newest versions are the locked ones"
    ]:
        print(line)


if __name__ == "__main__":
    main()
