"""Generators of convolutions.

``deconv`` is DCGAN's, the ACGAN paper's, and the default here:

    input conditioning → Linear to widths[0]×h×w → [norm] → ReLU
    → (transposed conv, stride 2 → norm → ReLU)… → (conv 3×3 → norm → ReLU)… → image layer → tanh

``upsample-conv``, of the popular ACGAN script, doubles by nearest neighbors before a convolution:

    input conditioning → Linear to widths[0]×h×w → norm
    → (×2 nearest → conv 3×3 → norm → LeakyReLU)… → conv 3×3 → tanh

A convolution directly before a batch norm has no bias: the norm would subtract it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal, final

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from acgan.data.images import ImageShape
from acgan.networks.attention import attend, attention_layers, check_attention
from acgan.networks.generator import ConditionedGenerator, ConditionedGeneratorConfig, start_size
from acgan.networks.interface import Generator
from acgan.networks.layers import UpsampledConv2d, Widths


@final
class DeconvConfig(ConditionedGeneratorConfig):
    """A generator of transposed convolutions; further settings: `ConditionedGeneratorConfig`.

    Attributes:
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
    """

    family: Literal["deconv"] = "deconv"
    widths: Widths = Field((128, 64, 32), min_length=1)
    refinements: int = Field(0, ge=0)
    kernel: Literal[4, 5] = 4
    to_image: Literal["conv", "deconv", "shuffle"] = "conv"
    attention_at: tuple[int, ...] = ()
    start_norm: bool = True

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
        return ConvGenerator(self, shape, classes)


@final
class UpsampleConvConfig(ConditionedGeneratorConfig):
    """A generator of nearest-neighbor doublings and convolutions.

    Attributes:
        widths: channels of the start, then of every doubling stage.
        leak: slope of LeakyReLU below 0.
    """

    family: Literal["upsample-conv"] = "upsample-conv"
    widths: Widths = Field((128, 128, 64), min_length=2)
    leak: float = Field(0.2, ge=0, lt=1)

    @property
    def doublings(self) -> int:
        """How often height and width double from the start to the image."""
        return len(self.widths) - 1

    def check_shape(self, shape: ImageShape) -> None:
        """Check that the doublings lead to ``shape``."""
        start_size(shape, self.doublings)

    def _network(self, shape: ImageShape, classes: int) -> Generator:
        return ConvGenerator(self, shape, classes)


@final
class ConvGenerator(ConditionedGenerator):
    """See the module's docstring."""

    def __init__(
        self, config: DeconvConfig | UpsampleConvConfig, shape: ImageShape, classes: int
    ) -> None:
        widths, last = config.widths, config.widths[-1]
        super().__init__(config, classes, (widths[0], *start_size(shape, config.doublings)))
        self._start_norm = self._start_relu = True
        self._leak = 0.0
        to_image: nn.Module
        if isinstance(config, DeconvConfig):
            self._start_norm = config.start_norm
            normed = (widths[0], *config.stage_widths)[not config.start_norm :]
            self.norms = self._new_norms(config, normed)
            stages: list[nn.Module] = [
                _doubling(*step, config.kernel, bias=False) for step in pairwise(widths)
            ]
            stages += [
                nn.Conv2d(last, last, 3, padding=1, bias=False) for _ in range(config.refinements)
            ]
            self.stages = nn.ModuleList(stages)
            self.attention = attention_layers(
                config.heights(shape), config.stage_widths, config.attention_at
            )
            match config.to_image:
                case "conv":
                    to_image = nn.Conv2d(last, shape.channels, 3, padding=1)
                case "deconv":
                    to_image = _doubling(last, shape.channels, config.kernel, bias=True)
                case "shuffle":
                    convolution = nn.Conv2d(last, 4 * shape.channels, 3, padding=1)
                    to_image = nn.Sequential(convolution, nn.PixelShuffle(2))
        else:
            self._start_relu = False
            self._leak = config.leak
            self.norms = self._new_norms(config, widths)
            self.stages = nn.ModuleList(
                UpsampledConv2d(*step, 3, padding=1, bias=False) for step in pairwise(widths)
            )
            self.attention = nn.ModuleDict()
            to_image = nn.Conv2d(last, shape.channels, 3, padding=1)
        self.to_image = to_image
        self._initialize(config)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, C, H, W) in [-1, 1]; in autocast's dtype where autocast is on."""
        norms = iter(self._norm_list())
        x = self._start_maps(latents, labels, (*self.stages, self.to_image)[0])
        if self._start_norm:
            x = next(norms)(x, labels, latents)
        if self._start_relu:
            x = F.relu(x)
        for index, (stage, norm) in enumerate(zip(self.stages, norms, strict=True)):
            # Not in place, which takes a CPU up to twice as long in bfloat16.
            x = norm(stage(x), labels, latents)
            x = F.leaky_relu(x, self._leak) if self._leak else F.relu(x)
            x = attend(x, self.attention, index)
        return torch.tanh(self.to_image(x))

    def normalized(self) -> Iterator[tuple[nn.Module, nn.Module]]:
        """Yield the stages with their norms."""
        return zip(self.stages, self.norms[int(self._start_norm) :], strict=True)


def _doubling(before: int, after: int, kernel: int, *, bias: bool) -> nn.ConvTranspose2d:
    """Return a transposed convolution whose output is exactly twice as high and wide."""
    padding, output_padding = (1, 0) if kernel == 4 else (2, 1)
    return nn.ConvTranspose2d(
        before, after, kernel, stride=2, padding=padding, output_padding=output_padding, bias=bias
    )
