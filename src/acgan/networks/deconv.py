"""The generator of transposed convolutions: DCGAN's, the ACGAN paper's, and the default here.

    input conditioning → Linear to widths[0]×h×w → [norm] → ReLU
    → (transposed conv, stride 2 → norm → ReLU)… → (conv 3×3 → norm → ReLU)… → image layer → tanh

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
from acgan.networks.attention import attend, attention_layers, check_attention
from acgan.networks.conditioning import (
    ConditionalNorm,
    ConditioningConfig,
    conditional_norms,
    input_conditioning,
)
from acgan.networks.interface import Generator, GeneratorConfig
from acgan.networks.layers import BatchNormConfig, Initialization, Widths, initialize, unflatten
from acgan.networks.sizes import start_size


@final
class DeconvConfig(GeneratorConfig):
    """A generator of transposed convolutions.

    Attributes:
        latent_size: length of a latent.
        widths: channels of the start, then of every doubling stage.
        refinements: 3×3 convolutions as wide as the last stage, after it and at its size.
        kernel: of the transposed convolutions: 4 (DCGAN) or 5 (the ACGAN paper).
        to_image: ``conv``: a 3×3 convolution after the last stage. ``deconv``: one more transposed
            convolution, so one more doubling than ``widths`` has stages. ``shuffle``: the same
            doubling by a 3×3 convolution to four times the channels, which become squares of 2×2
            pixels (Shi et al. 2016): no layer then works at full size, where memory traffic costs
            most.
        attention_at: heights of feature maps; self-attention follows the first stage with each
            (`acgan.networks.attention`).
        start_norm: a batch norm before the start's ReLU (the ACGAN paper has none there).
        conditioning: how the label enters.
        batch_norm: settings of every batch norm.
        spectral_norm: on every linear and convolution layer.
        initialization: see `acgan.networks.layers.initialize`.
    """

    family: Literal["deconv"] = "deconv"
    latent_size: int = Field(100, ge=1)
    widths: Widths = Field((128, 64, 32), min_length=1)
    refinements: int = Field(0, ge=0)
    kernel: Literal[4, 5] = 4
    to_image: Literal["conv", "deconv", "shuffle"] = "conv"
    attention_at: tuple[int, ...] = ()
    start_norm: bool = True
    conditioning: ConditioningConfig = ConditioningConfig()
    batch_norm: BatchNormConfig = BatchNormConfig()
    spectral_norm: bool = False
    initialization: Initialization = "dcgan"

    @property
    def doublings(self) -> int:
        """How often height and width double from the start to the image."""
        return len(self.widths) - (self.to_image == "conv")

    @property
    def stage_widths(self) -> list[int]:
        """Channels of the feature maps after each stage."""
        return [*self.widths[1:], *[self.widths[-1]] * self.refinements]

    def heights(self, shape: ImageShape) -> list[int]:
        """Return the heights of the feature maps after each stage."""
        height, _ = start_size(shape, self.doublings)
        doubled = [height * 2**stage for stage in range(1, len(self.widths))]
        return doubled + [(doubled or [height])[-1]] * self.refinements

    def check_shape(self, shape: ImageShape) -> None:
        """Check that the stages lead to ``shape``, by way of each height with attention."""
        check_attention(self.heights(shape), self.attention_at, "generator")

    def _network(self, shape: ImageShape, classes: int) -> Generator:
        return DeconvGenerator(self, shape, classes)


@final
class DeconvGenerator(Generator):
    """See the module's docstring."""

    def __init__(self, config: DeconvConfig, shape: ImageShape, classes: int) -> None:
        super().__init__()
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
        last = config.widths[-1]
        normed = (config.widths[0], *config.stage_widths)[not config.start_norm :]
        self.norms = conditional_norms(
            config.conditioning, normed, classes, config.latent_size, config.batch_norm
        )
        self.stages = nn.ModuleList(
            [
                _doubling(before, after, config.kernel, bias=False)
                for before, after in zip(config.widths, config.widths[1:], strict=False)
            ]
            + [nn.Conv2d(last, last, 3, padding=1, bias=False) for _ in range(config.refinements)]
        )
        self.attention = attention_layers(
            config.heights(shape), config.stage_widths, config.attention_at
        )
        self.to_image = _image_layer(config, last, shape.channels)
        self._start_norm = config.start_norm
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
        x = unflatten(x, self._start_shape, (*self.stages, self.to_image)[0])
        if self._start_norm:
            x = next(norms)(x, labels, latents)
        x = F.relu(x)
        for index, (stage, norm) in enumerate(zip(self.stages, norms, strict=True)):
            x = F.relu(norm(stage(x), labels, latents))
            x = attend(x, self.attention, index)
        return torch.tanh(self.to_image(x))

    def normalized(self) -> Iterator[tuple[nn.Module, nn.Module]]:
        """Yield the stages with their norms."""
        return zip(self.stages, self.norms[int(self._start_norm) :], strict=True)


def _image_layer(config: DeconvConfig, before: int, channels: int) -> nn.Module:
    match config.to_image:
        case "conv":
            return nn.Conv2d(before, channels, 3, padding=1)
        case "deconv":
            return _doubling(before, channels, config.kernel, bias=True)
        case "shuffle":
            convolution = nn.Conv2d(before, 4 * channels, 3, padding=1)
            return nn.Sequential(convolution, nn.PixelShuffle(2))


def _doubling(before: int, after: int, kernel: int, *, bias: bool) -> nn.ConvTranspose2d:
    """Return a transposed convolution whose output is exactly twice as high and wide."""
    padding, output_padding = (1, 0) if kernel == 4 else (2, 1)
    return nn.ConvTranspose2d(
        before, after, kernel, stride=2, padding=padding, output_padding=output_padding, bias=bias
    )
