"""Differentiable transforms of image batches with parameters per image, as pure functions.

Memory layout and dtype stay, no value is copied to the host, and images with neutral parameters
stay bitwise equal. The formulas are those of DiffAugment (Zhao et al. 2020, arXiv 2006.10738, §4
and appendix), reflected borders those of Karras et al. 2020 (arXiv 2006.06676, appendix B).
"""

from __future__ import annotations

from typing import Any, Literal, final

import torch
import torch.nn.functional as F
from torch import Tensor

Border = Literal["zeros", "reflect"]


def color(images: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
    """Return images with changed brightness, saturation and contrast, in this order.

    With m the mean over the channels, of each pixel, and M the mean over the whole image:
    x + b, then s (x − m) + m, then c (x − M) + M. Saturation keeps m and thus M, so the three are
    one affine map of x, m and M, and are computed so. Values may leave [-1, 1].

    Args:
        images: (N, C, H, W).
        brightness: b, (N,); 0 is neutral.
        saturation: s, (N,); 1 is neutral; ignored for gray images.
        contrast: c, (N,); 1 is neutral.
    """
    b, s, c = (each.view(-1, 1, 1, 1) for each in (brightness, saturation, contrast))
    of_image = (1 - c) * images.mean(dim=(1, 2, 3), keepdim=True) + b
    if images.shape[1] == 1:
        return torch.addcmul(of_image, images, c)
    of_pixel = torch.addcmul(of_image, images.mean(dim=1, keepdim=True), c * (1 - s))
    return torch.addcmul(of_pixel, images, c * s)


def shifted(
    images: Tensor, down: Tensor, right: Tensor, reach: tuple[int, int], border: Border = "zeros"
) -> Tensor:
    """Return images translated by whole pixels.

    Args:
        images: (N, C, H, W).
        down: int64 (N,), rows, positive for down.
        right: int64 (N,), columns, positive for right.
        reach: limits of the absolute values of ``down`` and ``right``.
        border: fill of the uncovered area: 0, or the image reflected at its first or last pixels,
            which are not repeated.
    """
    rows, columns = reach
    if border == "reflect" and (rows or columns):
        framed = F.pad(images, (columns, columns, rows, rows), mode="reflect")
        larger = shifted(framed, down, right, reach)
        middle = larger[:, :, rows : larger.shape[2] - rows, columns : larger.shape[3] - columns]
        return middle.clone()  # dense, in the memory layout of the images
    moved: Tensor = _Shift.apply(images, down, right, reach)
    return moved


def with_hole(images: Tensor, top: Tensor, left: Tensor, size: tuple[int, int]) -> Tensor:
    """Return images with a rectangle of 0.

    Args:
        images: (N, C, H, W).
        top: int64 (N,), first row of the rectangle, which may lie outside the image.
        left: int64 (N,), its first column.
        size: its height and width.
    """
    rows = _between(images.shape[2], top, size[0])
    columns = _between(images.shape[3], left, size[1])
    outside = ~(rows[:, :, None] & columns[:, None, :])
    return images * outside[:, None]  # masked_fill would change the layout


def horizontally_flipped(images: Tensor, chosen: Tensor) -> Tensor:
    """Return images (N, C, H, W), flipped left to right where ``chosen``, bool (N,)."""
    return torch.where(chosen[:, None, None, None], images.flip(3), images)


def _between(side: int, first: Tensor, length: int) -> Tensor:
    """Return whether 0 … side − 1 lie in ``first`` … ``first + length − 1``: bool (N, side)."""
    offset = torch.arange(side, device=first.device) - first[:, None]
    return (offset >= 0) & (offset < length)


@final
class _Shift(torch.autograd.Function):
    """Copy windows out of a padded batch, many times as fast as indexing pixels.

    The uncovered area is 0, so the transposed map is the opposite shift.
    """

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, down: Tensor, right: Tensor, reach: tuple[int, int]
    ) -> Tensor:
        ctx.save_for_backward(down, right)
        ctx.reach = reach
        (rows, columns), (height, width) = reach, images.shape[2:]
        padded = F.pad(images, (columns, columns, rows, rows))
        # (N, C, 2 rows + 1, 2 columns + 1, H, W): every shift there is, as a view
        windows = padded.unfold(2, height, 1).unfold(3, width, 1)
        each = torch.arange(len(images), device=images.device)
        return windows[each, :, rows - down, columns - right]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        down, right = ctx.saved_tensors
        return shifted(gradients[0], -down, -right, ctx.reach), None, None, None
