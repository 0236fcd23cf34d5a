"""The networks of a model folder, built by its configuration and filled with its weights.

A trained model in memory: it draws the classes asked for, and its discriminator can be asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar, final

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import nn

from acgan.data.class_selection import ClassSelection, Label, asked_class, class_selection
from acgan.data.images import ClassName, ImageShape
from acgan.errors import AcganError, DataError, UsageError
from acgan.model.folder import ModelRecord, Network, read_model_record
from acgan.networks.build import build_discriminator, build_generator
from acgan.networks.generator_set import GeneratorSet
from acgan.networks.interface import Discriminator, Generator
from acgan.objectives.build import build_objective
from acgan.plots.grid import class_grid, strip, to_pil
from acgan.runs.config import RunConfig
from acgan.sampling.forward import Precision, precision_on
from acgan.sampling.interpolation import check_way, interpolate
from acgan.sampling.sampler import check_seeds, sample_images

NetworkT = TypeVar("NetworkT", bound=nn.Module)


def generator_of(record: ModelRecord) -> Generator:
    """G, or those of a set's members as one; evaluation mode, float32, no gradients, on the CPU.

    Raises:
        DataError: the weights do not fit the configuration, or members not each other.
    """
    if record.members:
        try:
            return GeneratorSet([generator_of(member) for member in record.members]).eval()
        except ValueError as error:
            raise DataError(f"the model at {record.folder} is damaged: {error}") from None
    return _filled(
        lambda: build_generator(record.config.generator, record.shape, len(record.classes)),
        record,
        "generator",
    )


def discriminator_of(record: ModelRecord) -> Discriminator:
    """D; evaluation mode, float32, no gradients, on the CPU.

    Raises:
        UsageError: the model is a set, whose members have a discriminator each.
        DataError: the weights do not fit the configuration.
    """
    if record.members:
        listed = "".join(
            f"\n  {member.folder}: {', '.join(each.name for each in member.classes)}"
            for member in record.members
        )
        raise UsageError(
            f"this model is a set of {len(record.members)}, whose discriminators know nothing of "
            f"each other's classes; ask one of them:{listed}"
        )
    heads = build_objective(record.config.objective).heads
    return _filled(
        lambda: build_discriminator(
            record.config.discriminator, record.shape, len(record.classes), heads
        ),
        record,
        "discriminator",
    )


def _filled(build: Callable[[], NetworkT], record: ModelRecord, name: Network) -> NetworkT:
    state = record.state(name)
    try:
        with torch.random.fork_rng(devices=[]):  # initialization draws numbers that nobody wants
            network = build()
        network.load_state_dict(state)
    except (AcganError, RuntimeError) as error:
        lines = str(error).strip().splitlines()
        reason = lines[min(1, len(lines) - 1)].strip()  # torch names the cause in its second line
        raise DataError(
            f"the model is damaged: the {name}'s weights in {record.folder} do not fit its "
            f"config.json: {reason}"
        ) from None
    return network.eval().requires_grad_(False)


@final
@dataclass(frozen=True, eq=False)
class Model:
    """A trained model, ready to draw; `load` makes one.

    A set of models (``record.members``), each of a few of the classes, is used as one.

    Attributes:
        record: what its folder says of it.
        generator: the averaged weights (EMA); evaluation mode, float32, no gradients, on the CPU.
    """

    record: ModelRecord
    generator: Generator = field(repr=False)

    @property
    def config(self) -> RunConfig:
        """The run that made it."""
        return self.record.config

    @property
    def shape(self) -> ImageShape:
        """Channels, height and width of its images."""
        return self.record.shape

    @property
    def classes(self) -> tuple[ClassName, ...]:
        """Its classes in label order."""
        return self.record.classes

    @property
    def conditional(self) -> bool:
        """Whether it can be asked for classes; else it draws from all of its data at once."""
        return self.generator.conditional

    @property
    def split(self) -> Mapping[str, Any]:
        """Content hash, size and count per class of each part of its data."""
        return self.record.split

    @property
    def images_seen(self) -> int:
        """Real images that the discriminator had seen."""
        return self.record.images_seen

    @cached_property
    def discriminator(self) -> Discriminator:
        """D as it was at the same moment; evaluation mode, float32, no gradients; built when asked.

        Raises:
            UsageError: the model is a set, whose members have a discriminator each.
            DataError: the weights do not fit the configuration.
        """
        return discriminator_of(self.record)

    def class_indices(self, label: ClassSelection = None) -> tuple[int, ...]:
        """The classes to draw that a person means, as indices, each once.

        Args:
            label: a name, alias or index; several of these; None or ``"all"`` for every class.

        Returns:
            The indices; none where the model is not conditional.

        Raises:
            UsageError: there is no such class; the message says which there are. Or the model
                cannot be asked for a class at all.
        """
        if not self.conditional:
            if label is not None:
                raise UsageError(
                    "this model was trained without classes and cannot be asked for one; "
                    "leave the class out"
                )
            return ()
        return class_selection(self.classes, label)

    def sample(
        self,
        label: ClassSelection = None,
        count: int = 1,
        seed: int = 0,
        truncation: float | None = None,
        *,
        precision: Precision = "auto",
    ) -> npt.NDArray[np.uint8]:
        """Draw ``count`` images of each class, with the seeds ``seed`` to ``seed + count - 1``.

        A model that is not conditional draws ``count`` images in all.

        Image (class, seed) is byte-identical alone or among others and with any number of threads;
        on another machine it is the same up to round-off.

        Args:
            label: see `class_indices`; by default one class after the other.
            count: images of each class.
            seed: the first seed.
            truncation: below about 2 more typical and less varied; see
            `acgan.sampling.sampler.latents`.
            precision: by default bf16 where the processor is fast in it; ``fp32`` for the closest
                agreement between machines; see `sampling_precision`.

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
        """Resolve a precision on the device of this model; see `acgan.sampling.forward`."""
        return precision_on(next(self.generator.parameters()).device.type, precision)

    def pictures(
        self,
        label: ClassSelection = None,
        count: int = 1,
        seed: int = 0,
        truncation: float | None = None,
        *,
        precision: Precision = "auto",
    ) -> list[Image.Image]:
        """As `sample`, as Pillow images: gray (``L``) or color (``RGB``)."""
        images = self.sample(label, count, seed, truncation, precision=precision)
        return [to_pil(image) for image in images]

    def grid(
        self,
        label: ClassSelection = None,
        count: int = 10,
        seed: int = 0,
        truncation: float | None = None,
        *,
        precision: Precision = "auto",
    ) -> Image.Image:
        """As `sample`, on one sheet: a row for each class with its name; a column for each seed.

        Without classes: seed after seed in lines, about as many of them as columns.
        """
        images = self.sample(label, count, seed, truncation, precision=precision)
        if not self.conditional:
            return strip(images, columns=math.isqrt(count - 1) + 1)
        names = [self.classes[index].name for index in self.class_indices(label)]
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
        """Draw the way from one class, one seed, or both, to another.

        Args:
            label: the first class; None, as the next, where the model is not conditional.
            to_label: the last class; None for the same.
            seed: the first seed.
            to_seed: the last seed; None for the same.
            steps: images, both ends included.
            truncation: see `acgan.sampling.sampler.latents`.
            precision: as for `sample`.

        Returns:
            uint8 (steps, C, H, W).

        Raises:
            UsageError: an argument lies outside its range, or there is no way to go.
        """
        first, last = self._ends(label, to_label)
        check_way(self.generator, [each.name for each in self.classes], first, last)
        end = seed if to_seed is None else to_seed
        if (first, seed) == (last, end):
            other = "another class or seed" if self.conditional else "another seed"
            raise UsageError(f"both ends are the same image; name {other} to go to")
        return interpolate(
            self.generator, (first, last), (seed, end), steps, truncation, precision=precision
        )

    def _ends(self, label: Label | None, to_label: Label | None) -> tuple[int, int]:
        if not self.conditional:
            self.class_indices(to_label if label is None else label)
            return 0, 0  # never looked at
        if label is None:
            raise UsageError("say at which class to start")
        first = asked_class(self.classes, label)
        return first, first if to_label is None else asked_class(self.classes, to_label)


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
    record = read_model_record(path)
    return Model(record=record, generator=generator_of(record))
