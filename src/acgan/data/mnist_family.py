"""MNIST and its relatives, read from idx files wherever a local copy lies, packed or not.

torchvision knows only its own tree of unpacked files, so the reader is ours; torchvision
downloads what is not there. Contents are checked: against the published MD5 of the packed file,
or, since a file can be packed anew, of what it unpacks to.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import numpy as np

from acgan.data.classes import make_classes
from acgan.data.download import download
from acgan.data.idx import read_idx
from acgan.data.images import LabelledImages
from acgan.data.named import DIGIT_ALIASES, DIGIT_NAMES, NAMED_SETS
from acgan.data.source import Part, Source
from acgan.errors import DataError


@final
@dataclass(frozen=True)
class IdxSet:
    """What tells one idx data set from another.

    Attributes:
        name: the name a person writes.
        tree: torchvision's class and folder name.
        stems: beginnings of the file names of the train and the test part.
        classes: canonical class names in label order.
        aliases: other names of each class; empty = none.
        first_label: the label in the file that means class 0.
        transposed: the images are stored with rows and columns swapped.
        folders: places to look besides those below the root.
        packed_md5: MD5 of the published ``.gz`` files, by file name (torchvision's list).
        unpacked_md5: MD5 of the same files unpacked.
    """

    name: str
    tree: str
    stems: tuple[str, str]
    classes: Sequence[str]
    aliases: Sequence[Sequence[str]] = ()
    first_label: int = 0
    transposed: bool = False
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


def load_idx_set(kind: IdxSet, root: Path) -> Source:
    """The set from a local copy, or from a download into ``root``.

    Raises:
        DataError: a local file is damaged or is not the published one, or there is neither a
            local copy nor a network.
    """
    paths = find_files(kind, root)
    if paths is None:
        download(
            kind.name,
            kind.tree,
            root,
            files=[f"{file}.gz" for file in kind.files],
            split=_emnist_split(kind),
        )
        paths = find_files(kind, root)
    if paths is None:
        raise DataError(
            f"the download of {kind.name} into {root} is incomplete; delete it and start again"
        )
    parts = [_read_part(kind, paths[0], paths[1]), _read_part(kind, paths[2], paths[3])]
    classes = make_classes(kind.classes, kind.aliases or None)
    images = np.concatenate([part[0] for part in parts])
    labels = np.concatenate([part[1] for part in parts])
    if labels.min() < 0 or labels.max() >= len(classes):
        raise DataError(f"{paths[1]} has labels beyond the {len(classes)} classes of {kind.name}")
    given = np.repeat(np.array([Part.TRAIN, Part.TEST], np.int8), [len(part[1]) for part in parts])
    notes = tuple(note for part in parts for note in part[2])
    return Source(kind.name, LabelledImages(images, labels, classes), given, notes)


def find_files(kind: IdxSet, root: Path) -> tuple[Path, Path, Path, Path] | None:
    """The four files in the first folder that has them all; packed or not, under either spelling."""
    below = (
        f"{kind.tree}/raw",
        kind.tree,
        kind.name,
        f"{kind.name}/raw",
        f"{kind.tree.lower()}",
        "gzip",
        "",
    )
    for folder in (*(root / name for name in below), *kind.folders):
        found = [_find(folder, file) for file in kind.files]
        train_images, train_labels, test_images, test_labels = found
        if train_images and train_labels and test_images and test_labels:
            return train_images, train_labels, test_images, test_labels
    return None


def _find(folder: Path, file: str) -> Path | None:
    spellings = (file, file.replace("-idx", ".idx"))  # the second is how some mirrors unpack it
    names = (f"{name}{suffix}" for name in spellings for suffix in ("", ".gz"))
    return next((folder / name for name in names if (folder / name).is_file()), None)


Read = tuple[
    np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    list[str],
]


def _read_part(kind: IdxSet, images_path: Path, labels_path: Path) -> Read:
    notes = []
    arrays = []
    for path, axes in ((images_path, 3), (labels_path, 1)):
        file = read_idx(path, axes)
        notes += _check_sum(kind, path, file.packed_md5, file.unpacked_md5)
        arrays.append(file.values)
    images, labels = arrays
    if len(images) != len(labels):
        raise DataError(
            f"{images_path} has {len(images)} images and {labels_path} {len(labels)} labels; they don't belong together"
        )
    if kind.transposed:
        images = np.ascontiguousarray(images.transpose(0, 2, 1))
    return images[:, None], labels.astype(np.int64) - kind.first_label, notes


def _check_sum(kind: IdxSet, path: Path, packed_md5: str, unpacked_md5: str) -> list[str]:
    file = path.name.removesuffix(".gz").replace(".idx", "-idx")
    if (
        kind.packed_md5.get(f"{file}.gz") == packed_md5
        or kind.unpacked_md5.get(file) == unpacked_md5
    ):
        return []
    if file in kind.unpacked_md5:
        raise DataError(
            f"{path} is not the published file of {kind.name} (MD5 of its content is {unpacked_md5}, "
            f"not {kind.unpacked_md5[file]}); delete it and get it again, or move it to where it belongs"
        )
    return [f"{path.name} could not be checked against a published checksum"]


def _emnist_split(kind: IdxSet) -> str | None:
    return kind.name.removeprefix("emnist-") if kind.tree == "EMNIST" else None


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
        folders=(
            Path("/usr/share/datasets/fashion-mnist"),
        ),  # Debian's package dataset-fashion-mnist
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


def _register(kind: IdxSet) -> None:
    @NAMED_SETS.register(kind.name)
    def load(root: Path) -> Source:
        return load_idx_set(kind, root)


for _kind in IDX_SETS:
    _register(_kind)
