# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few things that a compiled walk over a dump needs: big-endian loads at any address, bit counts, and a hash table of ids.

All numbers in kernels are signed 64-bit, because numba makes a float of an unsigned and a signed one; an identifier whose highest
bit is set is a negative number, which changes nothing as long as it is only compared and looked up.
"""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._compiled import njit, np, numba

kernel = njit()
_GOLDEN = -7046029254386353131
#: kind of value in a dump -> bytes; an object's (2) are those of an identifier
TYPE_BYTES = {4: 1, 5: 2, 6: 4, 7: 8, 8: 1, 9: 2, 10: 4, 11: 8}
OBJECT = 2

if numba is not None:
    from llvmlite import ir
    from numba.core import cgutils
    from numba.extending import intrinsic

    def _loader(bits: int) -> t.Any:
        """A function (uint8 array, offset) -> the big-endian number of that many bits, without a bounds check."""
        @intrinsic
        def load(typing_context: t.Any, array: t.Any, offset: t.Any) -> t.Any:
            def generate(context: t.Any, builder: t.Any, signature: t.Any, arguments: t.Any) -> t.Any:
                base = context.make_array(signature.args[0])(context, builder, arguments[0]).data
                number = ir.IntType(bits)
                address = builder.bitcast(builder.gep(base, [arguments[1]]), number.as_pointer())
                value = builder.load(address, align=1)
                if bits > 8:
                    value = builder.bswap(value)
                return builder.zext(value, ir.IntType(64)) if bits < 64 else value
            return numba.types.int64(array, numba.types.int64), generate
        return load

    @intrinsic
    def popcount(typing_context: t.Any, word: t.Any) -> t.Any:
        """How many bits are set."""
        def generate(context: t.Any, builder: t.Any, signature: t.Any, arguments: t.Any) -> t.Any:
            return builder.ctpop(arguments[0])
        return numba.types.int64(numba.types.int64), generate

    @intrinsic
    def prefetch(typing_context: t.Any, array: t.Any, place: t.Any) -> t.Any:
        """Ask for the element at that place of the flat array, so that it is there when it is needed: nothing waits for it."""
        def generate(context: t.Any, builder: t.Any, signature: t.Any, arguments: t.Any) -> t.Any:
            base = context.make_array(signature.args[0])(context, builder, arguments[0]).data
            address = builder.bitcast(builder.gep(base, [arguments[1]]), ir.IntType(8).as_pointer())
            number = ir.IntType(32)
            function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), [address.type, number, number, number]),
                                                      "llvm.prefetch.p0")
            builder.call(function, [address, number(0), number(3), number(1)])
            return context.get_dummy_value()
        return numba.types.void(array, numba.types.int64), generate

    load8, load16, load32, load64 = map(_loader, (8, 16, 32, 64))
else:
    load8 = load16 = load32 = load64 = popcount = prefetch = None


@kernel
def identifier(data: t.Any, p: int, id_bytes: int) -> int:
    """The identifier at an offset."""
    if id_bytes == 8:
        return load64(data, p)
    return load32(data, p)


@kernel
def value_bytes(kind: int, id_bytes: int) -> int:
    """Bytes of a value, 0 for a kind that does not exist."""
    if kind == OBJECT:
        return id_bytes
    if kind == 8 or kind == 4:
        return 1
    if kind == 5 or kind == 9:
        return 2
    if kind == 10 or kind == 6:
        return 4
    if kind == 11 or kind == 7:
        return 8
    return 0


class Table(t.NamedTuple):
    """A hash table of identifiers: int64 keys (0 is free), int32 values; the length is a power of two."""

    keys: t.Any
    values: t.Any


def new_table(entries: int) -> Table:
    """An empty table with room for that many."""
    slots = 1 << max(10, (2 * entries).bit_length())
    return Table(np.zeros(slots, np.int64), np.zeros(slots, np.int32))


@kernel
def find(table: Table, key: int) -> int:
    """The key's value, -1 without one."""
    mask = table.keys.shape[0] - 1
    slot = ((key * _GOLDEN) >> 20) & mask
    while table.keys[slot] != 0:
        if table.keys[slot] == key:
            return np.int64(table.values[slot])
        slot = (slot + 1) & mask
    return -1


@kernel
def put(table: Table, key: int, value: int) -> None:
    """Enter a key that is not there yet; the caller sees to room."""
    mask = table.keys.shape[0] - 1
    slot = ((key * _GOLDEN) >> 20) & mask
    while table.keys[slot] != 0:
        slot = (slot + 1) & mask
    table.keys[slot] = key
    table.values[slot] = value
