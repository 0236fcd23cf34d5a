"""What the processor at hand is good at."""

from __future__ import annotations

import torch


def fast_bfloat16(device: str) -> bool:
    """Whether bfloat16 is faster than float32 on ``cpu``, ``cuda`` or ``mps``.

    That is: AMX or AVX-512 BF16, or a CUDA card's own arithmetic instead of an emulation.
    """
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device == "cpu":
        return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
    return False
