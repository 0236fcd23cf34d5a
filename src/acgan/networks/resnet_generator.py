"""The residual generator: SNGAN's (Miyato et al. 2018, appendix B), labels by batch norm.

    label entry → Linear to widths[0]×h×w → residual blocks, each doubling → norm → ReLU → conv 3×3
    → tanh

A block adds ``norm → ReLU → ×2 nearest → conv 3×3 → norm → ReLU → conv 3×3`` to
``×2 nearest → conv 1×1``. The norms of blocks may be conditional (Miyato & Koyama 2018), the last
one never is. Doubling joins the 3×3 convolution and comes after the 1×1 convolution, with which it
commutes: less than half and a fourth of the work. Biases that a norm subtracts again, or that come
twice, are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, cast, final

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from acgan.config import Config
from acgan.data.images import ImageShape
from acgan.networks.attention import attended, attention_layers, check_attention
from acgan.networks.conditioning import (
    ConditionalNorm,
    ConditioningConfig,
    PlainBatchNorm,
    conditional_norms,
    input_conditioning,
    label_parameters,
)
from acgan.networks.interface import Generator
from acgan.networks.layers import (
    BatchNormConfig,
    Initialization,
    UpsampledConv2d,
    add_spectral_norm,
    initialize,
    start_maps,
)
from acgan.networks.sizes import start_size


@final
class ResnetGeneratorConfig(Config):
    """A residual generator.

    Attributes:
        latent_size: length of a latent.
        widths: channels of the start, then of every block.
        attention_at: heights of maps; behind the block that makes them is self-attention
            (`acgan.networks.attention`).
        conditioning: how the label enters.
        batch_norm: settings of every batch norm.
        spectral_norm: on every linear and convolution layer (SAGAN has it in G too).
        initialization: see `acgan.networks.layers.initialize`.
    """

    family: Literal["resnet"] = "resnet"
    latent_size: int = Field(128, ge=1)
    widths: tuple[Annotated[int, Field(ge=1)], ...] = Field((256, 256, 256, 256), min_length=2)
    attention_at: tuple[int, ...] = ()
    conditioning: ConditioningConfig = ConditioningConfig()
    batch_norm: BatchNormConfig = BatchNormConfig()
    spectral_norm: bool = False
    initialization: Initialization = "glorot"

    @property
    def doublings(self) -> int:
        """How often height and width double from the start to the image."""
        return len(self.widths) - 1


@final
class ResnetGenerator(Generator):
    """See the module's docstring."""

    def __init__(self, config: ResnetGeneratorConfig, shape: ImageShape, classes: int) -> None:
        super().__init__()
        check_shape(config, shape)
        self.latent_size = config.latent_size
        self.classes = classes
        self.conditional = config.conditioning.conditional
        height, width = start_size(shape, config.doublings)
        self._start_shape = (config.widths[0], height, width)
        self.input_conditioning = input_conditioning(
            config.conditioning, config.latent_size, classes
        )
        self.start = nn.Linear(
            self.input_conditioning.output_size, config.widths[0] * height * width
        )
        steps = list(zip(config.widths, config.widths[1:], strict=False))
        normed = [channels for step in steps for channels in step]
        norms = cast(
            "Iterator[ConditionalNorm]",
            iter(
                conditional_norms(
                    config.conditioning, normed, classes, config.latent_size, config.batch_norm
                )
            ),
        )
        self.blocks = nn.ModuleList(
            GeneratorBlock(before, after, next(norms), next(norms)) for before, after in steps
        )
        self.attention = attention_layers(
            _heights(config, shape), config.widths[1:], config.attention_at
        )
        self.norm = PlainBatchNorm(config.widths[-1], config.batch_norm)
        self.to_image = nn.Conv2d(config.widths[-1], shape.channels, 3, padding=1)
        initialize(
            self,
            config.initialization,
            gain_std=config.batch_norm.gain_std,
            embedding_std=config.conditioning.initial_std,
        )
        if config.spectral_norm:
            add_spectral_norm(self)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, C, H, W) in [-1, 1]; in autocast's dtype where autocast is on."""
        x = self.start(self.input_conditioning(latents, labels))
        x = start_maps(x, self._start_shape, self.blocks[0])
        for index, block in enumerate(self.blocks):
            x = attended(block(x, labels, latents), self.attention, index)
        return torch.tanh(self.to_image(F.relu(self.norm(x, labels, latents))))

    def normalized(self) -> Iterator[tuple[nn.Module, nn.Module]]:
        """Each block's first convolution; a norm follows no other at once."""
        for block in cast("Iterator[GeneratorBlock]", iter(self.blocks)):
            yield block.first, block.second_norm

    def conditioning_parameters(self) -> Iterator[nn.Parameter]:
        """The label embeddings."""
        return label_parameters(self)


@final
class GeneratorBlock(nn.Module):
    """A residual block of twice the height and width; see the module's docstring."""

    def __init__(
        self, before: int, after: int, first_norm: ConditionalNorm, second_norm: ConditionalNorm
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


def check_shape(config: ResnetGeneratorConfig, shape: ImageShape) -> None:
    """Raise UsageError where ``config`` cannot build images of ``shape``."""
    check_attention(_heights(config, shape), config.attention_at, "generator")


def _heights(config: ResnetGeneratorConfig, shape: ImageShape) -> list[int]:
    """Of the maps that each block makes."""
    height, _ = start_size(shape, config.doublings)
    return [height * 2**block for block in range(1, config.doublings + 1)]
