"""Versions and processor of this machine, for records and reports."""

from __future__ import annotations

import os
import platform
from typing import Any

import numpy
import torch

from acgan.errors import counted
from acgan.execution.execution import cpu_level
from acgan.version import __version__


def describe_environment() -> dict[str, Any]:
    """Return the versions and the processor that bit-identical results depend on."""
    return {
        "acgan": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "platform": platform.system(),
        "machine": platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cpu_level": cpu_level(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def machine_in_words() -> str:
    """Return cores and processor as text: "2 cores, x86_64 (AVX512), Linux"."""
    cores = counted(os.cpu_count() or 1, "core")
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{cores}, {platform.machine()} ({capability}), {platform.system()}"
