"""Random draws of the event-driven perceptron: how long nothing happens, and what happens then.

A batch of B of the P points matters only if it holds one of n *suspects*. The number of steps up
to the next such batch is geometric, and the number of suspects in it is hypergeometric (binomial
with replacement) under the condition of being at least one. Drawing both skips the idle steps
without changing the law of the process: the rejection-free method of Bortz, Kalos and Lebowitz
(J. Comput. Phys. 17, 10, 1975).
"""

from __future__ import annotations

import math

import numpy as np

from trainers.batches.fixed_size import FULL_BATCH, WITH_REPLACEMENT
from trainers.batches.streams import Purpose, bounded, fill_words
from trainers.compiled.compilation import compiled

NEVER = 2**62
"""A number of steps beyond every budget."""
_BATCH = np.uint64(int(Purpose.BATCH))
_BUFFER = 1024
_SHORT_PRODUCT = 64
_CERTAIN = -27.6
# ln 1e-12: below, a batch without a suspect is so rare that drawing again costs nothing.


@compiled()
def open_stream(seed):
    """Return the words of a replica's batch stream, to be read from their beginning.

    Parameters
    ----------
    seed : uint64

    Returns
    -------
    uint64 array
        A buffer of words, then the position in it, the words read before it and the seed.
    """
    stream = np.zeros(_BUFFER + 3, np.uint64)
    stream[_BUFFER + 2] = seed
    fill_words(seed, _BATCH, 0, stream[:_BUFFER])
    return stream


@compiled(inline="always")
def next_word(stream):
    """Return the next 64-bit word of a stream."""
    position = np.int64(stream[_BUFFER])
    if position == _BUFFER:
        stream[_BUFFER + 1] += np.uint64(_BUFFER)
        fill_words(stream[_BUFFER + 2], _BATCH, np.int64(stream[_BUFFER + 1]), stream[:_BUFFER])
        position = 0
    stream[_BUFFER] = np.uint64(position + 1)
    return stream[position]


@compiled()
def next_uniform(stream):
    """Return a number in (0, 1], a multiple of 2^-53."""
    return (np.float64(next_word(stream) >> np.uint64(11)) + 1.0) * 2.0**-53


@compiled()
def log_idle_probability(n, n_train, batch_size, replacement):
    """Return ln of the probability that a batch holds none of `n` given points.

    B ln(1 - n/P) with replacement, ln C(P-n, B)/C(P, B) without; -inf where every batch does.
    """
    if n == n_train or (not replacement and n + batch_size > n_train):
        return -np.inf
    if replacement or batch_size == 1:
        return batch_size * math.log1p(-n / n_train)
    few, many = min(n, batch_size), max(n, batch_size)
    if few <= _SHORT_PRODUCT:  # a difference of lgamma would lose digits of a small logarithm
        total = 0.0
        for i in range(few):
            total += math.log1p(-many / (n_train - i))
        return total
    return (
        math.lgamma(n_train - n + 1)
        - math.lgamma(n_train - n - batch_size + 1)
        - math.lgamma(n_train + 1)
        + math.lgamma(n_train - batch_size + 1)
    )


@compiled()
def steps_to_event(log_idle, stream):
    """Draw the number of steps up to and with the next batch that holds a suspect: 1, 2, ..."""
    if log_idle == -np.inf:
        return 1
    steps = math.ceil(math.log(next_uniform(stream)) / log_idle)
    return NEVER if steps > NEVER else max(1, np.int64(steps))


@compiled()
def suspects_in_batch(n, n_train, batch_size, replacement, log_idle, stream):
    """Draw how many of `n` suspects a batch holds, given that it holds at least one."""
    if batch_size == 1:
        return 1
    if n == n_train:
        return batch_size
    if batch_size == n_train and not replacement:
        return n
    if log_idle < _CERTAIN:
        count = 0
        while count == 0:
            count = _sequential_count(n, n_train, batch_size, replacement, stream)
        return count
    target = next_uniform(stream) * -math.expm1(log_idle)
    probability, total, count = math.exp(log_idle), 0.0, 0
    most = batch_size if replacement else min(n, batch_size)
    while total < target and count < most:
        count += 1
        ways = batch_size - count + 1
        if replacement:
            probability *= n / (n_train - n) * ways / count
        else:
            probability *= (n - count + 1) / (n_train - n - batch_size + count) * ways / count
        total += probability
    return count


@compiled()
def _sequential_count(n, n_train, batch_size, replacement, stream):
    """Draw a hypergeometric or binomial number one presentation at a time."""
    count = 0
    for j in range(batch_size):
        if replacement:
            count += bounded(next_word(stream), n_train) < n
        else:
            count += bounded(next_word(stream), n_train - j) < n - count
    return count


@compiled()
def choose(n, count, replacement, stamps, stamp, stream, chosen):
    """Write `count` of 0..n-1, uniform, into `chosen`; distinct ones without replacement.

    Floyd's algorithm (Bentley and Floyd, CACM 1987).

    Parameters
    ----------
    stamps : int64 array
        Work space of n entries at least; holds the stamp of the last draw that took each index.
    stamp : int
        Different in every call.
    """
    if count == n and not replacement:
        for j in range(n):
            chosen[j] = j
        return
    for j in range(count):
        if replacement:
            chosen[j] = bounded(next_word(stream), n)
            continue
        last = n - count + j
        choice = bounded(next_word(stream), last + 1)
        if stamps[choice] == stamp:
            choice = last
        stamps[choice] = stamp
        chosen[j] = choice


@compiled()
def draw_violators(violators, n, n_train, batch_size, sampling, log_idle, clock, stream, chosen):
    """Write the violators of the next batch that holds one into `chosen`; return how many.

    Parameters
    ----------
    violators : int64 array
        Their indices; the first `n` count.
    clock : int64 array (P,)
        Work space: the last draw that took each violator.
    """
    if sampling == FULL_BATCH:
        chosen[:n] = violators[:n]
        return n
    replacement = sampling == WITH_REPLACEMENT
    count = suspects_in_batch(n, n_train, batch_size, replacement, log_idle, stream)
    choose(n, count, replacement, clock[1:], clock[0], stream, chosen)
    clock[0] += 1
    for k in range(count):
        chosen[k] = violators[chosen[k]]
    return count
