"""Layers that several backbones share: float32 pixels, and whitening of small patches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from acgan.data.images import ImageShape

_EPSILON = 2e-3  # added to the variances, so that JPEG noise is not scaled to unit variance


def at_least_float32(values: Tensor) -> Tensor:
    """Convert a floating-point tensor to float32; float64 stays.

    bfloat16 has 8 significant bits, too few for 256 pixel values in [-1, 1].
    """
    return values.to(torch.promote_types(values.dtype, torch.float32))


def outputs_at(numbers: Sequence[int], layers: Iterable[nn.Module], x: Tensor) -> list[Tensor]:
    """Apply layers in turn; return the outputs of those with the given numbers, from 1."""
    outputs = []
    for number, layer in enumerate(layers, 1):
        x = layer(x)
        if number in numbers:
            outputs.append(x)
    return outputs


@final
class Whitening(nn.Module):
    """A fixed convolution onto the principal components of patches, each scaled to variance 1.

    Patches have 2r×2r pixels and lie r pixels apart. The outputs are the components and their
    negatives, so that a ReLU loses nothing. The weights have no gradient, so the layer at full
    resolution, the most expensive one, costs nothing in the backward pass. After D. Page, "How to
    train your ResNet 8" (2019), and K. Jordan, arXiv:2404.00498 (2024).

    Args:
        shape: of one image.
        components: the largest number of components, in the order of variance.
        reduction: r; the output is r times smaller than the image.

    Attributes:
        weight: float (width, C, 2r, 2r); zero before `learn`.
        width: channels of the output.
        sides: height and width of the output.
    """

    weight: Tensor

    def __init__(self, shape: ImageShape, components: int, reduction: int) -> None:
        super().__init__()
        patch = 2 * reduction
        self.components = min(components, shape.channels * patch**2)
        self.width = 2 * self.components
        self.stride = reduction
        # Only an image with a side smaller than a patch needs a border.
        self.border = reduction if min(shape.height, shape.width) < patch else 0
        padded = (side + 2 * self.border for side in (shape.height, shape.width))
        self.sides = tuple((side - patch) // reduction + 1 for side in padded)
        self.register_buffer("weight", torch.zeros(self.width, shape.channels, patch, patch))

    def learn(self, chunks: Iterable[Tensor]) -> None:
        """Set the weights from float images (N, C, H, W) whose channels have mean 0."""
        patch = self.weight.shape[-1]
        size = self.weight[0].numel()
        products = torch.zeros(size, size, dtype=torch.float64)
        count = 0
        for images in chunks:
            columns = F.unfold(images, patch, padding=self.border, stride=self.stride)
            columns = columns.transpose(0, 1).flatten(1).double()
            products += columns @ columns.T
            count += columns.shape[1]
        variances, directions = torch.linalg.eigh(products / count)  # ascending
        scales = (variances[-self.components :].clamp(min=0) + _EPSILON).sqrt()
        kept = directions[:, -self.components :] / scales
        half = kept.T.reshape(self.components, *self.weight.shape[1:])
        self.weight.copy_(torch.cat([half, -half]))

    def forward(self, images: Tensor) -> Tensor:
        """Map float images (N, C, H, W) to (N, width, *sides)."""
        return F.conv2d(images, self.weight, stride=self.stride, padding=self.border)
