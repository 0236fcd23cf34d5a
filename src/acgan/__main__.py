"""`python -m acgan` is `acgan`."""

from acgan.cli.main import run

run()
