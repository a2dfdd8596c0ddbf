"""Vectors of the processor, for compiled loops whose sums must stay in registers.

The compiler vectorizes a plain loop well, but reads and writes a sum at every step where it
cannot prove that arrays do not overlap, and prefers half of the width there is. What follows
lets an intrinsic function of numba spell out vectors, addresses and the order of operations.
"""

from __future__ import annotations

import platform
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils, config

INDEX = ir.IntType(64)
_LANE = ir.IntType(32)
_ORIGIN = INDEX(0)


def _features() -> dict[str, bool]:
    """Return what the processor that numba compiles for can do: this one, or the one told."""
    told = vars(config)["CPU_FEATURES"]  # set when numba is imported
    if told is None:
        return dict(llvm.get_host_cpu_features())
    return {name[1:]: name.startswith("+") for name in told.split(",") if name}


def _registers() -> tuple[int, int]:
    """Return the bytes of a vector, and how many make the columns of a tile of six rows.

    The sums of a tile, the columns of one row of the matrix and one broadcast entry must fit
    into the registers: 32 of 64 bytes with AVX-512, 16 of 32 bytes with AVX.
    """
    features = _features()
    if features.get("avx512f"):
        return 64, 4
    if features.get("avx"):
        return 32, 2
    return 16, 4 if platform.machine() in ("aarch64", "arm64") else 2


VECTOR_BYTES, VECTORS = _registers()


class Vectors:
    """Emits operations on vectors of one number type at the place where `builder` stands."""

    def __init__(self, builder: Any, number: types.Float):
        self.builder = builder
        self.lanes = VECTOR_BYTES * 8 // number.bitwidth
        scalar = ir.FloatType() if number == types.float32 else ir.DoubleType()
        self.type = ir.VectorType(scalar, self.lanes)
        self.zero = ir.Constant(self.type, [0.0] * self.lanes)
        self._multiply_add = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(self.type, [self.type] * 3),
            f"llvm.fmuladd.v{self.lanes}f{number.bitwidth}",
        )

    def load(self, address: Any) -> Any:
        """Read a vector at any address."""
        return self.builder.load(self._at(address), align=4)

    def store(self, value: Any, address: Any) -> None:
        """Write a vector to any address."""
        self.builder.store(value, self._at(address), align=4)

    def splat(self, value: Any) -> Any:
        """Return a vector of equal entries."""
        vector = ir.VectorType(value.type, self.lanes)
        nothing = ir.Constant(vector, ir.Undefined)
        single = self.builder.insert_element(nothing, value, _LANE(0))
        lanes = ir.Constant(ir.VectorType(_LANE, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(single, nothing, lanes)

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """Return a b + c, rounded once where the processor can."""
        return self.builder.call(self._multiply_add, [a, b, c])

    def floor(self, rectified: Any) -> Any:
        """Return a vector of 0 where the bit `rectified` is set, else of -infinity."""
        scalar = self.type.element
        lowest = ir.Constant(scalar, float("-inf"))
        return self.splat(self.builder.select(rectified, ir.Constant(scalar, 0.0), lowest))

    def rectify(self, value: Any, floor: Any) -> Any:
        """Return max(floor, value), one instruction; NaN stays NaN."""
        below = self.builder.fcmp_ordered("<", value, floor)
        return self.builder.select(below, floor, value)

    def gate(self, value: Any, gate: Any, wanted: Any) -> Any:
        """Return 0 for `value` where `gate` is not positive and the bit `wanted` is set."""
        closed = self.builder.fcmp_unordered("<=", gate, self.zero)
        closed = self.builder.and_(closed, self.splat(wanted))
        return self.builder.select(closed, self.zero, value)

    def _at(self, address: Any) -> Any:
        return self.builder.bitcast(address, self.type.as_pointer())


class Entries:
    """Addresses of the entries of a contiguous array of one or two axes."""

    def __init__(self, context: Any, builder: Any, kind: types.Array, value: Any):
        array = context.make_array(kind)(context, builder, value)
        shape = cgutils.unpack_tuple(builder, array.shape, kind.ndim)
        self._builder, self._data = builder, array.data
        self.n_rows, self._n_columns = shape[0], shape[-1]

    def at(self, index: Any, offset: int = 0) -> Any:
        """Return the address of entry `index` + `offset`, counted through all rows."""
        return self._builder.gep(self._data, [self._builder.add(index, INDEX(offset))])

    def row(self, row: Any, column: Any = _ORIGIN, offset: int = 0) -> Any:
        """Return the address of an entry of a row."""
        begin = self._builder.mul(row, self._n_columns)
        return self.at(self._builder.add(begin, column), offset)

    def distance(self, rows: Any) -> Any:
        """Return the number of entries that so many rows hold."""
        return self._builder.mul(rows, self._n_columns)

    def load(self, index: Any) -> Any:
        """Read one entry."""
        return self._builder.load(self.at(index))


class Loop:
    """A loop over 0 .. n-1, n >= 1, that carries vectors in registers.

    Made where the loop begins; what is emitted until :meth:`close` is its body.
    """

    def __init__(self, builder: Any, n: Any, carried: list[Any]):
        self._builder, self._n, before = builder, n, builder.block
        self._body = builder.append_basic_block("loop")
        builder.branch(self._body)
        builder.position_at_end(self._body)
        self.index = builder.phi(INDEX)
        self.index.add_incoming(INDEX(0), before)
        self.carried = [builder.phi(value.type) for value in carried]
        for phi, value in zip(self.carried, carried, strict=True):
            phi.add_incoming(value, before)

    def close(self, results: list[Any]) -> None:
        """End the body; the next pass carries `results`."""
        builder = self._builder
        following = builder.add(self.index, INDEX(1))
        end = builder.block
        self.index.add_incoming(following, end)
        for phi, value in zip(self.carried, results, strict=True):
            phi.add_incoming(value, end)
        after = builder.append_basic_block("loop.end")
        builder.cbranch(builder.icmp_signed("<", following, self._n), self._body, after)
        builder.position_at_end(after)
