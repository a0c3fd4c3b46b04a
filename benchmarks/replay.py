"""The matrix products of a step alone: recorded while it runs, then replayed."""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_PACK = "mkldnn::_reorder_linear_weight"
_ROUTINES = (
    *("aten::mm", "aten::bmm", "aten::addmm", "aten::baddbmm", "aten::mv", "aten::addmv"),
    *("mkldnn::_linear_pointwise", _PACK),
)


class Operand(NamedTuple):
    """Shape, strides and dtype of a matrix; ``place`` is its address or identity."""

    shape: tuple[int, ...]
    stride: tuple[int, ...] | None
    dtype: torch.dtype
    place: int


class Product(NamedTuple):
    """One call: the routine, its arguments and the layout of its result."""

    call: Callable
    arguments: tuple
    result: Operand

    @property
    def routine(self) -> str:
        """The name of the routine, without its overload."""
        return self.call.name().partition(".")[0]

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        operands = [argument for argument in self.arguments if isinstance(argument, Operand)]
        if self.routine == _PACK:
            return 0
        left = operands[-2] if self.routine.startswith("aten") else operands[0]
        return 2 * math.prod(self.result.shape) * left.shape[-1]

    @property
    def form(self) -> tuple:
        """Routine, shapes and strides, which are equal for two calls of the same product."""
        operands = [argument for argument in self.arguments if isinstance(argument, Operand)]
        return self.routine, *((operand.shape, operand.stride) for operand in operands)


class _Recorder(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.products: list[Product] = []
        self._packed: list[Tensor] = []  # stored, because identities of deleted tensors are reused

    def __torch_dispatch__(self, call, types, arguments=(), keywords=None):
        result = call(*arguments, **(keywords or {}))
        if call.name().partition(".")[0] in _ROUTINES:
            descriptions = tuple(map(self._describe, arguments))
            self.products.append(Product(call, descriptions, self._describe(result)))
        return result

    def _describe(self, value):
        if not isinstance(value, Tensor):
            return value
        if value.is_mkldnn:
            self._packed.append(value)
            return Operand(tuple(value.shape), None, value.dtype, id(value))
        return Operand(tuple(value.shape), value.stride(), value.dtype, value.data_ptr())


def record(call: Callable[[], object]) -> list[Product]:
    """Return all matrix products that a call computes, in order, forward and backward."""
    with _Recorder() as recorder:
        call()
    return recorder.products


def replay(products: list[Product]) -> Callable[[], None]:
    """Return a function that computes only these products, with the same routines.

    Operands are random, each in a separate buffer with the layout of the step; mm and bmm write to
    preallocated results.
    """
    # Operands and results use separate buffers; otherwise values would grow from round to round.
    operands, results = functools.cache(_buffer), functools.cache(_buffer)
    calls = [_call(product, operands, results) for product in products]

    def run() -> None:
        for call in calls:
            call()

    return run


def _call(product: Product, operands: Callable, results: Callable) -> Callable[[], object]:
    arguments = [
        operands(argument) if isinstance(argument, Operand) else argument
        for argument in product.arguments
    ]
    function = {"aten::mm": torch.mm, "aten::bmm": torch.bmm}.get(product.routine)
    if function is None:
        return functools.partial(product.call, *arguments)
    return functools.partial(function, *arguments[:2], out=results(product.result))


def _buffer(operand: Operand) -> Tensor:
    if operand.stride is None:
        matrix = torch.randn(operand.shape, dtype=operand.dtype)
        return torch.ops.mkldnn._reorder_linear_weight(matrix, None)
    sizes = zip(operand.shape, operand.stride, strict=True)
    length = 1 + sum((size - 1) * step for size, step in sizes)
    return torch.randn(length, dtype=operand.dtype).as_strided(operand.shape, operand.stride)
