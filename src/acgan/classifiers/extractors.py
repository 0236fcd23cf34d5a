"""Which extractors there are: the name a person writes, and what builds it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from acgan.classifiers.efficientnet_lite0 import load_efficientnet_lite0
from acgan.classifiers.extractor import Extractor
from acgan.classifiers.inception import load_inception
from acgan.registry import Registry

Builder = Callable[[Extractor, Path | None], Extractor]
"""Of the judge fitted to the data, and a file of Inception's weights or None."""

EXTRACTORS: Registry[Builder] = Registry("extractor")


@EXTRACTORS.register("judge")
def _judge(judge: Extractor, _inception_weights: Path | None) -> Extractor:
    return judge


@EXTRACTORS.register("efficientnet-lite0")
def _efficientnet_lite0(_judge: Extractor, _inception_weights: Path | None) -> Extractor:
    return load_efficientnet_lite0()


@EXTRACTORS.register("inception")
def _inception(_judge: Extractor, inception_weights: Path | None) -> Extractor:
    return load_inception(inception_weights)


def build_extractor(
    name: str, *, judge: Extractor, inception_weights: Path | None = None
) -> Extractor:
    """The extractor of that name, ready to answer.

    Args:
        name: one of `EXTRACTORS`: ``judge``, ``efficientnet-lite0`` or ``inception``.
        judge: what ``judge`` stands for, since it belongs to the data.
        inception_weights: a file of Inception's weights; None to look for it, or download it.

    Raises:
        UsageError: there is no extractor of that name.
        DataError: its weights cannot be had.
    """
    return EXTRACTORS[name](judge, inception_weights)
