"""Random numbers: known answers, uniformity, and independence of everything but their key."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from trainers.batches.fixed_size import batch_indices
from trainers.batches.streams import Purpose, fill_words, generator

SAMPLINGS = ("without_replacement", "with_replacement")


def words(seed, purpose, first, n):
    result = np.empty(n, dtype=np.uint64)
    fill_words(np.uint64(seed), np.uint64(purpose), first, result)
    return result


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 2**64 - 1),
    purpose=st.integers(0, 2**64 - 1),
    block=st.integers(0, 2**40),
    skip=st.integers(0, 3),
)
def test_philox_equals_numpy_bit_for_bit(seed, purpose, block, skip):
    key = np.array([seed, purpose], dtype=np.uint64)
    counter = np.array([block, 0, 0, 0], dtype=np.uint64)
    expected = np.random.Philox(key=key, counter=counter).random_raw(12)[skip:]
    assert (words(seed, purpose, 4 * block + skip, 12 - skip) == expected).all()


def test_philox_known_answer_of_the_random123_distribution():
    """Key and counter all ones, published with Philox4x64-10 (kat_vectors)."""
    ones = np.full(4, 2**64 - 1, dtype=np.uint64)
    # numpy increments the counter before the first block.
    bits = np.random.Philox(key=ones[:2], counter=ones - np.array([1, 0, 0, 0], dtype=np.uint64))
    expected = [0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0]
    assert [int(word) for word in bits.random_raw(4)] == expected


def test_streams_of_different_purposes_and_seeds_differ():
    draws = [
        generator(seed, purpose).integers(0, 2**63, 4).tobytes()
        for seed in (0, 1)
        for purpose in Purpose
    ]
    assert len(set(draws)) == len(draws)


def test_full_batch_is_every_point_in_order():
    batches = batch_indices(3, 5, 4, 9, 9, "full_batch")
    assert (batches == np.arange(9)).all()


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize(("n_train", "batch_size"), [(1, 1), (7, 3), (64, 64), (100, 1)])
def test_batches_are_random_access(sampling, n_train, batch_size):
    together = batch_indices(3, 0, 40, n_train, batch_size, sampling)
    for step in (39, 0, 17):
        alone = batch_indices(3, step, 1, n_train, batch_size, sampling)
        assert (alone[0] == together[step]).all()


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_every_point_is_drawn_equally_often(sampling):
    batches = batch_indices(11, 0, 20000, 37, 5, sampling)
    counts = np.bincount(batches.ravel(), minlength=37)
    assert chisquare(counts).pvalue > 1e-4


def test_batches_without_replacement_are_uniform_subsets():
    batches = batch_indices(5, 0, 30000, 6, 3, "without_replacement")
    codes = (1 << batches.astype(np.int64)).sum(axis=1)
    subsets, counts = np.unique(codes, return_counts=True)
    assert len(subsets) == 20
    assert chisquare(counts).pvalue > 1e-4


def test_batches_without_replacement_are_distinct_and_full_batch_is_everything():
    batches = batch_indices(5, 0, 50, 9, 9, "without_replacement")
    assert (np.sort(batches, axis=1) == np.arange(9)).all()


def test_batches_with_replacement_repeat_as_often_as_they_should():
    """P(two draws equal) = 1/P."""
    batches = batch_indices(8, 0, 40000, 10, 2, "with_replacement")
    repeats = (batches[:, 0] == batches[:, 1]).mean()
    assert repeats == pytest.approx(0.1, abs=5 * np.sqrt(0.09 / 40000))


def test_successive_batches_are_uncorrelated():
    draws = batch_indices(2, 0, 40000, 256, 1, "without_replacement")[:, 0].astype(float)
    draws -= draws.mean()
    correlation = (draws[1:] * draws[:-1]).mean() / draws.var()
    assert abs(correlation) < 5 / np.sqrt(40000)
