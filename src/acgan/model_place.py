"""Where a model lies: what a person means by a path, and what to say where there is none."""

from __future__ import annotations

import difflib
from pathlib import Path

from acgan.errors import UsageError


def find_model(path: Path) -> Path:
    """The model folder that a person means by a run or a model folder.

    Raises:
        UsageError: there is none; the message says what is there instead.
    """
    for folder in (path, path / "model"):
        if (folder / "model.json").is_file():
            return folder
    if not path.exists():
        raise UsageError(f"there is no model at {path}; {_hint(path)}")
    if not path.is_dir():
        raise UsageError(f"{path} is a file; give a run or its model folder")
    if (path / "config.json").is_file():
        several = (path / "members").is_dir()
        when = "when all of its members are trained" if several else "with its first checkpoint"
        raise UsageError(
            f"the run {path} has no model yet; it gets one {when}: "
            "go on with the command that started it"
        )
    raise UsageError(f"{path} is neither a run nor a model folder (there is no model.json)")


def _hint(path: Path) -> str:
    """What a person may have meant by a path that does not exist."""
    below_runs = Path("runs") / path
    if below_runs.is_dir():
        return f"did you mean {below_runs}?"
    siblings = path.parent.glob("*/") if path.parent.is_dir() else ()
    close = difflib.get_close_matches(path.name, [sibling.name for sibling in siblings], n=1)
    if close:
        return f"did you mean {path.parent / close[0]}?"
    return "`acgan runs` lists the runs that there are"
