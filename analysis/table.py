"""The table every analysis starts from: tidy rows, one per trained replica.

Whoever made the table, its columns mean the same and are checked once, here; all other modules
may then trust it. A broken table is refused with one sentence.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

STOP_REASONS = ("fitted", "step_budget", "wall_budget", "diverged")
SETTINGS = (
    "data",
    "n_test",
    "model",
    "loss",
    "margin",
    "activation",
    "sampling",
    "backend",
    "dtype",
    "alpha",
    "width",
    "depth",
    "batch_size",
    "bias",
    "scheme",
    "input_dim",
    "chi",
    "cluster_distance",
    "active_fraction",
    "persistence_time",
)
"""Columns that describe what was run; a law holds at fixed values of all of them."""

_LARGEST_WHOLE = 2.0**53
_WHOLE = ("n_train", "batch_size", "width", "depth", "n_test")
_POSITIVE = ("temperature", "learning_rate", "alpha", *_WHOLE)
_OBSERVABLES = (
    "relative_weight_change",
    "training_time",
    "n_presentations",
    "n_updates",
    "test_error",
    "train_error",
)
_AGREEMENT = 1e-6
"""Relative tolerance of T = eta/B when a table gives all three."""


class ReadTableError(ValueError):
    """A table that cannot be analysed; the message is one sentence meant for the user."""


@dataclass(frozen=True)
class TableGroup:
    """The rows of one law: all settings equal, sizes, temperatures and seeds free."""

    settings: dict[str, Any]
    """The settings that take several values in the whole table, with this group's value."""
    frame: pd.DataFrame
    """The rows of this group."""

    @property
    def label(self) -> str:
        """``alpha=100`` or ``""`` where no setting varies."""
        return settings_label(self.settings)


@dataclass(frozen=True)
class MeasurementTable:
    """A checked table; build it with :meth:`from_frame` or :meth:`read_csv`.

    Examples
    --------
    >>> frame = pd.DataFrame(
    ...     {
    ...         "n_train": [64, 128],
    ...         "learning_rate": [0.4, 0.4],
    ...         "batch_size": [4, 4],
    ...         "relative_weight_change": [0.01, 0.02],
    ...         "stop_reason": ["fitted", "fitted"],
    ...     }
    ... )
    >>> MeasurementTable.from_frame(frame).frame["temperature"].tolist()
    [0.1, 0.1]
    """

    frame: pd.DataFrame
    """One row per replica, with a `temperature` column and known dtypes."""
    n_repeated: int = 0
    """Rows left out because the same replica was trained again with a larger budget."""

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> MeasurementTable:
        """Check `frame` and take a copy of it.

        Raises
        ------
        ReadTableError
            For missing columns, text where numbers belong, values that are not positive, an
            unknown stop reason, contradicting T, eta and B, repeated replicas, no rows.
        """
        if frame.empty:
            raise ReadTableError("the table holds no rows; it needs one row per trained replica")
        frame = frame.reset_index(drop=True).copy()
        frame = frame.drop(columns=[c for c in SETTINGS if c in frame and frame[c].isna().all()])
        frame = _one_batch_column(frame)
        _check_columns(frame)
        _check_stop_reasons(frame)
        _check_numbers(frame)
        _resolve_temperature(frame)
        _check_settings(frame)
        _check_observables(frame)
        kept = _with_largest_budget(frame)
        _check_replicas(kept)
        return cls(kept, len(frame) - len(kept))

    @classmethod
    def read_csv(cls, path: str | Path) -> MeasurementTable:
        """Read and check a comma-separated file with a header line.

        Raises
        ------
        ReadTableError
            If the file cannot be read or fails the checks of :meth:`from_frame`.
        """
        frame = read_frame(path)
        try:
            return cls.from_frame(frame)
        except ReadTableError as error:
            raise ReadTableError(f"{path}: {error}") from None

    def groups(self, without: Iterable[str] = ()) -> tuple[TableGroup, ...]:
        """Split the table into its laws, one for each combination of varying settings.

        Parameters
        ----------
        without
            Settings to leave out of the split, e.g. ``("batch_size",)``.
        """
        left_out = set(without)
        varying = [
            name
            for name in SETTINGS
            if name in self.frame and name not in left_out and self.frame[name].nunique() > 1
        ]
        if not varying:
            return (TableGroup({}, self.frame),)
        return tuple(
            TableGroup(dict(zip(varying, values, strict=True)), rows)
            for values, rows in self.frame.groupby(varying, sort=True)
        )

    def fixed_settings(self) -> dict[str, Any]:
        """Return the settings that take one value in the whole table."""
        present = [name for name in SETTINGS if name in self.frame]
        return {
            name: plain(self.frame[name].iloc[0])
            for name in present
            if self.frame[name].nunique() == 1
        }


def read_frame(path: str | Path, n_rows: int | None = None) -> pd.DataFrame:
    """Read a comma-separated file with a header line, unchecked; `n_rows` rows or all.

    Raises
    ------
    ReadTableError
        If the file cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        kind = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise ReadTableError(f"{path} {kind}; give a comma-separated table")
    try:
        return pd.read_csv(path, skipinitialspace=True, nrows=n_rows)
    except pd.errors.EmptyDataError:
        raise ReadTableError(f"{path} is empty; it needs a header line and rows") from None
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise ReadTableError(f"{path} is not a comma-separated table: {reason}") from None
    except OSError as error:
        raise ReadTableError(f"{path} cannot be read: {error.strerror}") from None


def plain(value: Any) -> Any:
    """Return a numpy scalar as a Python one, and a whole float as an int: 100.0 -> 100."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    return value


def setting_text(value: Any) -> str:
    """Return a setting as results name it: with four digits, where five do not hold it exactly.

    Temperatures and scales of a lattice are powers of ten to six digits, so that runs of
    different studies coincide; nobody wants to read them all.

    >>> [setting_text(x) for x in (100.0, 0.316228, 3.16228, 0.00025, 16384, "mlp")]
    ['100', '0.3162', '3.162', '0.00025', '16384', 'mlp']
    """
    value = plain(value)
    if not isinstance(value, float) or float(f"{value:.5g}") == value:
        return str(value)
    return f"{value:.4g}"


def settings_label(settings: Mapping[str, Any]) -> str:
    """Return ``alpha=100,width=64``, the part of a key that tells laws apart."""
    return ",".join(f"{name}={setting_text(value)}" for name, value in settings.items())


def _one_batch_column(frame: pd.DataFrame) -> pd.DataFrame:
    """Keep the mean batch size B = b P or b itself: the other one follows from P."""
    if not {"active_fraction", "batch_size", "temperature"} <= set(frame):
        return frame
    sizes = pd.to_numeric(frame["batch_size"], errors="coerce")
    follows = sizes.nunique() > frame["active_fraction"].nunique() or (sizes % 1 > 0).any()
    if not follows:
        return frame.drop(columns="active_fraction")
    return frame.drop(columns=["batch_size", *frame.columns.intersection(["learning_rate"])])


def _check_columns(frame: pd.DataFrame) -> None:
    if len(frame.columns) == 1 and any(mark in str(frame.columns[0]) for mark in ";\t"):
        raise ReadTableError(
            f"the table has one column, {str(frame.columns[0])[:60]!r}; separate columns by commas"
        )
    required = ["n_train", "relative_weight_change", "stop_reason"]
    if "temperature" not in frame and not {"learning_rate", "batch_size"} <= set(frame):
        required.insert(1, "temperature")
    missing = [name for name in required if name not in frame]
    if not missing:
        return
    texts = [repr(name) + _nearest(name, frame.columns) for name in missing]
    instead = "; learning_rate and batch_size may replace temperature"
    raise ReadTableError(
        f"the table lacks the column{'s' if len(missing) > 1 else ''} {', '.join(texts)}"
        f"{instead if 'temperature' in missing else ''}"
    )


def _nearest(name: str, columns: Iterable[object]) -> str:
    match = difflib.get_close_matches(name, [str(c) for c in columns], n=1, cutoff=0.6)
    return f" (is it {match[0]!r}?)" if match else ""


def _check_stop_reasons(frame: pd.DataFrame) -> None:
    reasons = frame["stop_reason"].astype("string").str.strip()
    wrong = ~reasons.isin(STOP_REASONS)
    if wrong.any():
        row = int(np.flatnonzero(wrong.to_numpy(dtype=bool))[0])
        raise ReadTableError(
            f"stop_reason={frame['stop_reason'].iloc[row]!r} in row {row + 1} is unknown; "
            f"allowed: {', '.join(STOP_REASONS)}"
        )
    frame["stop_reason"] = reasons.astype(object)


def _check_numbers(frame: pd.DataFrame) -> None:
    """Turn the numeric columns into numbers and demand positive, whole ones where they belong."""
    for name in (*_POSITIVE, *_OBSERVABLES, "margin"):
        if name not in frame:
            continue
        numbers = pd.to_numeric(frame[name], errors="coerce").astype(float)
        text = numbers.isna() & frame[name].notna()
        _refuse_first(frame, name, text.to_numpy(), "is not a number")
        frame[name] = numbers
        if name in _POSITIVE:
            values = numbers.to_numpy()
            # A perceptron has depth 0, no hidden layer.
            good = np.isfinite(values) & ((values > 0) | ((values == 0) & (name == "depth")))
            _refuse_first(frame, name, ~good, "must be a positive finite number")
            if name in _WHOLE:
                _refuse_first(frame, name, values > _LARGEST_WHOLE, "is too large")
                _refuse_first(frame, name, values != np.rint(values), "must be a whole number")
                frame[name] = values.astype(np.int64)


def _refuse_first(
    frame: pd.DataFrame, name: str, wrong: npt.NDArray[np.bool_], sentence: str
) -> None:
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        value = plain(frame[name].iloc[row])
        raise ReadTableError(f"{name}={value!r} in row {row + 1} {sentence}")


def _resolve_temperature(frame: pd.DataFrame) -> None:
    """Add temperature or batch_size where T = eta/B gives it; refuse a contradiction."""
    if "temperature" not in frame:
        frame["temperature"] = frame["learning_rate"] / frame["batch_size"]
    elif "learning_rate" in frame:
        ratio = (frame["learning_rate"] / frame["temperature"]).to_numpy()
        whole = np.rint(ratio)
        if "batch_size" not in frame:
            wrong = (whole < 1) | (np.abs(ratio - whole) > _AGREEMENT * ratio)
            _refuse_first(
                frame, "learning_rate", wrong, "divided by temperature is no whole batch size"
            )
            frame["batch_size"] = whole.astype(np.int64)
        expected = frame["batch_size"].to_numpy()
        wrong = np.abs(ratio - expected) > _AGREEMENT * expected
        _refuse_first(
            frame,
            "temperature",
            wrong,
            "contradicts learning_rate and batch_size; T = eta/B must hold",
        )
    # Nine digits make eta/B of different B one temperature: 0.3/3 is 0.1.
    unique = {t: float(f"{t:.9g}") for t in frame["temperature"].unique()}
    frame["temperature"] = frame["temperature"].map(unique)


def _check_settings(frame: pd.DataFrame) -> None:
    for name in SETTINGS:
        if name in frame:
            missing = frame[name].isna().to_numpy()
            if missing.any():
                row = int(np.flatnonzero(missing)[0])
                raise ReadTableError(f"{name} is empty in row {row + 1} but given in others")


def _check_observables(frame: pd.DataFrame) -> None:
    fitted = (frame["stop_reason"] == "fitted").to_numpy()
    change = frame["relative_weight_change"].to_numpy()
    good = np.isfinite(change) & (change > 0)
    if "model" in frame:  # a perceptron starts from w0 = 0, which no change is relative to
        good |= np.isnan(change) & (frame["model"] == "perceptron").to_numpy()
    _refuse_first(
        frame,
        "relative_weight_change",
        fitted & ~good,
        "must be a positive finite number in a fitted run",
    )
    if "training_time" in frame:
        with np.errstate(invalid="ignore"):
            wrong = fitted & (frame["training_time"].to_numpy() <= 0)
        _refuse_first(frame, "training_time", wrong, "must be positive in a fitted run")


def _replica_columns(frame: pd.DataFrame) -> list[str]:
    return [name for name in (*SETTINGS, "n_train", "temperature", "seed") if name in frame]


def _with_largest_budget(frame: pd.DataFrame) -> pd.DataFrame:
    """Of a replica trained with several budgets, keep the run with the largest one.

    The budget ends a run and does nothing else: the longer run is the shorter one, continued.
    """
    columns = _replica_columns(frame)
    if not {"seed", "max_presentations"} <= set(frame) or not frame.duplicated(columns).any():
        return frame
    budgets = pd.to_numeric(frame["max_presentations"], errors="coerce")
    largest = budgets.groupby([frame[name] for name in columns], dropna=False).transform("max")
    return frame[(budgets == largest) | budgets.isna()].reset_index(drop=True)


def _check_replicas(frame: pd.DataFrame) -> None:
    if "seed" not in frame:
        return
    missing = frame["seed"].isna().to_numpy()
    if missing.any():
        row = int(np.flatnonzero(missing)[0])
        raise ReadTableError(f"seed is empty in row {row + 1}; remove the column or fill it")
    repeated = frame.duplicated(_replica_columns(frame)).to_numpy()
    if repeated.any():
        row = int(np.flatnonzero(repeated)[0])
        first = frame.iloc[row]
        raise ReadTableError(
            f"row {row + 1} repeats seed={plain(first['seed'])} at n_train={first['n_train']}, "
            f"temperature={first['temperature']:g}; each replica has one row (settings are told "
            f"apart by {', '.join(SETTINGS)})"
        )


def count_runs(frame: pd.DataFrame) -> dict[str, int | None]:
    """Return runs by how they ended; what was planned and what failed is not in a table."""
    reasons = frame["stop_reason"].value_counts()
    censored = int(reasons.get("step_budget", 0)) + int(reasons.get("wall_budget", 0))
    return {
        "planned": None,
        "fitted": int(reasons.get("fitted", 0)),
        "censored": censored,
        "diverged": int(reasons.get("diverged", 0)),
        "failed": None,
    }
