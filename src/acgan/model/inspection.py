"""Discriminator outputs for a user's own images, and whether these are like training images.

The discriminator was trained only on its training images and on this generator's images, so its
outputs are neither calibrated probabilities nor a test of authenticity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from acgan.data.containers import UnusableFileError
from acgan.data.conversions import Conversion, Header
from acgan.data.decode import decode
from acgan.data.images import ImageShape
from acgan.errors import DataError, UsageError
from acgan.model.model import Model
from acgan.networks.interface import DiscriminatorOutput
from acgan.sampling.forward import BATCH
from acgan.sampling.sampler import from_uint8


@final
@dataclass(frozen=True)
class Inspection:
    """Discriminator outputs for one image.

    Attributes:
        source_logit: positive means real. The highest over all classes if the discriminator takes
            the class as an input.
        source_class: index of the class of that logit; None if the class is not an input.
        source_probability: sigmoid of the logit; None if the discriminator was not trained with
            cross-entropy, since its logit is then not a log-odds.
        class_probabilities: (K,), the softmax of the class logits; None without a class head. With
            proxies it is the softmax of cosines, which ranks classes but is not a probability.
    """

    source_logit: float
    source_class: int | None
    source_probability: float | None
    class_probabilities: npt.NDArray[np.float64] | None


_LITTLE_KEPT, _MUCH_ENLARGED = 0.5, 2.0
Invert = Literal["auto", "always", "never"]


@final
@dataclass(frozen=True)
class Comparison:
    """One image compared with the statistics of the model's training images.

    Attributes:
        distance: of the image that D receives; 99 % of held-out real images have at most 1
            (`acgan.data.statistics.ImageStatistics`).
        inverted: whether that image is the negative of the given one.
        negative_distance: distance of its negative.
        differences: simple properties that training images do not have.
    """

    distance: float
    inverted: bool
    negative_distance: float
    differences: tuple[str, ...]

    @property
    def unlike(self) -> bool:
        """Whether the image is unlike the training images."""
        return self.distance > 1

    @property
    def negative_fits(self) -> bool:
        """Whether the image is unlike them and its negative is at most half as far away."""
        return self.unlike and self.negative_distance < self.distance / 2


def compare_images(
    model: Model, images: npt.NDArray[np.uint8], invert: Invert = "never"
) -> tuple[npt.NDArray[np.uint8], list[Comparison] | None]:
    """Compare images with the training images, and replace some by their negatives.

    Args:
        model: has the statistics.
        images: uint8 (N, C, H, W) of the model's shape.
        invert: ``auto``: where `Comparison.negative_fits`; ``always``; or ``never``.

    Returns:
        The images for D, and their comparisons; None if the model has no statistics.

    Raises:
        UsageError: ``auto`` needs statistics, and the model has none.
    """
    statistics = model.record.statistics
    if statistics is None:
        if invert == "auto":
            raise UsageError(
                f"{model.record.folder} has no statistics of its training images (it is a set, or "
                "an older version of acgan wrote it): use --invert always or --invert never"
            )
        return (255 - images if invert == "always" else images), None
    pixels, comparisons = [], []
    both = np.stack([images, 255 - images])
    distances = np.stack([statistics.distances(each) for each in both])
    for index, (own, negative) in enumerate(distances.T.tolist()):
        fits = own > 1 and negative < own / 2
        inverted = invert == "always" or (invert == "auto" and fits)
        image = both[int(inverted), index]
        distance, other = (negative, own) if inverted else (own, negative)
        differences = tuple(statistics.differences(image))
        pixels.append(image)
        comparisons.append(Comparison(distance, inverted, other, differences))
    return np.stack(pixels), comparisons


def inspect_images(model: Model, images: npt.NDArray[np.uint8]) -> list[Inspection]:
    """Return the discriminator's outputs in evaluation mode, independent of the other images.

    Args:
        model: its discriminator is used.
        images: uint8 (N, C, H, W) of the model's shape.

    Raises:
        ValueError: the images have another shape.
    """
    if images.ndim != 4 or images.shape[1:] != model.shape or images.dtype != np.uint8:
        raise ValueError(f"images must be uint8 (N, {', '.join(map(str, model.shape))})")
    odds = model.config.objective.source_loss == "bce"
    inspections: list[Inspection] = []
    for start in range(0, len(images), BATCH):
        with torch.inference_mode():
            output, given = _outputs(model, from_uint8(images[start : start + BATCH]))
        logits = output.source_logits.double()
        classes = output.class_logits
        shares = None if classes is None else classes.double().softmax(dim=1).numpy()
        inspections += [
            Inspection(
                source_logit=float(logit),
                source_class=None if given is None else int(given[index]),
                source_probability=float(logit.sigmoid()) if odds else None,
                class_probabilities=None if shares is None else shares[index],
            )
            for index, logit in enumerate(logits)
        ]
    return inspections


def _outputs(model: Model, images: Tensor) -> tuple[DiscriminatorOutput, Tensor | None]:
    """Return the outputs; if the class is an input, of the class with the highest source logit.

    The second value has these classes, int64 (N,). It takes one forward pass per class.
    """
    if not model.config.objective.build().heads.uses_labels:
        return model.discriminator(images), None
    outputs = [
        model.discriminator(images, torch.full((len(images),), label))
        for label in range(len(model.classes))
    ]
    highest, labels = torch.stack([each.source_logits for each in outputs]).max(dim=0)
    return replace(outputs[0], source_logits=highest), labels


def read_images(
    paths: Sequence[Path], shape: ImageShape, white_level: int | None = None
) -> tuple[npt.NDArray[np.uint8], list[str]]:
    """Read images and convert them to a shape: center crop, resize, gray or color.

    Args:
        paths: image files.
        shape: shape of the result.
        white_level: the value of white in images of 16 bits; None for 65535.

    Returns:
        uint8 (N, C, H, W), and for each image a note on the changes, empty if there are none.

    Raises:
        UsageError: a file is missing.
        DataError: a file is not a usable image.
    """
    pixels, notes = [], []
    for path in paths:
        if not path.is_file():
            kind = "is a folder; name image files" if path.is_dir() else "does not exist"
            raise UsageError(f"{path} {kind}")
        try:
            content = path.read_bytes()
            header, image, conversions = decode(
                content, shape.channels, (shape.height, shape.width), white_level
            )
            pixels.append(image)
        except UnusableFileError as error:
            raise DataError(f"{path}: {error}") from None
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from None
        changes = []
        if (header.height, header.width) != (shape.height, shape.width):
            cut = header.height * shape.width != header.width * shape.height
            how = "center-cropped and resized" if cut else "resized"
            changes.append(f"{how} from {header.height}×{header.width}{_loss(header, shape)}")
        if header.gray != (shape.channels == 1):
            changes.append("converted to gray" if shape.channels == 1 else "converted to color")
        changes += [str(kind) for kind in Conversion if kind in conversions.kinds]
        notes.append(", ".join(changes))
    return np.stack(pixels), notes


def _loss(header: Header, shape: ImageShape) -> str:
    """Return what a crop or an enlargement loses, in parentheses; empty if that is little."""
    scale = min(header.height / shape.height, header.width / shape.width)
    kept = scale**2 * shape.height * shape.width / (header.height * header.width)
    losses = [f"the crop keeps {100 * kept:.0f} % of the image"] if kept < _LITTLE_KEPT else []
    if scale < 1 / _MUCH_ENLARGED:
        losses.append(f"enlarged {1 / scale:.1f} times, so details are missing")
    return f" ({'; '.join(losses)})" if losses else ""
