"""Layers and helpers that several architectures share: normalization, initialization, resampling.

Everything here is unconditional; `acgan.networks.conditioning` adds labels to a layer.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Literal, final

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from acgan.backbones.layers import at_least_float32
from acgan.config import Config

Initialization = Literal["dcgan", "glorot", "torch"]
Pool = Literal["flatten", "sum", "mean"]
MOST_LAYERS = 100
Widths = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(max_length=MOST_LAYERS)]

_WEIGHT_STD = 0.02  # Radford, Metz & Chintala 2016, §4


@final
class BatchNormConfig(Config):
    """Settings of every batch norm of one network.

    Attributes:
        eps: added to the variance. The popular scripts write ``BatchNorm2d(channels, 0.8)`` with
            the momentum in mind, but 0.8 becomes this value.
        momentum: weight of the newest batch in the running statistics.
        gain_std: with the ``dcgan`` initialization, gains start as N(1, gain_std²); 0 is exactly 1.
    """

    eps: float = Field(1e-5, gt=0)
    momentum: float = Field(0.1, gt=0, le=1)
    gain_std: float = Field(0.0, ge=0)


def batch_norm(channels: int, config: BatchNormConfig, *, affine: bool = True) -> nn.BatchNorm2d:
    """Return a batch norm over N, H and W of (N, channels, H, W)."""
    return nn.BatchNorm2d(channels, eps=config.eps, momentum=config.momentum, affine=affine)


@final
class Gain(nn.Module):
    """A learned factor γ that starts at 0, so that its input enters gradually."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.zeros(1))

    def forward(self, activations: Tensor) -> Tensor:
        """γ times ``activations``, in their dtype."""
        return activations * self.factor.to(activations.dtype)


def initialize(
    network: nn.Module,
    scheme: Initialization,
    *,
    gain_std: float = 0.0,
    embedding_std: float = 1.0,
    spectral_norm: bool = False,
) -> None:
    """Set the initial weights of every layer of ``network`` from torch's global random generator.

    Args:
        network: changed in place; must not have spectral norm yet.
        scheme: ``dcgan``: weights of (transposed) convolutions and linear layers N(0, 0.02²), their
            biases 0, batch norm's gains N(1, gain_std²) and biases 0. ``glorot``: the same, except
            that weights are uniform with variance 2 / (inputs + outputs) (Glorot & Bengio 2010,
            eq. 16), and twice that for kernels larger than 1×1, as in residual networks for GANs
            (Miyato et al. 2018). ``torch``: torch's defaults. With every scheme, embeddings are
            N(0, embedding_std²) and a `Gain` is 0.
        gain_std: see `BatchNormConfig`.
        embedding_std: standard deviation of label embeddings.
        spectral_norm: whether to add spectral norm afterwards (`add_spectral_norm`).

    Raises:
        TypeError: the scheme has no rule for a layer with parameters.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Embedding):
            nn.init.normal_(layer.weight, 0.0, embedding_std)
        elif scheme == "torch" or not list(layer.parameters(recurse=False)):
            continue
        elif isinstance(layer, Gain):
            nn.init.zeros_(layer.factor)
        elif isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            if scheme == "dcgan":
                nn.init.normal_(layer.weight, 0.0, _WEIGHT_STD)
            else:
                pointwise = isinstance(layer, nn.Linear) or layer.kernel_size == (1, 1)
                nn.init.xavier_uniform_(layer.weight, 1.0 if pointwise else math.sqrt(2))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, gain_std)
            nn.init.zeros_(layer.bias)
        else:
            raise TypeError(f"the initialization has no rule for {type(layer).__name__}")
    if spectral_norm:
        add_spectral_norm(network)


def add_spectral_norm(network: nn.Module) -> None:
    """Divide the weight of every convolution and linear layer by its largest singular value.

    Miyato et al. 2018, §2.1; one power iteration at each forward pass in training. Embeddings and
    batch norms stay as they are.
    """
    for layer in list(network.modules()):
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            parametrizations.spectral_norm(layer)


def unflatten(rows: Tensor, shape: tuple[int, int, int], first: nn.Module) -> Tensor:
    """Rows (N, h·w·c) as feature maps (N, c, h, w), in the memory format of the layer ``first``.

    A row holds all channels of the first pixel, then those of the second: channels-last feature
    maps are then a view of it, which saves a conversion in every layer that follows.
    """
    channels, height, width = shape
    maps = rows.view(-1, height, width, channels).permute(0, 3, 1, 2)
    return maps if wants_channels_last(first) else maps.contiguous()


def flatten(maps: Tensor) -> Tensor:
    """Feature maps (N, c, h, w) as rows (N, h·w·c), the order of `unflatten`.

    Channels-last feature maps are not copied, and their gradient comes back channels-last.
    """
    return maps.permute(0, 2, 3, 1).flatten(1)


def pool(maps: Tensor, how: Pool) -> Tensor:
    """Features (N, F), in float32 (or float64), of feature maps (N, C, H, W).

    Args:
        maps: the last feature maps.
        how: ``flatten`` them, or take their ``sum`` or ``mean`` over height and width.
    """
    match how:
        case "flatten":
            features = flatten(maps)
        case "sum":  # accumulated in float32 also where the feature maps are bfloat16
            features = maps.sum(dim=(2, 3))
        case "mean":
            features = maps.mean(dim=(2, 3))
    return at_least_float32(features)


def wants_channels_last(first: nn.Module) -> bool:
    """Whether the first convolution in ``first`` has its weights channels-last."""
    # Not first.weight: with spectral norm, reading it runs a power iteration.
    weight = next(parameter for parameter in first.parameters() if parameter.ndim == 4)
    return weight.is_contiguous(memory_format=torch.channels_last)


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Return a context without autocast; on a device without autocast (meta), an empty context."""
    if torch.amp.is_autocast_available(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


@final
class UpsampledConv2d(nn.Conv2d):
    """Nearest-neighbor doubling and a 3×3 convolution with padding 1, as one operation.

    After doubling, some of the nine pixels under the kernel are copies of each other, so each
    output depends on 2×2 pixels of the input, by sums of weights: exactly a transposed convolution
    of stride 2 with 4×4 weights (Odena, Dumoulin & Olah 2016 compare the two). It takes four
    products instead of nine per output, and no enlarged feature maps in memory.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """(N, out, 2H, 2W) from (N, in, H, W)."""
        kernel = _doubling_weights(_doubling_weights(self.weight, 2), 3).transpose(0, 1)
        return F.conv_transpose2d(maps, kernel, self.bias, stride=2, padding=1)


@final
class PooledConv2d(nn.Conv2d):
    """A 3×3 convolution with padding 1 and the means of 2×2 squares of it, as one operation.

    A mean of four shifted convolutions is one convolution with the mean of the four shifted
    kernels, of 4×4 weights and stride 2: 16 products per output instead of 36. As in torch's
    average pooling, an odd last row or column is left out.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """(N, out, H // 2, W // 2) from (N, in, H, W)."""
        kernel = _pooling_weights(_pooling_weights(self.weight, 2), 3)
        return F.conv2d(maps, kernel, self.bias, stride=2, padding=1)


def _doubling_weights(weight: Tensor, axis: int) -> Tensor:
    """Along ``axis``, the 4 weights of the transposed convolution from the 3 weights w.

    Output o = 2i + a is w₀x[i−1] + (w₁+w₂)x[i] for a = 0 and (w₀+w₁)x[i] + w₂x[i+1] for a = 1;
    the transposed convolution adds x[i] times its weight k to output 2i − 1 + k.
    """
    first, middle, last = weight.unbind(axis)
    return torch.stack((last, middle + last, first + middle, first), dim=axis)


def _pooling_weights(weight: Tensor, axis: int) -> Tensor:
    """Along ``axis``, the 4 weights of the convolution of stride 2 from the 3 weights w.

    The mean of the outputs at 2i and 2i + 1 has the weight ½(w_m + w_{m−1}) on x[2i − 1 + m].
    """
    first, middle, last = (weight / 2).unbind(axis)
    return torch.stack((first, first + middle, middle + last, last), dim=axis)
