"""Best time of a single convolution or matrix product over several ways to compute it.

Operands are prepared in the layout of each way and are warm in the caches. Conversions within a way
(extracting patches, the layout of the result) are included in its time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels import Convolution, Kernel, Product

Way = Callable[[], object]
_LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}
_LEAST_RUNS = 5


@torch.no_grad()
def best_time(kernel: Kernel, *, seconds_a_way: float) -> tuple[float, str]:
    """Return the seconds of the fastest way and its name.

    Args:
        kernel: a matrix product or a 2-D convolution.
        seconds_a_way: time to spend on each way; at least five runs are made.
    """
    ways = product_ways(kernel) if isinstance(kernel, Product) else convolution_ways(kernel)
    return min((_best(way, seconds_a_way), name) for name, way in ways.items())


def product_ways(product: Product) -> dict[str, Way]:
    """Return the product with each operand stored by rows or by columns, by name."""
    batch = () if product.batch is None else (product.batch,)
    left = _random(product.dtype, *batch, product.rows, product.inner)
    right = _random(product.dtype, *batch, product.inner, product.columns)
    added = _random(product.dtype, product.columns) if product.bias else None
    return {
        f"{names[0]} · {names[1]}": _multiply(a, b, added)
        for names, (a, b) in {
            ("rows", "rows"): (left, right),
            ("rows", "columns"): (left, _by_columns(right)),
            ("columns", "rows"): (_by_columns(left), right),
            ("columns", "columns"): (_by_columns(left), _by_columns(right)),
        }.items()
    }


def convolution_ways(convolution: Convolution) -> dict[str, Way]:
    """Return torch's kernel in both layouts and equivalent computations, by name."""
    ways: dict[str, Way] = {}
    for name in _LAYOUTS:
        operands = _Operands(convolution, name)
        match convolution.kind:
            case "convolution":
                ways[name] = operands.forward
            case "input gradient":
                ways[name] = operands.input_gradient
                ways[f"{name}, as a convolution"] = operands.input_gradient_as_convolution
            case "weight gradient":
                ways[name] = operands.weight_gradient
    if convolution.groups == 1:
        ways |= _as_products(convolution)
    return ways


@final
class _Operands:
    """Tensors of one convolution in one layout, and the calls to time."""

    def __init__(self, convolution: Convolution, layout: str) -> None:
        c, memory_format = convolution, _LAYOUTS[layout]
        self._c = c
        self._images = _random(c.dtype, *c.input).contiguous(memory_format=memory_format)
        self._weight = _random(c.dtype, *c.weight).contiguous(memory_format=memory_format)
        self._gradient = _random(c.dtype, *c.output).contiguous(memory_format=memory_format)
        self._bias = _random(c.dtype, c.output[1]) if c.bias else None
        self._settings = (c.stride, c.padding, c.dilation, c.transposed, c.output_padding, c.groups)

    def forward(self) -> object:
        return torch.ops.aten.convolution(self._images, self._weight, self._bias, *self._settings)

    def input_gradient(self) -> object:
        return self._backward(of_input=True)

    def weight_gradient(self) -> object:
        return self._backward(of_input=False)

    def input_gradient_as_convolution(self) -> object:
        """Compute the input gradient as a transposed convolution, or the reverse."""
        c = self._c
        lost = tuple(
            0 if c.transposed else side - ((out - 1) * step - 2 * pad + reach * (kernel - 1) + 1)
            for side, out, step, pad, reach, kernel in zip(
                c.input[2:],
                c.output[2:],
                c.stride,
                c.padding,
                c.dilation,
                c.weight[2:],
                strict=True,
            )
        )
        return torch.ops.aten.convolution(
            self._gradient,
            self._weight,
            None,
            c.stride,
            c.padding,
            c.dilation,
            not c.transposed,
            lost,
            c.groups,
        )

    def _backward(self, *, of_input: bool) -> object:
        return torch.ops.aten.convolution_backward(
            self._gradient,
            self._images,
            self._weight,
            [self._c.output[1]],
            *self._settings,
            [of_input, not of_input, self._c.bias and not of_input],
        )


def _as_products(convolution: Convolution) -> dict[str, Way]:
    """Return ways that extract patches of the larger feature maps and multiply once."""
    c = convolution
    # a transposed convolution slides its kernel over the output
    wide, narrow = (c.output, c.input) if c.transposed else (c.input, c.output)
    maps = _random(c.dtype, *wide).permute(0, 2, 3, 1).contiguous()
    other = _random(c.dtype, narrow[0] * narrow[2] * narrow[3], narrow[1])
    inner = wide[1] * c.weight[2] * c.weight[3]
    weight = _random(c.dtype, inner, narrow[1])
    bias = _random(c.dtype, narrow[1]) if c.bias and not c.transposed else None

    def patches() -> Tensor:
        return _patches(maps, c, (narrow[2], narrow[3]))

    if c.kind == "weight gradient":

        def weight_gradient() -> object:
            sums = (maps if c.transposed else other) if c.bias else None
            added = None if sums is None else sums.flatten(0, -2).sum(0)
            return patches().T @ other, added

        return {"patches, then a product": weight_gradient}
    if (c.kind == "convolution") == c.transposed:  # these would have to merge patches
        return {}

    def forward() -> object:
        return _multiply(patches(), weight, bias)()

    return {"patches, then a product": forward}


def _patches(maps: Tensor, c: Convolution, positions: tuple[int, int]) -> Tensor:
    """Return the patch at each kernel position: (N·H'·W', h·w·C) from (N, H, W, C)."""
    height, width = c.weight[2:]
    if (height, width, *c.stride, *c.padding) == (1, 1, 1, 1, 0, 0):
        return maps.flatten(0, 2)
    vertical, horizontal = c.padding
    padded = F.pad(maps, (0, 0, horizontal, horizontal, vertical, vertical))
    each, row, column, channel = padded.stride()
    view = padded.as_strided(
        (maps.shape[0], *positions, height, width, maps.shape[3]),
        (
            each,
            row * c.stride[0],
            column * c.stride[1],
            row * c.dilation[0],
            column * c.dilation[1],
            channel,
        ),
    )
    return view.reshape(maps.shape[0] * positions[0] * positions[1], -1)


def _multiply(left: Tensor, right: Tensor, added: Tensor | None) -> Way:
    if added is None:
        return lambda: torch.matmul(left, right)
    if left.ndim == 3:
        return lambda: torch.baddbmm(added, left, right)
    return lambda: torch.addmm(added, left, right)


def _by_columns(matrix: Tensor) -> Tensor:
    return matrix.mT.contiguous().mT


def _random(dtype: torch.dtype, *shape: int) -> Tensor:
    return torch.randn(shape).to(dtype)


def _best(way: Way, seconds: float) -> float:
    way()
    best, runs, until = float("inf"), 0, time.perf_counter() + seconds
    while runs < _LEAST_RUNS or time.perf_counter() < until:
        start = time.perf_counter()
        way()
        best, runs = min(best, time.perf_counter() - start), runs + 1
    return best
