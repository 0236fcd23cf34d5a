"""Freed memory stays with the process, seen by the pages that the system has to hand out."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from acgan.kernels.memory import keep_freed_memory

SCRIPT = """
import ctypes, resource, sys
from acgan.kernels.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
def use():
    block = libc.malloc(64 << 20)
    ctypes.memset(block, 1, 64 << 20)
    libc.free(block)
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_a_block_that_was_freed_is_not_paid_for_again() -> None:
    def faults(mode: str) -> int:
        command = [sys.executable, "-c", SCRIPT, mode]
        return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

    usual, kept = faults("leave"), faults("keep")
    assert usual >= 10, "without it, the system is asked every time"
    assert kept < usual / 5


def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acgan.kernels.memory.sys.platform", "darwin")
    assert not keep_freed_memory()
    monkeypatch.undo()
    monkeypatch.setattr("acgan.kernels.memory.ctypes.CDLL", lambda _name: object())
    assert not keep_freed_memory()
