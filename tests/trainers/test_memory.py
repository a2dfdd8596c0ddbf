"""How much memory trainings need, and what is refused."""

import tracemalloc

import pytest

from search_spaces import InvalidSettingError, Point, Seeds
from trainers import memory, train, train_pack
from trainers.kernels import preparation
from trainers.memory import check_memory, show_bytes, training_bytes


def point(**settings):
    values = {"n_train": 64, "temperature": 0.1, "batch_size": 1, "max_presentations": 500}
    return Point.create(**(values | settings))


@pytest.fixture(autouse=True)
def default_budget():
    yield
    memory.set_budget(None)


@pytest.mark.parametrize(
    "settings",
    [
        {"width": 512},
        {"n_train": 1024},
        {"n_train": 1024, "batch_size": 1024, "width": 128, "sampling": "full_batch"},
        {"width": 256, "dtype": "float64", "activation": "tanh"},
        {"model": "cnn", "n_train": 1024},
    ],
)
def test_estimate_covers_what_a_training_allocates(settings, monkeypatch):
    """numpy's arrays are traced; they are all but the stack."""
    case = point(**settings)
    train(point(dtype=case.dtype, model=case.model), Seeds.shared(1))
    monkeypatch.setattr(preparation, "_kept", preparation._Kept(0))
    tracemalloc.start()
    train(case, Seeds.shared(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The data set in the training's dtype comes on top.
    estimate = training_bytes(case, 64)
    assert peak < 1.2 * estimate + 2e6
    assert peak > 0.1 * estimate


def test_what_does_not_fit_is_refused_with_the_numbers():
    wide = point(width=5000)
    message = r"width=5000.* needs about 1\.\d+ GB, but a worker may use 512 MB; raise --memory"
    with pytest.raises(InvalidSettingError, match=message):
        train_pack([(point(), Seeds.shared(0)), (wide, Seeds.shared(0))])
    assert check_memory([(wide, 64)], 10**10) > 10**9


def test_budget_changes_no_result_and_is_obeyed_by_what_is_kept():
    cases = [point(), point(width=32), point(n_train=128)]
    tasks = [(case, Seeds.shared(seed)) for seed in (0, 1) for case in cases]
    expected = [repr(m) for m in train_pack(tasks)]
    need = check_memory((case, 64) for case in cases)
    memory.set_budget(need + 10**4)
    assert [repr(m) for m in train_pack(tasks)] == expected
    assert preparation._kept.size <= 10**4


def test_sizes_are_shown_in_fitting_units():
    assert [show_bytes(n) for n in (5, 999, 1000, 3_210_000)] == [
        "5 B",
        "999 B",
        "1 KB",
        "3.21 MB",
    ]
