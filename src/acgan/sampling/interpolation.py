"""Interpolation paths between two seeds, two classes, or both.

Latents move on the sphere that normal latents concentrate on (slerp; White 2016, arXiv 1609.04468).
A class moves on the line between the two classes' embeddings or one-hot vectors.
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
from acgan.sampling.latents import latents
from acgan.sampling.sampler import images_of_latents

_MOST_STEPS = 1000


def interpolate(
    generator: Generator,
    classes: tuple[int, int],
    seeds: tuple[int, int],
    steps: int,
    truncation: float | None = None,
    *,
    precision: Precision = "auto",
    names: Sequence[str] | None = None,
) -> npt.NDArray[np.uint8]:
    """Generate the images of a path from one class and seed to another, both ends included.

    The ends are byte-identical to the images of `acgan.sampling.sampler.sample_images` in the same
    precision.

    Args:
        generator: left as it is.
        classes: index of the first and of the last class.
        seeds: first and last seed.
        steps: number of images, 2 to 1000.
        truncation: see `acgan.sampling.latents.latents`.
        precision: see `acgan.sampling.forward.precision_on`.
        names: of all classes, for messages.

    Returns:
        uint8 (steps, C, H, W).

    Raises:
        UsageError: an argument lies outside its range, or two models of a set generate the ends.
    """
    if not 2 <= steps <= _MOST_STEPS:
        raise UsageError(f"the number of steps must be from 2 to {_MOST_STEPS}, not {steps}")
    if not 0 <= min(classes) <= max(classes) < generator.classes:
        raise UsageError(f"class indices must lie in 0 to {generator.classes - 1}")
    if not has_path(generator, *classes):
        first, last = classes
        named = [repr(name) for name in names or range(generator.classes)]
        reached = [n for k, n in enumerate(named) if k != first and has_path(generator, first, k)]
        goals = " or ".join(reached) or "no other class"
        raise UsageError(
            f"two models of this set generate {named[first]} and {named[last]}, so there is no "
            f"path between them; paths from {named[first]} lead to {goals}"
        )
    if isinstance(generator, GeneratorSet):
        (generator, first), (_, last) = map(generator.member_of, classes)
        classes = (first, last)
    ends = latents(seeds, generator.latent_size, truncation=truncation)
    shares = torch.linspace(0, 1, steps, dtype=torch.float64)
    noise = slerp(ends[0], ends[1], shares)
    labels = torch.full((steps,), classes[0])
    if classes[0] != classes[1]:
        generator, labels = between_classes(generator, classes, shares), torch.arange(steps)
    return images_of_latents(generator, noise, labels, precision=precision)


def has_path(generator: Generator, first: int, last: int) -> bool:
    """Return whether one network generates both classes, so that a path between them exists."""
    if not isinstance(generator, GeneratorSet):
        return True
    return generator.member_of(first)[0] is generator.member_of(last)[0]


def slerp(first: Tensor, last: Tensor, shares: Tensor) -> Tensor:
    """Return points on the great circle between two latents; their lengths change likewise.

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
    """Return a copy of ``generator`` whose class i lies at ``shares[i]`` between two classes.

    A label enters a generator only through tables with one row per class (a one-hot vector is a
    row of the identity), so other rows give other classes in every architecture.
    """
    blend, count = copy.deepcopy(generator), generator.classes
    for module in list(blend.modules()):
        for name, child in module.named_children():
            if isinstance(child, JoinedOneHot):  # the same function, with a table of one-hot rows
                table = JoinedEmbedding(child.output_size - count, count, count)
                table.embedding.weight = nn.Parameter(torch.eye(count), requires_grad=False)
                setattr(module, name, table)
    for module in blend.modules():
        if isinstance(module, nn.Embedding):
            t, rows = shares[:, None], module.weight.detach().double()
            mixed = (1 - t) * rows[classes[0]] + t * rows[classes[1]]
            module.weight = nn.Parameter(mixed.to(module.weight), requires_grad=False)
            module.num_embeddings = len(shares)
    blend.classes = len(shares)
    return blend
