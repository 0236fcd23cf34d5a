"""The model folder: all that drawing needs, without the data set; checked and read here.

Weights are safetensors and everything else is JSON, so a folder from a stranger can hold wrong
numbers but no code. `acgan.model_writer` and `acgan.model_set_folder` write it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, final

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

import acgan
from acgan.config import canonical_json, validate
from acgan.data.classes import ClassName, checked_component
from acgan.data.images import ImageShape
from acgan.errors import AcganError, DataError, UsageError
from acgan.model_place import find_model
from acgan.run_config import RunConfig
from acgan.storage import CorruptFolderError, verify_folder

FORMAT = 2  # of the folder and the meaning of its weights; a reader refuses other numbers
SET_FORMAT = 3  # of a folder that holds several models, see `acgan.model_set_folder`
MEMBERS = "members"
JSON_FILES = ("model.json", "config.json", "classes.json", "split.json")
Network = Literal["generator", "discriminator"]
NETWORKS: tuple[Network, ...] = ("generator", "discriminator")
_ATTEMPTS = 3  # training may exchange the folder while it is read


@final
@dataclass(frozen=True)
class ModelRecord:
    """A model folder as it was at one moment; training may have exchanged it since.

    Attributes:
        folder: where it was read from.
        config: the run that made it.
        shape: of its images.
        classes: in label order.
        split: content hash, size and count per class of each part of its data.
        data_name: short name of its data.
        images_seen: real images that the discriminator had seen.
        content_hash: SHA-256 over all files but the card: equal models, equal hash.
        weights: content of the two safetensors files by network; none of a set of models.
        members: of a set, the models that draw a few of the classes each, in the classes' order.
    """

    folder: Path
    config: RunConfig
    shape: ImageShape
    classes: tuple[ClassName, ...]
    split: Mapping[str, Any]
    data_name: str
    images_seen: int
    content_hash: str
    weights: Mapping[Network, bytes] = field(repr=False)
    members: tuple[ModelRecord, ...] = ()

    def state(self, network: Network) -> dict[str, Tensor]:
        """The weights and buffers of one network, on the CPU.

        Raises:
            DataError: they are no safetensors.
        """
        try:
            return safetensors.torch.load(self.weights[network])
        except SafetensorError as error:
            where = self.folder / f"{network}.safetensors"
            raise DataError(f"the model is damaged: {where}: {error}") from None


def read_record(path: str | Path) -> ModelRecord:
    """Read a whole model folder, every file checked against its hash.

    Args:
        path: a run or its ``model`` folder.

    Raises:
        UsageError: there is no model at that place, or a newer version of acgan wrote it.
        DataError: the model is damaged.
    """
    folder = find_model(Path(path))
    _check_format(folder)
    contents = _verified(folder)
    try:
        model, config, classes, split = (json.loads(contents[name]) for name in JSON_FILES)
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        return ModelRecord(
            folder=folder,
            config=validate(RunConfig, config, where="config.json"),
            shape=ImageShape(*(int(size) for size in model["shape"])),
            classes=tuple(ClassName.from_json(entry) for entry in classes),
            split=split,
            data_name=str(model["data_name"]),
            images_seen=int(model["images_seen"]),
            content_hash=hashlib.sha256(canonical_json(hashes).encode()).hexdigest(),
            weights={
                network: contents[f"{network}.safetensors"]
                for network in NETWORKS
                if not model.get(MEMBERS)
            },
            members=_members(folder, model.get(MEMBERS, {}), classes),
        )
    except AcganError as error:
        raise DataError(f"the model at {folder} is damaged: {error}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"the model at {folder} is damaged: a value is missing or of the wrong kind ({error})"
        ) from None


def _check_format(folder: Path) -> None:
    """Before the hashes: a newer format may keep them in another way."""
    try:
        record = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        version, writer = int(record["format"]), record.get("version", "(unknown)")
        known = SET_FORMAT if MEMBERS in record else FORMAT
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(f"the model is damaged: {folder / 'model.json'} is unreadable") from None
    if version > known:
        raise UsageError(
            f"{folder} was written by acgan {writer} in a newer format than this version "
            f"({acgan.__version__}) reads; update acgan"
        )
    if version < known:
        raise UsageError(
            f"{folder} was written by acgan {writer} in an older format, whose weights would mean "
            f"other images to this version ({acgan.__version__}); train it anew"
        )


def _verified(folder: Path) -> dict[str, bytes]:
    """Every file but the card and members' own, all of one moment."""
    for attempt in range(_ATTEMPTS):
        try:
            files = verify_folder(folder)["files"]
            several = any(name.startswith(f"{MEMBERS}/") for name in files)
            own = () if several else (f"{network}.safetensors" for network in NETWORKS)
            names = (*JSON_FILES, *own)
            contents = {name: (folder / name).read_bytes() for name in names}
            if all(
                hashlib.sha256(content).hexdigest() == files[name]["sha256"]
                for name, content in contents.items()
            ):
                return contents
        except (CorruptFolderError, OSError, KeyError) as error:
            if attempt == _ATTEMPTS - 1:
                raise DataError(f"the model is damaged: {error}; use another copy of it") from None
    raise DataError(f"the model at {folder} changes all the time; try again in a moment")


def _members(
    folder: Path, hashes: Mapping[str, str], classes: Sequence[Mapping[str, Any]]
) -> tuple[ModelRecord, ...]:
    """The models of a set; of an ordinary model, none."""
    if not hashes:
        return ()
    members = []
    for name, content_hash in hashes.items():
        member = read_record(folder / MEMBERS / checked_component(name))
        if member.members or member.content_hash != content_hash:
            raise ValueError(f"{name} is not the model that was put there")
        members.append(member)
    drawn = [each.name for member in members for each in member.classes]
    if drawn != [entry["name"] for entry in classes]:
        raise ValueError("its models draw other classes")
    return tuple(members)
