"""What decoding changed: the conversions of one file, and their summary over a set.

The summary is small however many files there are, and is cached with the decoded images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, final

_NOTED_SHARE = 0.75  # an aspect ratio of 3:4 in a square is ordinary
_LARGEST_16_BITS = 65535


@final
class Conversion(StrEnum):
    """A change of one image, worded to follow "3 of 60 images: "."""

    ORIENTED = "rotated or flipped according to the orientation tag (EXIF)"
    BLENDED = "transparent pixels blended with white"
    FROM_16_BITS = "16 bits per channel scaled to 8"
    TO_COLOR = "gray, converted to color because other images are in color"
    PROFILE = "converted from the embedded ICC profile to sRGB"
    BAD_PROFILE = "ICC profile ignored: broken or of another color space"
    GAMMA = "gamma or primaries other than those of sRGB ignored (PNG chunks gAMA, cHRM)"
    FIRST_FRAME = "only the first page or frame used"
    ASPECT = "pixels that are not square used as square ones"
    CLIPPED = "values above data.white_level became white"


class Header(NamedTuple):
    """Size of an image in pixels, as displayed, and whether it is gray."""

    height: int
    width: int
    gray: bool


class Conversions(NamedTuple):
    """The conversions of one image, and its largest sample if it has 16 bits per channel."""

    kinds: frozenset[Conversion]
    largest: int | None = None


@final
@dataclass
class ConversionSummary:
    """Conversions of a set of images that all become (height, width).

    Attributes:
        images: number of images.
        counts: number of images of each conversion, by its name.
        cropped: number of images of which the center crop keeps less than three quarters.
        least_kept: the smallest kept share, height and width of its image, and its path.
        enlarged: number of images that are smaller than the result.
        smallest: height and width of the one that is enlarged most, and its path.
        largest: the largest sample of all images of 16 bits per channel; None without any.
    """

    images: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    cropped: int = 0
    least_kept: tuple[float, int, int, str] | None = None
    enlarged: int = 0
    smallest: tuple[float, int, int, str] | None = None
    largest: int | None = None

    def clear(self) -> None:
        """Forget all images."""
        vars(self).update(vars(ConversionSummary()))

    def add(
        self, path: str, header: Header, changes: Conversions, channels: int, size: tuple[int, int]
    ) -> None:
        """Count one image that was decoded to ``channels`` and ``size``."""
        self.images += 1
        self.counts.update(kind.name for kind in changes.kinds)
        if header.gray and channels == 3:
            self.counts[Conversion.TO_COLOR.name] += 1
        if changes.largest is not None:
            self.largest = max(changes.largest, self.largest or 0)
        vertical, horizontal = size[0] / header.height, size[1] / header.width
        kept = min(vertical, horizontal) / max(vertical, horizontal)
        if kept < _NOTED_SHARE:
            self.cropped += 1
            one = (kept, header.height, header.width, path)
            self.least_kept = min(one, self.least_kept or one)
        if max(vertical, horizontal) > 1:
            self.enlarged += 1
            one = (1 / max(vertical, horizontal), header.height, header.width, path)
            self.smallest = min(one, self.smallest or one)

    def to_json(self) -> dict[str, Any]:
        """Return the values as JSON."""
        return dict(vars(self))

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> ConversionSummary:
        """Read the values of `to_json`."""
        return ConversionSummary(**{**values, "counts": Counter(values["counts"])})

    def notes(self, size: tuple[int, int], white_level: int | None) -> Iterator[str]:
        """Yield a sentence about each conversion to (height, width) ``size``, with counts."""
        shape = f"{size[0]}×{size[1]}"
        if self.cropped and self.least_kept:
            kept, height, width, path = self.least_kept
            yield (
                f"{self._of(self.cropped)}: the center crop to {shape} keeps less than "
                f"{100 * _NOTED_SHARE:.0f} % of the pixels (least: {100 * kept:.2g} % of {path}, "
                f"{height}×{width}); an --image-size HEIGHTxWIDTH of their shape keeps more"
            )
        if self.enlarged and self.smallest:
            _, height, width, path = self.smallest
            yield (
                f"{self._of(self.enlarged)}: enlarged to {shape} (smallest: {path}, "
                f"{height}×{width}), which adds no detail"
            )
        for kind in Conversion:
            if self.counts[kind.name]:
                yield f"{self._of(self.counts[kind.name])}: {kind}"
        yield from self._range_notes(white_level)

    def _range_notes(self, white_level: int | None) -> Iterator[str]:
        largest = self.largest
        if white_level is not None and largest is None:
            yield "data.white_level has no effect: no image has 16 bits of an undeclared range"
        if white_level is None and largest and largest <= _LARGEST_16_BITS // 2:
            share = 100 * largest / _LARGEST_16_BITS
            level = (1 << largest.bit_length()) - 1
            yield (
                f"the 16-bit values use only {share:.2g} % of their range (0 to {largest} of "
                f"{_LARGEST_16_BITS}), so contrast is lost; if the range ends at {level}, set "
                f"-o data.white_level={level}"
            )

    def _of(self, count: int) -> str:
        return f"{count} of {self.images} images"
