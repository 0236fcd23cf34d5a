"""DataConfig: which images, how they are cut into parts, and which of them are used."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, final

from pydantic import BeforeValidator, Field, model_validator

from acgan.config import Config
from acgan.errors import UsageError

LARGEST_SIDE = 4096
_SIZE = re.compile(r"(\d{1,5})(?:\s*[x×,]\s*(\d{1,5}))?", re.IGNORECASE)


def parse_image_size(text: str) -> tuple[int, int]:
    """Height and width in pixels from ``64`` (square) or ``48x64`` (height × width).

    Raises:
        UsageError: the text is neither, or a side is 0 or above ``LARGEST_SIDE``.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"the image size {text!r} is neither a number (64) nor height x width (48x64)"
        )
    height = int(match[1])
    width = int(match[2] or match[1])
    if not (1 <= height <= LARGEST_SIDE and 1 <= width <= LARGEST_SIDE):
        raise UsageError(f"the image size {text!r} has a side outside 1 to {LARGEST_SIDE} pixels")
    return height, width


def _size_of_anything(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str):
        try:
            return parse_image_size(value)
        except UsageError as error:
            raise ValueError(str(error)) from None
    return value


Side = Annotated[int, Field(ge=1, le=LARGEST_SIDE)]


@final
class DataConfig(Config):
    """What to learn from.

    Attributes:
        source: name of a set (``digits``, ``mnist`` …), or path of a folder or zip of images.
        root: folder of local copies and downloads of named sets; None = ``ACGAN_DATA``, else the
            user's cache folder.
        image_size: height and width to bring every image to; None = as the images are. A single
            number or ``48x64`` is taken too.
        bad_files: what to do about files that cannot be used: refuse to start, or leave them out.
        fraction: share of each class's training images to use, in (0, 1].
        per_class: at most so many training images of each class.
        long_tail: exponential class imbalance; how many times as many images the first class has
            as the last (Cui et al. 2019, section 5).
        labeled_per_class: at most so many training images of each class keep their label; the
            others are learned from without (`acgan.data.images.DatasetSplits.labeled`). They are
            those
            that ``per_class`` would keep. None = all.
        only_class: names of the classes to keep, in all three parts; empty = all.
        validation_share: share of a source's training images that becomes the validation part,
            where the source brings no validation part of its own.
        test_share: likewise for the test part.
        cache: folder for decoded images; None = ``ACGAN_CACHE``, else the user's cache folder.
        split_seed: seed of the cut into parts and of every subset.
    """

    source: Annotated[str, Field(min_length=1)] = "digits"
    root: str | None = None
    image_size: Annotated[tuple[Side, Side] | None, BeforeValidator(_size_of_anything)] = None
    bad_files: Literal["refuse", "skip"] = "refuse"
    fraction: Annotated[float, Field(gt=0, le=1)] | None = None
    per_class: Annotated[int, Field(ge=1)] | None = None
    long_tail: Annotated[float, Field(ge=1)] | None = None
    labeled_per_class: Annotated[int, Field(ge=1)] | None = None
    only_class: tuple[str, ...] = ()
    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.1
    test_share: Annotated[float, Field(gt=0, lt=1)] = 0.1
    cache: str | None = None
    split_seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _consistent(self) -> DataConfig:
        chosen = [
            name
            for name in ("fraction", "per_class", "long_tail")
            if getattr(self, name) is not None
        ]
        if len(chosen) > 1:
            raise ValueError(f"{' and '.join(chosen)} exclude each other; give one of them")
        if self.validation_share + self.test_share >= 1:
            raise ValueError(
                "validation_share and test_share together leave nothing to train on; "
                "they must add up to less than 1"
            )
        return self
