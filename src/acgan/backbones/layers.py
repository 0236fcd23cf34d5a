"""Layers that several backbones share: float32 pixels, and whitening of small patches."""

from __future__ import annotations

from collections.abc import Iterable
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


@final
class Whitening(nn.Module):
    """A fixed convolution onto the principal components of patches, each scaled to variance 1.

    The components of 2×2 patches (2r×2r, r px apart, where large images are reduced r times) and
    their negatives, so that a ReLU loses nothing. Its weights have no gradient: the layer at full
    resolution, the most expensive of the network, costs nothing in the backward pass, and the next
    layer has inputs of unit variance. After D. Page, "How to train your ResNet 8" (2019), and
    K. Jordan, arXiv:2404.00498 (2024).

    Args:
        shape: of one image.
        components: the largest number of components, in the order of variance.
        reduction: r.

    Attributes:
        weight: float (width, C, 2r, 2r); zero before `learn`.
        width: channels of its output.
        sides: height and width of its output.
    """

    weight: Tensor

    def __init__(self, shape: ImageShape, components: int, reduction: int) -> None:
        super().__init__()
        patch = 2 * reduction
        self.components = min(components, shape.channels * patch**2)
        self.width = 2 * self.components
        self.stride = reduction
        # A row or column narrower than a patch is the one case that needs a border.
        self.border = reduction if min(shape.height, shape.width) < patch else 0
        self.sides = tuple(
            (side + 2 * self.border - patch) // reduction + 1
            for side in (shape.height, shape.width)
        )
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
        kept = (
            directions[:, -self.components :]
            / (variances[-self.components :].clamp(min=0) + _EPSILON).sqrt()
        )
        half = kept.T.reshape(self.components, *self.weight.shape[1:])
        self.weight.copy_(torch.cat([half, -half]))

    def forward(self, images: Tensor) -> Tensor:
        """Float (N, C, H, W) to (N, width, *sides)."""
        return F.conv2d(images, self.weight, stride=self.stride, padding=self.border)
