"""Running statistics: freeze them for some forward passes, or estimate them again.

Statistics are the buffers that a forward pass in training mode changes: batch norm's running mean
and variance, spectral norm's vectors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from acgan.networks.interface import Generator


@contextmanager
def frozen_statistics(module: nn.Module) -> Iterator[None]:
    """Leave every buffer of ``module`` bitwise unchanged by the forward passes inside the context.

    Forward passes work on copies, and the original tensors return at the end; gradients flow.
    (Writing the old values back would increase the tensors' versions, and a backward pass that
    saved them would fail.)
    """
    originals = [
        (owner, name, buffer)
        for owner in module.modules()
        for name, buffer in owner.named_buffers(recurse=False)
    ]
    for owner, name, buffer in originals:
        owner._buffers[name] = buffer.clone()
    try:
        yield
    finally:
        for owner, name, buffer in originals:
            owner._buffers[name] = buffer


@torch.no_grad()
def reestimate_statistics(generator: Generator, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Set every batch norm's running mean and variance to the exact averages over ``batches``.

    They are the averages of the batches' means and of their unbiased variances, summed in
    float64; they depend neither on earlier statistics nor on the momentum. An average of weights
    needs this, since it has no statistics. Batch norms run as in training, all other layers as in
    evaluation; modes, parameters and all other buffers stay as they were.

    Args:
        generator: its batch norms' running statistics are changed in place.
        batches: pairs of latents (N, Z) and labels int64 (N,), of equal N ≥ 2.

    Raises:
        ValueError: there is no batch; the statistics stay as they were.
    """
    norms = [module for module in generator.modules() if isinstance(module, nn.BatchNorm2d)]
    modes = {module: module.training for module in generator.modules()}
    momenta = [norm.momentum for norm in norms]
    # (2, channels) each: sums of means and of variances, on the CPU since MPS has no float64
    totals = [torch.zeros(2, norm.num_features, dtype=torch.float64) for norm in norms]
    count = 0
    try:
        with frozen_statistics(generator):
            generator.eval()
            for norm in norms:
                norm.reset_running_stats()
                norm.train()
                norm.momentum = 1.0  # the running statistics become those of the batch alone
            for latents, labels in batches:
                generator(latents, labels)
                for total, norm in zip(totals, norms, strict=True):
                    total.add_(torch.stack(_statistics(norm)).cpu().double())
                count += 1
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, mode in modes.items():
            module.training = mode
    if not count:
        raise ValueError("statistics cannot be estimated from no batch")
    for norm, total in zip(norms, totals, strict=True):
        for statistic, average in zip(_statistics(norm), total / count, strict=True):
            statistic.copy_(average)


def _statistics(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a batch norm of the generator keeps no running statistics")
    return norm.running_mean, norm.running_var
