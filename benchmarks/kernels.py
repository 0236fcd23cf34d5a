"""Record the convolutions and matrix products that code runs, with their shapes and layouts.

`recorded` works below autograd and autocast. It therefore sees the real operands (bf16), all of a
backward pass, and the calls of custom autograd functions.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

Kind = Literal["convolution", "input gradient", "weight gradient"]
Shape = tuple[int, ...]


@final
@dataclass(frozen=True)
class Convolution:
    """A convolution, or one of the two halves of its backward pass.

    Attributes:
        kind: forward pass or one of the two gradients.
        dtype: dtype of the operands.
        input: shape of the input of the forward pass, (N, C, H, W).
        weight: shape of the weight, (O, C / groups, h, w); transposed: (C, O / groups, h, w).
        bias: whether a bias is added, or its gradient computed.
        stride: this and the next five are arguments of `torch.ops.aten.convolution`.
        layouts: layouts of input and weight, or of the two operands of a gradient.
    """

    kind: Kind
    dtype: torch.dtype
    input: Shape
    weight: Shape
    bias: bool
    stride: Shape
    padding: Shape
    dilation: Shape
    transposed: bool
    output_padding: Shape
    groups: int
    layouts: tuple[str, str]

    @property
    def output(self) -> Shape:
        """Shape of the output of the forward pass, (N, O, H', W')."""
        sides = []
        for axis, side in enumerate(self.input[2:]):
            kernel, stride = self.weight[2 + axis], self.stride[axis]
            padding, dilation = self.padding[axis], self.dilation[axis]
            reach = dilation * (kernel - 1)
            if self.transposed:
                more = self.output_padding[axis]
                sides.append((side - 1) * stride - 2 * padding + reach + 1 + more)
            else:
                sides.append((side + 2 * padding - reach - 1) // stride + 1)
        channels = self.weight[1] * self.groups if self.transposed else self.weight[0]
        return (self.input[0], channels, *sides)

    @property
    def operations(self) -> int:
        """Number of multiplications and additions, including those on padding, as is usual."""
        maps = self.input if self.transposed else self.output
        return 2 * maps[0] * math.prod(maps[2:]) * math.prod(self.weight)

    def __str__(self) -> str:
        sides = "×".join(map(str, self.weight[2:]))
        turned = "transposed " if self.transposed else ""
        grouped = f", {self.groups} groups" if self.groups > 1 else ""
        maps = "×".join(map(str, self.input))
        return (
            f"{turned}{self.kind} {sides} step {self.stride[0]}, {maps} → {self.output[1]}{grouped}"
        )


@final
@dataclass(frozen=True)
class Product:
    """A matrix product, or a batch of them.

    Attributes:
        dtype: dtype of the operands.
        batch: number of products; None for a single product of 2-D operands.
        rows: rows of the left operand.
        inner: columns of the left operand and rows of the right one.
        columns: columns of the right operand.
        bias: whether a bias is added.
        layouts: layouts of the left and the right operand.
    """

    dtype: torch.dtype
    batch: int | None
    rows: int
    inner: int
    columns: int
    bias: bool
    layouts: tuple[str, str]

    @property
    def operations(self) -> int:
        """Number of multiplications and additions."""
        return 2 * (self.batch or 1) * self.rows * self.inner * self.columns

    def __str__(self) -> str:
        times = "" if self.batch is None else f"{self.batch} × "
        return f"product {times}({self.rows}×{self.inner})·({self.inner}×{self.columns})"


Kernel = Convolution | Product


def recorded(run: Callable[[], object]) -> Counter[Kernel]:
    """Count the calls of each convolution and product in ``run``.

    Calls inside code compiled by torch.compile are not recorded.
    """
    recorder = _Recorder()
    with recorder:
        run()
    return recorder.calls


@final
class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: Counter[Kernel] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        self.calls.update(_kernels(func.overloadpacket, args))
        return func(*args, **(kwargs or {}))


def _kernels(operation: Any, args: tuple[Any, ...]) -> list[Kernel]:
    aten = torch.ops.aten
    if operation is aten.convolution:
        images, weight, bias = args[:3]
        operands, rest = (images, weight), (images, weight, bias is not None, *args[3:9])
        return [_convolution("convolution", operands, rest)]
    if operation is aten.convolution_backward:
        gradient, images, weight = args[:3]
        wants_input, wants_weight, wants_bias = args[10]
        rest = args[4:10]
        found: list[Kernel] = []
        if wants_input:
            values = (images, weight, False, *rest)
            found.append(_convolution("input gradient", (gradient, weight), values))
        if wants_weight:
            values = (images, weight, wants_bias, *rest)
            found.append(_convolution("weight gradient", (gradient, images), values))
        return found
    if operation in (aten.mm, aten.bmm):
        return [_product(args[0], args[1], bias=False)]
    if operation in (aten.addmm, aten.baddbmm):
        return [_product(args[1], args[2], bias=True)]
    return []


def _convolution(kind: Kind, operands: tuple[Tensor, Tensor], values: Any) -> Convolution:
    images, weight, bias, stride, padding, dilation, transposed, output_padding, groups = values
    axes = images.ndim - 2
    return Convolution(
        kind=kind,
        dtype=images.dtype,
        input=tuple(images.shape),
        weight=tuple(weight.shape),
        bias=bias,
        stride=_for_each(axes, stride),
        padding=_for_each(axes, padding),
        dilation=_for_each(axes, dilation),
        transposed=transposed,
        output_padding=_for_each(axes, output_padding),
        groups=groups,
        layouts=(_layout(operands[0]), _layout(operands[1])),
    )


def _product(left: Tensor, right: Tensor, *, bias: bool) -> Product:
    return Product(
        dtype=left.dtype,
        batch=left.shape[0] if left.ndim == 3 else None,
        rows=left.shape[-2],
        inner=left.shape[-1],
        columns=right.shape[-1],
        bias=bias,
        layouts=(_layout(left), _layout(right)),
    )


def _for_each(axes: int, values: Any) -> Shape:
    given = tuple(values)
    return given * axes if len(given) == 1 else given


def _layout(tensor: Tensor) -> str:
    if tensor.is_contiguous():
        return "contiguous"
    if tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
        return "channels-last"
    if tensor.ndim < 4 and tensor.mT.is_contiguous():
        return "transposed"
    return "strided"
