"""Batched forward passes that give an image the same bytes in any batch and on any thread count.

Every pass has the same batch size (a smaller batch is padded) and runs on one thread, so the same
kernels run; other threads work on other batches.
"""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from acgan.errors import DataError
from acgan.execution.execution import fast_bfloat16
from acgan.networks.conditioning import PlainBatchNorm
from acgan.networks.interface import Generator

BATCH = 128  # images in every forward pass; another value would change the images

Precision = Literal["auto", "fp32", "bf16"]
Batch = tuple[Tensor, Tensor]  # latents and labels, at most BATCH


def precision_on(device: str, precision: Precision = "auto") -> Literal["fp32", "bf16"]:
    """Resolve ``auto``: ``bf16`` (autocast) if the device is fast in it, else ``fp32``.

    A pixel in bf16 differs from the same pixel in fp32 by at most a few of 256 levels.

    ``device`` is ``cpu``, ``cuda`` or ``mps``.
    """
    if precision == "auto":
        return "bf16" if fast_bfloat16(device) else "fp32"
    return precision


def batched_forward(
    generator: Generator, batches: Iterable[Batch], precision: Precision
) -> Iterator[npt.NDArray[np.uint8]]:
    """Generate the images of each batch, in order; on a CPU with one batch per torch thread.

    Two passes with one thread each are faster than two consecutive passes with two threads, and
    the number of threads does not influence the bytes.

    Args:
        generator: in any mode, on any device; its state is left as it was.
        batches: of latents float32 (n, Z) and labels int64 (n,), n at most `BATCH`.
        precision: see `precision_on`.

    Yields:
        uint8 (n, C, H, W), 0 to 255, contiguous.

    Raises:
        DataError: the generator gives non-finite values or has non-finite weights.
    """
    device, threads = next(generator.parameters()).device, torch.get_num_threads()
    low = precision_on(device.type, precision) == "bf16"
    network = _prepared(generator, low=low)
    workers = threads if device.type == "cpu" else 1
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))

    def forward(noise: Tensor, labels: Tensor) -> npt.NDArray[np.uint8]:
        """Run one pass in a worker thread, where the caller's autocast does not apply."""
        count = len(noise)
        if count < BATCH:
            noise = torch.cat([noise, noise.new_zeros(BATCH - count, noise.shape[1])])
            labels = torch.cat([labels, labels.new_zeros(BATCH - count)])
        with torch.inference_mode():
            with torch.autocast(device.type, torch.bfloat16, enabled=low):
                images = network(noise.to(device), labels.to(device))
            return to_uint8(images[:count]).contiguous().cpu().numpy()

    try:
        coming: deque[Future[npt.NDArray[np.uint8]]] = deque()
        for batch in batches:
            coming.append(pool.submit(forward, *batch))
            if len(coming) > 2 * workers:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # the workers have set it to 1 for later threads


def to_uint8(images: Tensor) -> Tensor:
    """Map [-1, 1] to 0 … 255: round((x + 1) · 127.5), clipped.

    Raises:
        DataError: a value is not finite.
    """
    _require_finite(images)
    return images.float().add(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)


def _require_finite(values: Tensor) -> None:
    # The sum of non-finite numbers is never finite; a finite sum spares the second, slower check.
    if not math.isfinite(values.sum()) and not bool(torch.isfinite(values).all()):
        raise DataError("the generator gives non-finite values; this model cannot be used")


def _prepared(generator: Generator, *, low: bool) -> Generator:
    """Return a copy for sampling: evaluation mode, channels-last, bf16 weights with autocast.

    Autocast would repeat the same casts in every pass. A batch norm that is the same for all
    classes is fused into the convolution before it, which saves a pass over the feature maps.
    """
    network = copy.deepcopy(generator).eval()
    for values in network.state_dict().values():
        _require_finite(values)
    for layer, norm in network.normalized():
        if isinstance(norm, PlainBatchNorm) and type(layer) in (nn.Conv2d, nn.ConvTranspose2d):
            _join(layer, norm)
    for module in network.modules() if low else ():
        # Exactly these classes: subclasses and spectral norm compute with float32 weights first.
        if type(module) in (nn.Linear, nn.Conv2d, nn.ConvTranspose2d):
            module.to(torch.bfloat16)
    return network.to(memory_format=torch.channels_last)


def _join(layer: nn.Module, norm: PlainBatchNorm) -> None:
    """Fuse ``norm`` into ``layer`` in place: x ↦ gain·(Wx − mean)/√(variance + eps) + bias."""
    fixed = norm.batch_norm
    assert isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))
    assert isinstance(fixed, nn.BatchNorm2d)
    layer.weight, layer.bias = fuse_conv_bn_weights(
        layer.weight,
        layer.bias,
        fixed.get_buffer("running_mean"),
        fixed.get_buffer("running_var"),
        fixed.eps,
        fixed.weight,
        fixed.bias,
        transpose=isinstance(layer, nn.ConvTranspose2d),
    )
    norm.batch_norm = nn.Identity()
