"""In which precision pixels are scaled: not in bfloat16, which cannot tell 256 shades apart."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(images: Tensor) -> Tensor:
    """Images of any floating dtype in float32, or in float64 where they are."""
    return images.to(torch.promote_types(images.dtype, torch.float32))
