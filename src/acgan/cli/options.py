"""Parameters that several commands share, and shell completion of names.

Completion runs at every press of the Tab key, so it only lists folders and reads one small file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import typer


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
            names = (str(entry["name"]) for entry in json.loads(path.read_text("utf-8")))
            yield from (name for name in names if name.startswith(incomplete))


DATA, BUDGET, EXECUTION, OUTPUT = "Data", "Budget", "Execution", "Output"  # groups in --help

ModelArgument = Annotated[
    Path,
    typer.Argument(
        help="A run or its model folder.", metavar="MODEL", autocompletion=_complete_folders
    ),
]
JsonFlag = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON.", rich_help_panel=OUTPUT)
]
Truncation = Annotated[
    float | None,
    typer.Option(
        help="Limit latents to -T … T: more typical, less diverse images; 0.5 to 2 is usual.",
        metavar="T",
    ),
]
Precision = Annotated[
    Literal["auto", "fp32", "bf16"],
    typer.Option(
        help="auto is bf16 if that is fast here; fp32 gives the closest agreement of machines.",
        rich_help_panel=EXECUTION,
    ),
]
RecipeOption = Annotated[
    str | None,
    typer.Option(
        help="Name of a recipe, see `acgan recipes`.",
        metavar="NAME",
        show_default="chosen by the data",
        autocompletion=complete_recipes,
    ),
]
DataRoot = Annotated[
    Path | None,
    typer.Option(
        help="Folder of local copies and downloads of named data sets.",
        metavar="DIR",
        show_default="$ACGAN_DATA",
        rich_help_panel=DATA,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "-o",
        help="Any setting of the run, as section.key=value; repeatable. "
        "`acgan recipes NAME` lists them.",
        metavar="KEY=VALUE",
    ),
]
