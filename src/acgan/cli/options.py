"""Parameters that several commands share, and shell completion of names.

Completion runs at every press of the Tab key, so it only lists folders and reads one small file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from acgan.storage.json_reader import read_json


def _complete_folders(incomplete: str) -> Iterator[str]:
    """Runs below ``runs/``, then the folders that begin with ``incomplete``."""
    yield from (str(path) for path in Path("runs").glob("*/") if str(path).startswith(incomplete))
    yield from (str(path) for path in Path().glob(f"{incomplete}*/") if path.name != "runs")


def complete_recipes(incomplete: str) -> Iterator[str]:
    """Names of the recipes."""
    for entry in resources.files("acgan").joinpath("recipes").iterdir():
        name = entry.name.removesuffix(".toml")
        if name != entry.name and name.startswith(incomplete):
            yield name


def complete_classes(context: typer.Context, incomplete: str) -> Iterator[str]:
    """Class names of the model that is named earlier on the command line."""
    # An option without its value ends the parsing: the arguments before it are still in args.
    model = Path(context.params.get("model") or next(iter(context.args), ""))
    for path in (model / "classes.json", model / "model" / "classes.json"):
        if path.is_file():
            with suppress(OSError, ValueError, KeyError, TypeError):
                names = [str(entry["name"]) for entry in read_json(path)]
                yield from (name for name in names if name.startswith(incomplete))


def option(
    text: str,
    metavar: str | None = None,
    group: str | None = None,
    *,
    name: str | None = None,
    default: str | bool = True,
    complete: Callable[..., Iterator[str]] | None = None,
    **more: Any,
) -> Any:
    """Return a `typer.Option`; ``group`` is a heading in ``--help``."""
    return typer.Option(
        *([name] if name else []),
        help=text,
        metavar=metavar,
        rich_help_panel=group,
        show_default=default,
        autocompletion=complete,
        **more,
    )


def within(least: float, most: float = math.inf, *, open_end: bool = False) -> Any:
    """Return a check of a number for `option`, which names the option in its message.

    Args:
        least: smallest number, which itself is excluded with ``open_end``.
        most: largest number; infinity is none.
        open_end: whether ``least`` is excluded.
    """
    rule = f"{'above' if open_end else 'at least'} {least:g}"
    rule += "" if most == math.inf else f" and at most {most:g}"

    def check(value: float | None) -> float | None:
        enough = value is None or value > least or (value == least and not open_end)
        if enough and (value is None or value <= most) and value != math.inf:
            return value
        raise typer.BadParameter(f"{value:g} is not a number {rule}")

    return check


DATA, BUDGET, EXECUTION, OUTPUT = "Data", "Budget", "Execution", "Output"  # groups in --help

ModelArgument = Annotated[
    Path,
    typer.Argument(
        help="A run or its model folder.", metavar="MODEL", autocompletion=_complete_folders
    ),
]
JsonFlag = Annotated[bool, option("Print the result as JSON.", name="--json", group=OUTPUT)]
Truncation = Annotated[
    float | None,
    option("Limit latents to -T … T: more typical, less diverse images; 0.5 to 2 is usual.", "T"),
]
Precision = Annotated[
    Literal["auto", "fp32", "bf16"],
    option(
        "auto is bf16 if that is fast here; fp32 gives the closest agreement of machines.",
        group=EXECUTION,
    ),
]
RecipeOption = Annotated[
    str | None,
    option(
        "Name of a recipe, see `acgan recipes`.",
        "NAME",
        default="chosen by the data",
        complete=complete_recipes,
    ),
]
DataRoot = Annotated[
    Path | None,
    option(
        "Folder of local copies and downloads of named data sets.",
        "DIR",
        DATA,
        default="$ACGAN_DATA",
    ),
]
BadFiles = Annotated[
    Literal["refuse", "skip"] | None,
    option("refuse or skip files that are not usable images.", "ACTION", DATA, default="refuse"),
]
Settings = Annotated[
    list[str] | None,
    option(
        "Any setting of the run, as section.key=value; repeatable. "
        "`acgan recipes NAME` lists them.",
        "KEY=VALUE",
        name="-o",
    ),
]
