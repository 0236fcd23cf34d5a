"""The model folder: all that drawing needs, without the data set; written, checked and read here.

Weights are safetensors and everything else is JSON, so a folder from a stranger can hold wrong
numbers but no code.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

import acgan
from acgan.config import canonical_json, validate
from acgan.data.classes import ClassName
from acgan.data.images import ImageShape
from acgan.errors import AcganError, DataError, UsageError
from acgan.run_config import RunConfig
from acgan.storage import CorruptFolderError, replace_folder, verify_folder, write_file

FORMAT = 1  # of the folder; a reader refuses higher numbers
_JSON_FILES = ("model.json", "config.json", "classes.json", "split.json")
_WEIGHT_FILES = ("generator.safetensors", "discriminator.safetensors")
_ATTEMPTS = 3  # training may exchange the folder while it is read


@final
@dataclass(frozen=True)
class ModelRecord:
    """A model folder but for its weights.

    Attributes:
        folder: where it was read from.
        config: the run that made it.
        shape: of its images.
        classes: in label order.
        split: content hash, size and count per class of each part of its data.
        data_name: short name of its data.
        images_seen: real images that the discriminator had seen.
        hashes: SHA-256 of each file.
    """

    folder: Path
    config: RunConfig
    shape: ImageShape
    classes: tuple[ClassName, ...]
    split: Mapping[str, Any]
    data_name: str
    images_seen: int
    hashes: Mapping[str, str]

    @property
    def content_hash(self) -> str:
        """SHA-256 over the hashes of all files but the card: equal models, equal hash."""
        return hashlib.sha256(canonical_json(self.hashes).encode()).hexdigest()


def save_model(
    folder: Path,
    *,
    config: RunConfig,
    shape: ImageShape,
    classes: Sequence[ClassName],
    split: Mapping[str, Any],
    data_name: str,
    generator_state: Mapping[str, Tensor],
    discriminator_state: Mapping[str, Tensor],
    images_seen: int,
    card: str,
) -> None:
    """Write a model folder in one step: a reader finds the old one or the new one, never a mixture.

    Args:
        folder: replaced if it exists.
        config: with every choice resolved.
        shape: of the images.
        classes: in label order.
        split: `DataParts.split_record`.
        data_name: `DataParts.name`.
        generator_state: averaged weights and buffers, any device and memory format.
        discriminator_state: likewise.
        images_seen: real images that D has seen.
        card: the text of README.md (`acgan.card.model_card`).

    Raises:
        DiskError: it could not be written.
    """
    record = {
        "format": FORMAT,
        "shape": list(shape),
        "images_seen": images_seen,
        "data_name": data_name,
        "version": acgan.__version__,
    }
    values = (
        record,
        config.model_dump(mode="json"),
        [each.to_json() for each in classes],
        dict(split),
    )
    contents: dict[str, bytes | str] = {
        name: json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        for name, value in zip(_JSON_FILES, values, strict=True)
    }
    contents["README.md"] = card
    for name, state in zip(_WEIGHT_FILES, (generator_state, discriminator_state), strict=True):
        contents[name] = safetensors.torch.save(_plain(state))

    def write(target: Path) -> None:
        for name, content in contents.items():
            write_file(target / name, content)

    replace_folder(folder, write, need_bytes=sum(len(content) for content in contents.values()))


def find_model(path: Path) -> Path:
    """The model folder that a person means by a run or a model folder.

    Raises:
        UsageError: there is none; the message says what is there instead.
    """
    for folder in (path, path / "model"):
        if (folder / "model.json").is_file():
            return folder
    if not path.exists():
        raise UsageError(f"there is no model at {path}; {_hint(path)}")
    if not path.is_dir():
        raise UsageError(f"{path} is a file; give a run or its model folder")
    if (path / "config.json").is_file():
        raise UsageError(
            f"the run {path} has no model yet; it gets one with its first checkpoint: "
            "go on with the command that started it"
        )
    raise UsageError(f"{path} is neither a run nor a model folder (there is no model.json)")


def read_record(path: str | Path) -> ModelRecord:
    """Everything but the weights, after checking every file against its hash.

    Args:
        path: a run or its ``model`` folder.

    Raises:
        UsageError: there is no model at that place, or a newer version of acgan wrote it.
        DataError: the model is damaged.
    """
    folder = find_model(Path(path))
    _check_format(folder)
    for attempt in range(_ATTEMPTS):
        try:
            files = verify_folder(folder)["files"]
            hashes = {name: files[name]["sha256"] for name in (*_JSON_FILES, *_WEIGHT_FILES)}
            return _record(folder, hashes)
        except (CorruptFolderError, DataError) as error:
            if attempt == _ATTEMPTS - 1:
                raise DataError(f"the model is damaged: {error}; use another copy of it") from None
        except KeyError as error:
            raise DataError(f"the model at {folder} is damaged: it lacks {error}") from None
    raise AssertionError  # the last attempt returns or raises


def read_weights(
    record: ModelRecord, network: Literal["generator", "discriminator"]
) -> dict[str, Tensor]:
    """The weights of one network, float32 on the CPU.

    Raises:
        DataError: the file is not the one that the record was read with, or no safetensors file.
    """
    name = f"{network}.safetensors"
    try:
        return safetensors.torch.load(_checked(record.folder, name, record.hashes))
    except SafetensorError as error:
        raise DataError(f"the model is damaged: {record.folder / name}: {error}") from None


def _hint(path: Path) -> str:
    """What a person may have meant by a path that does not exist."""
    below_runs = Path("runs") / path
    if below_runs.is_dir():
        return f"did you mean {below_runs}?"
    siblings = path.parent.glob("*/") if path.parent.is_dir() else ()
    close = difflib.get_close_matches(path.name, [sibling.name for sibling in siblings], n=1)
    if close:
        return f"did you mean {path.parent / close[0]}?"
    return "`acgan runs` lists the runs that there are"


def _check_format(folder: Path) -> None:
    """Before the hashes: a newer format may keep them in another way."""
    try:
        record = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        version, writer = int(record["format"]), record.get("version", "(unknown)")
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(f"the model is damaged: {folder / 'model.json'} is unreadable") from None
    if version > FORMAT:
        raise UsageError(
            f"{folder} was written by acgan {writer} in a newer format than this version "
            f"({acgan.__version__}) reads; update acgan"
        )


def _record(folder: Path, hashes: Mapping[str, str]) -> ModelRecord:
    model, config, classes, split = (
        json.loads(_checked(folder, name, hashes)) for name in _JSON_FILES
    )
    try:
        return ModelRecord(
            folder=folder,
            config=validate(RunConfig, config, where=str(folder / "config.json")),
            shape=ImageShape(*(int(size) for size in model["shape"])),
            classes=tuple(_class_name(entry) for entry in classes),
            split=split,
            data_name=str(model["data_name"]),
            images_seen=int(model["images_seen"]),
            hashes=hashes,
        )
    except AcganError as error:
        raise DataError(str(error)) from None
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{folder}: a value is missing or of the wrong kind ({error!r})") from None


def _checked(folder: Path, name: str, hashes: Mapping[str, str]) -> bytes:
    """A file's content, which must still be the one that was verified."""
    path = folder / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from None
    if hashlib.sha256(content).hexdigest() != hashes[name]:
        raise DataError(f"{path} was exchanged while it was read; load the model again")
    return content


def _plain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    plain = {}
    for name, value in state.items():
        dtype = torch.float32 if value.is_floating_point() else value.dtype
        # safetensors refuses other layouts and shared memory
        plain[name] = value.detach().to("cpu", dtype).contiguous().clone()
    return plain


def _class_name(entry: Mapping[str, Any]) -> ClassName:
    folder = str(entry["folder"])
    if not re.fullmatch(r"[\w+-][\w.+-]*", folder):  # it becomes a path when samples are written
        raise ValueError(f"{folder!r} is no safe folder name")
    return ClassName(str(entry["name"]), tuple(map(str, entry["aliases"])), folder)
