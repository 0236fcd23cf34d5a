"""A trained model in memory: sample classes, interpolate, and use its discriminator."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar, final

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from acgan.data.class_selection import ClassSelection, Label, class_index, class_indices
from acgan.data.images import ClassName, ImageShape
from acgan.errors import AcganError, DataError, UsageError, is_out_of_memory, listed
from acgan.model.folder import ModelRecord, Network, read_model_record
from acgan.networks.generator_set import GeneratorSet
from acgan.networks.interface import Discriminator, Generator
from acgan.plots.grid import class_grid, strip, to_pil
from acgan.plots.text import class_labels
from acgan.runs.checkpoint import Checkpoint, read_checkpoint
from acgan.runs.config import RunConfig
from acgan.runs.state import load_module
from acgan.sampling.forward import Precision, precision_on
from acgan.sampling.interpolation import interpolate
from acgan.sampling.latents import check_seeds
from acgan.sampling.sampler import sample_images
from acgan.storage.folders import CorruptFolderError

_MISFITS = (AcganError, ArithmeticError, IndexError, RuntimeError, TypeError, ValueError)
NetworkT = TypeVar("NetworkT", bound=nn.Module)


def _generator(record: ModelRecord) -> Generator:
    if record.members:
        try:
            return GeneratorSet([_generator(member) for member in record.members]).eval()
        except ValueError as error:
            raise DataError(f"the model at {record.folder} is damaged: {error}") from None
    info = record.info
    return _filled(
        lambda: info.config.generator.build(info.shape, len(info.classes)), record, "generator"
    )


def _discriminator(record: ModelRecord) -> Discriminator:
    if record.members:
        lines = "".join(
            f"\n  {member.folder}: {listed(each.name for each in member.info.classes)}"
            for member in record.members
        )
        raise UsageError(
            f"this model is a set of {len(record.members)} models with one discriminator each; "
            f"name one of them instead:{lines}"
        )
    info = record.info
    heads = info.config.objective.build().heads
    return _filled(
        lambda: info.config.discriminator.build(info.shape, len(info.classes), heads),
        record,
        "discriminator",
    )


def _filled(build: Callable[[], NetworkT], record: ModelRecord, name: Network) -> NetworkT:
    """Build a network and load its weights: evaluation mode, float32, no gradients, on the CPU."""
    state = record.state(name)
    try:
        size = sum(value.numel() for value in state.values())
        # Initialization advances torch's random state.
        with torch.random.fork_rng(devices=[]), _at_most(size):
            network = build()
        network.load_state_dict(state)
    except (*_MISFITS, MemoryError) as error:
        if is_out_of_memory(error):
            raise DataError(
                f"the {name} that {record.folder}/config.json describes takes more memory than "
                "this machine has free; use a smaller model, or stop other programs"
            ) from None
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = lines[min(1, len(lines) - 1)].strip()  # torch names the cause in its second line
        raise DataError(
            f"the model is damaged: the {name}'s weights in {record.folder} do not fit its "
            f"config.json: {reason}"
        ) from None
    return network.eval().requires_grad_(False)


@contextmanager
def _at_most(elements: int) -> Iterator[None]:
    """Refuse to build a network with more parameters, before their memory is written to.

    Parameters of layers with spectral normalization count twice.
    """
    left = 2 * elements

    def check(_module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal left
        left -= 0 if parameter is None or parameter.is_meta else parameter.numel()
        if left < 0:
            raise DataError(f"it describes a larger network ({name} …)")

    hook = register_module_parameter_registration_hook(check)
    try:
        yield
    finally:
        hook.remove()


@final
@dataclass(frozen=True, eq=False)
class Model:
    """A trained model; create one with `load`.

    A set of models (``record.members``), each with a few of the classes, is used as one model.

    Attributes:
        record: content of its folder.
        generator: the averaged weights (EMA); evaluation mode, float32, no gradients, on the CPU.
    """

    record: ModelRecord
    generator: Generator = field(repr=False)

    @property
    def config(self) -> RunConfig:
        """Configuration of the run that made it."""
        return self.record.info.config

    @property
    def shape(self) -> ImageShape:
        """Channels, height and width of its images."""
        return self.record.info.shape

    @property
    def classes(self) -> tuple[ClassName, ...]:
        """Its classes in label order."""
        return self.record.info.classes

    @property
    def conditional(self) -> bool:
        """Whether it generates a requested class; otherwise it generates from all of its data."""
        return self.generator.conditional

    @property
    def split(self) -> Mapping[str, Any]:
        """Content hash, size and count per class of each split of its data."""
        return self.record.info.split

    @property
    def images_seen(self) -> int:
        """Real images that the discriminator had seen."""
        return self.record.info.images_seen

    @cached_property
    def discriminator(self) -> Discriminator:
        """The discriminator at the same moment: evaluation mode, float32, no gradients.

        Raises:
            UsageError: the model is a set; each member has its own discriminator.
            DataError: the weights do not fit the configuration.
        """
        return _discriminator(self.record)

    def class_indices(self, label: ClassSelection = None) -> tuple[int, ...]:
        """Return the indices of a class selection, each once.

        Args:
            label: a name, alias or index; several of these; None or ``"all"`` for every class.

        Returns:
            The indices; empty if the model is unconditional.

        Raises:
            UsageError: the model has no such class; the message lists its classes. Or a class was
                given and the model is unconditional.
        """
        if not self.conditional:
            if label is not None:
                raise UsageError("this model was trained without classes; leave the class out")
            return ()
        return class_indices(self.classes, label)

    def sample(
        self,
        label: ClassSelection = None,
        count: int = 1,
        seed: int = 0,
        truncation: float | None = None,
        *,
        precision: Precision = "auto",
    ) -> npt.NDArray[np.uint8]:
        """Generate ``count`` images per class, with the seeds ``seed`` to ``seed + count - 1``.

        An unconditional model generates ``count`` images in total.

        The image of a class and a seed is byte-identical alone or in any batch and with any number
        of threads; on another machine it is the same up to round-off.

        Args:
            label: see `class_indices`; by default every class.
            count: images per class.
            seed: the first seed.
            truncation: below about 2, images are more typical and less diverse; see
                `acgan.sampling.latents.latents`.
            precision: by default bf16 if the processor computes fast in it; ``fp32`` gives the
                closest agreement between machines; see `sampling_precision`.

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
        labels = np.repeat(np.array(indices, np.int64), count) if indices else None
        wanted = list(seeds) * max(1, len(indices))
        return sample_images(self.generator, labels, wanted, truncation, precision=precision)

    def sampling_precision(self, precision: Precision = "auto") -> Literal["fp32", "bf16"]:
        """Resolve a precision on this model's device; see `acgan.sampling.forward.precision_on`."""
        return precision_on(next(self.generator.parameters()).device.type, precision)

    def images(
        self,
        label: ClassSelection = None,
        count: int = 1,
        seed: int = 0,
        truncation: float | None = None,
        *,
        precision: Precision = "auto",
    ) -> list[Image.Image]:
        """Generate as `sample` does; return Pillow images, gray (``L``) or color (``RGB``)."""
        pixels = self.sample(label, count, seed, truncation, precision=precision)
        return [to_pil(image) for image in pixels]

    def grid(
        self,
        label: ClassSelection = None,
        count: int = 10,
        seed: int = 0,
        truncation: float | None = None,
        *,
        precision: Precision = "auto",
    ) -> Image.Image:
        """Generate as `sample` does; return one grid with a row per class and a column per seed.

        An unconditional model gives a nearly square grid, seed after seed.
        """
        images = self.sample(label, count, seed, truncation, precision=precision)
        if not self.conditional:
            return strip(images, columns=math.isqrt(count - 1) + 1)
        labels = class_labels([each.name for each in self.classes])
        names = [labels[index] for index in self.class_indices(label)]
        return class_grid(images.reshape(len(names), count, *self.shape), names)

    def interpolate(
        self,
        label: Label | None = None,
        to_label: Label | None = None,
        *,
        seed: int = 0,
        to_seed: int | None = None,
        steps: int = 9,
        truncation: float | None = None,
        precision: Precision = "auto",
    ) -> npt.NDArray[np.uint8]:
        """Generate the interpolation path from one class and seed to another.

        Args:
            label: the first class; None if the model is unconditional.
            to_label: the last class; None for the same class.
            seed: the first seed.
            to_seed: the last seed; None for the same seed.
            steps: number of images, both ends included.
            truncation: see `acgan.sampling.latents.latents`.
            precision: as for `sample`.

        Returns:
            uint8 (steps, C, H, W).

        Raises:
            UsageError: an argument lies outside its range, both ends are the same, or two models
                of a set generate the ends.
        """
        first, last = self._ends(label, to_label)
        end = seed if to_seed is None else to_seed
        if (first, seed) == (last, end):
            other = "another class or seed" if self.conditional else "another seed"
            raise UsageError(f"both ends are the same image; name {other} as its end")
        return interpolate(
            self.generator,
            (first, last),
            (seed, end),
            steps,
            truncation,
            precision=precision,
            names=[each.name for each in self.classes],
        )

    def _ends(self, label: Label | None, to_label: Label | None) -> tuple[int, int]:
        if not self.conditional:
            self.class_indices(to_label if label is None else label)
            return 0, 0  # ignored
        if label is None:
            raise UsageError("name the class that the path starts at")
        first = class_index(self.classes, label)
        return first, first if to_label is None else class_index(self.classes, to_label)


def load(path: str | Path) -> Model:
    """Read a model and check every file against its hash.

    Torch's random state stays as it is.

    Args:
        path: a run or its ``model`` folder; the data set is not needed.

    Raises:
        UsageError: there is no model at ``path``.
        DataError: the model is damaged, or another version of acgan wrote it in another format.

    Example:
        >>> model = load("runs/digits")  # doctest: +SKIP
        >>> model.grid("seven", count=16).save("sevens.png")  # doctest: +SKIP
    """
    record = read_model_record(path)
    return Model(record=record, generator=_generator(record))


def generator_at(model: Model, checkpoint: Checkpoint) -> Generator:
    """Return the averaged generator that a run saved at a checkpoint, in evaluation mode.

    Args:
        model: gives the architecture; left as it is.
        checkpoint: of the run that made the model.

    Raises:
        DataError: the checkpoint is damaged, or of another network.
    """
    generator = copy.deepcopy(model.generator)
    try:
        saved = read_checkpoint(checkpoint.path, "average.")
        load_module("average", generator, saved.tensors)
    except (CorruptFolderError, DataError) as error:
        raise DataError(f"the checkpoint {checkpoint.path.name} cannot be used: {error}") from error
    return generator
