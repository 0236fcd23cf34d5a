"""CIFAR, SVHN and STL-10; torchvision reads, verifies and downloads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np

from acgan.data.download import downloading
from acgan.data.images import make_classes
from acgan.data.source import DIGIT_ALIASES, DIGIT_NAMES, NAMED_SETS, Source, train_test_source
from acgan.metrics.arrays import UInt8Array

_TRAIN_FLAG: tuple[dict[str, Any], ...] = ({"train": True}, {"train": False})
_SPLIT_NAME: tuple[dict[str, Any], ...] = ({"split": "train"}, {"split": "test"})
_ALIASES = {
    "airplane": ("aeroplane", "plane"),
    "automobile": ("car",),
    "car": ("automobile",),
    "ship": ("boat",),
    **dict(zip(DIGIT_NAMES, DIGIT_ALIASES, strict=True)),
}


@final
@dataclass(frozen=True)
class TorchvisionSet:
    """The facts about one torchvision data set.

    Attributes:
        name: the name that users write.
        kind: torchvision's class.
        splits: the arguments that select the training and the test split.
        files: files of the download, which users can put into the root.
        unpacked: the folder that torchvision unpacks them to, if any.
        flip_keeps_class: whether a horizontally flipped image still belongs to its class.
        classes: canonical names in label order; None for torchvision's list.
    """

    name: str
    kind: str
    splits: tuple[dict[str, Any], ...]
    files: tuple[str, ...]
    unpacked: str | None
    flip_keeps_class: bool = True
    classes: Sequence[str] | None = None


def load_torchvision_set(wanted: TorchvisionSet, root: Path) -> Source:
    """Load a set from ``root`` or ``root/<name>``; download it into ``root`` if neither has it.

    torchvision compares every file's MD5 and downloads only missing or damaged files.

    Raises:
        DataError: there is neither a complete local copy nor a network.
    """
    copies = (*wanted.files, wanted.unpacked or wanted.files[0])
    homes = (h for h in (root, root / wanted.name) if any((h / name).exists() for name in copies))
    home = next(homes, root)
    with downloading(wanted.name, home, wanted.files, put_into=home):
        import torchvision.datasets

        kind = getattr(torchvision.datasets, wanted.kind)
        loaded = [kind(str(home), download=True, **split) for split in wanted.splits]
    names = wanted.classes or [name.replace("_", " ") for name in loaded[0].classes]
    targets = [each.targets if hasattr(each, "targets") else each.labels for each in loaded]
    return train_test_source(
        wanted.name,
        [_channels_first(np.asarray(each.data)) for each in loaded],
        [np.asarray(each).astype(np.int64) for each in targets],
        make_classes(names, [_ALIASES.get(name, ()) for name in names]),
        flip_keeps_class=wanted.flip_keeps_class,
    )


def _channels_first(data: UInt8Array) -> UInt8Array:
    return data if data.shape[1] == 3 else data.transpose(0, 3, 1, 2)  # CIFAR is channels-last


_STL10 = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"]
_SVHN_FILES = ("train_32x32.mat", "test_32x32.mat")
TORCHVISION_SETS = (
    TorchvisionSet(
        "cifar10", "CIFAR10", _TRAIN_FLAG, ("cifar-10-python.tar.gz",), "cifar-10-batches-py"
    ),
    TorchvisionSet(
        "cifar100", "CIFAR100", _TRAIN_FLAG, ("cifar-100-python.tar.gz",), "cifar-100-python"
    ),
    TorchvisionSet(
        "svhn", "SVHN", _SPLIT_NAME, _SVHN_FILES, None, flip_keeps_class=False, classes=DIGIT_NAMES
    ),
    TorchvisionSet(
        "stl10",
        "STL10",
        _SPLIT_NAME,
        ("stl10_binary.tar.gz",),
        "stl10_binary",
        classes=_STL10,
    ),
)

for _wanted in TORCHVISION_SETS:
    NAMED_SETS.register(_wanted.name)(partial(load_torchvision_set, _wanted))
