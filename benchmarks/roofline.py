"""What a step could cost at the least: each of its convolutions and products by itself, summed.

Recorded from one real step, each distinct one measured alone in its best way on the same machine.
Everything else a step does (norms, activations, copies, optimizers, Python) is not in it, so its
share of the step's own time says how much of that time the matrix units are put to use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

from kernel_times import best_time

from kernels import Kernel, recorded


@final
@dataclass(frozen=True)
class Bound:
    """One kernel's share of the roofline.

    Attributes:
        kernel: what is computed.
        calls: how often a step does it.
        seconds: the best of one call by itself.
        way: how that was done.
    """

    kernel: Kernel
    calls: int
    seconds: float
    way: str

    @property
    def total_seconds(self) -> float:
        """Of all its calls in a step."""
        return self.calls * self.seconds

    @property
    def gflops(self) -> float:
        """Billions of operations a second."""
        return self.kernel.operations / self.seconds / 1e9

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "kernel": str(self.kernel),
            "dtype": str(self.kernel.dtype).removeprefix("torch."),
            "layouts_in_the_step": list(self.kernel.layouts),
            "calls": self.calls,
            "operations": self.kernel.operations,
            "seconds": self.seconds,
            "total_seconds": self.total_seconds,
            "gflops": self.gflops,
            "best_way": self.way,
        }


def roofline(step: Callable[[], object], *, seconds_a_way: float = 0.05) -> list[Bound]:
    """The bounds of one step, the costliest first; their total seconds are the roofline.

    Args:
        step: runs one step; it has been run before, so that nothing is set up in it.
        seconds_a_way: time to spend on each way of each kernel.
    """
    bounds = [
        Bound(kernel, calls, *best_time(kernel, seconds_a_way=seconds_a_way))
        for kernel, calls in recorded(step).items()
    ]
    return sorted(bounds, key=lambda bound: -bound.total_seconds)
