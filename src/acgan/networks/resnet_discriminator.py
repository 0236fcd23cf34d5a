"""The residual discriminator: SNGAN's (Miyato et al. 2018, appendix B), heads on summed maps.

    image [beside the label] → first block → residual blocks → ReLU → sum over places → heads

The first block adds ``conv 3×3 → ReLU → conv 3×3 → 2×2 means`` to ``2×2 means → conv 1×1``; others
add ``ReLU → conv 3×3 → ReLU → conv 3×3 [→ 2×2 means]`` to ``conv 1×1 [→ 2×2 means]``, or to what
came in where neither size nor width change. Means join the 3×3 convolution before them and come
before the 1×1 convolution, with which they commute: a half and a fourth of the work. There are no
batch norms; spectral norm holds D. Biases that would come twice are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self, final

import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from acgan.config import Config
from acgan.data.images import ImageShape
from acgan.networks.attention import attended, attention_layers, check_attention
from acgan.networks.conditioning import beside_channels, joined_inputs
from acgan.networks.heads import LinearHeads
from acgan.networks.interface import Discriminator, DiscriminatorOutput, Heads
from acgan.networks.layers import (
    Initialization,
    PooledConv2d,
    add_spectral_norm,
    initialize,
    widened,
)
from acgan.networks.sizes import require_discriminable


@final
class ResnetDiscriminatorConfig(Config):
    """A residual discriminator.

    Attributes:
        widths: channels of every block.
        halvings: how many blocks, from the image on, halve height and width; the others keep them.
        attention_at: heights of maps; behind the first block with such maps is self-attention
            (`acgan.networks.attention`).
        spectral_norm: on every convolution and the heads.
        initialization: see `acgan.networks.layers.initialize`.
    """

    family: Literal["resnet"] = "resnet"
    widths: tuple[Annotated[int, Field(ge=1)], ...] = Field((128, 128, 128, 128), min_length=1)
    halvings: int = Field(2, ge=1)
    attention_at: tuple[int, ...] = ()
    spectral_norm: bool = True
    initialization: Initialization = "glorot"

    @model_validator(mode="after")
    def _blocks_for_the_halvings(self) -> Self:
        if self.halvings > len(self.widths):
            raise ValueError(
                f"{self.halvings} halvings need as many blocks, and discriminator.widths has "
                f"{len(self.widths)}: give more widths or fewer halvings"
            )
        return self


@final
class ResnetDiscriminator(Discriminator):
    """See the module's docstring."""

    def __init__(
        self, config: ResnetDiscriminatorConfig, shape: ImageShape, classes: int, heads: Heads
    ) -> None:
        super().__init__()
        check_shape(config, shape)
        self._label_inputs = joined_inputs(heads, classes)
        channels = (shape.channels + self._label_inputs, *config.widths)
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(before, after, first=index == 0, halves=index < config.halvings)
            for index, (before, after) in enumerate(zip(channels, config.widths, strict=False))
        )
        self.attention = attention_layers(
            _heights(config, shape), config.widths, config.attention_at
        )
        self.heads = LinearHeads(heads, config.widths[-1], classes)
        initialize(self, config.initialization)
        if config.spectral_norm:
            add_spectral_norm(self)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Judge (N, C, H, W) in [-1, 1]; logits and features come in float32 (or float64)."""
        maps = images
        if self._label_inputs:
            maps = beside_channels(images, labels, self._label_inputs, self.blocks[0])
        for index, block in enumerate(self.blocks):
            maps = attended(block(maps), self.attention, index)
        features = widened(F.relu(maps).sum(dim=(2, 3)))
        output: DiscriminatorOutput = self.heads(features, labels)
        return output

    def head_parameters(self) -> Iterator[nn.Parameter]:
        """Weights and biases of the heads."""
        yield from self.heads.parameters()


@final
class DiscriminatorBlock(nn.Module):
    """A residual block of a discriminator; see the module's docstring.

    Its first convolution keeps the number of channels, but in the first block, as in the published
    code.
    """

    def __init__(self, before: int, after: int, *, first: bool, halves: bool) -> None:
        super().__init__()
        self._is_first = first
        self._halves = halves
        between = after if first else before
        self.first = nn.Conv2d(before, between, 3, padding=1)
        kind = PooledConv2d if halves else nn.Conv2d
        self.second = kind(between, after, 3, padding=1)
        self.shortcut = (
            nn.Conv2d(before, after, 1, bias=False) if halves or before != after else None
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(N, after, H, W), or half that height and width, from (N, before, H, W)."""
        x = self.first(maps if self._is_first else F.relu(maps))
        x = self.second(F.relu(x, inplace=True))
        shortcut = F.avg_pool2d(maps, 2) if self._halves else maps
        if self.shortcut is not None:
            shortcut = self.shortcut(shortcut)
        judged: Tensor = shortcut + x
        return judged


def check_shape(config: ResnetDiscriminatorConfig, shape: ImageShape) -> None:
    """Raise UsageError where images of ``shape`` do not fit ``config``."""
    require_discriminable(shape, lambda side: side // 2**config.halvings)
    check_attention(_heights(config, shape), config.attention_at, "discriminator")


def _heights(config: ResnetDiscriminatorConfig, shape: ImageShape) -> list[int]:
    """Of the maps that each block makes."""
    return [shape.height // 2 ** min(i + 1, config.halvings) for i in range(len(config.widths))]
