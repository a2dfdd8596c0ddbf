"""A whole study whose batches vary in size."""

from studies import RunOptions, Study
from studies.specs.resolve import resolve_spec


def test_a_study_at_fixed_b_displaces_the_batch_size_of_its_recipe(tmp_path):
    overrides = {
        "sampling": "persistent", "active_fraction": 0.3, "persistence_time": 60, "width": 8,
        "n_train": [16, 32], "temperature": [0.02, 0.05], "n_seeds": 2, "n_test": 50,
    }  # fmt: skip
    spec = resolve_spec("critical-temperature", overrides)
    assert spec.comparison is None
    assert not spec.lists_batch_sizes
    study = Study(spec.study, spec, tmp_path / "b")
    summary = study.run(RunOptions(executor="serial", tracking=False, quiet=True))
    assert (summary.done, summary.failed) == (8, 0)
    assert summary.headline.startswith("exponent not determined")  # of two sizes
    table = study.table()
    assert set(table.frame["active_fraction"]) == {0.3}
    assert len(table.groups()) == 1
    grown = resolve_spec("critical-temperature", {"n_seeds": 3}, held=spec.to_plain())
    assert grown.n_trainings() == 12
