"""What a model's discriminator answers to a person's own pictures: its opinion, not a measurement.

D learned to tell this generator's images of one moment from the training images, and saw nothing
else. Its answers are neither calibrated probabilities nor a judgment of authenticity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from acgan.data.containers import UnusableFileError
from acgan.data.decode import decode, probe
from acgan.data.images import ImageShape
from acgan.errors import DataError, UsageError
from acgan.model.model import Model
from acgan.networks.interface import DiscriminatorOutput
from acgan.sampling.forward import BATCH
from acgan.sampling.sampler import from_uint8


@final
@dataclass(frozen=True)
class Opinion:
    """D's answer to one picture.

    Attributes:
        source_logit: positive leans to real. A discriminator that is given the class is asked
            about every class, and this is its highest answer.
        source_class: index of the class of that answer; None where D is not given the class.
        source_probability: sigmoid of the logit, or None where D was not trained with
            cross-entropy: its logit is then no log-odds.
        class_probabilities: (K,), the softmax of its class logits, or None without a class head;
            with proxies the softmax of cosines, which ranks classes but is no probability.
    """

    source_logit: float
    source_class: int | None
    source_probability: float | None
    class_probabilities: npt.NDArray[np.float64] | None


def opinions(model: Model, images: npt.NDArray[np.uint8]) -> list[Opinion]:
    """Ask D, in evaluation mode: an answer does not depend on the other images.

    Args:
        model: its discriminator is read if it was not before.
        images: uint8 (N, C, H, W) of the model's shape.

    Raises:
        ValueError: the images have another shape.
    """
    if images.ndim != 4 or images.shape[1:] != model.shape or images.dtype != np.uint8:
        raise ValueError(f"images must be uint8 (N, {', '.join(map(str, model.shape))})")
    odds = model.config.objective.source_loss == "bce"
    predictions: list[Opinion] = []
    for start in range(0, len(images), BATCH):
        with torch.inference_mode():
            output, given = _ask(model, from_uint8(images[start : start + BATCH]))
        logits = output.source_logits.double()
        classes = output.class_logits
        shares = None if classes is None else classes.double().softmax(dim=1).numpy()
        predictions += [
            Opinion(
                source_logit=float(logit),
                source_class=None if given is None else int(given[index]),
                source_probability=float(logit.sigmoid()) if odds else None,
                class_probabilities=None if shares is None else shares[index],
            )
            for index, logit in enumerate(logits)
        ]
    return predictions


def _ask(model: Model, images: Tensor) -> tuple[DiscriminatorOutput, Tensor | None]:
    """D's answer, and the classes (N,) for which its source logits are highest if it is given one.

    One pass for each class then: D has no quicker way to be asked, and pictures are few.
    """
    if not model.config.objective.build().heads.uses_labels:
        return model.discriminator(images), None
    predictions = [
        model.discriminator(images, torch.full((len(images),), label))
        for label in range(len(model.classes))
    ]
    highest, labels = torch.stack([each.source_logits for each in predictions]).max(dim=0)
    return replace(predictions[0], source_logits=highest), labels


def read_pictures(
    paths: Sequence[Path], shape: ImageShape
) -> tuple[npt.NDArray[np.uint8], list[str]]:
    """Pictures brought to a shape: cut at the center to its proportions, scaled, gray or color.

    Args:
        paths: image files.
        shape: wanted.

    Returns:
        uint8 (N, C, H, W), and for each picture a note on what was changed, or an empty one.

    Raises:
        UsageError: a file is missing.
        DataError: a file is no usable image.
    """
    pixels, notes = [], []
    for path in paths:
        if not path.is_file():
            kind = "is a folder; name image files" if path.is_dir() else "does not exist"
            raise UsageError(f"{path} {kind}")
        try:
            content = path.read_bytes()
            header = probe(content)
            pixels.append(decode(content, shape.channels, (shape.height, shape.width)))
        except UnusableFileError as error:
            raise DataError(f"{path}: {error}") from None
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from None
        changes = []
        if (header.height, header.width) != (shape.height, shape.width):
            cut = header.height * shape.width != header.width * shape.height
            how = "cut at the center and resized" if cut else "resized"
            changes.append(f"{how} from {header.height}×{header.width}")
        if header.gray != (shape.channels == 1):
            changes.append("made gray" if shape.channels == 1 else "made color")
        notes.append(", ".join(changes))
    return np.stack(pixels), notes
