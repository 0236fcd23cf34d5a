"""The label given to a discriminator's trunk together with the image (Mirza & Osindero 2014, §3.2).

A label becomes K numbers, one of them 1: K numbers beside a row of pixels, or K maps, each of one
number everywhere, beside the channels. Which heads ask for it: `Heads.source == "joined"`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from acgan.networks.interface import Heads
from acgan.networks.layers import wants_channels_last


def joined_inputs(heads: Heads, classes: int) -> int:
    """How many inputs the label adds to a trunk: K, or none where it is not given to the trunk."""
    return classes if heads.source == "joined" else 0


def beside_rows(rows: Tensor, labels: Tensor | None, classes: int) -> Tensor:
    """Rows (N, P) with labels int64 (N,) as (N, P + K), in the rows' dtype.

    Raises:
        ValueError: there are no labels.
    """
    return torch.cat([rows, _one_hot(labels, classes, rows)], dim=1)


def beside_channels(maps: Tensor, labels: Tensor | None, classes: int, first: nn.Module) -> Tensor:
    """Maps (N, C, H, W) with labels int64 (N,) as (N, C + K, H, W), in the maps' dtype.

    The result has the memory format of the convolution ``first``, which would else convert it. A
    trunk that cuts images into squares joins the label after that: K maps are added, where before
    it would be K copies for every pixel of a square, all of them alike.

    Raises:
        ValueError: there are no labels.
    """
    one_hot = _one_hot(labels, classes, maps)
    height, width = maps.shape[2:]
    if not wants_channels_last(first):
        return torch.cat([maps, one_hot[:, :, None, None].expand(-1, -1, height, width)], dim=1)
    pixels = one_hot[:, None, None, :].expand(-1, height, width, -1)
    return torch.cat([maps.permute(0, 2, 3, 1), pixels], dim=3).permute(0, 3, 1, 2)


def _one_hot(labels: Tensor | None, classes: int, like: Tensor) -> Tensor:
    if labels is None:
        raise ValueError("a discriminator that sees an image and its label needs labels")
    return F.one_hot(labels, classes).to(like.dtype)
