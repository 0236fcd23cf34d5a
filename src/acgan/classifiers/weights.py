"""Weights from files that a person can hand over: read without running what they hold, and hashed.

Networks and what their weights are called are described elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from acgan.errors import DataError


def load_weights(path: Path) -> dict[str, Tensor]:
    """The named tensors of a ``torch.save`` file, on the CPU.

    The file is unpickled with ``weights_only=True``: nothing in it is executed.

    Raises:
        DataError: there is no such file, it holds anything but named tensors, or a weight is not
            a finite number.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise DataError(f"there is no weights file {path}") from None
    except Exception as error:  # a damaged pickle can raise anything
        raise DataError(
            f"{path} is damaged or holds more than weights ({type(error).__name__}); "
            "fetch it again from where it came from"
        ) from error
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise DataError(f"{path} holds no weights by name; give a file of a state dict")
    broken = [name for name, value in state.items() if not torch.isfinite(value).all()]
    if broken:
        raise DataError(
            f"{path} is damaged: {broken[0]} holds values that are not finite; "
            "fetch it again from where it came from"
        )
    return dict(state)


def hash_weights(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, dtypes, shapes and values: equal weights, equal hash."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(repr((name, str(value.dtype), tuple(value.shape))).encode())
        digest.update(value.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()
