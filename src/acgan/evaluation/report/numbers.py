"""Numbers as a person reads them: three significant digits, a dash for what is undefined."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from acgan.evaluation.section import Aim

DASH = "–"
AIMS: dict[Aim, tuple[str, str]] = {
    "low": ("↓", "lower is better"),
    "high": ("↑", "higher is better"),
    "one": ("→ 1", "near 1 is better"),
    "floor": ("→ floor", "near the floor is better"),
}
"""Sign and words for which way is better."""

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_HASH = re.compile(r"[0-9a-f]{40,}")
_SHOWN_OF_HASH = 12
_MOST_DECIMALS = 5


def number(value: float | int | None) -> str:
    """A number in text.

    Whole numbers in full; others with three significant digits, four decimals from .99 to 1 (an
    accuracy of .9934 is not .993), powers of ten below .0001; a dash where it is undefined.

    >>> [number(x) for x in (12345, 0.17512, 0.99343, 5.3, 0.0, 1234.5, 4.31e-6, None)]
    ['12,345', '0.175', '0.9934', '5.30', '0', '1,234', '4.31 × 10⁻⁶', '–']
    """
    if value is None or not math.isfinite(value):
        return DASH
    if isinstance(value, int) or value == 0:
        return f"{int(value):,}"
    size = abs(value)
    if size < 1e-4 or size >= 1e9:
        mantissa, exponent = f"{value:.2e}".split("e")
        return _signed(f"{mantissa} × 10{str(int(exponent)).translate(_SUPERSCRIPTS)}")
    return _signed(f"{value:,.{4 if 0.99 <= size < 1 else _decimals(size)}f}")


def column(values: Sequence[float | None]) -> list[str]:
    """Numbers that stand below each other, with as many decimals as the middle one needs.

    >>> column((0.61612, 1.05123, None, 0.0981))
    ['0.616', '1.051', '–', '0.098']
    """
    known = sorted(abs(each) for each in values if each and math.isfinite(each))
    decimals = min(_decimals(known[len(known) // 2]), _MOST_DECIMALS) if known else 0
    return [
        number(each)
        if not each or not math.isfinite(each) or abs(each) < 10**-decimals
        else _signed(f"{each:,.{decimals}f}")
        for each in values
    ]


def _decimals(size: float) -> int:
    """So many that three digits show."""
    return max(0, 2 - math.floor(math.log10(size)))


def _signed(text: str) -> str:
    """With a minus sign instead of a hyphen in front."""
    return f"−{text[1:]}" if text.startswith("-") else text


def interval(ends: tuple[float, float] | None) -> str:
    """Both ends of an interval; empty where there is none.

    >>> interval((0.1612, 0.1925)), interval(None)
    ('0.161 to 0.193', '')
    """
    return " to ".join(column(ends)) if ends else ""


def mean_and_spread(mean: float, deviation: float) -> str:
    """A mean and its standard deviation: two digits of the latter, as many decimals of the former.

    >>> mean_and_spread(0.17712, 0.00265), mean_and_spread(13.27, 2.31), mean_and_spread(0.5, 0.0)
    ('0.1771 ± 0.0027', '13.3 ± 2.3', '0.500 ± 0')
    """
    if not 1e-6 < deviation < 1e6:
        return f"{number(mean)} ± {number(deviation)}"
    decimals = max(0, _decimals(deviation) - 1)
    return f"{_signed(f'{mean:,.{decimals}f}')} ± {deviation:,.{decimals}f}"


def in_floors(value: float | None, floor: float | None) -> str:
    """How many floors a distance is high; empty where that means nothing.

    >>> in_floors(0.175, 0.031), in_floors(0.2, 0.0)
    ('5.6 × floor', '')
    """
    if value is None or floor is None or floor <= 0 or not math.isfinite(value / floor):
        return ""
    times = value / floor
    return f"{times:,.1f} × floor" if times < 100 else f"{times:,.0f} × floor"


def duration(seconds: float) -> str:
    """A time span.

    >>> duration(0.84), duration(12.3), duration(187)
    ('0.8 s', '12 s', '3 min 07 s')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02} s"


def fact(value: Any, *, full: bool = False) -> str:
    """A fact of a protocol, as text: lists with commas, hashes shortened unless ``full``.

    >>> fact([100, 100]), fact(None), fact(True), fact("ab" * 32)
    ('100, 100', '–', 'yes', 'abababababab…')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, int | float):
        return number(value)
    if isinstance(value, Mapping):
        parts = (f"{words(str(key))}: {fact(each, full=full)}" for key, each in value.items())
        return "; ".join(parts)
    if isinstance(value, list | tuple):
        if len(value) > 2 and all(each == value[0] for each in value):
            return f"{len(value)} × {fact(value[0], full=full)}"
        return ", ".join(fact(each, full=full) for each in value)
    text = str(value)
    return f"{text[:_SHOWN_OF_HASH]}…" if _HASH.fullmatch(text) and not full else text


def words(key: str) -> str:
    """A key as words.

    >>> words("reference_images")
    'reference images'
    """
    return key.replace("_", " ")
