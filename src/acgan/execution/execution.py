"""Device, precision, memory format and threads of a run, decided once at its first start."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, final

import torch
from pydantic import Field
from torch import Tensor, nn

from acgan.config import Config
from acgan.errors import UsageError
from acgan.kernels.memory import keep_freed_memory

CPU_LEVELS = ("AVX2", "AVX512_CORE", "AVX512_CORE_BF16", "AVX512_CORE_AMX")
"""Instruction sets of x86 in oneDNN's names, each with all before it."""

# Training images/s of small-gray, one thread. "here": `benchmarks/processor_levels.py` on an AMD
# EPYC, which has AVX2 alone; "outside": measured from outside, processor not named. Both are in
# docs/experiments.md, 2026-11-30.
# - AVX2: fp32 260 contiguous and 322 channels-last, bf16 20 (here); fp32 352 (outside)
# - AVX512_CORE: fp32 413 (outside); never measured here, channels-last and bf16 nowhere
# - AVX512_CORE_BF16: bf16 767 (outside); not with this benchmark here
# - AVX512_CORE_AMX: not with this benchmark; bf16 by the training steps of older entries there
_BF16_LEVELS = CPU_LEVELS[2:]

# Index of the level that a value of a variable allows; other values allow all levels.
_ONEDNN_LIMITS = {
    **{"SSE41": -1, "AVX": -1, "AVX2": 0, "AVX2_VNNI": 0, "AVX2_VNNI_2": 0},
    **{"AVX512_CORE": 1, "AVX512_CORE_VNNI": 1},
    **{"AVX512_CORE_BF16": 2, "AVX512_CORE_FP16": 2, "AVX10_1_512": 2},
}
_ATEN_LIMITS = {"default": -1, "avx2": 0}


def cpu_level() -> str | None:
    """Return the highest of `CPU_LEVELS` that oneDNN and torch use, or None without AVX2.

    It is that of the processor, unless ONEDNN_MAX_CPU_ISA or ATEN_CPU_CAPABILITY limits it.
    """
    supported = (
        torch.cpu._is_avx2_supported(),
        torch.cpu._is_avx512_supported(),
        torch.cpu._is_avx512_bf16_supported(),
        torch.cpu._is_amx_tile_supported(),
    )
    highest = max((index for index, has in enumerate(supported) if has), default=-1)
    onednn = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()
    aten = os.environ.get("ATEN_CPU_CAPABILITY", "")
    highest = min(highest, _ONEDNN_LIMITS.get(onednn, highest), _ATEN_LIMITS.get(aten, highest))
    return CPU_LEVELS[highest] if highest >= 0 else None


def fast_bfloat16(device: str) -> bool:
    """Return whether bfloat16 is faster than float32 on ``cpu``, ``cuda`` or ``mps``.

    It is with AMX, with AVX-512 BF16, and on CUDA devices that do not emulate it.
    """
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device == "cpu" and cpu_level() in _BF16_LEVELS


def emulates_bfloat16(device: str) -> bool:
    """Return whether it is known that ``device`` computes bfloat16 without instructions for it."""
    return device == "cpu" and cpu_level() in CPU_LEVELS[:2]


@final
class ExecutionConfig(Config):
    """Settings of the execution; ``auto`` is decided at the first start of a run.

    Attributes:
        device: ``auto`` uses CUDA, then MPS, then the CPU.
        precision: ``auto`` uses bf16 autocast if `fast_bfloat16`, else fp32.
        threads: CPU threads; by default a run's first start measures which number is fastest, up
            to torch's own.
        memory_format: of images and convolution weights; ``auto`` is channels-last with bf16, and
            on processors with AVX2 only.
        compile: ``always`` compiles both networks for training, for up to a minute at each start;
            ``auto`` does not, because it did not pay on CPUs.
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
        threads: CPU threads; another number changes the last bits.
        channels_last: memory format of images and convolution weights.
        compile: whether networks are compiled for training.
    """

    device: str
    precision: str
    threads: int
    channels_last: bool
    compile: bool = False

    def apply(self) -> None:
        """Set up the process: threads, deterministic kernels, allocator.

        Raises:
            UsageError: ``compile`` is set, and the machine has no compiler.
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
        """Return the context of forward passes: bf16 autocast, or no change."""
        return torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bf16")

    def place(self, images: Tensor) -> Tensor:
        """Move (N, C, H, W) to the device, in the chosen memory format."""
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return images.to(self.device, memory_format=layout)

    def pixels(self, images: Tensor) -> Tensor:
        """Convert uint8 (N, C, H, W) to a network's input: placed, float32 in [-1, 1]."""
        return self.place(images).float().div_(127.5).sub_(1.0)

    def compiled(self, network: nn.Module) -> Callable[..., Any]:
        """Return the network, compiled if ``compile`` is set; weights are shared."""
        return torch.compile(network, dynamic=False) if self.compile else network


def choose_execution(config: ExecutionConfig) -> Execution:
    """Decide every ``auto`` on this machine.

    Raises:
        UsageError: the machine lacks the device or the compiler.
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
        or (config.memory_format == "auto" and _fast_channels_last(device, precision)),
        compile=config.compile == "always",
    )


@contextmanager
def restored_threads() -> Iterator[None]:
    """Give the process its number of threads back at the end."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


def _fast_channels_last(device: str, precision: str) -> bool:
    return precision == "bf16" or (device == "cpu" and cpu_level() == "AVX2")


def check_present(device: str) -> None:
    """Raise UsageError, with the devices of this machine, if it lacks ``device``."""
    if device != "cpu" and not _has(device):
        present = ", ".join([*filter(_has, ("cuda", "mps")), "cpu"])
        raise UsageError(
            f"this machine has no {device} device, but {present}; choose another with --device"
        )


def check_compiler(device: str) -> None:
    """Refuse to compile on a machine without a compiler.

    Raises:
        UsageError: it names what to install.
    """
    if device == "cuda":
        found, what = importlib.util.find_spec("triton") is not None, "the package triton"
    else:
        names = (os.environ.get("CXX", ""), "g++", "clang++")
        found, what = any(map(shutil.which, names)), "a C++ compiler (g++ or clang++)"
    if not found:
        raise UsageError(
            f"execution.compile=always needs {what}, which this machine lacks; install it, or set "
            "execution.compile to auto"
        )


def _has(device: str) -> bool:
    return torch.cuda.is_available() if device == "cuda" else torch.backends.mps.is_available()
