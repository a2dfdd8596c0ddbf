"""Large batches with injected noise: paired comparisons of the arms, and what they decide.

Arms of one seed share data, label noise and initial weights, so differences are taken seed by
seed. The plain large batch stopped early, at the smallest validation error, is an arm of its own:
it costs nothing and must be beaten.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.claims import Verdict
from analysis.estimates import Estimate, format_value
from analysis.key import Key
from analysis.result import (
    ClaimResult,
    cells,
    claim_result,
    finite,
    judge,
    mean_over_seeds,
    require_columns,
)

SETTINGS = ("label_noise", "learning_rate", "schedule", "n_steps", "loss", "n_train")
NOISY = ("gaussian", "sign")
SIGNIFICANT = 2.0
_SOURCE = "Meng et al. 2020; Wu et al. 2020"


def analyse_large_batches(frame: pd.DataFrame) -> ClaimResult:
    """Return errors per arm, paired differences, and the verdicts.

    Raises
    ------
    AnalyseTableError
        If the table lacks a column or has no rows.
    """
    columns = ("arm", "seed", "test_error", "train_error", "stopped_test_error")
    require_columns(frame, columns, "large-batch-noise")
    estimates: dict[Key, Estimate | None] = {}
    rows: list[dict[str, Any]] = []
    for label, part in labelled(frame):
        arms = errors_by_arm(part)
        for arm, errors in arms.items():
            key = Key("test_error", label, arm)
            estimates[key] = mean_over_seeds(
                errors, fit_range=label,
                definition="test error over the last fifth of the steps"
                if arm != "stopped" else "test error at the smallest validation error",
            )  # fmt: skip
            row: dict[str, Any] = {"setting": label, "arm": arm, "test_error": errors.mean()}
            row["stderr"] = errors.sem() if len(errors) > 1 else np.nan
            for base in ("large", "small"):
                name = Key(f"minus_{base}", label, arm)
                difference = _paired(arms, arm, base, label)
                estimates[name] = difference
                row[f"minus_{base}"] = None if difference is None else difference.value
                row[f"minus_{base}_stderr"] = None if difference is None else difference.stderr
            rows.append(row)
    table = pd.DataFrame(rows)
    found = finite(estimates)
    return claim_result(
        _headline(table), frame, found, judge_arms(table, frame), {"arms.csv": table}
    )


def judge_arms(
    table: pd.DataFrame, frame: pd.DataFrame, names: Mapping[str, str] | None = None
) -> dict[Key, Verdict]:
    """Return the verdicts by key.

    Parameters
    ----------
    names
        What the reasons call a setting; its label if None.
    """
    names = names or {}
    table = table.assign(setting=[names.get(label, label) for label in table["setting"]])
    return {
        Key("reproduces_small_batch"): _judge_reproduces(table),
        Key("improves_large_batch"): _judge_improves(table),
        Key("alignment_matters"): _judge_isotropic(table),
        Key("beats_early_stopping"): _judge_stopping(frame, names),
        Key("rate_is_a_substitute"): _judge_rate(table),
    }


def settings_of(frame: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Return the settings that vary, by the label of what has them."""
    return {_label(settings): settings for settings, _ in _by_setting(frame)}


def labelled(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the parts of the table by setting, with a label of what varies."""
    return [(_label(settings), part) for settings, part in _by_setting(frame)]


def _by_setting(frame: pd.DataFrame) -> list[tuple[dict[str, str], pd.DataFrame]]:
    varying = [n for n in SETTINGS if n in frame and frame[n].nunique() > 1]
    if not varying:
        return [({}, frame)]
    return [
        ({n: _text(v) for n, v in zip(varying, values, strict=True)}, part)
        for values, part in cells(frame, *varying)
    ]


def _label(settings: dict[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in settings.items()) or "all"


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def errors_by_arm(part: pd.DataFrame) -> dict[str, pd.Series]:
    """Return test errors by arm, indexed by seed; the stopped large batch is one more arm."""
    arms = {
        key[0]: cell.set_index("seed")["test_error"].astype(float)
        for key, cell in cells(part, "arm")
    }
    large = part[part["arm"] == "large"]
    if len(large):
        arms["stopped"] = large.set_index("seed")["stopped_test_error"].astype(float)
    return arms


def _paired(arms: dict[str, pd.Series], arm: str, base: str, label: str) -> Estimate | None:
    if base not in arms or arm == base:
        return None
    return mean_over_seeds(
        (arms[arm] - arms[base]).dropna(),
        definition=f"test error of {arm} minus that of {base}, paired by seed",
        fit_range=label,
    )


def _pulls(table: pd.DataFrame, arms: tuple[str, ...], base: str) -> list[dict[str, Any]]:
    result = []
    for record in table[table["arm"].isin(arms)].to_dict("records"):
        row = {str(name): value for name, value in record.items()}
        value, error = row[f"minus_{base}"], row[f"minus_{base}_stderr"]
        if value is not None and error is not None and error > 0:
            result.append({**row, "value": value, "error": error, "pull": value / error})
    return result


def _points(row: dict[str, Any]) -> str:
    shown = format_value(100 * row["value"], 100 * row["error"])
    sign = "" if shown.startswith("-") else "+"
    return f"{sign}{shown} points ({row['setting']})"


def _telling(table: pd.DataFrame, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of settings in which the small batch differs from the large one.

    Elsewhere every arm agrees with the small batch within its errors, which decides nothing.
    """
    small = _pulls(table, ("small",), "large")
    differs = {row["setting"] for row in small if abs(row["pull"]) > SIGNIFICANT}
    return [row for row in found if row["setting"] in differs]


_ALIKE = "the small batch differs from the large one in no setting: there is nothing to reproduce"


def _judge_reproduces(table: pd.DataFrame) -> Verdict:
    claim = "A large batch with matched noise behaves like a small batch."
    measured = _pulls(table, NOISY, "small")
    if not measured:
        return judge(claim, None, "needs the arms small and gaussian or sign", literature=_SOURCE)
    found = _telling(table, measured)
    if not found:
        listed = ", ".join(_points(row) for row in _pulls(table, ("small",), "large"))
        reason = f"{_ALIKE}, small minus large: {listed}" if listed else _ALIKE
        return judge(claim, None, reason, literature=_SOURCE)
    worst = max(found, key=lambda row: abs(row["pull"]))
    agree = sum(abs(row["pull"]) <= SIGNIFICANT for row in found)
    reason = (
        f"{agree} of {len(found)} differences to the small batch, where it differs from the "
        f"large one, are within {SIGNIFICANT:g} standard errors; the largest is "
        f"{_points(worst)}, {worst['arm']}"
    )
    # One difference in twenty lies beyond two errors by chance.
    holds = True if agree >= 0.8 * len(found) and abs(worst["pull"]) < 4 else None
    return judge(claim, holds, reason, literature=_SOURCE, pull=float(worst["pull"]))


def _judge_improves(table: pd.DataFrame) -> Verdict:
    claim = "State-dependent noise improves large batches."
    found = _pulls(table, ("gaussian",), "large") or _pulls(table, ("sign",), "large")
    if not found:
        return judge(claim, None, "needs the arms large and gaussian or sign", literature=_SOURCE)
    helps = [row for row in found if row["pull"] < -SIGNIFICANT]
    hurts = [row for row in found if row["pull"] > SIGNIFICANT]
    neutral = [row for row in found if abs(row["pull"]) <= SIGNIFICANT]
    parts = [
        f"{word}: {', '.join(_points(row) for row in rows)}"
        for word, rows in (
            ("helps", helps),
            ("no resolved difference", neutral),
            ("hurts", hurts),
        )
        if rows
    ]
    holds = None
    if not helps and (hurts or _telling(table, neutral)):
        holds = False
    elif helps and not hurts and not neutral:
        holds = True
    return judge(claim, holds, "; ".join(parts), literature=_SOURCE)


def _judge_isotropic(table: pd.DataFrame) -> Verdict:
    claim = "The direction of the noise matters, not its size alone."
    found = _pulls(table, ("isotropic",), "small")
    if not found:
        return judge(claim, None, "needs the arms small and isotropic", literature=_SOURCE)
    reason = "isotropic noise of the same norm differs from the small batch by " + ", ".join(
        _points(row) for row in found
    )
    holds = True if any(abs(row["pull"]) > 3 for row in found) else None
    return judge(claim, holds, reason, literature=_SOURCE)


def _judge_stopping(frame: pd.DataFrame, names: Mapping[str, str]) -> Verdict:
    claim = "Injected noise beats a large batch that is stopped early."
    texts, pulls = [], []
    for label, part in labelled(frame):
        arms = errors_by_arm(part)
        if "stopped" not in arms or "gaussian" not in arms:
            continue
        difference = (arms["gaussian"] - arms["stopped"]).dropna().to_numpy(dtype=float)
        if difference.size < 2 or np.ptp(difference) == 0:
            continue
        mean = float(difference.mean())
        error = float(difference.std(ddof=1) / np.sqrt(difference.size))
        texts.append(_points({"value": mean, "error": error, "setting": names.get(label, label)}))
        pulls.append(mean / error)
    if not pulls:
        return judge(claim, None, "needs the arms large and gaussian", literature=_SOURCE)
    reason = f"noise minus stopped large batch: {', '.join(texts)}"
    holds = True if all(p < -SIGNIFICANT for p in pulls) else None
    if not any(p < -SIGNIFICANT for p in pulls) and any(p > SIGNIFICANT for p in pulls):
        holds = False
    return judge(claim, holds, reason, literature=_SOURCE)


def _judge_rate(table: pd.DataFrame) -> Verdict:
    claim = "A larger learning rate does for the large batch what noise does."
    found = _pulls(table, ("scaled_rate",), "small")
    if not found:
        return judge(claim, None, "needs the arms small and scaled_rate", literature=_SOURCE)
    reason = "scaled rate minus small batch: " + ", ".join(_points(row) for row in found)
    telling = _telling(table, found)
    if not telling:
        return judge(claim, None, f"{reason}; {_ALIKE}", literature=_SOURCE)
    agree = [abs(row["pull"]) <= SIGNIFICANT for row in telling]
    return judge(claim, all(agree) or (None if any(agree) else False), reason, literature=_SOURCE)


def _headline(table: pd.DataFrame) -> str:
    found = _pulls(table, ("gaussian",), "large") or _pulls(table, ("sign",), "large")
    if not found:
        return "large batches with injected noise: nothing to compare yet"
    helps = sum(row["pull"] < -SIGNIFICANT for row in found)
    hurts = sum(row["pull"] > SIGNIFICANT for row in found)
    return (
        f"noise injected into large batches helps in {helps}, hurts in {hurts} and makes no "
        f"resolved difference in {len(found) - helps - hurts} of {len(found)} settings"
    )
