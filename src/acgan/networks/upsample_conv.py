"""The generator of the popular ACGAN script: nearest-neighbor doubling, then a convolution.

    input conditioning → Linear to widths[0]×h×w → norm
    → (×2 nearest → conv 3×3 → norm → LeakyReLU)… → conv 3×3 → tanh

A convolution directly before a batch norm has no bias: the norm would subtract it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, cast, final

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from acgan.data.images import ImageShape
from acgan.networks.conditioning import (
    ConditionalNorm,
    ConditioningConfig,
    conditional_norms,
    input_conditioning,
)
from acgan.networks.interface import Generator, GeneratorConfig
from acgan.networks.layers import (
    BatchNormConfig,
    Initialization,
    UpsampledConv2d,
    Widths,
    initialize,
    unflatten,
)
from acgan.networks.sizes import start_size


@final
class UpsampleConvConfig(GeneratorConfig):
    """A generator of nearest-neighbor doublings and convolutions.

    Attributes:
        latent_size: length of a latent.
        widths: channels of the start, then of every doubling stage.
        leak: slope of LeakyReLU below 0.
        conditioning: how the label enters.
        batch_norm: settings of every batch norm.
        spectral_norm: on every linear and convolution layer.
        initialization: see `acgan.networks.layers.initialize`.
    """

    family: Literal["upsample-conv"] = "upsample-conv"
    latent_size: int = Field(100, ge=1)
    widths: Widths = Field((128, 128, 64), min_length=2)
    leak: float = Field(0.2, ge=0, lt=1)
    conditioning: ConditioningConfig = ConditioningConfig()
    batch_norm: BatchNormConfig = BatchNormConfig()
    spectral_norm: bool = False
    initialization: Initialization = "dcgan"

    @property
    def doublings(self) -> int:
        """How often height and width double from the start to the image."""
        return len(self.widths) - 1

    def check_shape(self, shape: ImageShape) -> None:
        """Check that the doublings lead to ``shape``."""
        start_size(shape, self.doublings)

    def _network(self, shape: ImageShape, classes: int) -> Generator:
        return UpsampleConvGenerator(self, shape, classes)


@final
class UpsampleConvGenerator(Generator):
    """See the module's docstring."""

    def __init__(self, config: UpsampleConvConfig, shape: ImageShape, classes: int) -> None:
        super().__init__()
        self.latent_size = config.latent_size
        self.classes = classes
        self.conditional = config.conditioning.conditional
        self._leak = config.leak
        height, width = start_size(shape, config.doublings)
        self._start_shape = (config.widths[0], height, width)
        self.input_conditioning = input_conditioning(
            config.conditioning, config.latent_size, classes
        )
        self.start = nn.Linear(
            self.input_conditioning.output_size, config.widths[0] * height * width
        )
        self.norms = conditional_norms(
            config.conditioning, config.widths, classes, config.latent_size, config.batch_norm
        )
        self.stages = nn.ModuleList(
            UpsampledConv2d(before, after, 3, padding=1, bias=False)
            for before, after in zip(config.widths, config.widths[1:], strict=False)
        )
        self.to_image = nn.Conv2d(config.widths[-1], shape.channels, 3, padding=1)
        initialize(
            self,
            config.initialization,
            gain_std=config.batch_norm.gain_std,
            embedding_std=config.conditioning.initial_std,
            spectral_norm=config.spectral_norm,
        )

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, C, H, W) in [-1, 1]; in autocast's dtype where autocast is on."""
        norms = iter(cast("Iterator[ConditionalNorm]", self.norms))
        x = self.start(self.input_conditioning(latents, labels))
        x = next(norms)(unflatten(x, self._start_shape, self.stages[0]), labels, latents)
        for stage, norm in zip(self.stages, norms, strict=True):
            # Not in place, which takes a CPU up to twice as long in bfloat16.
            x = F.leaky_relu(norm(stage(x), labels, latents), self._leak)
        return torch.tanh(self.to_image(x))

    def normalized(self) -> Iterator[tuple[nn.Module, nn.Module]]:
        """Yield the stages with their norms."""
        return zip(self.stages, self.norms[1:], strict=True)
