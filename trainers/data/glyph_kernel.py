"""Draw deformed digits: the compiled part of the data set *glyphs*.

Image i of a stream is a pure function of the words 512 i ... 512 i + 511 of that stream. A
letterform is stored as the signed distance from its outline, so that one interpolation gives
stroke width (the level at which ink begins) and blur (the steepness of the edge).
"""

from __future__ import annotations

import math

import numpy as np

from trainers.batches.streams import fill_words
from trainers.compiled.compilation import compiled

SIDE = 28
"""Pixels per side of an image."""
N_PIXELS = SIDE * SIDE
MASTER_SIZE = 48
"""Grid points per side of a letterform; a digit is 30 of them high and 20 pixels in the mean."""
UNITS_PER_STEP = 1 / 15
"""Distance, in grid units, of one step of the stored uint8; 128 is the outline."""

WORDS_PER_IMAGE = 512
_N_CONTROL = 7
_FIRST_BEND, _FIRST_NOISE = 16, 120
_UNITS_PER_PIXEL = 1.5
_CENTRE = 0.5 * (SIDE - 1)
_MASTER_CENTRE = 0.5 * (MASTER_SIZE - 1)
_UNIT = 1.0 / 2.0**64
_LANE = np.uint64(0xFFFF)

# Deformations: half widths of uniform laws, or standard deviations where it says so.
ROTATION = 0.3
"""Radians."""
SIZE = 0.15
"""Logarithm of the size, and of the ratio of height to width."""
SHEAR = 0.25
SHIFT = 2.0
"""Pixels, in both directions."""
BEND = 1.2
"""Standard deviation of the elastic displacement at the control points, pixels."""
THINNEST, THICKEST = -0.7, 2.0
"""Level of the outline that is moved inwards (erosion) or outwards (dilation), grid units."""
SHARPEST, SOFTEST = 1.0, 5.0
"""Width of the edge, grid units."""
FAINTEST = 0.5
"""Smallest contrast; the largest is 1."""
NOISE = 0.10
"""Largest standard deviation of the pixel noise; it is uniform in [0, NOISE]."""


@compiled()
def draw_images(masters, seed, purpose, first, images, digits):
    """Draw images `first`, `first` + 1, ... of a stream.

    Parameters
    ----------
    masters : uint8 (n_faces, 10, 48, 48)
        Signed distances from the outlines.
    seed, purpose : uint64
        Key of the stream.
    images : float32 (n, 784)
        Written: ink between 0 and 1, plus noise.
    digits : int64 (n,)
        Written: the digit of each image.
    """
    words = np.empty(WORDS_PER_IMAGE, np.uint64)
    weights = _spline_weights()
    bends = np.empty((2, N_PIXELS))
    matrix = np.empty(4)
    for i in range(images.shape[0]):
        fill_words(seed, purpose, np.uint64(first + i) * np.uint64(WORDS_PER_IMAGE), words)
        digits[i] = np.int64(10 * _uniform(words[0]))
        face = np.int64(masters.shape[0] * _uniform(words[1]))
        _bend(words, weights, bends)
        _affine(words, matrix)
        _draw(masters[face, digits[i]], words, matrix, bends, images[i])


@compiled(inline="always")
def _uniform(word):
    """Return a number in [0, 1)."""
    return np.float64(word >> np.uint64(11)) * (2.0**-53)


@compiled(inline="always")
def _symmetric(word):
    """Return a number in [-1, 1)."""
    return 2.0 * _uniform(word) - 1.0


@compiled(inline="always")
def _lanes(word):
    """Return the sum of the four 16-bit lanes, with mean 0 and variance 1: nearly normal."""
    total = np.int64(0)
    for lane in range(4):
        total += np.int64((word >> np.uint64(16 * lane)) & _LANE)
    return (np.float64(total) - 131070.0) * (math.sqrt(3.0) / 65536.0)


@compiled()
def _spline_weights():
    """Return the cubic B-spline weights of the control points for each pixel, (28, 7)."""
    weights = np.zeros((SIDE, _N_CONTROL))
    for pixel in range(SIDE):
        place = (pixel + 0.5) / SIDE * (_N_CONTROL - 3)
        cell = min(int(place), _N_CONTROL - 4)
        t = place - cell
        weights[pixel, cell] = (1 - t) ** 3 / 6
        weights[pixel, cell + 1] = (3 * t**3 - 6 * t**2 + 4) / 6
        weights[pixel, cell + 2] = (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6
        weights[pixel, cell + 3] = t**3 / 6
    return weights


@compiled()
def _bend(words, weights, bends):
    """Write the elastic displacement of each pixel, in pixels, into `bends` (2, 784)."""
    rows = np.empty((SIDE, _N_CONTROL))
    for axis in range(2):
        first = _FIRST_BEND + axis * _N_CONTROL * _N_CONTROL
        rows[:] = 0.0
        for a in range(_N_CONTROL):
            for b in range(_N_CONTROL):
                push = BEND * _lanes(words[first + a * _N_CONTROL + b])
                for y in range(SIDE):
                    rows[y, b] += weights[y, a] * push
        for y in range(SIDE):
            for x in range(SIDE):
                total = 0.0
                for b in range(_N_CONTROL):
                    total += weights[x, b] * rows[y, b]
                bends[axis, y * SIDE + x] = total


@compiled()
def _affine(words, matrix):
    """Write the map from pixels to grid units: (xx, xy, yx, yy)."""
    angle = ROTATION * _symmetric(words[2])
    size, ratio = SIZE * _symmetric(words[3]), SIZE * _symmetric(words[4])
    shear = SHEAR * _symmetric(words[5])
    cosine, sine = math.cos(angle), math.sin(angle)
    wide = _UNITS_PER_PIXEL * math.exp(size + 0.5 * ratio)
    high = _UNITS_PER_PIXEL * math.exp(size - 0.5 * ratio)
    matrix[0], matrix[1] = wide * (cosine + shear * sine), wide * (shear * cosine - sine)
    matrix[2], matrix[3] = high * sine, high * cosine


@compiled()
def _draw(master, words, matrix, bends, image):
    right, down = SHIFT * _symmetric(words[6]), SHIFT * _symmetric(words[7])
    level = THINNEST + (THICKEST - THINNEST) * _uniform(words[8])
    softness = SHARPEST + (SOFTEST - SHARPEST) * _uniform(words[9])
    contrast = FAINTEST + (1 - FAINTEST) * _uniform(words[10])
    # The difference of two sums of two lanes: triangular, standard deviation 65536 / sqrt(6).
    noise = NOISE * _uniform(words[11]) * math.sqrt(6.0) / 65536.0
    lanes = words[_FIRST_NOISE:]
    for pixel in range(N_PIXELS):
        u = pixel % SIDE - _CENTRE - right + bends[0, pixel]
        v = pixel // SIDE - _CENTRE - down + bends[1, pixel]
        x = _MASTER_CENTRE + matrix[0] * u + matrix[1] * v
        y = _MASTER_CENTRE + matrix[2] * u + matrix[3] * v
        ink = 0.5 + (_distance(master, x, y) + level) / softness
        word = lanes[pixel >> 1] >> np.uint64(32 * (pixel & 1))
        difference = np.int64(word & _LANE) - np.int64((word >> np.uint64(16)) & _LANE)
        image[pixel] = np.float32(contrast * min(max(ink, 0.0), 1.0) + noise * difference)


@compiled(inline="always")
def _distance(master, x, y):
    """Return the signed distance at (x, y), interpolated linearly, in grid units."""
    x = min(max(x, 0.0), MASTER_SIZE - 1.001)
    y = min(max(y, 0.0), MASTER_SIZE - 1.001)
    column, row = int(x), int(y)
    s, t = x - column, y - row
    above = (1 - s) * master[row, column] + s * master[row, column + 1]
    below = (1 - s) * master[row + 1, column] + s * master[row + 1, column + 1]
    return ((1 - t) * above + t * below - 128.0) * UNITS_PER_STEP


@compiled()
def normalize_images(images, mean):
    """Subtract the mean image and scale each image to norm sqrt(d), in place."""
    for image in images:
        square = 0.0
        for pixel in range(N_PIXELS):
            difference = np.float64(image[pixel]) - mean[pixel]
            square += difference * difference
        scale = SIDE / math.sqrt(square)
        for pixel in range(N_PIXELS):
            image[pixel] = np.float32((np.float64(image[pixel]) - mean[pixel]) * scale)
