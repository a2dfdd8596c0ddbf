"""Printed digits under random deformation: images without end and without a download.

A digit 0-9 of one of eight free typefaces is rotated, scaled, sheared, shifted and bent, its
stroke made thinner or thicker, its edge blurred, its contrast changed and noise added, all drawn
at random (:mod:`trainers.data.glyph_kernel`, which holds the widths of these laws). The images
are 28x28, labels are the parity. Every seed draws images of its own, so that P is limited by
memory alone.

The deformations were chosen once, and are frozen, so that the problem is hard at every P that is
affordable: docs/data.md has the measured curve of the test error.
"""

from __future__ import annotations

from importlib import resources

import numpy as np

from trainers.batches.streams import WORD_MASK, Purpose
from trainers.compiled.alignment import aligned_copy, aligned_empty
from trainers.data.dataset import GeneratedDataset
from trainers.data.glyph_kernel import N_PIXELS, SIDE, draw_images, normalize_images


class GlyphDataset(GeneratedDataset):
    """Deformed digits, centred on the mean image of the law and scaled to norm 28 = sqrt(d)."""

    name = "glyphs"
    description = "printed digits of 28x28 pixels, randomly deformed, parity: odd +1, even -1"
    input_dim = N_PIXELS
    input_shape = (1, SIDE, SIDE)

    def __init__(self) -> None:
        with (resources.files("trainers") / "data/faces/faces.npz").open("rb") as file:
            arrays = np.load(file)
            self.masters, self.mean = arrays["masters"], arrays["mean"]
        # Compiled here, once, rather than in every worker at the same time.
        self.draw(1, 0, Purpose.TESTSET, np.dtype(np.float32))

    def draw(
        self, n: int, seed: int, purpose: Purpose, dtype: np.dtype
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the first `n` images (n, 784) and labels (n,) of a stream.

        Images are computed in float32 whatever the dtype.
        """
        images, digits = draw_raw(self.masters, n, seed, purpose)
        normalize_images(images, self.mean)
        labels = np.where(digits % 2 == 1, 1.0, -1.0)
        if images.dtype != dtype:
            images = aligned_copy(images, dtype)
        return images, labels.astype(dtype)


def draw_raw(
    masters: np.ndarray, n: int, seed: int, purpose: Purpose
) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, 784) before centring, ink between 0 and 1, and their digits (n,)."""
    images = aligned_empty((n, N_PIXELS), np.dtype(np.float32))
    digits = np.empty(n, np.int64)
    key = np.uint64(seed & WORD_MASK), np.uint64(purpose)
    draw_images(masters, *key, 0, images, digits)
    return images, digits
