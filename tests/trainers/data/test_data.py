"""What every data set promises, and the digits."""

import hashlib
import inspect
import subprocess
import sys

import numpy as np
import pytest

from search_spaces import InvalidSettingError, Point, Seeds
from trainers import train
from trainers.batches.streams import Purpose
from trainers.data import (
    check_size,
    condition_of,
    contradictions,
    dataset_of,
    dataset_size,
    input_dim_of,
    load_dataset,
    settings_of,
    split,
)
from trainers.data.finite import FiniteDataset

HERE = ("digits", "glyphs", "perceptron", "mixture", "teacher")
"""Data sets that need neither files nor a network."""


def point(n_train, n_test=600, **settings):
    return Point.create(
        n_train=n_train,
        n_test=n_test,
        temperature=0.1,
        batch_size=1,
        max_presentations=1000,
        **settings,
    )


def rows(x):
    return {row.tobytes() for row in x}


def draw(name, n_train, seeds, **settings):
    asked = point(n_train, data=name, **settings)
    return split(dataset_of(asked), asked, seeds)


@pytest.mark.parametrize("name", HERE)
def test_training_sets_are_nested_and_apart_from_the_test_set(name):
    seeds = Seeds.shared(4)
    small, large = draw(name, 64, seeds), draw(name, 1024, seeds)
    assert (small[0] == large[0][:64]).all()
    assert (small[1] == large[1][:64]).all()
    assert (small[2] == large[2]).all()
    assert (small[3] == large[3]).all()
    assert not rows(large[0]) & rows(large[2])
    assert [len(part) for part in large] == [1024, 1024, 600, 600]
    assert large[0].shape[1] == load_dataset(name).input_dim


@pytest.mark.parametrize("name", HERE)
def test_test_set_depends_on_its_seed_alone(name):
    base, other = Seeds.shared(4), Seeds(trainset=5, testset=4, init=6, batch=7, noise=8)
    a, b = draw(name, 64, base), draw(name, 32, other)
    assert (a[2] == b[2]).all()
    assert (a[3] == b[3]).all()
    assert not rows(a[0][:32]) >= rows(b[0])
    c = draw(name, 64, Seeds(trainset=4, testset=5, init=4, batch=4, noise=4))
    assert not rows(a[2]) >= rows(c[2])


@pytest.mark.parametrize("name", HERE)
def test_single_precision_is_double_precision_rounded(name):
    asked, seeds = point(16, n_test=4, data=name), Seeds.shared(1)
    single = split(dataset_of(asked), asked, seeds, "float32")
    double = split(dataset_of(asked), asked, seeds, "float64")
    for a, b in zip(single, double, strict=True):
        assert a.dtype == np.float32
        assert b.dtype == np.float64
        assert (a == b.astype(np.float32)).all()


@pytest.mark.parametrize("name", ["digits", "glyphs"])
def test_images_have_a_shape_and_norm_sqrt_d(name):
    dataset, (x, y, *_) = load_dataset(name), draw(name, 128, Seeds.shared(0))
    assert dataset.is_image
    assert np.prod(dataset.input_shape) == dataset.input_dim == x.shape[1]
    assert np.allclose(np.linalg.norm(x, axis=1), np.sqrt(x.shape[1]), rtol=1e-6)
    assert set(np.unique(y)) == {-1.0, 1.0}


@pytest.mark.parametrize("name", HERE)
def test_every_data_set_can_be_trained(name):
    asked = point(16, n_test=50, data=name, width=8, alpha=1.0)
    row = train(asked, Seeds.shared(0)).to_row()
    assert row["n_steps"] > 0
    assert 0 <= row["test_error"] <= 1


def digest_of_laws():
    digest = hashlib.sha256()
    for name in ("glyphs", "perceptron", "mixture", "teacher"):
        for array in load_dataset(name).draw(20, 3, Purpose.TRAINSET, np.dtype("float32")):
            digest.update(array.tobytes())
    return digest.hexdigest()


def test_another_process_draws_the_same_points():
    imports = (
        "import hashlib; import numpy as np; from trainers.data import load_dataset; "
        "from trainers.batches.streams import Purpose\n"
    )
    program = imports + inspect.getsource(digest_of_laws) + "print(digest_of_laws())"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == digest_of_laws()


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


def test_digits_and_their_splits_are_those_of_the_first_version():
    dataset = load_dataset("digits")
    pixels = [-0.05200497604659219, 0.2956369833953016, -0.7232648570827694, -1.2143444542618673]
    assert dataset.inputs[0, 2:6].tolist() == pytest.approx(pixels, rel=1e-14)
    x_train, y_train, x_test, _ = draw("digits", 64, Seeds.shared(4))
    trained, held_out = [492, 484, 328, 342, 502, 890], [968, 601, 283, 944, 1468, 832]
    assert (x_train[:6] == dataset.inputs[trained]).all()
    assert (y_train[:6] == dataset.labels[trained]).all()
    assert (x_test[:6] == dataset.inputs[held_out]).all()


def test_dataset_is_read_only_and_loaded_once():
    dataset = load_dataset("digits")
    assert load_dataset("digits") is dataset
    assert load_dataset("perceptron") is load_dataset("perceptron", chi=1.0, input_dim=64)
    with pytest.raises(ValueError, match="read-only"):
        dataset.inputs[0, 0] = 1.0


def test_settings_identify_the_law():
    a, b = point(8, data="perceptron", chi=2.0), point(8, data="perceptron", input_dim=16)
    assert dataset_of(a).chi == 2.0
    assert dataset_of(b).input_dim == 16
    assert settings_of(a) != settings_of(b)
    assert settings_of(point(8)) == ("digits", ())


@pytest.mark.parametrize("name", HERE)
def test_dimension_is_known_without_the_data(name):
    assert input_dim_of(point(8, data=name)) == load_dataset(name).input_dim


def test_too_many_points_are_refused_with_the_numbers():
    with pytest.raises(
        InvalidSettingError, match=r"n_train=1500 \+ n_test=600 exceed the 1797 images of digits"
    ):
        draw("digits", 1500, Seeds.shared(0))


def test_laws_have_no_size_and_say_so():
    assert dataset_size("glyphs") is None
    check_size(point(10**6, data="glyphs"), dataset_size("glyphs"))
    assert condition_of("glyphs") == "the law of glyphs data"
    assert condition_of("mnist") == "these 70000 images of mnist"


def test_unknown_data_set_is_refused_with_the_nearest_name():
    with pytest.raises(InvalidSettingError, match="did you mean 'digits'"):
        load_dataset("digit")


def test_contradictions_are_equal_inputs_with_both_labels():
    x = np.array([[1, 2], [0, 3], [1, 2], [0, 3], [-0.0, 3], [5, 5], [1, 2]], dtype=np.float32)
    assert contradictions(x, np.array([1, 1, -1, 1, 1, 1, 1])).tolist() == [0, 2, 6]
    assert contradictions(x, np.array([1, 1, 1, 1, -1, 1, 1])).tolist() == [1, 3, 4]
    assert contradictions(x, np.ones(7)).size == 0
    assert contradictions(x[:0], np.ones(0)).size == 0


def test_digits_do_not_contradict_themselves():
    dataset = load_dataset("digits")
    assert contradictions(dataset.inputs, dataset.labels).size == 0


def test_an_image_without_direction_is_refused():
    pixels = np.array([[0, 4], [4, 0], [2, 2]], dtype=np.uint8)
    dataset = FiniteDataset("tiny", "three images", (1, 1, 2), pixels, np.ones(3))
    with pytest.raises(InvalidSettingError, match="image 2 of tiny equals the mean image"):
        _ = dataset.inputs


def test_large_tables_give_the_rows_of_small_ones():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (1500, 784), dtype=np.uint8)
    labels = rng.choice([-1.0, 1.0], 1500)
    large = FiniteDataset("large", "noise", (1, 28, 28), pixels, labels)
    asked, seeds = point(600), Seeds.shared(2)
    train, test = large.split(asked, seeds, np.dtype(np.float32))
    assert train.rows is None
    x, y = train.arrays()
    everything = large.inputs.astype(np.float32)
    found = [int(np.flatnonzero((everything == row).all(axis=1))[0]) for row in x[:20]]
    assert (y[:20] == labels[found]).all()
    assert not rows(x) & rows(test.arrays()[0])
