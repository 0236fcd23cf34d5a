"""The command `acgan`: its commands, and how every error ends it."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from acgan.cli.compare import compare
from acgan.cli.compare_objectives import compare_objectives
from acgan.cli.evaluate import evaluate
from acgan.cli.explain import explain
from acgan.cli.inspect import inspect
from acgan.cli.interpolate import interpolate
from acgan.cli.recipes import recipes
from acgan.cli.runs import runs
from acgan.cli.sample import sample
from acgan.cli.show import show
from acgan.cli.train import train
from acgan.errors import AcganError
from acgan.version import __version__

_EPILOG = """\b
Exit codes: 0 done · 1 a fault of acgan itself · 2 wrong option, name or
combination · 3 images, labels or a model that cannot be used · 4 training
diverged · 5 the disk refused · 130, 143 stopped by Ctrl-C or a signal.
\b
Messages go to stderr, results to stdout; --json prints them as JSON.
"""
_FEWER_COLLECTIONS = 100_000  # objects made between two of the garbage collector's rounds
_REPORT = "set ACGAN_DEBUG=1 and repeat the command to see where, and please report it"

app = typer.Typer(
    name="acgan",
    help="Train a class-conditional GAN on labeled images and draw the class you ask for.",
    epilog=_EPILOG,
    add_completion=False,
    rich_markup_mode=None,  # rich would double the time that --help takes
    pretty_exceptions_enable=False,
)
_COMMANDS = (train, sample, evaluate, compare, interpolate, inspect, show, runs, recipes, explain)
for command in _COMMANDS:
    app.command()(command)
app.command("compare-objectives")(compare_objectives)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Options before the command."""


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command line and end the process with its documented exit code.

    Args:
        arguments: by default those of the process; none at all means ``--help``.
    """
    # Torch makes 180 000 objects that live to the end. Python would go through them again and again
    # while it is imported, and once more when it ends: a quarter of a short command's time.
    gc.set_threshold(_FEWER_COLLECTIONS)
    exit_code = execute(sys.argv[1:] if arguments is None else arguments)
    gc.freeze()
    sys.exit(exit_code)


def execute(arguments: Sequence[str]) -> int:
    """Run a command line; whatever goes wrong becomes one sentence on stderr.

    Returns:
        The documented exit code.
    """
    try:
        outcome = app(list(arguments) or ["--help"], prog_name="acgan", standalone_mode=False)
        return outcome if isinstance(outcome, int) else 0
    except AcganError as error:
        return _fail(str(error), error.exit_code)
    except typer.TyperException as error:
        message = error.format_message()
        context = getattr(error, "ctx", None)
        help_command = f"{context.command_path if context else 'acgan'} --help"
        return _fail(f"{message[:1].lower()}{message[1:]} (see {help_command})", error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("stopped", 130)
    except Exception as error:
        if os.environ.get("ACGAN_DEBUG"):
            traceback.print_exc()
        detail = " ".join(str(error).split())
        return _fail(f"a fault of acgan itself: {type(error).__name__}: {detail}; {_REPORT}", 1)


def _fail(sentence: str, exit_code: int) -> int:
    print(f"acgan: {sentence}", file=sys.stderr)
    return exit_code
