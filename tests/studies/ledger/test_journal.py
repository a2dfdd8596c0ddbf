"""A journal damaged by a killed writer is mended, and nothing finished in it is lost."""

import json

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from studies.ledger.journal_repair import repair_end, repair_records


def repair_journal(path):
    return repair_end(path) + repair_records(path)


def open_study(path):
    storage = JournalStorage(JournalFileBackend(str(path)))
    return optuna.create_study(storage=storage, study_name="s", load_if_exists=True)


def add(study, value):
    study.add_trial(optuna.trial.create_trial(value=value, user_attrs={"record": [value]}))


def values(path):
    return [trial.value for trial in open_study(path).trials]


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / "ledger.journal"
    study = open_study(path)
    for value in (0.0, 1.0, 2.0):
        add(study, value)
    return path


def test_a_whole_journal_is_left_alone(journal):
    before = journal.read_bytes()
    assert repair_journal(journal) == []
    assert journal.read_bytes() == before
    assert not journal.with_name("ledger.journal.damaged").exists()


@pytest.mark.parametrize("cut", [1, 40, 161])
def test_truncated_tail_is_dropped_and_writing_goes_on(journal, cut):
    journal.write_bytes(journal.read_bytes()[:-cut])
    assert len(repair_journal(journal)) == 1
    add(open_study(journal), 3.0)
    assert values(journal) == [0.0, 1.0, 3.0]


def test_record_glued_to_a_fragment_is_recovered(journal):
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:2]) + lines[2][:50] + lines[3])
    repair_journal(journal)
    assert values(journal) == [0.0, 2.0]


def test_damaged_record_keeps_the_numbers_of_later_trials(journal):
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2][:60] + b"\x00\xff" + lines[2][62:]
    journal.write_bytes(b"".join(lines))
    repair_journal(journal)
    trials = open_study(journal).trials
    assert [t.state.name for t in trials] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert trials[2].value == 2.0
    assert journal.with_name("ledger.journal.damaged").read_bytes().startswith(lines[2][:60])


def test_stale_lock_is_removed(journal):
    lock = journal.with_name("ledger.journal.lock")
    lock.symlink_to(journal)
    assert repair_journal(journal) == ["removed the stale lock ledger.journal.lock"]
    assert not lock.is_symlink()
    assert journal.exists()


def test_every_truncation_leaves_a_readable_journal(journal, tmp_path):
    data = journal.read_bytes()
    for length in range(0, len(data), 97):
        path = tmp_path / f"cut{length}.journal"
        path.write_bytes(data[:length])
        repair_journal(path)
        whole = [line for line in data[:length].split(b"\n")[:-1] if line]
        assert [json.loads(line) for line in path.read_bytes().splitlines()] == [
            json.loads(line) for line in whole
        ]
