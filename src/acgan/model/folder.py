"""Model folders: everything that generating needs, without the data set; written and read here.

Weights are safetensors and everything else is JSON, so a folder from a stranger can hold wrong
numbers but no code. A set of models is a folder whose JSON files and card describe the whole; each
member lies below ``members/`` as the model folder that its own run wrote, usable alone.
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

import safetensors.numpy
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from acgan.config import canonical_json, validate
from acgan.data.config import LARGEST_SIDE
from acgan.data.images import ImageShape, checked_component, read_classes
from acgan.data.statistics import ImageStatistics
from acgan.errors import AcganError, DataError, UsageError, is_out_of_memory, printable
from acgan.model.card import ModelInfo, model_card
from acgan.runs.config import RunConfig
from acgan.runs.folder import RunFolder
from acgan.storage.files import spelled_on_disk, write_file
from acgan.storage.folders import MANIFEST, CorruptFolderError, replace_folder, verify_folder
from acgan.storage.json_reader import parse_json, read_json
from acgan.version import __version__

FORMAT = 4  # of the folder and the meaning of its weights; other numbers are refused
Network = Literal["generator", "discriminator"]
_NETWORKS: tuple[Network, ...] = ("generator", "discriminator")
_MODEL = "model.json"
_JSON_FILES = (_MODEL, "config.json", "classes.json", "split.json")
_STATISTICS = "statistics.safetensors"  # absent from models of older versions
_MEMBERS = "members"
_MOST_LAYERS, _LARGEST_NUMBER = 100, 1_000_000  # in the configuration of a network
_ATTEMPTS = 3  # training may replace the folder while it is read


def is_model_folder(path: Path) -> bool:
    """Return whether ``path`` itself is a model folder."""
    return (path / _MODEL).is_file()


def is_run_or_model(path: Path) -> bool:
    """Return whether ``path`` is a run folder or a model folder, not other data."""
    run = RunFolder(path)
    return is_model_folder(path) or run.has_run() or run.model.exists()


def run_of(path: Path) -> RunFolder:
    """Return the run folder of a path that names a run or its model folder."""
    return RunFolder(path.parent if is_model_folder(path) else path)


def find_model(path: Path) -> Path:
    """Return the model folder of a path that names a run or a model folder.

    Raises:
        UsageError: there is none; the message says what is there instead.
    """
    path = spelled_on_disk(path)
    run = RunFolder(path)
    for folder in (path, run.model):
        if is_model_folder(folder):
            return folder
    if not path.exists():
        raise UsageError(f"there is no model at {path}; {_hint(path)}")
    if not path.is_dir():
        raise UsageError(f"{path} is a file; name a run or its model folder")
    if run.has_run():
        when = "all of its members are trained" if run.members.is_dir() else "its first checkpoint"
        raise UsageError(
            f"the run {path} has no model yet; it gets one after {when}: continue it with the "
            "command that started it"
        )
    raise UsageError(f"{path} is neither a run nor a model folder (it has no {_MODEL})")


def _hint(path: Path) -> str:
    if (below_runs := Path("runs") / path).is_dir():
        return f"did you mean {below_runs}?"
    siblings = [sibling.name for sibling in path.parent.glob("*/")]
    if close := difflib.get_close_matches(path.name, siblings, n=1):
        return f"did you mean {path.parent / close[0]}?"
    return "`acgan runs` lists the existing runs"


@final
@dataclass(frozen=True)
class ModelRecord:
    """Content of a model folder at one moment; training may have replaced the folder since.

    Attributes:
        folder: where it was read from.
        info: configuration, classes and data.
        content_hash: SHA-256 over trajectory, images seen, classes, split hashes and weights, which
            no path shapes: equal models, equal hash.
        weights: content of the two safetensors files by network; empty for a set of models.
        statistics: of the training images; None for a set, or if an older version wrote the model.
        members: the models of a set, in the order of their classes; empty for one model.
    """

    folder: Path
    info: ModelInfo
    content_hash: str
    weights: Mapping[Network, bytes] = field(repr=False)
    statistics: ImageStatistics | None = field(default=None, repr=False)
    members: tuple[ModelRecord, ...] = ()

    def state(self, network: Network) -> dict[str, Tensor]:
        """Return the weights and buffers of one network, on the CPU.

        Raises:
            DataError: the file is not in the safetensors format.
        """
        try:
            return safetensors.torch.load(self.weights[network])
        except (SafetensorError, KeyError, RuntimeError, TypeError, ValueError) as error:
            if is_out_of_memory(error):
                raise
            where = self.folder / _weights_file(network)
            reason = printable(str(error))[:200]
            raise DataError(f"the model is damaged: {where}: {reason}") from None


def read_model_record(path: str | Path) -> ModelRecord:
    """Read a model folder and check every file against its hash.

    Args:
        path: a run or its ``model`` folder.

    Raises:
        UsageError: there is no model.
        DataError: it has another format; the model is damaged.
    """
    folder = find_model(Path(path))
    _check_format(folder)
    contents = _verified(folder)
    try:
        model, config, classes, split = (
            _printable(parse_json(contents[name])) for name in _JSON_FILES
        )
        members = model.get(_MEMBERS, {})
        info = ModelInfo(
            config=validate(RunConfig, config, where="config.json"),
            shape=ImageShape(*(int(size) for size in model["shape"])),
            classes=read_classes(classes),
            split=split,
            data_name=str(model["data_name"]),
            images_seen=int(model["images_seen"]),
        )
        _check(info)
        weights = {
            network: contents[_weights_file(network)] for network in _NETWORKS if not members
        }
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in weights.items()}
        content = [info.config.trajectory(), info.images_seen, classes, split, members, hashes]
        return ModelRecord(
            folder=folder,
            info=info,
            content_hash=hashlib.sha256(canonical_json(content).encode()).hexdigest(),
            weights=weights,
            statistics=_statistics(contents[_STATISTICS], info.shape)
            if _STATISTICS in contents
            else None,
            members=_members(folder, members, classes) if members else (),
        )
    except AcganError as error:
        raise DataError(f"the model at {folder} is damaged: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"the model at {folder} is damaged: a value is missing or of the wrong kind ({error})"
        ) from None


def _printable(value: Any) -> Any:
    """Return JSON values with escapes for characters that a terminal may interpret."""
    match value:
        case str():
            return printable(value)
        case list():
            return [_printable(each) for each in value]
        case dict():
            return {printable(key): _printable(each) for key, each in value.items()}
    return value


def _check(info: ModelInfo) -> None:
    """Refuse facts that no training writes, before anything is built from them."""
    channels, *sides = info.shape
    if channels not in (1, 3) or not all(1 <= side <= LARGEST_SIDE for side in sides):
        raise ValueError(f"images of {info.shape}")
    if not info.classes:
        raise ValueError("no classes")
    values = info.config.model_dump(mode="json", include={"generator", "discriminator"})
    _check_sizes(values)
    for split in info.split.values():
        int(split["images"]), str(split["content_hash"]), dict(split.get("labeled", {}))
    info.split["train"]["images"]


def _check_sizes(value: Any) -> None:
    """Refuse networks of so many layers, or so wide ones, that describing them takes minutes."""
    match value:
        case dict():
            for each in value.values():
                _check_sizes(each)
        case list() if len(value) > _MOST_LAYERS:
            raise ValueError(f"a list of {len(value):,} layers")
        case list():
            for each in value:
                _check_sizes(each)
        case int() if value > _LARGEST_NUMBER:
            raise ValueError(f"the number {value:,} in a network")


def _check_format(folder: Path) -> None:
    """Refuse other formats before the hashes are read: those may be stored in another way, too."""
    try:
        record = read_json(folder / _MODEL)
        version, writer = int(record["format"]), printable(str(record.get("version", "unknown")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"the model is damaged: {folder / _MODEL} is unreadable") from None
    if version != FORMAT:
        newer = version > FORMAT
        age, action = ("a newer", "update acgan") if newer else ("an older", "train it again")
        raise DataError(
            f"{folder} has format {version} of {age} version of acgan ({writer}); this one "
            f"({__version__}) reads format {FORMAT}; {action}"
        )


def _verified(folder: Path) -> dict[str, bytes]:
    """Return every file but the card and those of members, all of one moment."""
    for attempt in range(_ATTEMPTS):
        try:
            files = verify_folder(folder)["files"]
            is_set = any(name.startswith(f"{_MEMBERS}/") for name in files)
            own = () if is_set else (*map(_weights_file, _NETWORKS), _STATISTICS)
            names = (*_JSON_FILES, *(name for name in own if name in files or name != _STATISTICS))
            if unnamed := [name for name in names if name not in files]:  # and so not verified
                raise CorruptFolderError(f"{folder / MANIFEST} does not name {unnamed[0]}")
            contents = {name: (folder / name).read_bytes() for name in names}
            if all(
                hashlib.sha256(content).hexdigest() == files[name]["sha256"]
                for name, content in contents.items()
            ):
                return contents
        except (CorruptFolderError, OSError) as error:
            if attempt == _ATTEMPTS - 1:
                raise DataError(f"the model is damaged: {error}; use another copy of it") from None
    raise DataError(f"the model at {folder} keeps changing; try again in a moment")


def _statistics(content: bytes, shape: ImageShape) -> ImageStatistics:
    try:
        return ImageStatistics.from_arrays(safetensors.numpy.load(content), shape.channels)
    except SafetensorError as error:
        raise ValueError(f"{_STATISTICS}: {error}") from None


def _members(
    folder: Path, hashes: Mapping[str, str], classes: Sequence[Mapping[str, Any]]
) -> tuple[ModelRecord, ...]:
    """Return the models of a set, checked against their hashes."""
    members = []
    for name, content_hash in hashes.items():
        if (folder / _MEMBERS / checked_component(name) / _MEMBERS).exists():
            raise ValueError(f"the member {name} is a set")
        member = read_model_record(folder / _MEMBERS / checked_component(name))
        if member.members or member.content_hash != content_hash:
            raise ValueError(f"the member {name} is not the one that was saved")
        members.append(member)
    generated = [each.name for member in members for each in member.info.classes]
    if generated != [entry["name"] for entry in classes]:
        raise ValueError("its members generate other classes")
    return tuple(members)


def save_model(
    folder: Path,
    info: ModelInfo,
    *,
    generator_state: Mapping[str, Tensor],
    discriminator_state: Mapping[str, Tensor],
    statistics: ImageStatistics | None = None,
) -> None:
    """Write a model folder in one step: a reader finds the old one or the new one, never a mixture.

    Args:
        folder: replaced if it exists.
        info: configuration, classes and data.
        generator_state: averaged weights and buffers, on any device and in any memory format.
        discriminator_state: likewise.
        statistics: of the training images, for the check of other images.

    Raises:
        DiskError: it could not be written.
    """
    contents: dict[str, bytes | str] = {
        **_text_files(info),
        _weights_file("generator"): safetensors.torch.save(_plain(generator_state)),
        _weights_file("discriminator"): safetensors.torch.save(_plain(discriminator_state)),
    }
    if statistics is not None:
        contents[_STATISTICS] = safetensors.numpy.save(statistics.arrays())

    def write(target: Path) -> None:
        for name, content in contents.items():
            write_file(target / name, content)

    replace_folder(folder, write, need_bytes=sum(len(content) for content in contents.values()))


def save_model_set(folder: Path, info: ModelInfo, members: Mapping[str, Path]) -> None:
    """Write the folder of a set of models in one step, as `save_model` does for one model.

    Args:
        folder: replaced if it exists.
        info: of the whole: its configuration has ``classes_per_model``.
        members: model folders by the names that they get, in the order of their classes.

    Raises:
        DataError: a member is damaged, or was replaced while it was copied.
        DiskError: it could not be written; the old folder, if any, is still there.
    """
    hashes = {name: read_model_record(path).content_hash for name, path in members.items()}

    def write(target: Path) -> None:
        for name, content in _text_files(info, **{_MEMBERS: hashes}).items():
            write_file(target / name, content)
        for name, path in members.items():
            copy = target / _MEMBERS / name
            shutil.copytree(path, copy)
            if read_model_record(copy).content_hash != hashes[name]:
                raise DataError(f"{path} changed while it was copied; run the command again")

    files = (path for member in members.values() for path in member.rglob("*") if path.is_file())
    replace_folder(folder, write, need_bytes=sum(path.stat().st_size for path in files))


def _text_files(info: ModelInfo, **more: Any) -> dict[str, str]:
    """Return the JSON files and the card of a model folder by name."""
    model = {
        **{"format": FORMAT, "shape": list(info.shape), "images_seen": info.images_seen},
        **{"data_name": info.data_name, "version": __version__, **more},
    }
    classes = [each.to_json() for each in info.classes]
    values = (model, info.config.model_dump(mode="json"), classes, dict(info.split))
    return {
        name: json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        for name, value in zip(_JSON_FILES, values, strict=True)
    } | {"README.md": model_card(info)}


def _weights_file(network: Network) -> str:
    return f"{network}.safetensors"


def _plain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    plain = {}
    for name, value in state.items():
        dtype = torch.float32 if value.is_floating_point() else value.dtype
        # safetensors refuses other layouts and shared memory
        plain[name] = value.detach().to("cpu", dtype).contiguous().clone()
    return plain
