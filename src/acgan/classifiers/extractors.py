"""Which pretrained extractors there are: the name a person writes, and what builds it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from acgan.classifiers.efficientnet_lite0 import load_efficientnet_lite0
from acgan.classifiers.extractor import Extractor
from acgan.classifiers.inception import load_inception
from acgan.registry import Registry

Builder = Callable[[Path | None], Extractor]
"""Of a file of Inception's weights or None, which the others pass over."""

EXTRACTORS: Registry[Builder] = Registry("extractor")


@EXTRACTORS.register("efficientnet-lite0")
def _efficientnet_lite0(_inception_weights: Path | None) -> Extractor:
    return load_efficientnet_lite0()


@EXTRACTORS.register("inception")
def _inception(inception_weights: Path | None) -> Extractor:
    return load_inception(inception_weights)


def build_extractor(name: str, *, inception_weights: Path | None = None) -> Extractor:
    """The pretrained extractor of that name, ready to answer (the judge comes with the data).

    Args:
        name: one of `EXTRACTORS`: ``efficientnet-lite0`` or ``inception``.
        inception_weights: a file of Inception's weights; None to look for it, or download it.

    Raises:
        UsageError: there is no extractor of that name.
        DataError: its weights cannot be had.
    """
    return EXTRACTORS[name](inception_weights)
