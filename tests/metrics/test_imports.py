from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_no_metric_imports_torch_or_the_rest_of_the_package() -> None:
    """Metrics are functions of arrays: torch is imported inside the few functions that use it."""
    code = (
        "import importlib, pkgutil, sys, acgan.metrics as m\n"
        "for each in pkgutil.iter_modules(m.__path__, 'acgan.metrics.'):\n"
        "    importlib.import_module(each.name)\n"
        "print([n for n in sys.modules if n == 'torch' or n.startswith('acgan.')"
        " and not n.startswith('acgan.metrics') and n != 'acgan.version'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
