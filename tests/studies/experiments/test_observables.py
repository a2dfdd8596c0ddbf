"""Observables on request and the memory of workers, through a whole study."""

import pytest

from search_spaces import InvalidSettingError, SearchSpace
from studies import RunOptions, Study
from studies.ledger.base import Ledger
from studies.memory import read_memory


def run(folder, memory):
    space = SearchSpace(
        n_train=[16, 32], temperature=[0.1, 0.5], batch_size=1, width=16, n_seeds=2,
        observables=["curves", "feature_change"],
    )  # fmt: skip
    study = Study("observed", space, folder)
    study.run(RunOptions(executor="serial", tracking=False, quiet=True, memory=memory))
    return study


def test_curves_stay_in_the_ledger_and_memory_changes_no_result(tmp_path):
    small, large = run(tmp_path / "small", "3MB"), run(tmp_path / "large", "2GB")
    text = small.folder.table.read_text()
    assert text == large.folder.table.read_text()
    assert "curve" not in text.splitlines()[0].split(",")
    assert "feature_change" in text.splitlines()[0].split(",")
    assert "relative_weight_change_layer_4" in text
    (block, *_) = Ledger(small.folder.ledger, "observed").blocks()
    for row in block.rows:
        last = row["curve"][-1]
        assert last[0] == row["n_steps"]
        assert last[3] == row["relative_weight_change"]


@pytest.mark.parametrize(
    ("text", "size"), [("512MB", 512 * 10**6), ("2 gb", 2 * 10**9), ("1500000", 1500000)]
)
def test_memory_is_read(text, size):
    assert read_memory(text) == size


@pytest.mark.parametrize("text", ["", "lots", "-1GB", "12", "1KB", "1PB", "nan", "9" * 40])
def test_what_is_no_amount_of_memory_is_refused(text):
    with pytest.raises(InvalidSettingError, match="write it like 512MB or 2GB"):
        read_memory(text)
