"""On what something was computed: versions and processor, as values and in words."""

from __future__ import annotations

import os
import platform
from typing import Any

import numpy
import torch

from acgan.version import __version__


def describe_environment() -> dict[str, Any]:
    """Versions and processor: what bit-identical results depend on."""
    return {
        "acgan": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "platform": platform.system(),
        "machine": platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def machine_in_words() -> str:
    """Cores and processor, for a report: "2 cores, x86_64 (AVX512), Linux"."""
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{os.cpu_count()} cores, {platform.machine()} ({capability}), {platform.system()}"
