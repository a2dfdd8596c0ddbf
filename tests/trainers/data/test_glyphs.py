"""The glyphs: frozen deformations, random access, and how hard they are to learn."""

import numpy as np
import pytest

from search_spaces import Point, Seeds
from trainers import load_dataset, train_pack
from trainers.batches.streams import Purpose
from trainers.data.glyph_kernel import N_PIXELS, draw_images
from trainers.data.glyphs import draw_raw

N = 4096


@pytest.fixture(scope="module", name="glyphs")
def _glyphs():
    return load_dataset("glyphs")


@pytest.fixture(scope="module", name="raw")
def _raw(glyphs):
    return draw_raw(glyphs.masters, N, 11, Purpose.TRAINSET)


def test_an_image_is_a_function_of_its_number(glyphs, raw):
    images, digits = np.empty((5, N_PIXELS), np.float32), np.empty(5, np.int64)
    key = np.uint64(11), np.uint64(Purpose.TRAINSET)
    draw_images(glyphs.masters, *key, 100, images, digits)
    assert (images == raw[0][100:105]).all()
    assert (digits == raw[1][100:105]).all()


def test_digits_are_equally_frequent(raw):
    counts = np.bincount(raw[1], minlength=10)
    chi_square = ((counts - N / 10) ** 2 / (N / 10)).sum()
    assert chi_square < 27.9  # 99.9 % of the law with 9 degrees of freedom


def test_ink_lies_on_the_page_and_its_mean_is_stored(glyphs, raw):
    images, _ = raw
    error = images.std(axis=0) / np.sqrt(N)
    assert (np.abs(images.mean(axis=0) - glyphs.mean) < 5 * error).all()
    assert np.quantile(images, 0.999) < 1.2
    assert images.min() > -0.3
    # Nothing is blank: the darkest stroke of every image stands out of the noise.
    strokes = np.sort(images, axis=1)[:, -20:].mean(axis=1)
    assert strokes.min() > 0.2


def test_deformations_are_frozen(raw):
    images, digits = raw
    assert digits[:8].tolist() == [8, 5, 3, 1, 1, 5, 9, 8]
    assert images[:4].sum(axis=1) == pytest.approx([187.728, 79.315, 55.672, 89.829], rel=1e-4)


def test_no_two_images_are_alike(raw):
    assert np.unique(raw[0], axis=0).shape[0] == N


@pytest.mark.verify
def test_glyphs_are_hard_at_every_affordable_size(pages):
    sizes, seeds = [2**k for k in range(7, 15)], [Seeds.shared(s) for s in range(4)]
    errors = {}
    for n_train in sizes:
        point = Point.create(
            data="glyphs",
            n_train=n_train,
            n_test=10_000,
            temperature=0.1,
            batch_size=1,
            max_presentations=10**9,
        )
        results = train_pack([(point, each) for each in seeds])
        found = np.array([result.test_error for result in results])
        changes = np.log([result.relative_weight_change for result in results])
        errors[n_train] = found.mean()
        pages.add(
            "glyphs",
            P=n_train,
            **{
                "test error / %": f"{100 * found.mean():.2f}",
                "standard error": f"{100 * found.std(ddof=1) / np.sqrt(len(seeds)):.2f}",
                "weight change": f"{np.exp(changes.mean()):.4f}",
                "fitted": f"{sum(r.stop_reason == 'fitted' for r in results)} of {len(seeds)}",
            },
        )
    assert errors[16384] > 0.01
    assert errors[16384] <= 0.85 * errors[8192]
