"""The command `acgan`: its commands, and the exit code of every error."""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from acgan.cli.output import result
from acgan.errors import AcganError, DiskError, UsageError, escaped, is_out_of_memory, shown
from acgan.storage.streams import guarded_streams
from acgan.training.signals import STOP_SIGNALS
from acgan.version import __version__

_EPILOG = """Exit codes: 0 success · 1 internal error · 2 wrong option, name or combination · 3 \
unusable images, labels or model · 4 training diverged · 5 a file cannot be written · 130, 143 \
stopped by Ctrl-C or a signal.

Results go to stdout (with --json as JSON, errors too), messages to stderr."""
_FEWER_COLLECTIONS = 100_000  # new objects between two rounds of the garbage collector
_STOPPED = "stopped; what was saved is kept, and the same command continues or starts again"
# How long a thread of OpenMP spins before it sleeps. The default of 300,000 rounds costs as much on
# a busy machine as sleeping at once does on an idle one; this has neither cost
# (`benchmarks/threads.py`). It must be set before torch is imported.
_SPIN_COUNT = "10000"
_PLAIN = {  # words of the parser of options
    "Value error, ": "",
    "Input should be greater than or equal to": "it must be at least",
    "Input should be less than or equal to": "it must be at most",
    "Input should be a valid integer, unable to parse string as an integer": (
        "it must be a whole number"
    ),
    "Input should be a valid number, unable to parse string as a number": "it must be a number",
}
_REPORT = "set ACGAN_DEBUG=1 and repeat the command for a traceback, and please report it"

app = typer.Typer(
    name="acgan",
    help="Train a class-conditional GAN on labeled images, then generate the class you want.",
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
_COMMANDS = (  # in the order of --help; each is a function in a module of that name
    *("train", "sample", "evaluate", "compare", "interpolate", "inspect", "show", "runs"),
    *("cache", "recipes", "explain", "compare_objectives", "doctor"),
)
for name in _COMMANDS:
    module = import_module(f"acgan.cli.{name}")
    function = getattr(module, name)
    app.command(
        name.replace("_", "-"),
        # typer keeps single line breaks, which would end lines in the middle
        help="\n\n".join(" ".join(each.split()) for each in function.__doc__.split("\n\n")),
        epilog=f"Example: {module.EXAMPLE}",
    )(function)


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
    # Importing torch creates 180,000 objects that live to the end. Collecting them repeatedly, and
    # once more at exit, would take a quarter of a short command's time.
    gc.set_threshold(_FEWER_COLLECTIONS)
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPIN_COUNT)
    exit_code = execute(sys.argv[1:] if arguments is None else arguments)
    gc.freeze()
    sys.exit(exit_code)


def execute(arguments: Sequence[str]) -> int:
    """Run a command line; print every error as one sentence on stderr, with --json on stdout too.

    Returns:
        The documented exit code.
    """
    with guarded_streams():
        sentence, exit_code = _outcome(list(arguments) or ["--help"])
        if sentence:
            sentence = escaped(sentence)
            print(f"acgan: {sentence}", file=sys.stderr, flush=True)
            if "--json" in arguments:
                with suppress(DiskError):  # stdout may be what failed
                    result({"error": sentence, "exit_code": exit_code}, "", as_json=True)
        return exit_code


def _outcome(arguments: list[str]) -> tuple[str, int]:
    """Run a command line; return the sentence of its error, or "", and the exit code."""
    stopped: list[signal.Signals] = []
    try:
        with _stop_signals(stopped):
            outcome = app(arguments, prog_name="acgan", standalone_mode=False)
            sys.stdout.flush()
            if stopped:  # typer has returned 130 for it
                raise KeyboardInterrupt
            return "", outcome if isinstance(outcome, int) else 0
    except AcganError as error:
        return str(error), error.exit_code
    except typer.TyperException as error:
        message = error.format_message()
        for long, plain in _PLAIN.items():
            message = message.replace(long, plain)
        context = getattr(error, "ctx", None)
        help_command = f"{context.command_path if context else 'acgan'} --help"
        sentence = f"{message[:1].lower()}{message[1:]} (see {help_command})"
        return sentence, error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return _STOPPED, STOP_SIGNALS[stopped[0] if stopped else signal.SIGINT]
    except Exception as error:
        if stopped:  # some libraries turn an interruption of their import into an ImportError
            return _STOPPED, STOP_SIGNALS[stopped[0]]
        if os.environ.get("ACGAN_DEBUG"):
            traceback.print_exc()
        detail = " ".join(str(error).split())
        internal = f"internal error: {type(error).__name__}: {detail}; {_REPORT}", 1
        limit = _limit_of_machine(error)
        return (limit, UsageError.exit_code) if limit else internal


def _limit_of_machine(error: Exception) -> str:
    """Return a sentence if a path or a size is beyond what the machine can do, else ""."""
    if isinstance(error, OSError) and error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
        return f"cannot use the path {shown(str(error.filename))}: {error.strerror}; choose another"
    if is_out_of_memory(error):
        return (
            "the machine has not enough memory for this command; use smaller images (--image-size),"
            " batches (-o training.batch_size=N) or networks, a lower --count, or stop other "
            "programs"
        )
    return ""


@contextmanager
def _stop_signals(received: list[signal.Signals]) -> Iterator[None]:
    """Within this context, a stopping signal is noted and raises KeyboardInterrupt."""

    def receive(number: int, _frame: FrameType | None) -> None:
        received.append(signal.Signals(number))
        raise KeyboardInterrupt

    before: dict[signal.Signals, Any] = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in STOP_SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, background jobs
                    before[number] = signal.signal(number, receive)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
