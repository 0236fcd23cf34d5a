"""The image sizes that an architecture can work with, checked before any weights are made."""

from __future__ import annotations

from collections.abc import Callable

from acgan.data.images import ImageShape
from acgan.errors import UsageError

_LARGEST_SIDE = 4096


def start_size(shape: ImageShape, doublings: int) -> tuple[int, int]:
    """Return the height and width that ``doublings`` doublings turn into ``shape``.

    Raises:
        UsageError: there are none; the message names the nearest sizes that work.
    """
    factor = 2**doublings
    if not _divisible(shape, factor):
        raise UsageError(
            f"{shape.height}×{shape.width} cannot be built by {doublings} "
            f"doubling{'s' if doublings > 1 else ''}; {_nearest(shape, factor)} can: choose such "
            "a size with --image-size, or a generator with fewer stages"
        )
    return shape.height // factor, shape.width // factor


def require_squares(shape: ImageShape, side: int) -> None:
    """Check that squares of ``side`` pixels tile the images.

    Raises:
        UsageError: they do not; the message names the nearest sizes that work.
    """
    if not _divisible(shape, side):
        raise UsageError(
            f"{shape.height}×{shape.width} cannot be cut into squares of {side}×{side} pixels; "
            f"{_nearest(shape, side)} can: choose such a size with "
            "--image-size, or -o discriminator.unshuffle=1"
        )


def require_discriminable(shape: ImageShape, smallest_result: Callable[[int], int]) -> None:
    """Check that the images are large enough for a stack of convolutions.

    Args:
        shape: of the images.
        smallest_result: from a side of the image to the side at the narrowest layer; below 1
            where a kernel does not fit.

    Raises:
        UsageError: they are not; the message names the smallest size that works.
    """
    if min(smallest_result(shape.height), smallest_result(shape.width)) >= 1:
        return
    least = next((side for side in range(1, _LARGEST_SIDE) if smallest_result(side) >= 1), None)
    advice = (
        f"images of {least}×{least} or larger work: choose such a size with --image-size"
        if least
        else "no image size works"
    )
    raise UsageError(
        f"{shape.height}×{shape.width} is too small for the discriminator's convolutions; "
        f"{advice}, or a discriminator with fewer layers"
    )


def _divisible(shape: ImageShape, factor: int) -> bool:
    return shape.height % factor == 0 and shape.width % factor == 0


def _nearest(shape: ImageShape, factor: int) -> str:
    """Name the multiples of ``factor`` around ``shape``."""
    smaller = [side // factor * factor for side in (shape.height, shape.width)]
    larger = [-(-side // factor) * factor for side in (shape.height, shape.width)]
    return " and ".join(f"{h}×{w}" for h, w in (smaller, larger) if h and w)
