"""Published facts about MNIST and its relatives: file names, checksums, classes."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from acgan.data.source import DIGIT_ALIASES, DIGIT_NAMES


@final
@dataclass(frozen=True)
class IdxSet:
    """The facts about one idx data set.

    Attributes:
        name: the name that users write.
        tree: torchvision's class and folder name.
        stems: beginnings of the file names of the training and the test split.
        classes: canonical class names in label order.
        aliases: other names of each class; empty for none.
        first_label: the label of class 0 in the file.
        transposed: whether the images are stored with rows and columns swapped.
        flip_keeps_class: whether a horizontally flipped image still belongs to its class.
        folders: folders to search besides those below the root.
        md5s: for each of `files`, the MD5 of the published ``.gz`` file (torchvision's list) and
            that of its content; empty if unknown.
    """

    name: str
    tree: str
    stems: tuple[str, str]
    classes: Sequence[str]
    aliases: Sequence[Sequence[str]] = ()
    first_label: int = 0
    transposed: bool = False
    flip_keeps_class: bool = False
    folders: tuple[Path, ...] = ()
    md5s: tuple[tuple[str, str], ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the four unpacked files: train images and labels, test images and labels."""
        kinds = ("images-idx3-ubyte", "labels-idx1-ubyte")
        return tuple(f"{stem}-{kind}" for stem in self.stems for kind in kinds)

    @property
    def torchvision_arguments(self) -> dict[str, str]:
        """Arguments of torchvision's class besides the root."""
        return {"split": self.name.removeprefix("emnist-")} if self.tree == "EMNIST" else {}


_MNIST_STEMS = ("train", "t10k")
_ALIASES = {  # of "7" the name, of "seven" the digit
    **{str(digit): (name,) for digit, name in enumerate(DIGIT_NAMES)},
    **dict(zip(DIGIT_NAMES, DIGIT_ALIASES, strict=True)),
}
_CLOTHES = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot"
_MERGED = set("CIJKLMOPSUVWXYZ")  # lower case counts as upper case in the merged EMNIST sets
_BY_CLASS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BY_MERGE = [c for c in _BY_CLASS if c.upper() not in _MERGED or not c.islower()]


def _emnist(split: str, classes: Sequence[str], first_label: int = 0) -> IdxSet:
    name = f"emnist-{split}"
    stems = (f"{name}-train", f"{name}-test")
    aliases = [_ALIASES.get(each, ()) for each in classes]
    return IdxSet(name, "EMNIST", stems, classes, aliases, first_label, transposed=True)


IDX_SETS = (
    IdxSet(
        "mnist",
        "MNIST",
        _MNIST_STEMS,
        DIGIT_NAMES,
        DIGIT_ALIASES,
        md5s=(
            ("f68b3c2dcbeaaa9fbdd348bbdeb94873", "6bbc9ace898e44ae57da46a324031adb"),
            ("d53e105ee54ea40749a09fcbcd1e9432", "a25bea736e30d166cdddb491f175f624"),
            ("9fb629c4189551a2d022fa330f9573f3", "2646ac647ad5339dbf082846283269ea"),
            ("ec29112dd5afa0611ce80d1b7f02629c", "27ae3e4e09519cfbb04c329615203637"),
        ),
    ),
    IdxSet(
        "fashion-mnist",
        "FashionMNIST",
        _MNIST_STEMS,
        _CLOTHES.split(","),
        (("T-shirt", "top", "tshirt"), ("trousers",), ("jumper",), *[()] * 6, ("boot",)),
        flip_keeps_class=True,
        folders=(Path("/usr/share/datasets/fashion-mnist"),),  # Debian's dataset-fashion-mnist
        md5s=(
            ("8d4fb7e6c68d591d4c3dfef9ec88bf0d", "f4a8712d7a061bf5bd6d2ca38dc4d50a"),
            ("25c81989df183df01b3e8a0aad5dffbe", "9018921c3c673c538a1fc5bad174d6f9"),
            ("bef4ecab320f06d8554ea6380940ec79", "8181f5470baa50b63fa0f6fddb340f0a"),
            ("bb300cfdad3c16e7a12a480ee83cd310", "15d484375f8d13e6eb1aabb0c3f46965"),
        ),
    ),
    IdxSet(
        "kmnist",
        "KMNIST",
        _MNIST_STEMS,
        ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        tuple((kana,) for kana in "おきすつなはまやれを"),
        md5s=(
            ("bdb82020997e1d708af4cf47b453dcf7", ""),
            ("e144d726b3acfaa3e44228e80efcd344", ""),
            ("5c965bf0a639b31b8f53240b1b52f4d7", ""),
            ("7320c461ea6c1c855c0b718fb2a4b134", ""),
        ),
    ),
    _emnist("balanced", _BY_MERGE),
    _emnist("byclass", _BY_CLASS),
    _emnist("bymerge", _BY_MERGE),
    _emnist("letters", string.ascii_lowercase, first_label=1),
    _emnist("digits", DIGIT_NAMES),
    _emnist("mnist", DIGIT_NAMES),
)
