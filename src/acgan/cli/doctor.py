"""`acgan doctor`: versions, machine, paths and a self-check: what a bug report needs."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from acgan.cli.options import JsonFlag
from acgan.cli.output import result
from acgan.storage.disk import human_size

EXAMPLE = "acgan doctor"
_VARIABLES = re.compile(r"(ACGAN|ATEN|CUDA|GOMP|KMP|MKL|OMP|ONEDNN|PYTHON|TORCH|LC)_?[A-Z_0-9]*")
_LEVELS = {
    "AVX2": "_is_avx2_supported",
    "AVX-512": "_is_avx512_supported",
    "AVX-512 BF16": "_is_avx512_bf16_supported",
    "AMX": "_is_amx_tile_supported",
}
_LITTLE_BYTES = 1 << 30
_CHECK_IMAGES = 64


def doctor(as_json: JsonFlag = False) -> None:
    """Show versions, processor, threads, paths, free disk, fonts and a self-check of seconds.

    Paste the output into a bug report. It contains no data and no results.
    """
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "versions": _versions,
        "machine": _machine,
        "execution": _execution,
        "environment": _environment,
        "paths": _paths,
        "fonts": _fonts,
        "self-check": _self_check,
    }
    values: dict[str, Any] = {name: _tried(part) for name, part in parts.items()}
    values["problems"] = list(_problems(values))
    lines = [f"{name}\n" + "\n".join(_lines(values[name])) for name in parts]
    found = "".join(f"\n  {problem}" for problem in values["problems"])
    text = "\n".join([*lines, f"problems:{found or ' none found'}"])
    result(values, text, as_json=as_json)


def _tried(part: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return a part, or why it failed: on a broken machine the other parts count the more."""
    try:
        return part()
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {' '.join(str(error).split())}"}


def _lines(part: dict[str, Any]) -> Iterator[str]:
    for key, value in part.items():
        yield f"  {key.removesuffix('_bytes')}: {_shown(key, value)}"


def _shown(key: str, value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(line.strip() for line in _lines(value))
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if value is None or isinstance(value, bool):
        return {None: "unknown", True: "yes", False: "no"}[value]
    return human_size(value) if key.endswith("_bytes") else str(value)


def _versions() -> dict[str, Any]:
    from acgan.version import __version__

    names = (
        *("torch", "torchvision", "numpy", "pillow", "scipy", "scikit-learn", "matplotlib"),
        *("pydantic", "rich", "safetensors", "tensorboard", "torch-fidelity", "typer"),
    )
    found: dict[str, Any] = {"acgan": __version__, "python": platform.python_version()}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _machine() -> dict[str, Any]:
    import torch

    memory = None
    with suppress(AttributeError, ValueError, OSError):  # not on Windows
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    usable = None
    with suppress(AttributeError):  # Linux only
        usable = len(os.sched_getaffinity(0))
    supported = (getattr(torch.cpu, name, lambda: False) for name in _LEVELS.values())
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "instructions": [name for name, has in zip(_LEVELS, supported, strict=True) if has()],
        "cores": os.cpu_count(),
        "usable cores": usable,
        "memory_bytes": memory,
        "cuda": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "mps": torch.backends.mps.is_available(),
    }


def _processor() -> str:
    """Return the processor's model; each system has its own place for it."""
    with suppress(OSError):  # Linux
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith(("model name", "Model")):
                return line.split(":", 1)[1].strip()
    if sys.platform == "darwin":
        words = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        with suppress(OSError, subprocess.SubprocessError):
            return subprocess.run(
                words, check=True, capture_output=True, text=True, timeout=5
            ).stdout.strip()
    return platform.processor() or platform.machine()


def _execution() -> dict[str, Any]:
    """What `auto` chooses here."""
    from dataclasses import asdict

    import torch

    from acgan.execution.execution import ExecutionConfig, choose_execution

    chosen = asdict(choose_execution(ExecutionConfig()))
    openmp = re.search(r"OpenMP[^\n]*", torch.__config__.parallel_info())
    return {**chosen, "openmp": openmp and openmp.group().strip()}


def _environment() -> dict[str, Any]:
    """Variables that change what the libraries do, and the console."""
    variables = {k: v for k, v in sorted(os.environ.items()) if _VARIABLES.fullmatch(k)}
    return {**variables, "stdout": sys.stdout.encoding, "file names": sys.getfilesystemencoding()}


def _paths() -> dict[str, Any]:
    from acgan.data.cache import cache_root, data_root

    places = {
        "data": data_root(None),
        "cache": cache_root(None),
        "runs": Path("runs"),
        "temporary files": Path(tempfile.gettempdir()),
    }
    found: dict[str, Any] = {}
    for name, path in places.items():
        existing = next((p for p in (path, *path.absolute().parents) if p.exists()), Path("/"))
        found[name] = {
            "path": _without_home(path),
            "exists": path.exists(),
            "writable": os.access(existing, os.W_OK),
            "free_bytes": shutil.disk_usage(existing).free,
        }
    return found


def _without_home(path: Path) -> str:
    with suppress(ValueError, RuntimeError):
        return str("~" / path.relative_to(Path.home()))
    return str(path)


def _fonts() -> dict[str, Any]:
    """Fonts for class names on grids."""
    from matplotlib import font_manager

    names = sorted(set(font_manager.get_font_names()))
    wide = [name for name in names if "CJK" in name or name.startswith("Noto")]
    return {"families": len(names), "Noto and CJK": wide[:20]}


def _self_check() -> dict[str, Any]:
    """Generate images with an untrained network twice, and write and read a file."""
    import numpy as np
    import torch

    from acgan.config import validate
    from acgan.data.images import ImageShape
    from acgan.recipes.recipe import load_recipe
    from acgan.runs.config import RunConfig
    from acgan.sampling.sampler import iterate_images

    start = time.perf_counter()
    recipe = load_recipe("small-gray")
    config = validate(RunConfig, {"recipe": recipe.name, **recipe.values}, where=recipe.name)
    torch.manual_seed(0)
    generator = config.generator.build(ImageShape(1, 28, 28), 10)
    labels = np.arange(_CHECK_IMAGES) % 10

    def generated() -> bytes:
        seeds = range(_CHECK_IMAGES)
        batches = iterate_images(generator, labels, seeds)
        return b"".join(batch.tobytes() for batch in batches)

    first = generated()
    with tempfile.TemporaryFile() as file:
        file.write(first)
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        written = file.read() == first
    return {
        "repeats exactly": generated() == first,
        "file read back": written,
        "seconds": round(time.perf_counter() - start, 2),
    }


def _problems(values: dict[str, Any]) -> Iterator[str]:
    for name, part in values.items():
        if "failed" in part:
            yield f"{name}: {part['failed']}"
    for name, version in values["versions"].items():
        if version == "not installed":
            yield f"the package {name} is not installed; install acgan again"
    for name, place in values["paths"].items():
        if isinstance(place, dict) and not place["writable"]:
            yield f"the place of {name}, {place['path']}, is not writable"
        elif isinstance(place, dict) and place["free_bytes"] < _LITTLE_BYTES:
            free = human_size(place["free_bytes"])
            yield f"only {free} are free for {name} at {place['path']}"
    for name in ("repeats exactly", "file read back"):
        if values["self-check"].get(name) is False:
            yield f"self-check: {name}: no; check the memory and the disk of this machine"
