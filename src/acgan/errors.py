"""Errors with a message for users: one sentence each, with its documented exit code; names in it.

Raise one of these when the cause is something that the user provided (a file, an option, a disk).
The command line prints the message without a traceback and exits with ``exit_code``.
"""

from __future__ import annotations

import difflib
import re
import shlex
import textwrap
import unicodedata
from abc import ABC
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, final

LINE_CHARACTERS = 120
"""The longest line of progress and results."""
_LISTED = 20  # names in a message
_LONGEST = 60  # characters of a name in a message
_JOINERS = "\u200c\u200d"  # invisible, but Persian, Hindi and emoji need them
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\udc80-\udcff]")
_OUT_OF_MEMORY = re.compile("can't allocate memory|out of memory", re.IGNORECASE)  # torch's words
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U(00(?:0[0-9a-f]|10)[0-9a-f]{4}))")


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


def printable(text: str) -> str:
    r"""Return text in NFC with escapes for control characters, and for bytes that are not UTF-8.

    >>> printable("a\tb"), printable("b\udcff"), printable("e\u0301") == "\u00e9"
    ('a\\x09b', 'b\\xff', True)
    """
    return "".join(
        c if c.isprintable() or c in _JOINERS else _escape(ord(c))
        for c in unicodedata.normalize("NFC", text)
    )


def escaped(text: str) -> str:
    r"""Return text of several lines with escapes for characters that steer a terminal.

    >>> escaped("a\x1b[2J\nb")
    'a\\x1b[2J\nb'
    """
    return _STEERING.sub(lambda found: _escape(ord(found[0])), text)


def _escape(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8 (surrogateescape)
        code -= 0xDC00
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def normal_form(text: str) -> str:
    """Return what a reader sees of a name: equal for spellings that look the same.

    Composed and decomposed letters, spaces of any width, invisible characters, and an escape of
    `printable` instead of its character make no difference.
    """
    plain = _ESCAPE.sub(lambda found: chr(int(found[found.lastindex or 0], 16)), printable(text))
    seen = (c for c in plain if unicodedata.category(c) != "Cf" and not "\ufe00" <= c <= "\ufe0f")
    return unicodedata.normalize("NFC", " ".join("".join(seen).split()))


def folded(text: str) -> str:
    """Return the `normal_form` without differences of case, for looking a name up."""
    return unicodedata.normalize("NFC", normal_form(text).casefold())


def brief(name: str, most: int = _LONGEST) -> str:
    """Return a name for a message: printable, and shortened to ``most`` characters."""
    text = printable(name)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def shortened(text: str, most: int = LINE_CHARACTERS) -> str:
    """Return a text of at most so many characters, cut in the middle."""
    if len(text) <= most:
        return text
    end = most // 2
    return f"{text[: most - end - 1]}…{text[-end:]}"


def wrapped(text: str, width: int = LINE_CHARACTERS) -> str:
    """Break a text between words into lines of at most ``width`` characters, later ones indented.

    No-break spaces join words, and an option stays with its value. A word longer than a line, such
    as a path, is cut in the middle.
    """
    most = max(2, width - 6)
    text = re.sub(r"(?<!\S)(--?[a-z][a-z-]*) (?=\S)", "\\1\xa0", text)
    words = re.sub(rf"\S{{{most},}}", lambda found: shortened(found[0], most), text)
    indent = words[: len(words) - len(words.lstrip(" "))] + "  "
    return textwrap.fill(words, width, subsequent_indent=indent, break_on_hyphens=False).replace(
        "\xa0", " "
    )


def shown(name: str) -> str:
    """Return a name as `brief`, in quotes."""
    text = brief(name)
    return f'"{text}"' if "'" in text else f"'{text}'"


def listed(names: Iterable[str], most: int = _LISTED) -> str:
    """Return names as `brief`, in quotes where a comma would divide one.

    >>> listed(["zero", "T-shirt, top", "nine"], most=2)
    "zero, 'T-shirt, top', …"
    """
    texts = [shown(name) if "," in name else brief(name) for name in names]
    return ", ".join(texts[:most]) + ", …" * (len(texts) > most)


def quoted(names: Iterable[str], most: int = 3) -> str:
    """Return names as `shown`, and the number of those beyond ``most``.

    >>> quoted(["train", "dev", "test"], most=2)
    "'train', 'dev' and 1 more"
    """
    texts = list(map(shown, names))
    return ", ".join(texts[:most]) + f" and {len(texts) - most} more" * (len(texts) > most)


def suggestion(wrong: str, known: Iterable[str], heading: str) -> str:
    """Return the closest known name as a question, if one is close, and the list of known names.

    >>> suggestion("sevn", ["zero", "seven"], "Classes")
    "did you mean 'seven'? Classes: zero, seven"
    >>> suggestion("cat", ["zero", "seven"], "Classes")
    'classes: zero, seven'
    """
    names = list(known)
    by_folded = {folded(name): name for name in names}
    close = difflib.get_close_matches(folded(wrong)[: 2 * _LONGEST], by_folded, n=1)
    if not close:
        return f"{heading.lower()}: {listed(names)}"
    return f"did you mean {shown(by_folded[close[0]])}? {heading}: {listed(names)}"


def command(*words: str | Path) -> str:
    """Return a command line that a shell reads as these words; a path is never an option.

    >>> command("acgan", "evaluate", Path("my runs/a")), command("acgan", "evaluate", Path("-x"))
    ("acgan evaluate 'my runs/a'", 'acgan evaluate ./-x')
    """
    return shlex.join(map(argument, words))


def argument(word: str | Path) -> str:
    """Return a word of a command line; a path such as -x gets ./ before it."""
    dashed = isinstance(word, Path) and str(word).startswith("-")
    return f"./{word}" if dashed else str(word)


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """Return the error for a name that is not among the known ones.

    >>> print(unknown_name("recipe", "smal-gray", ["small-gray"]))
    no recipe 'smal-gray'; did you mean 'small-gray'? Recipes: small-gray
    """
    return UsageError(
        f"no {kind} {shown(name)}; {suggestion(name, known, f'{kind.capitalize()}s')}"
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether Python, numpy or torch could not allocate memory."""
    allocating = isinstance(error, RuntimeError) and _OUT_OF_MEMORY.search(str(error))
    return bool(allocating) or isinstance(error, MemoryError)


def find_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that ``name`` spells, or None; an exact one wins over other case."""
    names = list(known)
    return name if name in names else {folded(each): each for each in names}.get(folded(name))
