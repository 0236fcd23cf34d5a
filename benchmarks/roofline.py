"""Roofline of a training step: the sum of the best times of its convolutions and matrix products.

They are recorded from one real step, and each distinct one is measured alone in its fastest way on
the same machine. Norms, activations, copies, optimizers and Python are not included. The ratio of
the roofline to the time of the step is therefore the share of matrix operations.
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
    """One kernel of the roofline.

    Attributes:
        kernel: the convolution or product.
        calls: number of calls per step.
        seconds: best time of one call.
        way: name of the fastest way.
    """

    kernel: Kernel
    calls: int
    seconds: float
    way: str

    @property
    def total_seconds(self) -> float:
        """Seconds of all calls in a step."""
        return self.calls * self.seconds

    @property
    def gflops(self) -> float:
        """Billions of operations per second."""
        return self.kernel.operations / self.seconds / 1e9

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
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
    """Return the bounds of one step, slowest first; the sum of their total seconds is the roofline.

    Args:
        step: runs one step; run it once before, so that set-up is not measured.
        seconds_a_way: time to spend on each way of each kernel.
    """
    bounds = [
        Bound(kernel, calls, *best_time(kernel, seconds_a_way=seconds_a_way))
        for kernel, calls in recorded(step).items()
    ]
    return sorted(bounds, key=lambda bound: -bound.total_seconds)
