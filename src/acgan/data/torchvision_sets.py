"""CIFAR, SVHN and STL-10; torchvision reads, verifies and downloads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from acgan.data.download import downloading
from acgan.data.images import LabeledImages, make_classes
from acgan.data.source import DIGIT_ALIASES, DIGIT_NAMES, NAMED_SETS, Source, Split
from acgan.metrics.arrays import UInt8Array


@final
@dataclass(frozen=True)
class TorchvisionSet:
    """The facts about one torchvision data set.

    Attributes:
        name: the name that users write.
        kind: torchvision's class.
        splits: the arguments that select the training and the test split.
        looked_for: files and folders, any of which shows a local copy.
        wanted_files: files that users can put into the root.
        flip_keeps_class: whether a horizontally flipped image still belongs to its class.
        classes: canonical names in label order; None for torchvision's list.
        aliases: other names of each class.
    """

    name: str
    kind: str
    splits: tuple[dict[str, Any], dict[str, Any]]
    looked_for: tuple[str, ...]
    wanted_files: tuple[str, ...]
    flip_keeps_class: bool
    classes: Sequence[str] | None = None
    aliases: Sequence[Sequence[str]] | None = None


def load_torchvision_set(wanted: TorchvisionSet, root: Path) -> Source:
    """Load a set from ``root`` or ``root/<name>``; download it into ``root`` if neither has it.

    torchvision compares every file's MD5 and downloads only missing or damaged files.

    Raises:
        DataError: there is neither a complete local copy nor a network.
    """
    homes = [
        home
        for home in (root, root / wanted.name)
        if any((home / file).exists() for file in wanted.looked_for)
    ]
    home = homes[0] if homes else root
    with downloading(wanted.name, home, wanted.wanted_files, put_into=home):
        import torchvision.datasets

        kind = getattr(torchvision.datasets, wanted.kind)
        loaded = [kind(str(home), download=True, **split) for split in wanted.splits]
    names = wanted.classes or [name.replace("_", " ") for name in loaded[0].classes]
    classes = make_classes(names, wanted.aliases)
    images = np.concatenate([_channels_first(np.asarray(split.data)) for split in loaded])
    labels = [
        np.asarray(split.targets if hasattr(split, "targets") else split.labels).astype(np.int64)
        for split in loaded
    ]
    return Source(
        wanted.name,
        LabeledImages(images, np.concatenate(labels), classes),
        np.repeat(np.array([Split.TRAIN, Split.TEST], np.int8), [len(each) for each in labels]),
        flip_keeps_class=wanted.flip_keeps_class,
    )


def _channels_first(data: UInt8Array) -> UInt8Array:
    return data if data.shape[1] == 3 else data.transpose(0, 3, 1, 2)  # CIFAR is channels-last


_TRAIN_FLAG: tuple[dict[str, Any], dict[str, Any]] = ({"train": True}, {"train": False})
_SPLIT_NAME: tuple[dict[str, Any], dict[str, Any]] = ({"split": "train"}, {"split": "test"})
_CIFAR10 = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
]
_STL10 = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"]
_OTHER_NAMES = {
    "airplane": ("aeroplane", "plane"),
    "automobile": ("car",),
    "car": ("automobile",),
    "ship": ("boat",),
}

TORCHVISION_SETS = (
    TorchvisionSet(
        name="cifar10",
        kind="CIFAR10",
        splits=_TRAIN_FLAG,
        looked_for=("cifar-10-batches-py", "cifar-10-python.tar.gz"),
        wanted_files=("cifar-10-python.tar.gz",),
        flip_keeps_class=True,
        classes=_CIFAR10,
        aliases=[_OTHER_NAMES.get(name, ()) for name in _CIFAR10],
    ),
    TorchvisionSet(
        name="cifar100",
        kind="CIFAR100",
        splits=_TRAIN_FLAG,
        looked_for=("cifar-100-python", "cifar-100-python.tar.gz"),
        wanted_files=("cifar-100-python.tar.gz",),
        flip_keeps_class=True,
    ),
    TorchvisionSet(
        name="svhn",
        kind="SVHN",
        splits=_SPLIT_NAME,
        looked_for=("train_32x32.mat", "test_32x32.mat"),
        wanted_files=("train_32x32.mat", "test_32x32.mat"),
        flip_keeps_class=False,
        classes=DIGIT_NAMES,
        aliases=DIGIT_ALIASES,
    ),
    TorchvisionSet(
        name="stl10",
        kind="STL10",
        splits=_SPLIT_NAME,
        looked_for=("stl10_binary", "stl10_binary.tar.gz"),
        wanted_files=("stl10_binary.tar.gz",),
        flip_keeps_class=True,
        classes=_STL10,
        aliases=[_OTHER_NAMES.get(name, ()) for name in _STL10],
    ),
)


def _register(wanted: TorchvisionSet) -> None:
    @NAMED_SETS.register(wanted.name)
    def load(root: Path) -> Source:
        return load_torchvision_set(wanted, root)


for _wanted in TORCHVISION_SETS:
    _register(_wanted)
