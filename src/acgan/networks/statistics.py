"""Running statistics: kept still while a forward pass must leave no trace, or estimated anew.

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
    """Inside, forward passes leave every buffer of ``module`` bitwise unchanged; gradients flow.

    Forward passes work on copies, and the very same tensors come back at the end. (Writing the old
    values back instead would bump their versions, and a backward pass that saved them would fail.)
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

    The result is the average of the batches' means and of their unbiased variances, summed in
    float64: it depends neither on the statistics before nor on the momentum. An average of weights
    has no statistics of its own, hence this. Batch norms run as in training, everything else as in
    evaluation; modes, parameters and all other buffers stay as they were.

    Args:
        generator: its batch norms' running statistics are changed in place.
        batches: pairs of latents (N, Z) and labels int64 (N,), of equal N ≥ 2.

    Raises:
        ValueError: there is no batch; the statistics are then as before.
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
