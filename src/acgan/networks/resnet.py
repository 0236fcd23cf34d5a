"""Residual networks: SNGAN's generator and discriminator (Miyato et al. 2018, appendix B).

    G: input conditioning → Linear to widths[0]×h×w → blocks, each doubling → norm → ReLU
       → conv 3×3 → tanh
    D: image [with label maps] → first block → blocks → ReLU → sum over positions → heads

A block of G adds ``norm → ReLU → ×2 nearest → conv 3×3 → norm → ReLU → conv 3×3`` to
``×2 nearest → conv 1×1``. The norms of blocks may be conditional (Miyato & Koyama 2018), the last
norm never is.

D's first block adds ``conv 3×3 → ReLU → conv 3×3 → 2×2 means`` to ``2×2 means → conv 1×1``; others
add ``ReLU → conv 3×3 → ReLU → conv 3×3 [→ 2×2 means]`` to ``conv 1×1 [→ 2×2 means]``, or to their
input where neither size nor width change. D has spectral norm and no batch norm.

Doublings and means join the 3×3 convolution beside them, and commute with the 1×1 convolution: less
than half and a fourth of the work. Biases that a norm subtracts, or that come twice, are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal, Self, cast, final

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from acgan.data.images import ImageShape
from acgan.networks.attention import attend, attention_layers, check_attention
from acgan.networks.conditioning import (
    PlainBatchNorm,
    append_label_maps,
    joined_inputs,
)
from acgan.networks.conv_stack import require_discriminable
from acgan.networks.generator import ConditionedGenerator, ConditionedGeneratorConfig, start_size
from acgan.networks.heads import LinearDiscriminator, LinearHeads
from acgan.networks.interface import (
    Discriminator,
    DiscriminatorConfig,
    DiscriminatorOutput,
    Generator,
    Heads,
)
from acgan.networks.layers import (
    Initialization,
    PooledConv2d,
    UpsampledConv2d,
    Widths,
    initialize,
    pool,
)


@final
class ResnetGeneratorConfig(ConditionedGeneratorConfig):
    """A residual generator; further settings: `ConditionedGeneratorConfig`.

    Attributes:
        widths: channels of the start, then of every block.
        attention_at: heights of feature maps; self-attention follows the block with each
            (`acgan.networks.attention`).
    """

    family: Literal["resnet"] = "resnet"
    latent_size: int = Field(128, ge=1)
    widths: Widths = Field((256, 256, 256, 256), min_length=2)
    attention_at: tuple[int, ...] = ()
    initialization: Initialization = "glorot"

    @property
    def doublings(self) -> int:
        """How often height and width double from the start to the image."""
        return len(self.widths) - 1

    def heights(self, shape: ImageShape) -> list[int]:
        """Return the heights of the feature maps after each block."""
        height, _ = start_size(shape, self.doublings)
        return [height * 2**block for block in range(1, self.doublings + 1)]

    def check_shape(self, shape: ImageShape) -> None:
        """Check that the blocks lead to ``shape``, by way of each height with attention."""
        check_attention(self.heights(shape), self.attention_at, "generator")

    def _network(self, shape: ImageShape, classes: int) -> Generator:
        return ResnetGenerator(self, shape, classes)


@final
class ResnetDiscriminatorConfig(DiscriminatorConfig):
    """A residual discriminator.

    Attributes:
        widths: channels of every block.
        halvings: how many blocks, from the image on, halve height and width; the others keep them.
        attention_at: heights of feature maps; self-attention follows the first block with each
            (`acgan.networks.attention`).
        spectral_norm: on every convolution and the heads.
        initialization: see `acgan.networks.layers.initialize`.
    """

    family: Literal["resnet"] = "resnet"
    widths: Widths = Field((128, 128, 128, 128), min_length=1)
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

    def heights(self, shape: ImageShape) -> list[int]:
        """Return the heights of the feature maps after each block."""
        return [shape.height // 2 ** min(i + 1, self.halvings) for i in range(len(self.widths))]

    def check_shape(self, shape: ImageShape) -> None:
        """Check that the halvings leave a pixel, and the heights with attention."""
        require_discriminable(shape, lambda side: side // 2**self.halvings)
        check_attention(self.heights(shape), self.attention_at, "discriminator")

    def _network(self, shape: ImageShape, classes: int, heads: Heads) -> Discriminator:
        return ResnetDiscriminator(self, shape, classes, heads)


@final
class ResnetGenerator(ConditionedGenerator):
    """See the module's docstring."""

    def __init__(self, config: ResnetGeneratorConfig, shape: ImageShape, classes: int) -> None:
        start = start_size(shape, config.doublings)
        super().__init__(config, classes, (config.widths[0], *start))
        steps = list(pairwise(config.widths))
        norms = iter(self._new_norms(config, [channels for step in steps for channels in step]))
        self.blocks = nn.ModuleList(
            GeneratorBlock(*step, next(norms), next(norms)) for step in steps
        )
        self.attention = attention_layers(
            config.heights(shape), config.widths[1:], config.attention_at
        )
        self.norm = PlainBatchNorm(config.widths[-1], config.batch_norm)
        self.to_image = nn.Conv2d(config.widths[-1], shape.channels, 3, padding=1)
        self._initialize(config)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, C, H, W) in [-1, 1]; in autocast's dtype where autocast is on."""
        x = self._start_maps(latents, labels, self.blocks[0])
        for index, block in enumerate(self.blocks):
            x = attend(block(x, labels, latents), self.attention, index)
        return torch.tanh(self.to_image(F.relu(self.norm(x, labels, latents))))

    def normalized(self) -> Iterator[tuple[nn.Module, nn.Module]]:
        """Yield each block's first convolution and its second norm; no other pair is adjacent."""
        for block in cast("Iterator[GeneratorBlock]", iter(self.blocks)):
            yield block.first, block.second_norm


@final
class GeneratorBlock(nn.Module):
    """A residual block that doubles height and width; see the module's docstring."""

    def __init__(
        self, before: int, after: int, first_norm: nn.Module, second_norm: nn.Module
    ) -> None:
        super().__init__()
        self.first_norm = first_norm
        self.first = UpsampledConv2d(before, after, 3, padding=1, bias=False)
        self.second_norm = second_norm
        self.second = nn.Conv2d(after, after, 3, padding=1)
        self.shortcut = nn.Conv2d(before, after, 1, bias=False)

    def forward(self, maps: Tensor, labels: Tensor | None, latents: Tensor) -> Tensor:
        """(N, after, 2H, 2W) from (N, before, H, W)."""
        x = F.relu(self.first_norm(maps, labels, latents))
        x = F.relu(self.second_norm(self.first(x), labels, latents))
        doubled: Tensor = self.second(x) + F.interpolate(self.shortcut(maps), scale_factor=2.0)
        return doubled


@final
class ResnetDiscriminator(LinearDiscriminator):
    """See the module's docstring."""

    def __init__(
        self, config: ResnetDiscriminatorConfig, shape: ImageShape, classes: int, heads: Heads
    ) -> None:
        super().__init__()
        self._label_inputs = joined_inputs(heads, classes)
        channels = (shape.channels + self._label_inputs, *config.widths)
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(before, after, first=index == 0, halves=index < config.halvings)
            for index, (before, after) in enumerate(zip(channels, config.widths, strict=False))
        )
        self.attention = attention_layers(config.heights(shape), config.widths, config.attention_at)
        self.heads = LinearHeads(heads, config.widths[-1], classes)
        initialize(self, config.initialization, spectral_norm=config.spectral_norm)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Return the outputs for images (N, C, H, W) in [-1, 1]."""
        maps = images
        if self._label_inputs:
            maps = append_label_maps(images, labels, self._label_inputs, self.blocks[0])
        for index, block in enumerate(self.blocks):
            maps = attend(block(maps), self.attention, index)
        output: DiscriminatorOutput = self.heads(pool(F.relu(maps), "sum"), labels)
        return output


@final
class DiscriminatorBlock(nn.Module):
    """A residual block of the discriminator; see the module's docstring.

    As in the published code, the first convolution of the first block changes the number of
    channels; in other blocks the second one does.
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
        result: Tensor = shortcut + x
        return result
