"""The registry of named data sets: a name, and a function from the data root to a Source.

The modules that register sets are imported here, once; all of them import torchvision only when a
set needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from acgan.data.source import Source
from acgan.registry import Registry

NAMED_SETS: Registry[Callable[[Path], Source]] = Registry("data set")

DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
DIGIT_ALIASES = tuple((str(digit),) for digit in range(10))
