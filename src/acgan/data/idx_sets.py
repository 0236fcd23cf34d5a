"""Published facts about MNIST and its relatives: file names, checksums, classes."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
        packed_md5: MD5 of the published ``.gz`` files, by file name (torchvision's list).
        unpacked_md5: MD5 of the same files after decompression.
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
    packed_md5: Mapping[str, str] = field(default_factory=dict)
    unpacked_md5: Mapping[str, str] = field(default_factory=dict)

    @property
    def files(self) -> tuple[str, str, str, str]:
        """Names of the four unpacked files: train images and labels, test images and labels."""
        train, test = self.stems
        return (
            f"{train}-images-idx3-ubyte",
            f"{train}-labels-idx1-ubyte",
            f"{test}-images-idx3-ubyte",
            f"{test}-labels-idx1-ubyte",
        )


_MNIST_STEMS = ("train", "t10k")
_CHARACTER_ALIASES = {str(digit): (name,) for digit, name in enumerate(DIGIT_NAMES)}
_MERGED = set("CIJKLMOPSUVWXYZ")  # lower case counts as upper case in the merged EMNIST sets
_BY_CLASS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BY_MERGE = [c for c in _BY_CLASS if c.upper() not in _MERGED or not c.islower()]


def _emnist(
    split: str, classes: Sequence[str], aliases: Sequence[Sequence[str]], first_label: int = 0
) -> IdxSet:
    stems = (f"emnist-{split}-train", f"emnist-{split}-test")
    return IdxSet(
        f"emnist-{split}", "EMNIST", stems, classes, aliases, first_label, transposed=True
    )


def _character_aliases(characters: Sequence[str]) -> list[tuple[str, ...]]:
    return [_CHARACTER_ALIASES.get(character, ()) for character in characters]


IDX_SETS = (
    IdxSet(
        "mnist",
        "MNIST",
        _MNIST_STEMS,
        DIGIT_NAMES,
        DIGIT_ALIASES,
        packed_md5={
            "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
        },
        unpacked_md5={
            "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
            "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
            "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
            "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
        },
    ),
    IdxSet(
        "fashion-mnist",
        "FashionMNIST",
        _MNIST_STEMS,
        (
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        (
            ("T-shirt", "top", "tshirt"),
            ("trousers",),
            ("jumper",),
            (),
            (),
            (),
            (),
            (),
            (),
            ("boot",),
        ),
        flip_keeps_class=True,
        folders=(Path("/usr/share/datasets/fashion-mnist"),),  # Debian's dataset-fashion-mnist
        packed_md5={
            "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
        },
        unpacked_md5={
            "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
            "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
            "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
            "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
        },
    ),
    IdxSet(
        "kmnist",
        "KMNIST",
        _MNIST_STEMS,
        ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        tuple((kana,) for kana in "おきすつなはまやれを"),
        packed_md5={
            "train-images-idx3-ubyte.gz": "bdb82020997e1d708af4cf47b453dcf7",
            "train-labels-idx1-ubyte.gz": "e144d726b3acfaa3e44228e80efcd344",
            "t10k-images-idx3-ubyte.gz": "5c965bf0a639b31b8f53240b1b52f4d7",
            "t10k-labels-idx1-ubyte.gz": "7320c461ea6c1c855c0b718fb2a4b134",
        },
    ),
    _emnist("balanced", _BY_MERGE, _character_aliases(_BY_MERGE)),
    _emnist("byclass", _BY_CLASS, _character_aliases(_BY_CLASS)),
    _emnist("bymerge", _BY_MERGE, _character_aliases(_BY_MERGE)),
    _emnist("letters", string.ascii_lowercase, (), first_label=1),
    _emnist("digits", DIGIT_NAMES, DIGIT_ALIASES),
    _emnist("mnist", DIGIT_NAMES, DIGIT_ALIASES),
)
