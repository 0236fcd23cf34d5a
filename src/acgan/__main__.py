"""Entry point of the command `acgan` and of `python -m acgan`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line of this process; Ctrl-C while it is imported is exit code 130 too."""
    try:
        from acgan.cli.main import run

        run()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            sys.stderr.write("acgan: stopped\n")
        sys.exit(130)


if __name__ == "__main__":  # not in the processes that a library spawns
    main()
