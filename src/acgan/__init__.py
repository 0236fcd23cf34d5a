"""acgan: class-conditional image generation with GANs, trained in minutes and trustworthy.

    from acgan import load, train

    run = train("digits", images=100_000)
    model = load(run.folder)
    images = model.sample(label="seven", count=16, seed=0)  # uint8 (16, 1, 28, 28)

Importing the package costs nothing: what is named here is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from acgan.version import __version__

if TYPE_CHECKING:
    from acgan.data.config import DataConfig
    from acgan.data.images import LabeledImages
    from acgan.data.load import load_data
    from acgan.model.model import Model, load
    from acgan.runs.config import RunConfig
    from acgan.training.train import train

__all__ = [
    "DataConfig",
    "LabeledImages",
    "Model",
    "RunConfig",
    "__version__",
    "load",
    "load_data",
    "train",
]

_HOMES = {
    "DataConfig": "acgan.data.config",
    "LabeledImages": "acgan.data.images",
    "Model": "acgan.model.model",
    "RunConfig": "acgan.runs.config",
    "load": "acgan.model.model",
    "load_data": "acgan.data.load",
    "train": "acgan.training.train",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
