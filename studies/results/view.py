"""The configurations of a study, averaged over seeds, as a small table to look at."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from search_spaces import InvalidSettingError
from search_spaces.choices import check_name
from studies.ledger.choice import read_study
from studies.results.table import table_rows

_CONDITION = re.compile(r"^\s*(\w+)\s*(==|!=|<=|>=|<|>)\s*(.+?)\s*$")
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


def configuration_frame(folder: str | Path, where: Sequence[str] = ()) -> pd.DataFrame:
    """Return one row per measured configuration that fulfils every condition.

    Parameters
    ----------
    where
        Conditions such as ``"n_train==256"`` on any column shown.

    Raises
    ------
    InvalidSettingError
        If the folder holds no study, or a condition cannot be read.
    """
    spec, ledger = read_study(folder)
    rows = pd.DataFrame(table_rows(ledger.blocks()))
    if rows.empty:
        raise InvalidSettingError(f"{folder} holds no finished training yet")
    experiment = spec.experiment
    described = [name for name in ledger.blocks()[0].point.columns() if name in rows]
    settings = [name for name in experiment.shown if name in rows]
    settings += [
        name
        for name in described
        if name not in (*settings, "point", "max_presentations") and rows[name].nunique() > 1
    ]
    records = [
        {**group[settings].iloc[0].to_dict(), **experiment.average(_rows(group))}
        for _, group in rows.groupby("point", sort=False)
    ]
    frame = pd.DataFrame(records)
    frame = frame.sort_values(settings, ignore_index=True)
    for condition in where:
        frame = frame[_mask(frame, condition)]
    return frame


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _mask(frame: pd.DataFrame, condition: str) -> Any:
    match = _CONDITION.match(condition)
    if match is None:
        raise InvalidSettingError(
            f"--where {condition!r} is not COLUMN OPERATOR VALUE, for example 'n_train==256'"
        )
    name, symbol, text = match.groups()
    column = frame[check_name("column", name, list(frame.columns))]
    if not pd.api.types.is_numeric_dtype(column):
        return _OPERATORS[symbol](column, text.strip("'\""))
    try:
        value = float(text)
    except ValueError:
        raise InvalidSettingError(f"--where {condition!r}: {text!r} is not a number") from None
    return _OPERATORS[symbol](column, value)
