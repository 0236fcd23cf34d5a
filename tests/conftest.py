"""What all tests share: one thread, no deadline for hypothesis, and a run so small that it takes
a second or two from start to end.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis
import numpy as np
import pytest
import torch

from acgan.data.images import DatasetSplits, LabeledImages, make_classes
from acgan.runs.config import RunConfig

hypothesis.settings.register_profile("acgan", deadline=None)
hypothesis.settings.load_profile("acgan")

NAMES = ("bar", "cross", "ring")
SIDE = 8


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where there are no real sets, say which tests did not run and how to run them."""
    if os.environ.get("ACGAN_DATA"):
        return
    skip = pytest.mark.skip(reason="needs real data sets; set ACGAN_DATA to the folder they are in")
    for item in items:
        if item.get_closest_marker("real_data"):
            item.add_marker(skip)


@pytest.fixture(autouse=True, scope="session")
def interruptible() -> None:
    """A shell ignores SIGINT for what it starts in the background, and children inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Tests share the machine, and another number of threads gives other last bits."""
    torch.set_num_threads(1)


@pytest.fixture
def load_script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """``load_script("quality")``: that module of ``benchmarks/``, read anew for each test.

    What it imports from its own folder comes along, as where it is run; what it does to the number
    of threads is undone.
    """
    folder = Path(__file__).parents[1] / "benchmarks"
    monkeypatch.syspath_prepend(folder)
    for path in folder.glob("*.py"):
        monkeypatch.delitem(sys.modules, path.stem, raising=False)
    threads = torch.get_num_threads()
    yield importlib.import_module
    torch.set_num_threads(threads)


def make_split(per_class: int, seed: int) -> LabeledImages:
    """Gray 8×8 pictures of a bar, a cross and a ring; place, brightness and noise vary."""
    random = np.random.default_rng(seed)
    labels = np.tile(np.arange(len(NAMES)), per_class).astype(np.int64)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    images = np.empty((len(labels), 1, SIDE, SIDE), np.float64)
    for image, label in zip(images, labels, strict=True):
        y, x = random.uniform(2.5, 4.5, 2)
        across, down = np.abs(columns - x) < 1, np.abs(rows - y) < 1
        radius = np.hypot(rows - y, columns - x)
        shape = (down, across | down, np.abs(radius - 2.5) < 0.8)[label]
        image[0] = shape * random.uniform(150, 240) + random.uniform(0, 15, (SIDE, SIDE))
    return LabeledImages(images.round().astype(np.uint8), labels, make_classes(NAMES))


@pytest.fixture(scope="session")
def tiny_splits() -> DatasetSplits:
    """Three classes of 8×8 gray images made by a formula: 96 to train on, 24, and 24."""
    return DatasetSplits("shapes", make_split(32, 0), make_split(8, 1), make_split(8, 2))


TINY: dict[str, Any] = {
    "recipe": "tiny",
    "seed": 1,
    "generator": {
        "family": "deconv",
        "latent_size": 6,
        "widths": [8, 4],
        "to_image": "conv",
        "conditioning": {"mode": "batchnorm", "embedding_std": 0.3},
    },
    "discriminator": {
        "layers": [
            {"width": 6, "kernel": 4, "stride": 2, "norm": False},
            {"width": 8, "kernel": 4, "stride": 2},
        ]
    },
    "training": {
        "total_images": 192,
        "batch_size": 16,
        "ema_half_life_images": 64,
    },
    "reporting": {
        "log_every_images": 32,
        "grid_every_images": 64,
        "checkpoint_every_images": 48,
        "grid_columns": 2,
    },
    "execution": {"device": "cpu", "precision": "fp32", "threads": 1},
}
"""Twelve iterations; sheets and checkpoints fall together at some, apart at others."""

EVERYTHING: dict[str, Any] = {
    "discriminator": {"dropout": 0.25, "activation_noise": 0.05},
    "regularizers": [{"name": "r1", "gamma": 0.1, "interval_steps": 3}],
    "optimizer": {"conditioning_multiplier": 5.0, "heads_multiplier": 2.0},
    "execution": {"precision": "bf16", "memory_format": "channels-last"},
}
"""All that makes exactness hard."""


def merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``values`` with ``changes`` laid over them, section by section."""
    result = dict(values)
    for key, change in changes.items():
        inner = result.get(key)
        if isinstance(inner, dict) and isinstance(change, dict):
            result[key] = merged(inner, change)
        else:
            result[key] = change
    return result


ConfigMaker = Callable[..., RunConfig]


@pytest.fixture(scope="session")
def tiny_config() -> ConfigMaker:
    """``tiny_config(**sections)`` is a complete tiny run; ``everything=True`` adds dropout, noise,
    R1, bf16 and channels-last.
    """

    def make(*, everything: bool = False, **sections: Any) -> RunConfig:
        values = merged(TINY, EVERYTHING) if everything else TINY
        return RunConfig.model_validate(merged(values, sections))

    return make
