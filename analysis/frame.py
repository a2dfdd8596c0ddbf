"""The tidy frame of a study's located numbers, made once and printed everywhere.

One row per located or refused number. The study's CSV file, the numbers behind a figure, the
table on the page and the estimates of report.json are columns of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.estimates import Estimate
from analysis.key import Key

Record = dict[str, Any]


def tidy(records: Iterable[Record]) -> pd.DataFrame:
    """Return one row per record, its values as they are.

    The column `estimates`, where there is one, holds the estimates of a row by key.
    """
    return pd.DataFrame(list(records), dtype=object)


def printed(frame: pd.DataFrame, columns: Sequence[str] | Mapping[str, str]) -> pd.DataFrame:
    """Return columns for a CSV file; a mapping gives them other names, new ones first.

    >>> frame = tidy([{"n_train": 64, "value": None}, {"n_train": 128, "value": 2.0}])
    >>> printed(frame, {"P": "n_train", "T_c": "value"})
         P  T_c
    0   64  NaN
    1  128  2.0
    """
    names = columns if isinstance(columns, Mapping) else dict.fromkeys(columns)
    rows = frame.to_dict("records")
    return pd.DataFrame(
        [{new: row[old or new] for new, old in names.items()} for row in rows], columns=list(names)
    )


def estimates_of(frame: pd.DataFrame) -> dict[Key, Estimate]:
    """Return every estimate of a frame by its key."""
    found = (pair for estimates in frame["estimates"] for pair in estimates.items())
    return {key: estimate for key, estimate in found if estimate is not None}


def number(name: str, estimate: Estimate | None) -> Record:
    """Return an estimate as the two columns `name` and `name`_stderr."""
    value, error = (None, None) if estimate is None else (estimate.value, estimate.stderr)
    return {name: value, f"{name}_stderr": error}
