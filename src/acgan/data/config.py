"""DataConfig: the source of the images, their split, and the subset of them to use."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, final

from pydantic import BeforeValidator, Field, model_validator

from acgan.config import Config
from acgan.errors import UsageError, shown

LARGEST_SIDE = 4096
_SIZE = re.compile(r"(\d{1,5})(?:\s*[x×,]\s*(\d{1,5}))?", re.IGNORECASE)


def parse_image_size(text: str) -> tuple[int, int]:
    """Parse ``64`` (square) or ``48x64`` (height × width) into height and width in pixels.

    Raises:
        UsageError: the text has neither form, or a side is 0 or above ``LARGEST_SIDE``.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"the image size {shown(text)} is neither a number (64) nor height x width (48x64)"
        )
    height, width = int(match[1]), int(match[2] or match[1])
    if not 1 <= min(height, width) <= max(height, width) <= LARGEST_SIDE:
        raise UsageError(
            f"the image size {shown(text)} has a side outside 1 to {LARGEST_SIDE} pixels"
        )
    return height, width


def _parse_size_field(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str):
        try:
            return parse_image_size(value)
        except UsageError as error:
            raise ValueError(str(error)) from None
    return value


BadFiles = Literal["refuse", "skip"]
Side = Annotated[int, Field(ge=1, le=LARGEST_SIDE)]


@final
class DataConfig(Config):
    """The data that a model is trained on.

    Attributes:
        source: name of a data set (``digits``, ``mnist`` …), or path of a folder or zip of images.
        root: folder of local copies and downloads of named sets; None for ``ACGAN_DATA``, else the
            user's cache folder.
        image_size: height and width in pixels to resize every image to; None to keep the size. A
            single number or ``48x64`` is accepted too.
        white_level: the value of white in images of 16 bits per channel, such as 4095 for 12 bits
            in 16; larger values become white. None for 65535. It does not concern images of 8 bits
            or files that declare their range (PGM, TIFF of 12 bits).
        bad_files: ``refuse`` to start if files cannot be used, or ``skip`` them.
        fraction: share of each class's training images to use, in (0, 1].
        per_class: use at most this number of training images of each class.
        long_tail: exponential class imbalance: the ratio of the first class's training images to
            the last one's (Cui et al. 2019, section 5).
        labeled_per_class: at most this number of training images of each class keep their label;
            training uses the others without one (`acgan.data.images.DatasetSplits.labeled`). They
            are the images that ``per_class`` would select. None keeps all labels.
        only_class: names of the classes to use, in all splits; empty for all.
        validation_share: share of the training images that becomes the validation split, if the
            source has none.
        test_share: likewise for the test split.
        cache: folder for decoded images; None for ``ACGAN_CACHE``, else the user's cache folder.
        split_seed: seed of the splits and of every subset.
    """

    source: Annotated[str, Field(min_length=1)] = "digits"
    root: str | None = None
    image_size: Annotated[tuple[Side, Side] | None, BeforeValidator(_parse_size_field)] = None
    white_level: Annotated[int, Field(ge=1, le=65535)] | None = None
    bad_files: BadFiles = "refuse"
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
        subsets = ("fraction", "per_class", "long_tail")
        chosen = [name for name in subsets if getattr(self, name) is not None]
        if len(chosen) > 1:
            raise ValueError(f"{' and '.join(chosen)} exclude each other; set only one of them")
        if self.validation_share + self.test_share >= 1:
            raise ValueError(
                "validation_share and test_share leave no training images; their sum must be "
                "less than 1"
            )
        return self
