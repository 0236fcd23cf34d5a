"""All named data sets: importing this module fills the registry."""

from __future__ import annotations

from acgan.data import digits, mnist_family, mnist_pairs, torchvision_sets
from acgan.data.named import NAMED_SETS

__all__ = ["NAMED_SETS", "digits", "mnist_family", "mnist_pairs", "torchvision_sets"]
