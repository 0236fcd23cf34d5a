"""Array types named by their dtype, blocks of rows, and checks of the input of metrics."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
BoolArray = npt.NDArray[np.bool_]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
IntegerArray = npt.NDArray[np.integer[Any]]
UInt8Array = npt.NDArray[np.uint8]


def blocks(count: int, size: int) -> list[slice]:
    """Return the slices of at most ``size`` rows that cover ``count`` rows."""
    return [slice(start, start + size) for start in range(0, count, size)]


def check_widths(a: Array, b: Array) -> None:
    """Raise ValueError unless the shapes of two sets of features are (N, F) and (M, F)."""
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"features must be (N, F) and (M, F), not {a.shape} and {b.shape}")


def finite_features(features: Array, measure: str, *, least: int) -> Float64Array:
    """Return a float64 copy of (N, F) features.

    Raises:
        ValueError: fewer than ``least`` rows, or values that are not finite.
    """
    if len(features) < least:
        raise ValueError(f"{measure} needs at least {least} images per side, not {len(features)}")
    values = features.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"{measure} needs finite features; some are infinite or NaN")
    return values


def check_logits(logits: Array, target_labels: IntegerArray) -> None:
    """Raise ValueError unless the logits are finite (N, K), N ≥ 1, and the labels (N,)."""
    if logits.ndim != 2 or target_labels.shape != logits.shape[:1]:
        raise ValueError(
            f"logits {logits.shape} and classes {target_labels.shape} must be (N, K), (N,)"
        )
    if not len(logits):
        raise ValueError("there are no images to classify; give at least one")
    if not np.isfinite(logits).all():
        raise ValueError("the classifier's logits are not all finite; its weights are damaged")
