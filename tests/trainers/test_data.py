"""The digits and their splits."""

import numpy as np
import pytest

from search_spaces import InvalidSettingError, Point, Seeds
from trainers.data import dataset_size, load_dataset, split


def point(n_train, n_test=600):
    return Point.create(
        n_train=n_train, n_test=n_test, temperature=0.1, batch_size=1, max_presentations=1000
    )


def rows(x):
    return {row.tobytes() for row in x}


def test_digits_are_centred_normalized_and_labelled_by_parity():
    from sklearn.datasets import load_digits

    images, digits = load_digits(return_X_y=True)
    dataset = load_dataset("digits")
    assert dataset.inputs.shape == (1797, 64)
    assert dataset_size("digits") == dataset.size == 1797
    assert np.allclose(np.linalg.norm(dataset.inputs, axis=1), 8)
    assert (dataset.labels == np.where(digits % 2, 1, -1)).all()
    centred = images - images.mean(axis=0)
    cosine = (centred * dataset.inputs).sum(axis=1) / np.linalg.norm(centred, axis=1) / 8
    assert np.allclose(cosine, 1)


def test_dataset_is_read_only_and_loaded_once():
    dataset = load_dataset("digits")
    assert load_dataset("digits") is dataset
    with pytest.raises(ValueError, match="read-only"):
        dataset.inputs[0, 0] = 1.0


def test_splits_are_nested_and_disjoint():
    dataset, seeds = load_dataset("digits"), Seeds.shared(4)
    small, large = split(dataset, point(64), seeds), split(dataset, point(1024), seeds)
    assert (small[0] == large[0][:64]).all()
    assert (small[1] == large[1][:64]).all()
    assert (small[2] == large[2]).all()
    assert not rows(large[0]) & rows(large[2])
    assert [len(part) for part in large] == [1024, 1024, 600, 600]


def test_test_set_does_not_depend_on_the_training_seed():
    dataset = load_dataset("digits")
    base = Seeds.shared(4)
    other = Seeds(trainset=5, testset=4, init=4, batch=4, noise=4)
    a, b = split(dataset, point(64), base), split(dataset, point(64), other)
    assert (a[2] == b[2]).all()
    assert (a[0] != b[0]).any()


def test_too_many_points_are_refused_with_the_numbers():
    with pytest.raises(
        InvalidSettingError, match=r"n_train=1500 \+ n_test=600 exceed the 1797 images of digits"
    ):
        split(load_dataset("digits"), point(1500), Seeds.shared(0))


def test_unknown_data_set_is_refused_with_the_nearest_name():
    with pytest.raises(InvalidSettingError, match="did you mean 'digits'"):
        load_dataset("digit")
