"""Compiled random walks: one path after the other, every draw a function of (seed, path, step).

A path owns 2^32 blocks of the noise stream, so that a path is the same alone and among others,
and whatever the order in which paths are run.
"""

from __future__ import annotations

import math

import numpy as np

from trainers.batches.streams import Purpose, philox_block
from trainers.compiled.compilation import compiled

_NOISE = np.uint64(int(Purpose.NOISE))
_PATH_SHIFT = np.uint64(32)
_HALF_WORD = np.uint64(11)
_UNIT = 2.0**-53


@compiled(inline="always")
def unit_interval(word):
    """Map a word to the open interval (0, 1)."""
    return (np.float64(word >> _HALF_WORD) + 0.5) * _UNIT


@compiled(inline="always")
def stable_draw(first, second, tail_index):
    """Return one draw of S(tail_index, 1) from two words (Chambers, Mallows and Stuck 1976)."""
    u = math.pi * (unit_interval(first) - 0.5)
    w = -math.log(unit_interval(second))
    if tail_index == 2.0:
        return 2.0 * math.sin(u) * math.sqrt(w)
    if tail_index == 1.0:
        return math.tan(u)
    log_cosine = math.log(math.cos(u))
    ratio = (1.0 - tail_index) / tail_index
    power = ratio * (math.log(math.cos((1.0 - tail_index) * u)) - math.log(w))
    return math.sin(tail_index * u) * math.exp(power - log_cosine / tail_index)


@compiled(inline="always")
def gaussian_pair(first, second):
    """Return two independent N(0, 1) draws from two words (Box and Muller 1958)."""
    radius = math.sqrt(-2.0 * math.log(unit_interval(first)))
    angle = 2.0 * math.pi * unit_interval(second)
    return radius * math.cos(angle), radius * math.sin(angle)


@compiled(inline="always")
def polynomial(coefficients, x):
    """Return sum_m coefficients[m] x^m."""
    value = 0.0
    for m in range(coefficients.shape[0] - 1, -1, -1):
        value = value * x + coefficients[m]
    return value


@compiled()
def fill_stable(seed, first_path, tail_index, draws):
    """Write S(tail_index[j], 1) draws into `draws` (n_paths, n): column j of row p is draw j."""
    seed = np.uint64(seed)
    for p in range(draws.shape[0]):
        base = np.uint64(first_path + p) << _PATH_SHIFT
        for j in range(0, draws.shape[1], 2):
            words = philox_block(base + np.uint64(j >> 1), seed, _NOISE)
            draws[p, j] = stable_draw(words[0], words[1], tail_index[j])
            if j + 1 < draws.shape[1]:
                draws[p, j + 1] = stable_draw(words[2], words[3], tail_index[j + 1])


@compiled()
def stable_exits(
    seed, first_path, gradient, steps, amplitudes, tail_index, start, low, high, n_steps,
    exit_step, exit_coordinate, position,
):  # fmt: skip
    """Run w_j += -steps[k] grad_j(w_j) + amplitudes[k, j] xi_kj until a coordinate leaves.

    Parameters
    ----------
    gradient : float64 (d, m)
        Polynomial coefficients of dU/dw_j.
    steps, amplitudes : float64 (K,), (K, d)
        Of step k; the last entry holds for all later steps.
    low, high : float64 (d,)
        Coordinate j is inside while low[j] < w_j < high[j].
    exit_step, exit_coordinate : int64 (n_paths,)
        Output: steps until the exit, and the coordinate that left, the farthest outside in units
        of its width if several did; n_steps and -1 for a path that stays.
    position : float64 (n_paths, d)
        Output: the place after the last step.
    """
    seed = np.uint64(seed)
    n_coordinates = start.shape[0]
    blocks = np.uint64((n_coordinates + 1) // 2)
    w = np.empty(n_coordinates)
    for p in range(exit_step.shape[0]):
        base = np.uint64(first_path + p) << _PATH_SHIFT
        w[:] = start
        exit_step[p] = n_steps
        exit_coordinate[p] = -1
        for k in range(n_steps):
            row = min(k, steps.shape[0] - 1)
            farthest = 1.0
            for j in range(0, n_coordinates, 2):
                counter = base + np.uint64(k) * blocks + np.uint64(j >> 1)
                words = philox_block(counter, seed, _NOISE)
                for i in range(j, min(j + 2, n_coordinates)):
                    first = words[0] if i == j else words[2]
                    second = words[1] if i == j else words[3]
                    jump = amplitudes[row, i] * stable_draw(first, second, tail_index[i])
                    w[i] += jump - steps[row] * polynomial(gradient[i], w[i])
                    centre, half = 0.5 * (low[i] + high[i]), 0.5 * (high[i] - low[i])
                    # A runaway of a steep well is a NaN in the end, which has left as well.
                    distance = abs(w[i] - centre) / half
                    if not distance < farthest:
                        farthest = distance
                        exit_coordinate[p] = i
            if exit_coordinate[p] >= 0:
                exit_step[p] = k + 1
                break
        position[p] = w


@compiled()
def diffusion_samples(
    seed, first_path, gradient, diffusion, correction, step, start, n_burn, n_between, samples
):  # fmt: skip
    """Write positions of dw = -grad dt + sqrt(D(w)) dB into `samples` (n_paths, n_kept).

    Parameters
    ----------
    gradient, diffusion : float64 (m,), (m',)
        Polynomial coefficients of dU/dw and of D.
    correction : float
        Added drift in units of D'(w)/2: 0 Ito, 1/2 Stratonovich, 1 anti-Ito.
    step : float
        Euler-Maruyama step; for SGD the learning rate.
    n_burn, n_between : int
        Steps before the first sample and between samples.
    """
    seed = np.uint64(seed)
    slope = _derivative(diffusion)
    root = math.sqrt(step)
    for p in range(samples.shape[0]):
        base = np.uint64(first_path + p) << _PATH_SHIFT
        w, spare, kept = start, 0.0, 0
        for k in range(n_burn + n_between * (samples.shape[1] - 1) + 1):
            if k & 1 == 0:
                words = philox_block(base + np.uint64(k >> 1), seed, _NOISE)
                noise, spare = gaussian_pair(words[0], words[1])
            else:
                noise = spare
            drift = 0.5 * correction * polynomial(slope, w) - polynomial(gradient, w)
            w += step * drift + root * math.sqrt(polynomial(diffusion, w)) * noise
            if k >= n_burn and (k - n_burn) % n_between == 0:
                samples[p, kept] = w
                kept += 1


@compiled()
def diffusion_exits(
    seed, first_path, gradient, diffusion, correction, step, start, low, high, n_steps, exit_step
):  # fmt: skip
    """Write the steps until dw = -grad dt + sqrt(D) dB leaves (low, high), n_steps if it stays.

    Between two steps the path is a Brownian bridge, which crosses a barrier b with probability
    exp(-2 (b - w)(b - w') / (D dt)); without it exit times are too long by O(sqrt(dt)).
    """
    seed = np.uint64(seed)
    slope = _derivative(diffusion)
    root = math.sqrt(step)
    for p in range(exit_step.shape[0]):
        base = np.uint64(first_path + p) << _PATH_SHIFT
        w = start
        exit_step[p] = n_steps
        for k in range(n_steps):
            words = philox_block(base + np.uint64(k), seed, _NOISE)
            noise, _ = gaussian_pair(words[0], words[1])
            spread = polynomial(diffusion, w)
            drift = 0.5 * correction * polynomial(slope, w) - polynomial(gradient, w)
            after = w + step * drift + root * math.sqrt(spread) * noise
            stays = low < after < high
            if stays:
                stays = _survives(w, after, low, high, spread * step, unit_interval(words[2]))
            if not stays:
                exit_step[p] = k + 1
                break
            w = after


@compiled(inline="always")
def _survives(before, after, low, high, variance, uniform):
    """Whether a bridge between two inner points stays inside both barriers."""
    above = math.exp(-2.0 * (high - before) * (high - after) / variance)
    below = math.exp(-2.0 * (before - low) * (after - low) / variance)
    return uniform >= above + below


@compiled()
def _derivative(coefficients):
    result = np.zeros(max(coefficients.shape[0] - 1, 1))
    for m in range(1, coefficients.shape[0]):
        result[m - 1] = m * coefficients[m]
    return result


@compiled()
def regression_walks(seed, first_path, learning_rate, batch_size, share, n_burn, samples):
    """Write u = w - w* of SGD on y = x w* + e into `samples` (n_paths, n_kept).

    x = N(0, 1/share) with probability `share`, else 0, and e = N(0, 1): a step is
    u += -learning_rate mean(x (x u - e)). One sample per step after n_burn steps.
    """
    seed = np.uint64(seed)
    width = math.sqrt(1.0 / share)
    for p in range(samples.shape[0]):
        base = np.uint64(first_path + p) << _PATH_SHIFT
        u, counter = 0.0, np.uint64(0)
        for k in range(n_burn + samples.shape[1]):
            pull = 0.0
            for _ in range(batch_size):
                words = philox_block(base + counter, seed, _NOISE)
                counter += np.uint64(1)
                if share < 1.0 and unit_interval(words[2]) >= share:
                    continue
                x, e = gaussian_pair(words[0], words[1])
                x *= width
                pull += x * (x * u - e)
            u -= learning_rate * pull / batch_size
            if k >= n_burn:
                samples[p, k - n_burn] = u
