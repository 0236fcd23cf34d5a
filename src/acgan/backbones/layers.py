"""In which precision pixels are scaled: not in bfloat16, which cannot tell 256 shades apart.

A first layer that is computed from the data: small patches, decorrelated, both signs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from acgan.data.images import ImageShape


def at_least_float32(images: Tensor) -> Tensor:
    """Images of any floating dtype in float32, or in float64 where they are."""
    return images.to(torch.promote_types(images.dtype, torch.float32))


_EVEN_OUT = 2e-3  # added to the variances, so that the noise of JPEG is not blown up to unit size


@final
class Whitening(nn.Module):
    """A fixed convolution onto the principal components of patches, each scaled to variance 1.

    The components of 2×2 patches (2r×2r, r px apart, where large images are reduced r times) and
    their negatives, so that rectification loses nothing. It has no gradient: the costliest layer
    of a convolutional network, at full resolution, is free in the backward pass, and the layers
    after it begin with inputs of one size. After D. Page, "How to train your ResNet 8" (2019),
    and K. Jordan, arXiv:2404.00498 (2024).

    Args:
        shape: of one image.
        components: at most this many are kept, those of largest variance.
        reduction: r.

    Attributes:
        weight: float (width, C, 2r, 2r); zero until `learn` was called.
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
            / (variances[-self.components :].clamp(min=0) + _EVEN_OUT).sqrt()
        )
        half = kept.T.reshape(self.components, *self.weight.shape[1:])
        self.weight.copy_(torch.cat([half, -half]))

    def forward(self, images: Tensor) -> Tensor:
        """Float (N, C, H, W) to (N, width, *sides)."""
        return F.conv2d(images, self.weight, stride=self.stride, padding=self.border)
