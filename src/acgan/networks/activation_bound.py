"""How large anything inside a generator can become: what rules out overflow before it draws."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from acgan.kernels.space_to_depth import DepthToSpace
from acgan.networks.conditioning import (
    ConditionalBatchNorm,
    JoinedEmbedding,
    MultipliedEmbedding,
    PlainBatchNorm,
    Unconditional,
)
from acgan.networks.generator_set import GeneratorSet
from acgan.networks.interface import Generator

_BOUNDED = {
    *(ConditionalBatchNorm, PlainBatchNorm, nn.BatchNorm2d, nn.Identity),
    *(Unconditional, MultipliedEmbedding, JoinedEmbedding, nn.Embedding),
    *(nn.Linear, nn.Conv2d, nn.ConvTranspose2d, DepthToSpace, nn.ReLU),
    *(nn.ModuleList, nn.ModuleDict, nn.Sequential),
}


def activation_bound(generator: Generator, largest_latent: float) -> float:
    """A bound on the size of every layer's output, in exact arithmetic.

    The same network with the absolute values of its weights, gains and biases, and with running
    means turned negative, computes it from a latent of largest entries: each product then has the
    largest size, and sums add sizes up. So no partial sum, in whatever order, exceeds it either.
    One label stands for all: its embedding has the largest entries of any.

    Args:
        generator: in evaluation mode, on the CPU, float32; left as it was.
        largest_latent: a bound on the size of a latent's entries.

    Returns:
        The bound, over all classes; infinite if a weight is not finite, or if the network has a
        layer for which this is not known to hold (attention, spectral norm).
    """
    if isinstance(generator, GeneratorSet):
        return max(activation_bound(each, largest_latent) for each in generator.all_members())
    inner = [module for module in generator.modules() if module is not generator]
    if any(type(module) not in _BOUNDED for module in inner):
        return math.inf
    network = copy.deepcopy(generator)
    for parameter in network.parameters():
        parameter.detach().abs_()
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.abs_().neg_()
    for module in network.modules():
        if isinstance(module, nn.Embedding):
            module.weight.detach().copy_(module.weight.amax(0))
    bounds: list[float] = []

    def note(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        bounds.append(output.abs().max().item())

    for module in network.modules():
        module.register_forward_hook(note)
    with torch.inference_mode():
        latents = torch.full((1, network.latent_size), largest_latent)
        with torch.autocast("cpu", enabled=False):
            network.forward(latents, torch.zeros(1, dtype=torch.int64))  # no hooks: it is not drawn
    return max(bounds, default=0.0) if all(map(math.isfinite, bounds)) else math.inf
