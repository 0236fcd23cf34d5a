"""Where and how a run is computed: decided once at its first start, kept on resume."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, final

import torch
from torch import Tensor

from acgan.errors import UsageError
from acgan.processor import fast_bfloat16
from acgan.run_config import ExecutionConfig


@final
@dataclass(frozen=True)
class Choices:
    """The decided execution.

    Attributes:
        device: ``cpu``, ``cuda`` or ``mps``.
        precision: ``fp32``, or ``bf16`` for autocast.
        threads: CPU threads; another number gives other last bits.
        channels_last: memory layout of images and convolution weights.
    """

    device: str
    precision: str
    threads: int
    channels_last: bool

    def to_json(self) -> dict[str, Any]:
        """As ``environment.json`` holds it."""
        return asdict(self)

    def apply(self) -> None:
        """Make torch use the recorded number of threads, and kernels that repeat themselves."""
        if torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        if self.device == "cuda":
            torch.backends.cudnn.deterministic = True
            torch.backends.cudnn.benchmark = False

    def autocast(self) -> AbstractContextManager[Any]:
        """bf16 autocast, or nothing."""
        return torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bf16")

    def place(self, images: Tensor) -> Tensor:
        """(N, C, H, W) moved to the device in the chosen layout."""
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return images.to(self.device, memory_format=layout)

    def pixels(self, images: Tensor) -> Tensor:
        """uint8 (N, C, H, W) as a network takes it: placed, float32 in [-1, 1]."""
        return self.place(images).float().div_(127.5).sub_(1.0)


def choose(config: ExecutionConfig) -> Choices:
    """Decide what ``auto`` means on this machine.

    Raises:
        UsageError: the device asked for is not there.
    """
    device = config.device
    if device == "auto":
        device = "cuda" if _has("cuda") else "mps" if _has("mps") else "cpu"
    check_present(device)
    precision = config.precision
    if precision == "auto":
        precision = "bf16" if fast_bfloat16(device) else "fp32"
    return Choices(
        device=device,
        precision=precision,
        threads=config.threads or torch.get_num_threads(),
        channels_last=config.memory_format == "channels-last"
        or (config.memory_format == "auto" and precision == "bf16"),
    )


def check_present(device: str) -> None:
    """Refuse a device that this machine does not have.

    Raises:
        UsageError: names the devices that are there.
    """
    if device != "cpu" and not _has(device):
        there = ", ".join(name for name in ("cuda", "mps", "cpu") if name == "cpu" or _has(name))
        raise UsageError(
            f"there is no {device} device here (there is: {there}); choose another with --device"
        )


def _has(device: str) -> bool:
    return torch.cuda.is_available() if device == "cuda" else torch.backends.mps.is_available()
