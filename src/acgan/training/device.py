"""Where and how a run is computed: decided once at its first start, kept on resume."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from acgan.errors import UsageError
from acgan.memory import keep_freed_memory
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
        compile: whether networks are compiled for training.
    """

    device: str
    precision: str
    threads: int
    channels_last: bool
    compile: bool = False

    def to_json(self) -> dict[str, Any]:
        """As ``environment.json`` holds it."""
        return asdict(self)

    def apply(self) -> None:
        """Set up the process: threads as recorded, kernels that repeat themselves, kept memory.

        Raises:
            UsageError: networks are to be compiled, and there is no compiler.
        """
        if self.compile:
            check_compiler(self.device)
        keep_freed_memory()
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

    def compiled(self, network: nn.Module) -> Callable[..., Any]:
        """The network as training steps call it: itself, or compiled; weights are shared."""
        if not self.compile:
            return network
        compiled: Callable[..., Any] = torch.compile(network, dynamic=False)
        return compiled


def choose(config: ExecutionConfig) -> Choices:
    """Decide what ``auto`` means on this machine.

    Raises:
        UsageError: the device asked for is not there, or no compiler.
    """
    device = config.device
    if device == "auto":
        device = "cuda" if _has("cuda") else "mps" if _has("mps") else "cpu"
    check_present(device)
    precision = config.precision
    if precision == "auto":
        precision = "bf16" if fast_bfloat16(device) else "fp32"
    if config.compile == "always":
        check_compiler(device)
    return Choices(
        device=device,
        precision=precision,
        threads=config.threads or torch.get_num_threads(),
        channels_last=config.memory_format == "channels-last"
        or (config.memory_format == "auto" and precision == "bf16"),
        compile=config.compile == "always",
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


def check_compiler(device: str) -> None:
    """Refuse to compile where the program that does it is missing.

    Raises:
        UsageError: names what to install.
    """
    if device == "cuda":
        found, what = importlib.util.find_spec("triton") is not None, "the package triton"
    else:
        names = (os.environ.get("CXX", ""), "g++", "clang++")
        found, what = any(map(shutil.which, names)), "a C++ compiler (g++ or clang++)"
    if not found:
        raise UsageError(
            f"execution.compile=always needs {what}, and there is none here; install it, or leave "
            "execution.compile at auto"
        )


def _has(device: str) -> bool:
    return torch.cuda.is_available() if device == "cuda" else torch.backends.mps.is_available()
