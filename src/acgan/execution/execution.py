"""What the processor at hand is good at.

Where and how a run is computed: decided once at its first start, kept on resume.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, Literal, final

import torch
from pydantic import Field
from torch import Tensor, nn

from acgan.config import Config
from acgan.errors import UsageError
from acgan.kernels.memory import keep_freed_memory


def fast_bfloat16(device: str) -> bool:
    """Whether bfloat16 is faster than float32 on ``cpu``, ``cuda`` or ``mps``.

    That is: AMX or AVX-512 BF16, or a CUDA card's own arithmetic instead of an emulation.
    """
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device == "cpu":
        return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
    return False


@final
class ExecutionConfig(Config):
    """Where and how it is computed; ``auto`` is decided at the first start and then kept.

    Attributes:
        device: ``auto`` takes CUDA, then MPS, then the CPU.
        precision: ``auto`` takes bf16 autocast where the processor has it.
        threads: CPU threads; by default what torch takes at the first start.
        memory_format: layout of images and convolution weights; ``auto`` is channels-last
            with bf16.
        compile: ``always`` compiles both networks for training, for up to a minute at each start;
            ``auto`` does not: it was measured not to pay on CPUs.
    """

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    threads: int | None = Field(None, ge=1)
    memory_format: Literal["auto", "contiguous", "channels-last"] = "auto"
    compile: Literal["auto", "never", "always"] = "auto"


@final
@dataclass(frozen=True)
class Execution:
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


def choose_execution(config: ExecutionConfig) -> Execution:
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
    return Execution(
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
