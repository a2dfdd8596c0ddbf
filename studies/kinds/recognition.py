"""Which study a plain table belongs to, told by its columns."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from analysis.table import read_frame
from search_spaces import InvalidSettingError
from studies.kinds import KINDS

_TRAININGS = ("n_train", "temperature", "learning_rate", "batch_size", "relative_weight_change")


def kind_of_table(path: Path) -> str:
    """Return the kind of study that measured a table; of trainings, the main one.

    Raises
    ------
    ReadTableError
        If the file cannot be read.
    InvalidSettingError
        If no column is known.
    """
    return kind_of_columns(str(path), read_frame(path, n_rows=0).columns)


def kind_of_columns(name: str, columns: Iterable[object]) -> str:
    """Return the kind of study whose tables have such columns.

    >>> kind_of_columns("table.csv", ["dynamics", "seed", "mean_time"])
    'escape-times'
    """
    present = [str(column) for column in columns]
    for kind in KINDS.names():
        marks = KINDS.load(kind).marks
        if marks and set(marks) <= set(present):
            return kind
    if set(present) & {*_TRAININGS, "stop_reason"}:
        return "critical-temperature"
    shown = ", ".join(present[:6]) + (", ..." if len(present) > 6 else "")
    raise InvalidSettingError(
        f"{name} has none of the columns of a study (it has {shown or 'none'}); a table of "
        f"trainings needs {', '.join((*_TRAININGS, 'stop_reason'))}; for another one name the "
        f"analysis with --quantity: {', '.join(KINDS.names())}"
    )
