"""Everything that can go wrong for a person, as one sentence each, with its documented exit code.

Raise one of these whenever the cause lies in what a person gave (a file, an option, a disk); the
command line prints the message without a traceback and exits with ``exit_code``.
"""

from __future__ import annotations

from abc import ABC
from typing import ClassVar, final


class AcganError(Exception, ABC):
    """Base of all errors whose message is meant for a person: it says what to do."""

    exit_code: ClassVar[int]


@final
class UsageError(AcganError):
    """A wrong option, name or combination (exit code 2)."""

    exit_code = 2


@final
class DataError(AcganError):
    """The images or labels cannot be used (exit code 3)."""

    exit_code = 3


@final
class DivergedError(AcganError):
    """Training produced non-finite values again and again (exit code 4)."""

    exit_code = 4


@final
class DiskError(AcganError):
    """A file could not be written: no space, read-only, no permission (exit code 5)."""

    exit_code = 5


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun in the right number, for messages.

    >>> counted(1, "file"), counted(2000, "class", "classes")
    ('1 file', '2,000 classes')
    """
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
