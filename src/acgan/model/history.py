"""Generators as a run kept them in its checkpoints: what the model drew while it was learning.

Reads what `acgan.runs.checkpoint` wrote, without training: the averaged weights alone.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors
import torch
from safetensors import SafetensorError
from torch import Tensor

from acgan.errors import DataError
from acgan.model.model import Model
from acgan.networks.interface import Generator
from acgan.networks.statistics import reestimate_statistics
from acgan.sampling.sampler import latents
from acgan.storage.manifest import CorruptFolderError, verify_folder

FOLDER = "checkpoints"
STATISTICS = (
    "weights: their moving average; batch-norm statistics: re-estimated with these weights over "
    "512 latents in float32 (a model folder's: over 1,024 others, in the run's own precision)"
)
_NAME = re.compile(r"(?P<images>\d{12,})-r(?P<retry>\d+)")
_TENSORS = "tensors.safetensors"
_BATCHES, _BATCH = 4, 128


class SavedCheckpoint(NamedTuple):
    """One checkpoint on disk, not yet read.

    Attributes:
        images_seen: by the discriminator.
        path: its folder.
    """

    images_seen: int
    path: Path


def saved_checkpoints(run: Path, *, before: int) -> tuple[SavedCheckpoint, ...]:
    """The checkpoints that led to a model, oldest first.

    Where a run went back to a good state, what it left behind is passed over.

    Args:
        run: its folder; one without checkpoints gives none.
        before: images that the model had seen; checkpoints as late or later are left out.
    """
    folder = run / FOLDER
    found = [
        (int(match["retry"]), int(match["images"]), path)
        for path in (folder.iterdir() if folder.is_dir() else ())
        if (match := _NAME.fullmatch(path.name))
    ]
    kept: list[SavedCheckpoint] = []
    earliest = before
    for _, images, path in sorted(found, reverse=True):
        if images < earliest:  # a later retry took over from the first checkpoint that it kept
            kept.append(SavedCheckpoint(images, path))
            earliest = images
    return tuple(reversed(kept))


def generator_at(checkpoint: SavedCheckpoint, model: Model) -> Generator:
    """The averaged generator of a checkpoint, ready to draw.

    An average of weights has no batch-norm statistics of its own; they are re-estimated over fixed
    latents, with classes as often as the generator was asked for them in training.

    Args:
        checkpoint: of the run that made the model.
        model: gives the architecture; left as it is.

    Raises:
        DataError: the checkpoint is damaged, or of another network.
    """
    generator = copy.deepcopy(model.generator)
    try:
        verify_folder(checkpoint.path)
        generator.load_state_dict(_state(checkpoint.path / _TENSORS, generator))
    except (CorruptFolderError, OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(
            f"the checkpoint {checkpoint.path.name} cannot be used ({reason})"
        ) from error
    reestimate_statistics(generator, _batches(model))
    return generator.eval().requires_grad_(False)


def _state(path: Path, generator: Generator) -> dict[str, Tensor]:
    """Parameters are averaged, buffers are the live generator's: no average of them is kept."""
    parameters = {name for name, _ in generator.named_parameters()}
    with safetensors.safe_open(path, "pt") as file:
        return {
            name: file.get_tensor(f"{'average' if name in parameters else 'generator'}.{name}")
            for name in generator.state_dict()
        }


def _batches(model: Model) -> Iterator[tuple[Tensor, Tensor]]:
    known = model.split["train"]
    counts = np.array(known.get("labeled", known)["per_class"], np.float64)
    if model.config.training.fake_labels == "uniform":
        counts = (counts > 0).astype(np.float64)
    edges = np.cumsum(counts) / counts.sum()
    for index in range(_BATCHES):
        first = index * _BATCH
        # evenly spaced over the distribution of classes, where no two batches ask for the same
        places = (np.arange(_BATCH) + (index + 0.5) / _BATCHES) / _BATCH
        labels = np.searchsorted(edges, places, side="right")
        noise = latents(range(first, first + _BATCH), model.generator.latent_size)
        yield noise, torch.from_numpy(labels.astype(np.int64))
