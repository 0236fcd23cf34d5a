"""Where a model lies: what a person means by a path, and what to say where there is none.

The model folder: all that drawing needs, without the data set; checked and read here.

Weights are safetensors and everything else is JSON, so a folder from a stranger can hold wrong
numbers but no code. `acgan.model.folder` and `acgan.model.folder` write it.

Writes the folder of one model; what it holds and how it is read is `acgan.model.folder`'s.

Several models in one folder, which draws the classes of all: a set of models, written here.

Its JSON files and card speak of the whole. Every member lies below ``members/`` as the model folder
that its own run wrote, and can be used alone. `acgan.model.folder` reads and checks both kinds.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, final

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from acgan.config import canonical_json, validate
from acgan.data.images import ClassName, ImageShape, checked_component
from acgan.errors import AcganError, DataError, UsageError
from acgan.runs.config import RunConfig
from acgan.storage.files import write_file
from acgan.storage.folders import replace_folder
from acgan.storage.manifest import CorruptFolderError, verify_folder
from acgan.version import __version__


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
        several = (path / "members").is_dir()
        when = "when all of its members are trained" if several else "with its first checkpoint"
        raise UsageError(
            f"the run {path} has no model yet; it gets one {when}: "
            "go on with the command that started it"
        )
    raise UsageError(f"{path} is neither a run nor a model folder (there is no model.json)")


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


FORMAT = 2  # of the folder and the meaning of its weights; a reader refuses other numbers
SET_FORMAT = 3  # of a folder that holds several models, see `acgan.model.folder`
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


def read_model_record(path: str | Path) -> ModelRecord:
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
            f"({__version__}) reads; update acgan"
        )
    if version < known:
        raise UsageError(
            f"{folder} was written by acgan {writer} in an older format, whose weights would mean "
            f"other images to this version ({__version__}); train it anew"
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
        member = read_model_record(folder / MEMBERS / checked_component(name))
        if member.members or member.content_hash != content_hash:
            raise ValueError(f"{name} is not the model that was put there")
        members.append(member)
    drawn = [each.name for member in members for each in member.classes]
    if drawn != [entry["name"] for entry in classes]:
        raise ValueError("its models draw other classes")
    return tuple(members)


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
        split: `DatasetSplits.split_record`.
        data_name: `DatasetSplits.name`.
        generator_state: averaged weights and buffers, any device and memory format.
        discriminator_state: likewise.
        images_seen: real images that D has seen.
        card: the text of README.md (`acgan.model.card.model_card`).

    Raises:
        DiskError: it could not be written.
    """
    record = {
        "format": FORMAT,
        "shape": list(shape),
        "images_seen": images_seen,
        "data_name": data_name,
        "version": __version__,
    }
    contents: dict[str, bytes | str] = {**json_files(record, config, classes, split)}
    contents["README.md"] = card
    for network, state in zip(NETWORKS, (generator_state, discriminator_state), strict=True):
        contents[f"{network}.safetensors"] = safetensors.torch.save(_plain(state))

    def write(target: Path) -> None:
        for name, content in contents.items():
            write_file(target / name, content)

    replace_folder(folder, write, need_bytes=sum(len(content) for content in contents.values()))


def json_files(
    record: Mapping[str, Any],
    config: RunConfig,
    classes: Sequence[ClassName],
    split: Mapping[str, Any],
) -> dict[str, str]:
    """The JSON files of a model folder by name, ``record`` becoming model.json."""
    values = (
        record,
        config.model_dump(mode="json"),
        [each.to_json() for each in classes],
        dict(split),
    )
    return {
        name: json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        for name, value in zip(JSON_FILES, values, strict=True)
    }


def _plain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    plain = {}
    for name, value in state.items():
        dtype = torch.float32 if value.is_floating_point() else value.dtype
        # safetensors refuses other layouts and shared memory
        plain[name] = value.detach().to("cpu", dtype).contiguous().clone()
    return plain


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
    """Write the folder of a set in one step, as `acgan.model.folder.save_model` writes one model's.

    Args:
        folder: replaced if it exists.
        members: model folders by the names that they get, in the order of their classes.
        config: of the whole, with its ``classes_per_model``.
        shape: of the images.
        classes: of all members, in label order.
        split: `DatasetSplits.split_record` of the whole.
        data_name: `DatasetSplits.name`.
        images_seen: real images that all discriminators have seen.
        card: the text of README.md (`acgan.model.card.model_card`).

    Raises:
        DataError: a member is damaged, or was exchanged while it was copied.
        DiskError: it could not be written; the old one, if any, is still there.
    """
    hashes = {name: read_model_record(path).content_hash for name, path in members.items()}
    record = {
        "format": SET_FORMAT,
        "shape": list(shape),
        "images_seen": images_seen,
        "data_name": data_name,
        "version": __version__,
        MEMBERS: hashes,
    }
    contents = {**json_files(record, config, classes, split), "README.md": card}

    def write(target: Path) -> None:
        for name, content in contents.items():
            write_file(target / name, content)
        for name, path in members.items():
            copy = target / MEMBERS / name
            shutil.copytree(path, copy)
            if read_model_record(copy).content_hash != hashes[name]:
                raise DataError(f"{path} was changed while it was copied; run the command again")

    replace_folder(folder, write, need_bytes=sum(map(_size_bytes, members.values())))


def _size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
