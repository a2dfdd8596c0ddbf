"""From a table to the critical-temperature scaling: the one call behind every report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from analysis.claims import Light
from analysis.critical_temperature.adaptive_law import ADAPTIVE, analyse_adaptive_law
from analysis.critical_temperature.adaptive_location import DEFAULT_TOLERANCE, is_adaptive
from analysis.critical_temperature.claims import judge, lights
from analysis.critical_temperature.comparison.batches import compare_batch_sizes
from analysis.critical_temperature.grid_law import analyse_law
from analysis.critical_temperature.law import ScalingLaw
from analysis.curves import Curves, build_curves
from analysis.estimates import Estimate, interval_text, json_number
from analysis.fits.form import MINIMUM_SIZES
from analysis.frame import printed
from analysis.result import JoinedResult, runs_line
from analysis.table import MeasurementTable, ReadTableError, TableGroup, plain

DEFAULT_THRESHOLDS = (0.1, 0.02, 0.05, 0.2)


class ScalingResult(JoinedResult[ScalingLaw]):
    """All laws of a table with their estimates and verdicts."""

    @property
    def laws(self) -> tuple[ScalingLaw, ...]:
        """One per combination of settings (and batch size, where several were asked for)."""
        return self.parts

    @property
    def lights(self) -> dict[str, tuple[Light, ...]]:
        """The conditions of each law's answer, by the law's label."""
        return {law.label: lights(law) for law in self.parts}

    def critical_temperatures(self) -> pd.DataFrame:
        """Return T_lazy(c) and T_noise of every law and size, refused ones with their reason."""
        return self.tables["t_c.csv"]

    def summary(self) -> str:
        """Return the answer, the exponents and the verdicts as text for a terminal."""
        lines = []
        for law in self.laws:
            lines += [f"{law.label}: {_answer(law)}" if law.label else _answer(law), ""]
            lines += [f"  {point}" for point in law.lazy[law.headline].points]
            lines += [""]
            for key, estimate in law.estimates().items():
                if key.name not in ("T_c", "C") and not key.has("n_train"):
                    lines.append(f"  {key:<28} {estimate!s:<12} {_interval(estimate)}")
            if law.systematic is not None:
                lines.append(f"  systematic of a over c: +-{law.systematic:.3f} (half spread)")
            lines += [f"  {text}" for text in (*_edges(law), *_refusals(law))]
            lines += [""]
            for key, verdict in judge(law).items():
                lines.append(f"  {key}: {verdict.status}: {verdict.reason}")
            lines += [""]
        return "\n".join([*lines, runs_line(self.counts)])


COLUMNS = (
    "definition", "observable", "threshold", "n_train", "critical_temperature", "stderr",
    "log_stderr", "bracket_low", "bracket_high", "n_replicas", "n_temperatures", "n_censored",
    "n_diverged", "status", "message",
)  # fmt: skip
"""Of t_c.csv, behind the settings of a law."""


def _critical_temperatures(law: ScalingLaw) -> pd.DataFrame:
    settings = dict(law.settings)
    if law.batch_size is not None:
        settings.setdefault("batch_size", law.batch_size)
    frame = law.located.assign(**settings)
    return printed(frame, [*settings, *COLUMNS]).astype(object)


def _answer(law: ScalingLaw) -> str:
    """Return T_lazy(c) against P in one line."""
    fit = law.fit
    if fit.quoted is None:
        return fit.remarks[0]
    interval = _interval(fit.quoted).replace("interval", "interval of a")
    return (
        f"{fit.symbol} = {fit.prefactor} P^{fit.power}"
        f"{', ' + interval if interval else ''}, "
        f"{fit.fit_range}, {law.replicas}"
    )


def _edges(law: ScalingLaw) -> list[str]:
    """What the edge of its reference does to the exponents of the test error."""
    headline = law.key_of("a", law.lazy[law.headline])
    return [
        f"systematic of {key}: +-{value:.3f} (edge of the reference)"
        for key, value in law.systematics().items()
        if key != headline and value is not None
    ]


def _refusals(law: ScalingLaw) -> list[str]:
    """Sentences on what was not determined, sizes first."""
    fits = [fit for fit in law.power_laws().values() if not fit.determined]
    sentences = [
        *(
            f"{item.symbol}{'' if point.value is None else f' at P={point.n_train}'}: "
            f"{point.message}"
            for item in law.temperatures()
            for point in item.points
            if point.message
        ),
        *(remark for fit in fits for remark in fit.remarks),
        *(f"{key}: {why}" for key, why in law.unmeasured().items()),
    ]
    return list(dict.fromkeys(sentences))


def _interval(estimate: Estimate) -> str:
    ends = interval_text(estimate)
    return f"95% interval {ends}" if ends else ""


def analyse_scaling(
    table: MeasurementTable,
    thresholds: Sequence[float] = DEFAULT_THRESHOLDS,
    batch_sizes: Iterable[int] | None = None,
    *,
    n_bootstrap: int = 1000,
    seed: int = 0,
    design: str | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
) -> ScalingResult:
    """Measure T_lazy(c), T_noise, gamma, delta and b of every law in a table.

    Parameters
    ----------
    table
        One row per replica.
    thresholds
        Values c of T_lazy(c). The first is the headline, the others its systematic.
    batch_sizes
        Batch sizes that get a law of their own; by default only the smallest of each combination
        of settings. The others serve the comparison at equal T.
    n_bootstrap, seed
        Bootstrap samples and the seed that draws them.
    design
        ``grid`` or ``adaptive``; None tells an adaptive table by its seeds, none of which occurs
        twice at one size.
    tolerance
        The error of ln T_c that an adaptive design asked for.

    Raises
    ------
    ReadTableError
        If a batch size asked for is not in the table, or a fitted run has no weight change.
    ValueError
        If thresholds are empty, repeated or not positive, or n_bootstrap < 2.
    """
    thresholds = _checked_thresholds(thresholds)
    if n_bootstrap < 2:
        raise ValueError(f"n_bootstrap={n_bootstrap} must be at least 2")
    _check_weight_changes(table)
    wanted = None if batch_sizes is None else sorted(set(batch_sizes))
    _check_batch_sizes(table, wanted)
    laws: list[ScalingLaw] = []
    groups = table.groups(without=("batch_size",))
    for group in (each for each in groups if not _only_checks_precision(each, groups)):
        by_batch = _by_batch_size(group)
        comparison = compare_batch_sizes({b: c for b, c in by_batch.items() if b is not None})
        chosen = _chosen(by_batch, wanted)
        for batch_size in chosen:
            settings = {name: plain(value) for name, value in group.settings.items()}
            if wanted is not None and len(wanted) > 1:
                settings["batch_size"] = batch_size
            curves = by_batch[batch_size]
            options: dict[str, Any] = {
                "settings": settings,
                "batch_size": batch_size,
                "n_bootstrap": n_bootstrap,
                "seed": seed,
            }
            if design == ADAPTIVE or (design is None and is_adaptive(curves)):
                c = thresholds[0]
                laws.append(
                    analyse_adaptive_law(curves, c, comparison, tolerance=tolerance, **options)
                )
            else:
                laws.append(analyse_law(curves, thresholds, comparison, **options))
    return ScalingResult.join(
        table,
        tuple(laws),
        n_bootstrap,
        judge=judge,
        answer=_answer,
        numbers={
            "lights": {law.label: [vars(light) for light in lights(law)] for law in laws},
            "systematics": {
                key: json_number(value) for law in laws for key, value in law.systematics().items()
            },
        },
        tables={"t_c.csv": pd.concat(map(_critical_temperatures, laws), ignore_index=True)},
    )


def _only_checks_precision(group: TableGroup, groups: Sequence[TableGroup]) -> bool:
    """Whether runs repeat some of a larger law in another dtype, at too few sizes for a law."""
    if "dtype" not in group.settings or group.frame["n_train"].nunique() >= MINIMUM_SIZES:
        return False
    others = {**group.settings, "dtype": None}
    return any(
        {**each.settings, "dtype": None} == others and len(each.frame) > len(group.frame)
        for each in groups
    )


def _checked_thresholds(thresholds: Sequence[float]) -> tuple[float, ...]:
    values = tuple(float(c) for c in thresholds)
    for c in values:
        if not (math.isfinite(c) and c > 0):
            raise ValueError(f"threshold={c!r} must be a positive finite number")
    if not values or len(set(values)) < len(values):
        raise ValueError(f"thresholds={list(values)} must hold at least one value, each once")
    return values


def _check_weight_changes(table: MeasurementTable) -> None:
    frame = table.frame
    missing = frame["relative_weight_change"].isna() & (frame["stop_reason"] == "fitted")
    if missing.any():
        row = int(missing.to_numpy(dtype=bool).argmax())
        raise ReadTableError(
            f"relative_weight_change is empty in row {row + 1}: a perceptron starts from w0 = 0 "
            "and never leaves a lazy regime; analyse it as perceptron-exponents"
        )


def _check_batch_sizes(table: MeasurementTable, wanted: list[int] | None) -> None:
    if wanted is None:
        return
    present = sorted(table.frame["batch_size"].unique()) if "batch_size" in table.frame else []
    for batch_size in wanted:
        if batch_size not in present:
            listed = ", ".join(str(b) for b in present) or "none"
            raise ReadTableError(f"batch_size={batch_size} is not in the table; it has {listed}")


def _by_batch_size(group: TableGroup) -> dict[int | None, Curves]:
    if "batch_size" not in group.frame:
        return {None: build_curves(group.frame)}
    return {
        int(plain(batch_size)): build_curves(rows)
        for batch_size, rows in group.frame.groupby("batch_size", sort=True)
    }


def _chosen(by_batch: dict[int | None, Curves], wanted: list[int] | None) -> list[int | None]:
    if wanted is None:
        return list(by_batch)[:1]
    return [batch_size for batch_size in by_batch if batch_size in wanted]
