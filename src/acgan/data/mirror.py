"""Mirrored images: whether they keep their class, and mirroring at random in training."""

from __future__ import annotations

import torch
from torch import Tensor

from acgan.data.images import ImageShape
from acgan.data.sources import NAMED_SETS

_KEEP_CLASS = {"cifar10", "cifar100", "fashion-mnist", "stl10"}


def mirror_keeps_class(source: str, shape: ImageShape) -> bool:
    """Yes for photographs and clothes, no for digits and letters.

    Of named sets it is known. A person's own colour pictures are taken for photographs and grey
    ones for something that may be text; who knows better should be able to say so.

    Args:
        source: `DataConfig.source`.
        shape: of the images.
    """
    return source in _KEEP_CLASS if source in NAMED_SETS else shape.channels == 3


def mirrored_at_random(images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Images (N, C, H, W) on the CPU, each mirrored left to right with probability ½.

    The coins are tossed by ``generator``, or by torch's global one.
    """
    chosen = torch.rand(len(images), generator=generator) < 0.5
    return torch.where(chosen[:, None, None, None], images.flip(3), images)
