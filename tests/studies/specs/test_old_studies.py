"""Studies that version 0.1 has written: the same spec to the byte, readable, and continued."""

import shutil
from pathlib import Path

import pytest
import yaml

from studies import RunOptions, Study, read_status
from studies.ledger.choice import open_ledger
from studies.results.table import provenance_rows, table_rows, to_csv
from studies.specs.growth import check_growth
from studies.specs.spec import StudySpec

OLD = Path(__file__).resolve().parents[2] / "golden" / "studies"
SPECS = sorted((*OLD.glob("*.yaml"), *OLD.glob("*/spec.yaml")))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.relative_to(OLD).parts[0])
def test_an_old_spec_is_written_as_it_was(path):
    text = path.read_text(encoding="utf-8")
    spec = StudySpec.from_plain(yaml.safe_load(text))
    assert spec.to_yaml() == text
    check_growth(spec, spec)


def test_an_old_folder_opens_reports_and_goes_on(tmp_path):
    old = OLD / "large-batch-noise"
    folder = shutil.copytree(old, tmp_path / "study")
    study = Study.open(folder)
    blocks = open_ledger(study.folder, study.spec.study).blocks()
    for name, rows in (("table", table_rows(blocks)), ("provenance", provenance_rows(blocks))):
        assert to_csv(rows) == (old / f"{name}.csv").read_text(encoding="utf-8")
    assert read_status(folder).counts == {"measured": 8}
    assert study.report().exists()
    done = study.run(RunOptions(executor="serial", tracking=False, quiet=True, max_points=2))
    assert (done.done, done.trained) == (10, 2)
    assert (folder / "spec.yaml").read_bytes() == (old / "spec.yaml").read_bytes()
    assert set((old / "table.csv").read_text().split("\n")) <= set(
        (folder / "table.csv").read_text().split("\n")
    )
