"""Shares of images that `acgan inspect` finds unlike the training images, as a Markdown table.

    ACGAN_DATA=... python benchmarks/unlike_images.py digits mnist fashion-mnist cifar10

One row per data set: its test images as they are (false alarms), changed ones, and test images of
every named set, converted to its size and channels. Takes seconds per set.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits, Images, ImageShape
from acgan.data.load import load_data
from acgan.data.resize import resize_array
from acgan.data.statistics import ImageStatistics
from acgan.errors import AcganError

MOST = 5_000
CHANGED = ("negatives", "inverted", "noise", "blank", "enlarged", "center")


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark and return its exit code: 0, or that of an `AcganError`."""
    names = list(sys.argv[1:] if words is None else words) or ["digits"]
    try:
        splits = [load_data(DataConfig(source=name)) for name in names]
    except AcganError as error:
        print(f"unlike_images: {error}", file=sys.stderr)
        return error.exit_code
    titles = ["training images", "real", *CHANGED, *(each.name for each in splits)]
    print("\n".join(f"| {' | '.join(cells)} |" for cells in (titles, ["---"] * len(titles))))
    for each in splits:
        others = [converted(other.test.images[:500], each.shape) for other in splits]
        shares = [*measure(each), *(unlike(each.statistics, images) for images in others)]
        print(f"| {' | '.join([each.name, *(f'{share:.3f}' for share in shares)])} |", flush=True)
    return 0


def measure(splits: DatasetSplits) -> list[float]:
    """Return the shares of unlike images among test images, and then of `CHANGED`."""
    images, statistics = splits.test.images[:MOST], splits.statistics
    _, height, width = splits.shape
    own, negative = statistics.distances(images), statistics.distances(255 - images)
    noise = np.random.default_rng(0).integers(0, 256, (300, *splits.shape)).astype(np.uint8)
    blank = np.tile(np.array([0, 128, 255], np.uint8)[:, None, None, None], (1, *splits.shape))
    small = resize_array(images[:500], (height // 4, width // 4))
    center = images[:500, :, height // 4 : -(height // 4), width // 4 : -(width // 4)]
    return [
        float((own > 1).mean()),
        float((negative > 1).mean()),
        float(((negative > 1) & (own < negative / 2)).mean()),
        *(unlike(statistics, each) for each in (noise, blank)),
        *(unlike(statistics, converted(each, splits.shape)) for each in (small, center)),
    ]


def unlike(statistics: ImageStatistics, images: Images) -> float:
    """Return the share of images with a distance above 1."""
    return float((statistics.distances(images) > 1).mean())


def converted(images: Images, shape: ImageShape) -> Images:
    """Convert images to a shape: the mean of the channels, or three equal ones."""
    if images.shape[1] == 3 and shape.channels == 1:
        images = images.mean(axis=1, keepdims=True).round().astype(np.uint8)
    elif images.shape[1] == 1:
        images = images.repeat(shape.channels, axis=1)
    return resize_array(np.ascontiguousarray(images), (shape.height, shape.width))


if __name__ == "__main__":
    sys.exit(main())
