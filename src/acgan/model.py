"""The model folder: all that drawing needs, without the data set; written, checked and read here.

Weights are safetensors and everything else is JSON, so a folder from a stranger can hold wrong
numbers but no code.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, final

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

import acgan
from acgan.config import canonical_json, validate
from acgan.data.classes import ClassName, find_class
from acgan.data.images import ImageShape
from acgan.errors import DataError, UsageError
from acgan.networks.build import build_discriminator, build_generator
from acgan.networks.interface import Discriminator, Generator
from acgan.objectives.build import build_objective
from acgan.run_config import RunConfig
from acgan.sampling import check_seeds, sample_images
from acgan.storage import (
    CorruptFolderError,
    file_sha256,
    replace_folder,
    verify_folder,
    write_file,
)

if TYPE_CHECKING:
    from PIL import Image

FORMAT = 1  # of the folder; a reader refuses higher numbers
_JSON_FILES = ("model.json", "config.json", "classes.json", "split.json")
_WEIGHT_FILES = ("generator.safetensors", "discriminator.safetensors")

Label = str | int
NetworkT = TypeVar("NetworkT", bound=nn.Module)


@final
@dataclass(frozen=True, eq=False)
class Model:
    """A trained model in memory, ready to draw; `load` makes one.

    Attributes:
        folder: where it was read from.
        config: the run that made it.
        shape: of its images.
        classes: in label order.
        split: content hash, size and count per class of each part of its data.
        data_name: short name of its data.
        images_seen: real images that the discriminator had seen.
        content_hash: SHA-256 over the hashes of its files, the card left out.
        generator: the averaged weights (EMA); evaluation mode, float32, no gradients, on the CPU.
    """

    folder: Path
    config: RunConfig
    shape: ImageShape
    classes: tuple[ClassName, ...]
    split: Mapping[str, Any]
    data_name: str
    images_seen: int
    content_hash: str
    generator: Generator = field(repr=False)

    @cached_property
    def discriminator(self) -> Discriminator:
        """D as it was at the same moment; evaluation mode, float32, no gradients; read when asked.

        Raises:
            DataError: the weights do not fit the configuration.
        """
        heads = build_objective(self.config.objective).heads
        return _network(
            lambda: build_discriminator(
                self.config.discriminator, self.shape, len(self.classes), heads
            ),
            self.folder / "discriminator.safetensors",
        )

    def class_indices(self, label: Label | Sequence[Label] | None = None) -> tuple[int, ...]:
        """The classes that a person means, as indices, each once.

        Args:
            label: a name, alias or index; several of these; None or ``"all"`` for every class.

        Raises:
            UsageError: there is no such class; the message says which there are.
        """
        if label is None:
            return tuple(range(len(self.classes)))
        wanted = [label] if isinstance(label, str | int) else list(label)
        found: dict[int, None] = {}
        for one in wanted:
            if one == "all" and "all" not in {c.name for c in self.classes}:
                found.update(dict.fromkeys(range(len(self.classes))))
            else:
                found[self._index(one)] = None
        return tuple(found)

    def sample(
        self,
        label: Label | Sequence[Label] | None = None,
        count: int = 1,
        seed: int = 0,
        truncation: float | None = None,
    ) -> npt.NDArray[np.uint8]:
        """Draw ``count`` images of each class, with the seeds ``seed`` to ``seed + count - 1``.

        Image (class, seed) is byte-identical alone or among others.

        Args:
            label: see `class_indices`; by default one class after the other.
            count: images of each class.
            seed: the first seed.
            truncation: below about 2 more typical and less varied; see `acgan.sampling.latents`.

        Returns:
            uint8 (N, C, H, W), class after class.

        Raises:
            UsageError: an argument lies outside its range.

        Example:
            >>> images = load("runs/digits").sample(label="seven", count=16)  # doctest: +SKIP
            >>> images.shape  # doctest: +SKIP
            (16, 1, 28, 28)
        """
        indices, seeds = self.class_indices(label), check_seeds(seed, count)
        labels = np.repeat(np.array(indices, np.int64), count)
        return sample_images(self.generator, labels, list(seeds) * len(indices), truncation)

    def pictures(
        self,
        label: Label | Sequence[Label] | None = None,
        count: int = 1,
        seed: int = 0,
        truncation: float | None = None,
    ) -> list[Image.Image]:
        """As `sample`, as Pillow images: grey (``L``) or colour (``RGB``)."""
        from PIL import Image

        images = self.sample(label, count, seed, truncation)
        return [Image.fromarray(to_picture_array(image)) for image in images]

    def sheet(
        self,
        label: Label | Sequence[Label] | None = None,
        count: int = 10,
        seed: int = 0,
        truncation: float | None = None,
    ) -> Image.Image:
        """As `sample`, on one sheet: a row for each class with its name; a column for each seed."""
        from acgan.pictures.sheet import class_sheet

        images = self.sample(label, count, seed, truncation)
        names = [self.classes[index].name for index in self.class_indices(label)]
        return class_sheet(images.reshape(len(names), count, *self.shape), names)

    def _index(self, label: Label) -> int:
        if isinstance(label, str):
            return find_class(self.classes, label)
        if not 0 <= label < len(self.classes):
            raise UsageError(
                f"there is no class with index {label}; they go from 0 to {len(self.classes) - 1}"
            )
        return int(label)


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

    replace_folder(folder, write, {}, need_bytes=sum(len(content) for content in contents.values()))


def load(path: str | Path) -> Model:
    """Read a model, after checking every file against its hash.

    Args:
        path: a run or its ``model`` folder; the data set is not needed.

    Returns:
        The model; torch's random state is left as it was.

    Raises:
        UsageError: there is no model at that place, or a newer version of acgan wrote it.
        DataError: the model is damaged.

    Example:
        >>> model = load("runs/digits")  # doctest: +SKIP
        >>> model.sheet("seven", count=16).save("sevens.png")  # doctest: +SKIP
    """
    folder = find_model(Path(path))
    record = _json(folder, "model.json")
    version = record.get("format")
    if not isinstance(version, int) or version > FORMAT:
        raise UsageError(
            f"{folder} was written by acgan {record.get('version', '(unknown)')} in a newer format "
            f"than this version ({acgan.__version__}) reads; update acgan"
        )
    try:
        verify_folder(folder)
    except CorruptFolderError as error:
        raise DataError(f"the model is damaged: {error}; use another copy of it") from None
    try:
        shape = ImageShape(*(int(size) for size in record["shape"]))
        classes = tuple(_class_name(entry) for entry in _json(folder, "classes.json"))
        images_seen, data_name = int(record["images_seen"]), str(record["data_name"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"the model at {folder} is damaged: {error!r}") from None
    try:
        config = validate(
            RunConfig, _json(folder, "config.json"), where=str(folder / "config.json")
        )
    except UsageError as error:
        raise DataError(str(error)) from None
    hashes = {name: file_sha256(folder / name) for name in (*_JSON_FILES, *_WEIGHT_FILES)}
    return Model(
        folder=folder,
        config=config,
        shape=shape,
        classes=classes,
        split=_json(folder, "split.json"),
        data_name=data_name,
        images_seen=images_seen,
        content_hash=hashlib.sha256(canonical_json(hashes).encode()).hexdigest(),
        generator=_network(
            lambda: build_generator(config.generator, shape, len(classes)),
            folder / "generator.safetensors",
        ),
    )


def find_model(path: Path) -> Path:
    """The model folder that a person means by a run or a model folder.

    Raises:
        UsageError: there is none; the message says what is there instead.
    """
    for folder in (path, path / "model"):
        if (folder / "model.json").is_file():
            return folder
    if not path.exists():
        raise UsageError(f"there is no model at {path}; `acgan runs` lists the runs that there are")
    if not path.is_dir():
        raise UsageError(f"{path} is a file; give a run or its model folder")
    if (path / "config.json").is_file():
        raise UsageError(
            f"the run {path} has no model yet; it gets one with its first checkpoint: "
            "go on with the command that started it"
        )
    raise UsageError(f"{path} is neither a run nor a model folder (it has no model/model.json)")


def to_picture_array(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """(1, H, W) as (H, W) and (3, H, W) as (H, W, 3): the layout of Pillow and matplotlib."""
    return image[0] if len(image) == 1 else np.ascontiguousarray(np.moveaxis(image, 0, -1))


def _network(build: Callable[[], NetworkT], weights: Path) -> NetworkT:
    with torch.random.fork_rng(devices=[]):  # initialisation draws numbers, which are not wanted
        network = build()
    try:
        network.load_state_dict(safetensors.torch.load_file(weights))
    except (SafetensorError, OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"{weights} does not fit its config.json: {reason}") from None
    return network.eval().requires_grad_(False)


def _plain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    plain = {}
    for name, value in state.items():
        whole = value.detach().to(
            "cpu", torch.float32 if value.is_floating_point() else value.dtype
        )
        plain[name] = (
            whole.contiguous().clone()
        )  # safetensors refuses other layouts and shared memory
    return plain


def _json(folder: Path, name: str) -> Any:
    try:
        return json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"the model at {folder} is damaged: {name} cannot be read ({error})"
        ) from None


def _class_name(entry: Mapping[str, Any]) -> ClassName:
    folder = str(entry["folder"])
    if not re.fullmatch(r"[\w+-][\w.+-]*", folder):  # it becomes a path when samples are written
        raise ValueError(f"{folder!r} is no safe folder name")
    return ClassName(str(entry["name"]), tuple(map(str, entry["aliases"])), folder)
