"""Several models in one folder, which draws the classes of all: a set of models, written here.

Its JSON files and card speak of the whole. Every member lies below ``members/`` as the model folder
that its own run wrote, and can be used alone. `acgan.model_folder` reads and checks both kinds.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import acgan
from acgan.data.classes import ClassName
from acgan.data.images import ImageShape
from acgan.errors import DataError
from acgan.model_folder import MEMBERS, SET_FORMAT, read_record
from acgan.model_writer import json_files
from acgan.run_config import RunConfig
from acgan.storage import replace_folder, write_file


def save_model_set(
    folder: Path,
    members: Mapping[str, Path],
    *,
    config: RunConfig,
    shape: ImageShape,
    classes: Sequence[ClassName],
    split: Mapping[str, Any],
    data_name: str,
    images_seen: int,
    card: str,
) -> None:
    """Write the folder of a set in one step, as `acgan.model_writer.save_model` writes one model's.

    Args:
        folder: replaced if it exists.
        members: model folders by the names that they get, in the order of their classes.
        config: of the whole, with its ``classes_per_model``.
        shape: of the images.
        classes: of all members, in label order.
        split: `DataParts.split_record` of the whole.
        data_name: `DataParts.name`.
        images_seen: real images that all discriminators have seen.
        card: the text of README.md (`acgan.card.model_card`).

    Raises:
        DataError: a member is damaged, or was exchanged while it was copied.
        DiskError: it could not be written; the old one, if any, is still there.
    """
    hashes = {name: read_record(path).content_hash for name, path in members.items()}
    record = {
        "format": SET_FORMAT,
        "shape": list(shape),
        "images_seen": images_seen,
        "data_name": data_name,
        "version": acgan.__version__,
        MEMBERS: hashes,
    }
    contents = {**json_files(record, config, classes, split), "README.md": card}

    def write(target: Path) -> None:
        for name, content in contents.items():
            write_file(target / name, content)
        for name, path in members.items():
            copy = target / MEMBERS / name
            shutil.copytree(path, copy)
            if read_record(copy).content_hash != hashes[name]:
                raise DataError(f"{path} was changed while it was copied; run the command again")

    replace_folder(folder, write, need_bytes=sum(map(_size_bytes, members.values())))


def _size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
