"""From one image to another in small steps: between two seeds, two classes, or both at once.

Latents move on the sphere, where normal latents lie (slerp; White 2016, arXiv 1609.04468). A class
moves on the straight line between the two classes' embeddings, or one-hot vectors.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from acgan.errors import UsageError
from acgan.networks.conditioning import JoinedEmbedding, JoinedOneHot
from acgan.networks.generator_set import GeneratorSet
from acgan.networks.interface import Generator
from acgan.sampling.forward import Precision
from acgan.sampling.sampler import draw, latents

MOST_STEPS = 1000


def interpolate(
    generator: Generator,
    classes: tuple[int, int],
    seeds: tuple[int, int],
    steps: int,
    truncation: float | None = None,
    *,
    precision: Precision = "auto",
) -> npt.NDArray[np.uint8]:
    """Images from (class, seed) to (class, seed), both ends included.

    The ends are byte-identical to what `acgan.sampling.sampler.sample_images` draws of them in
    the same
    precision.

    Args:
        generator: left as it is.
        classes: index of the first and of the last class.
        seeds: first and last seed.
        steps: images, at least 2.
        truncation: see `acgan.sampling.sampler.latents`.
        precision: see `acgan.sampling.forward.precision_on`.

    Returns:
        uint8 (steps, C, H, W).

    Raises:
        UsageError: an argument lies outside its range.
    """
    if not 2 <= steps <= MOST_STEPS:
        raise UsageError(
            f"the steps must be from 2 (the two ends alone) to {MOST_STEPS}, not {steps}"
        )
    if not 0 <= min(classes) <= max(classes) < generator.classes:
        raise UsageError(f"class indices must lie in 0 to {generator.classes - 1}")
    if not has_path(generator, *classes):
        raise UsageError("two models of a set draw these classes; there is no way between them")
    if isinstance(generator, GeneratorSet):
        (generator, first), (_, last) = map(generator.member_of, classes)
        classes = (first, last)
    ends = latents(seeds, generator.latent_size, truncation=truncation)
    shares = torch.linspace(0, 1, steps, dtype=torch.float64)
    noise = slerp(ends[0], ends[1], shares)
    if classes[0] == classes[1]:
        return draw(generator, noise, torch.full((steps,), classes[0]), precision=precision)
    blend = between_classes(generator, classes, shares)
    return draw(blend, noise, torch.arange(steps), precision=precision)


def has_path(generator: Generator, first: int, last: int) -> bool:
    """Whether one network draws both of two classes, so that there is a way between them."""
    if not isinstance(generator, GeneratorSet):
        return True
    return generator.member_of(first)[0] is generator.member_of(last)[0]


def check_path(generator: Generator, names: Sequence[str], first: int, last: int) -> None:
    """Refuse two classes between which there is no way.

    Args:
        generator: as for `interpolate`.
        names: of all classes, for the message.
        first: index of the first class.
        last: index of the last one.

    Raises:
        UsageError: a set's members draw one each; the message says where a way leads.
    """
    if has_path(generator, first, last):
        return
    reached = [name for k, name in enumerate(names) if k != first and has_path(generator, first, k)]
    start, end = names[first], names[last]
    raise UsageError(
        f"{start!r} and {end!r} are drawn by two models of this set, and there is no way from "
        f"one network to another; from {start!r} go to {' or '.join(reached)}"
    )


def slerp(first: Tensor, last: Tensor, shares: Tensor) -> Tensor:
    """Points on the great circle from one latent to another, their lengths turning likewise.

    sin((1 - t)ω) / sin ω · a + sin(tω) / sin ω · b, with ω the angle between a and b (Shoemake
    1985); the straight line where they are parallel.

    Args:
        first: a, float32 (Z,).
        last: b, float32 (Z,).
        shares: t, float64 (n,), in [0, 1].

    Returns:
        float32 (n, Z); exactly a at t = 0 and b at t = 1.
    """
    a, b = first.double(), last.double()
    cosine = float(a @ b / (a.norm() * b.norm()).clamp_min(1e-300))
    angle = math.acos(max(-1.0, min(1.0, cosine)))
    t = shares[:, None]
    if math.sin(angle) < 1e-6:
        return ((1 - t) * a + t * b).float()
    weights = (torch.sin((1 - t) * angle), torch.sin(t * angle))
    return ((weights[0] * a + weights[1] * b) / math.sin(angle)).float()


def between_classes(generator: Generator, classes: tuple[int, int], shares: Tensor) -> Generator:
    """A copy of ``generator`` whose "class" i lies ``shares[i]`` of the way between two classes.

    A label enters a generator through tables with one row per class alone (a one-hot vector is a
    row of the identity), so other rows make other classes; no architecture needs to know.
    """
    blend = copy.deepcopy(generator)
    for module in list(blend.modules()):
        for name, child in module.named_children():
            if isinstance(child, JoinedOneHot):
                setattr(module, name, _as_table(child, generator.classes))
    for module in blend.modules():
        if isinstance(module, nn.Embedding):
            t = shares[:, None]
            rows = module.weight.detach().double()
            mixed = (1 - t) * rows[classes[0]] + t * rows[classes[1]]
            module.weight = nn.Parameter(mixed.to(module.weight), requires_grad=False)
            module.num_embeddings = len(shares)
    blend.classes = len(shares)
    return blend


def _as_table(entry: JoinedOneHot, classes: int) -> JoinedEmbedding:
    """The same function of latents and labels, with the one-hot vectors as rows of a table."""
    table = JoinedEmbedding(entry.output_size - classes, classes, classes)
    table.embedding.weight = nn.Parameter(torch.eye(classes), requires_grad=False)
    return table
