"""Statistics of the training images that tell whether another image is unlike them.

Two normal distributions are fitted to training images: one to their layout (means and spreads in
6×6 cells), one to their texture (logarithms of contrast and gradients). The distance of an image is
the larger of its two Mahalanobis distances, each as a multiple of what held-out images reach.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from acgan.metrics.arrays import Array, Float64Array, Int64Array, UInt8Array, blocks

MOST_IMAGES, MOST_VALUES = 4_000, 1 << 25
"""Images that the distributions are fitted to, and pixels of them; as many more give the limit."""
LIMIT_SHARE = 0.99
"""Share of held-out real images with a distance up to 1."""
_FEWEST_HELD_OUT = 1_000  # with fewer, two halves of the training images help to find the limit
_RANGE = (0.01, 0.99)  # quantiles of simple properties over training images
_CELLS, _BLOCK = 6, 256
_LOG_SCALE = 32.0  # brings logarithms to the order of gray levels
_SHRINKAGE, _VARIANCE_FLOOR = 0.02, 16.0  # of the covariance; squared gray levels


@final
@dataclass(frozen=True, eq=False)
class _Normal:
    """A normal distribution of feature vectors: mean (F,), whitening (F, F), largest distance."""

    mean: Float64Array
    whitening: Float64Array
    limit: float

    def distances(self, features: Float64Array) -> Float64Array:
        """Return Mahalanobis distances of (N, F), divided by √F and by the limit."""
        white = (features - self.mean) @ self.whitening
        distances: Float64Array = np.sqrt(np.square(white).mean(axis=1)) / self.limit
        return distances


@final
@dataclass(frozen=True, eq=False)
class ImageStatistics:
    """What the real images of one data set look like, in a few thousand numbers.

    Attributes:
        layout, texture: the distributions; 99 % of held-out real images have a distance up to 1.
        border, contrast, saturation: float64 (2,), 1 % and 99 % quantiles over training images of
            the mean gray level of the outermost pixels, the standard deviation of all pixels, and
            the mean difference of the largest and the smallest channel.
    """

    layout: _Normal
    texture: _Normal
    border: Float64Array
    contrast: Float64Array
    saturation: Float64Array

    def distances(self, images: UInt8Array) -> Float64Array:
        """Return a distance for each image (N, C, H, W), (N,); above 1: unlike real images."""
        return np.maximum(
            self.layout.distances(_in_blocks(_layout, images)),
            self.texture.distances(_in_blocks(_texture, images)),
        )

    def differences(self, image: UInt8Array) -> list[str]:
        """Return which simple properties of an image (C, H, W) training images do not have."""
        found = []
        border, contrast, saturation = _properties(image[None].astype(np.float64))[0].tolist()
        if not _within(border, self.border, 8):
            found.append(f"its border has gray level {border:.0f}, {_range(self.border)}")
        if not _within(contrast, self.contrast, 2):
            found.append(f"its contrast is {contrast:.0f} gray levels, {_range(self.contrast)}")
        if saturation < self.saturation[0] / 2:
            found.append("it is gray, and training images have colors")
        elif not _within(saturation, self.saturation, 8):
            found.append(f"its color saturation is {saturation:.0f}, {_range(self.saturation)}")
        return found

    def arrays(self) -> dict[str, Array]:
        """Return the content as arrays by name, to be saved."""
        ranges = {name: getattr(self, name) for name in _PROPERTIES}
        normals = {"layout": self.layout, "texture": self.texture}
        named = ranges | {
            f"{name}.{key}": value
            for name, normal in normals.items()
            for key, value in vars(normal).items()
        }
        # safetensors writes an array's memory as it is
        return {name: np.array(value, np.float64, order="C") for name, value in named.items()}

    @staticmethod
    def from_arrays(arrays: Mapping[str, Array], channels: int) -> ImageStatistics:
        """Read the result of `arrays`, which may come from an untrusted source.

        Raises:
            KeyError: an array is missing.
            ValueError: an array has another shape, or a value is not finite.
        """

        def checked(name: str, *shape: int) -> Float64Array:
            values = arrays[name]
            if values.shape != shape or not np.isfinite(values).all():
                raise ValueError(f"the statistics {name} are not {shape} finite numbers")
            return values.astype(np.float64)

        def normal(name: str, width: int) -> _Normal:
            mean, whitening = (
                checked(f"{name}.mean", width),
                checked(f"{name}.whitening", width, width),
            )
            if not (limit := float(checked(f"{name}.limit"))) > 0:
                raise ValueError(f"the statistics {name}.limit is {limit}, not above 0")
            return _Normal(mean, whitening, limit)

        layout = normal("layout", (channels + 1) * _CELLS**2)
        return ImageStatistics(
            layout, normal("texture", _TEXTURES), *(checked(name, 2) for name in _PROPERTIES)
        )


_PROPERTIES = ("border", "contrast", "saturation")


def fit_statistics(train: UInt8Array, validation: UInt8Array) -> ImageStatistics:
    """Fit the statistics of images uint8 (N, C, H, W); takes about a second at most.

    Args:
        train: real training images; of more than 4,000, evenly spaced ones are used.
        validation: real images that the limit is measured on, (M, C, H, W).
    """
    train, validation = _some(train), _some(validation)
    kinds = (_layout, _texture)
    pairs = [(_in_blocks(kind, train), _in_blocks(kind, validation)) for kind in kinds]
    normals, reached = zip(*(_with_limit(*pair) for pair in pairs), strict=True)
    # both limits together: an image may exceed either
    joint = max(1.0, np.quantile(np.maximum(*reached), LIMIT_SHARE, method="higher"))
    layout, texture = (
        _Normal(each.mean, each.whitening, float(each.limit * joint)) for each in normals
    )
    ranges = np.quantile(_in_blocks(_properties, train), _RANGE, axis=0)
    return ImageStatistics(layout, texture, *ranges.T)


def _with_limit(features: Float64Array, held_out: Float64Array) -> tuple[_Normal, Float64Array]:
    """Fit features (N, F); return also distances that real images reach, (M,)."""
    fitted = _fit(features)
    reached = [fitted.distances(held_out)]
    if len(held_out) < _FEWEST_HELD_OUT:
        halves = features[::2], features[1::2] if len(features) > 1 else features
        reached += [_fit(a).distances(b) for a, b in (halves, halves[::-1])]
    distances = np.concatenate(reached)
    limit = max(float(np.quantile(distances, LIMIT_SHARE)), 1e-3)
    return _Normal(fitted.mean, fitted.whitening, limit), distances / limit


def _fit(features: Float64Array) -> _Normal:
    """Fit a normal distribution, its covariance shrunk."""
    mean = features.mean(axis=0)
    centered = features - mean
    covariance = centered.T @ centered / max(1, len(features) - 1)
    average = float(np.trace(covariance)) / len(mean)
    covariance *= 1 - _SHRINKAGE
    covariance[np.diag_indices(len(mean))] += _SHRINKAGE * average + _VARIANCE_FLOOR
    return _Normal(mean, np.linalg.cholesky(np.linalg.inv(covariance)), limit=1.0)


def _some(images: UInt8Array) -> UInt8Array:
    most = min(MOST_IMAGES, MOST_VALUES // int(np.prod(images.shape[1:])))
    rows = np.linspace(0, len(images) - 1, min(len(images), max(most, 1))).astype(np.int64)
    return images[rows]


def _in_blocks(of: Callable[[Float64Array], Float64Array], images: UInt8Array) -> Float64Array:
    """Apply a function (n, C, H, W) → (n, F) to blocks of images."""
    parts = [of(images[part].astype(np.float64)) for part in blocks(len(images), _BLOCK)]
    return np.concatenate(parts) if parts else of(images.astype(np.float64))


def _layout(values: Float64Array) -> Float64Array:
    """Means of each channel, and spreads, in 6×6 cells, (N, (C + 1)·36)."""
    means, squares = cell_means(values, _CELLS), cell_means(np.square(values), _CELLS)
    spreads = np.sqrt(np.maximum(squares - np.square(means), 0)).mean(axis=1)
    # (N, C, 6, 6) beside (N, 1, 6, 6), flattened; explicit, because N may be 0
    both = np.concatenate([means, spreads[:, None]], axis=1)
    return both.reshape(len(both), both.shape[1] * _CELLS**2)


_TEXTURES = 7


def _texture(values: Float64Array) -> Float64Array:
    """Brightness, and logarithms of contrast, saturation, first and second differences, (N, 7)."""
    differences = [np.diff(values, n=n, axis=axis) for n in (1, 2) for axis in (2, 3)]
    saturation = values.max(axis=1) - values.min(axis=1)
    sizes = [values.std(axis=(1, 2, 3)), saturation.mean(axis=(1, 2))]
    sizes += [
        np.abs(each).sum(axis=(1, 2, 3)) / max(1, each.size // max(1, len(each)))
        for each in differences
    ]
    logs = _LOG_SCALE * np.log1p(np.stack(sizes, axis=1))
    return np.concatenate([values.mean(axis=(1, 2, 3))[:, None], logs], axis=1)


def _properties(values: Float64Array) -> Float64Array:
    """Border, contrast and saturation of each image, (N, 3)."""
    ring = np.ones(values.shape[2:], np.bool_)
    ring[1:-1, 1:-1] = False
    saturation = (values.max(axis=1) - values.min(axis=1)).mean(axis=(1, 2))
    border = values[:, :, ring].mean(axis=(1, 2))
    return np.stack([border, values.std(axis=(1, 2, 3)), saturation], axis=1)


def cell_means(values: Float64Array, cells: int) -> Float64Array:
    """Return the means of (N, C, H, W) in a grid of cells, (N, C, cells, cells); 0 where empty."""
    by_row, by_column = (_averaging(size, cells) for size in values.shape[2:])
    means: Float64Array = by_row @ values @ by_column.T
    return means


def _averaging(size: int, count: int) -> Float64Array:
    """Return the matrix (count, size) that averages pixels by their cell; 0 for an empty cell."""
    cells: Int64Array = count * np.arange(size) // size
    sizes = np.bincount(cells, minlength=count)
    matrix: Float64Array = (np.arange(count)[:, None] == cells) / np.maximum(1, sizes)[:, None]
    return matrix


def _within(value: float, limits: Float64Array, slack: float) -> bool:
    return bool(limits[0] - slack <= value <= limits[1] + slack)


def _range(limits: Float64Array) -> str:
    return f"that of training images {limits[0]:.0f} to {limits[1]:.0f}"
