"""Errors with a message for users: one sentence each, with its documented exit code.

Raise one of these when the cause is something that the user provided (a file, an option, a disk).
The command line prints the message without a traceback and exits with ``exit_code``.
"""

from __future__ import annotations

import difflib
from abc import ABC
from collections.abc import Iterable
from typing import ClassVar, final

_LISTED = 20  # names in a message


class AcganError(Exception, ABC):
    """Base of all errors whose message is for users: what is wrong, where, and what to do."""

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


def suggestion(wrong: str, known: Iterable[str], heading: str) -> str:
    """Return the closest known name as a question, if one is close, and the list of known names.

    >>> suggestion("sevn", ["zero", "seven"], "Classes")
    "did you mean 'seven'? Classes: zero, seven"
    """
    names = list(known)
    by_folded = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(wrong.casefold(), by_folded, n=1)
    question = f"did you mean {by_folded[close[0]]!r}? " if close else ""
    return f"{question}{heading}: {', '.join(names[:_LISTED])}{', …' * (len(names) > _LISTED)}"


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """Return the error for a name that is not among the known ones.

    >>> print(unknown_name("recipe", "smal-gray", ["small-gray"]))
    no recipe 'smal-gray'; did you mean 'small-gray'? Recipes: small-gray
    """
    return UsageError(f"no {kind} {name!r}; {suggestion(name, known, f'{kind.capitalize()}s')}")
