"""A study of convolutional networks, from nothing to its table."""

import pytest

from search_spaces import InvalidSettingError
from studies import RunOptions, Study
from studies.plans.queue import PackQueue
from studies.specs.resolve import resolve_spec
from trainers.probes.tangent_kernel import measure_kernel_diagonal

SETTINGS = {
    "model": "cnn", "width": 16, "depth": 2, "n_train": [8, 16], "n_test": 20, "n_seeds": 2,
    "comparison_batch_size": None, "comparison_temperature": None,
}  # fmt: skip


def serial(**options):
    return RunOptions(executor="serial", tracking=False, quiet=True, **options)


def test_window_is_measured_once_and_kept_in_the_spec(tmp_path):
    folder = tmp_path / "images"
    study = Study("images", resolve_spec("critical-temperature", SETTINGS), folder)
    said = []
    study.check(serial(say=said.append))
    space = study.spec.space
    assert len(said) == 2
    assert not folder.exists()
    top = space.points()[-1]
    assert space.kernel_diagonal == pytest.approx(measure_kernel_diagonal(top), rel=1e-5)
    assert space.stable_learning_rate == max(p.temperature for p in space.points())

    study.run(serial(max_points=2, say=said.append))
    held = Study.open(folder).spec
    assert held.to_plain() == study.spec.to_plain()
    assert not held.lacks_window
    again = resolve_spec("critical-temperature", {"n_seeds": 3}, held=held.to_plain())
    assert again.space.kernel_diagonal == space.kernel_diagonal
    table = study.table().frame
    assert set(table["backend"]) == {"numba"}


def test_device_that_is_not_there_is_refused_before_anything_is_written(tmp_path):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    settings = {**SETTINGS, "temperature": [0.1]}
    study = Study("images", resolve_spec("critical-temperature", settings), tmp_path / "images")
    with pytest.raises(InvalidSettingError, match="device=cuda needs a GPU"):
        study.run(serial(device="cuda"))
    with pytest.raises(InvalidSettingError, match="device='gpu' is unknown"):
        study.run(serial(device="gpu"))
    assert not (tmp_path / "images").exists()


def test_units_of_replicas_hold_several_seeds_even_if_they_take_long():
    spec = resolve_spec("critical-temperature", {**SETTINGS, "temperature": [0.1]})
    queue = PackQueue(((point, range(500)) for point in spec.points()), together={"cpu": 8})
    queue.settled(queue.take(), 1e5)  # very slow
    assert [len(unit.seeds) for unit in queue.take()] == [8]
    assert [len(unit.seeds) for unit in queue.take(limit=3)] == [3]
