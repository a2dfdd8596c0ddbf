"""Named random streams: every random number is a pure function of a seed, a purpose and a counter.

One seed serves several purposes (held-out points, training points, initial weights, batches)
without correlation, and a batch can be drawn without drawing those before it. That makes a
replica independent of its neighbours, of the order of trainings and of look-ahead.

The generator is Philox4x64-10 (Salmon et al., SC11), bit for bit the one of
:class:`numpy.random.Philox`; here it is also available inside compiled kernels.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from trainers.compiled.compilation import compiled


class Purpose(IntEnum):
    """What a stream is used for; second word of its key."""

    TESTSET = 1
    TRAINSET = 2
    INIT = 3
    BATCH = 4
    NOISE = 5
    PROBE = 6
    FIELD = 9


WORD_MASK = (1 << 64) - 1

_MULTIPLIER_0 = np.uint64(0xD2E7470EE14C6C93)
_MULTIPLIER_1 = np.uint64(0xCA5A826395121157)
_WEYL_0 = np.uint64(0x9E3779B97F4A7C15)
_WEYL_1 = np.uint64(0xBB67AE8584CAA73B)
_THREE = np.uint64(3)


def generator(seed: int, purpose: Purpose, part: int = 0) -> np.random.Generator:
    """Return the numpy generator of one stream, positioned at its beginning.

    `part` numbers independent streams of one purpose.

    >>> a, b = generator(7, Purpose.INIT), generator(7, Purpose.INIT)
    >>> bool((a.random(3) == b.random(3)).all())
    True
    """
    key = np.array([seed & WORD_MASK, int(purpose) | part << 32], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


@intrinsic
def multiply_high(typingctx, a, b):
    """Return the upper 64 bits of the 128-bit product of two uint64."""
    if a != types.uint64 or b != types.uint64:
        return None

    def codegen(context, builder, signature, args):
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), codegen


@compiled(inline="always")
def philox_block(counter, seed, purpose):
    """Return the four words that numpy's Philox gives at 128-bit counter `counter` + 1.

    Parameters
    ----------
    counter, seed, purpose : uint64
        Lowest counter word (the others are zero) and the two words of the key.
    """
    c0, c1, c2, c3 = counter + np.uint64(1), np.uint64(0), np.uint64(0), np.uint64(0)
    k0, k1 = seed, purpose
    for _ in range(10):
        high_0 = multiply_high(_MULTIPLIER_0, c0)
        low_0 = _MULTIPLIER_0 * c0
        high_1 = multiply_high(_MULTIPLIER_1, c2)
        low_1 = _MULTIPLIER_1 * c2
        c0, c1, c2, c3 = high_1 ^ c1 ^ k0, low_1, high_0 ^ c3 ^ k1, low_0
        k0 += _WEYL_0
        k1 += _WEYL_1
    return c0, c1, c2, c3


@compiled()
def fill_words(seed, purpose, first, words):
    """Write words `first`, `first` + 1, ... of a stream into `words` (uint64).

    Random access: word i is entry i % 4 of the block at counter i // 4.
    """
    n = words.shape[0]
    position = 0
    index = np.uint64(first)
    while position < n:
        block = philox_block(index >> np.uint64(2), seed, purpose)
        lane = index & _THREE
        if lane == np.uint64(0) and position + 4 <= n:
            words[position] = block[0]
            words[position + 1] = block[1]
            words[position + 2] = block[2]
            words[position + 3] = block[3]
            position += 4
            index += np.uint64(4)
        else:
            words[position] = block[np.int64(lane)]
            position += 1
            index += np.uint64(1)


@compiled(inline="always")
def bounded(word, n):
    """Map a 64-bit word to 0 .. n-1 by multiply-shift (Lemire, TOMACS 2019); bias below n/2^64."""
    return np.int64(multiply_high(word, np.uint64(n)))
