"""What all generator architectures share: settings, conditioned latents, the first feature maps."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import cast

from pydantic import Field
from torch import Tensor, nn

from acgan.data.images import ImageShape
from acgan.errors import UsageError
from acgan.networks.conditioning import (
    ConditionalNorm,
    ConditioningConfig,
    conditional_norms,
    input_conditioning,
)
from acgan.networks.interface import Generator, GeneratorConfig
from acgan.networks.layers import BatchNormConfig, Initialization, initialize, unflatten


class ConditionedGeneratorConfig(GeneratorConfig, ABC):
    """Settings of every generator architecture.

    Attributes:
        latent_size: length of a latent.
        conditioning: how the label enters.
        batch_norm: settings of every batch norm.
        spectral_norm: on every linear and convolution layer (SAGAN has it in G too).
        initialization: see `acgan.networks.layers.initialize`.
    """

    latent_size: int = Field(100, ge=1)
    conditioning: ConditioningConfig = ConditioningConfig()
    batch_norm: BatchNormConfig = BatchNormConfig()
    spectral_norm: bool = False
    initialization: Initialization = "dcgan"


class ConditionedGenerator(Generator, ABC):
    """A generator that starts from the result of `input_conditioning`.

    Args:
        config: its settings.
        classes: K.
        start_shape: channels, height and width of the feature maps that its first layer, which is
            linear, makes of this result; None without such a layer.
    """

    norms: nn.ModuleList

    def __init__(
        self,
        config: ConditionedGeneratorConfig,
        classes: int,
        start_shape: tuple[int, int, int] | None = None,
    ) -> None:
        super().__init__()
        self.latent_size = config.latent_size
        self.classes = classes
        self.conditional = config.conditioning.conditional
        self.input_conditioning = input_conditioning(
            config.conditioning, config.latent_size, classes
        )
        if start_shape is not None:
            self._start_shape = start_shape
            channels, height, width = start_shape
            inputs = self.input_conditioning.output_size
            self.start = nn.Linear(inputs, channels * height * width)

    def _start_maps(self, latents: Tensor, labels: Tensor | None, first: nn.Module) -> Tensor:
        """Return the first feature maps, in the memory format of the layer ``first``."""
        rows = self.start(self.input_conditioning(latents, labels))
        return unflatten(rows, self._start_shape, first)

    def _new_norms(
        self, config: ConditionedGeneratorConfig, widths: Sequence[int]
    ) -> nn.ModuleList:
        return conditional_norms(
            config.conditioning, widths, self.classes, self.latent_size, config.batch_norm
        )

    def _norm_list(self) -> list[ConditionalNorm]:
        return cast("list[ConditionalNorm]", list(self.norms))

    def _initialize(self, config: ConditionedGeneratorConfig) -> None:
        initialize(
            self,
            config.initialization,
            gain_std=config.batch_norm.gain_std,
            embedding_std=config.conditioning.initial_std,
            spectral_norm=config.spectral_norm,
        )


def start_size(shape: ImageShape, doublings: int) -> tuple[int, int]:
    """Return the height and width that ``doublings`` doublings turn into ``shape``.

    Raises:
        UsageError: there are none; the message names the nearest sizes that work.
    """
    factor = 2**doublings
    if shape.height % factor or shape.width % factor:
        raise UsageError(
            f"{shape.height}×{shape.width} cannot be built by {doublings} "
            f"doubling{'s' if doublings > 1 else ''}; {nearest_sizes(shape, factor)} can: choose "
            "such a size with --image-size, or a generator with fewer stages"
        )
    return shape.height // factor, shape.width // factor


def nearest_sizes(shape: ImageShape, factor: int) -> str:
    """Name the image sizes around ``shape`` whose sides are multiples of ``factor``."""
    smaller = [side // factor * factor for side in (shape.height, shape.width)]
    larger = [-(-side // factor) * factor for side in (shape.height, shape.width)]
    return " and ".join(f"{h}×{w}" for h, w in (smaller, larger) if h and w)
