"""The diagnostics of each study that trains or fluctuates, and what stands under their figure."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from analysis.batch_regimes.study import BatchResult
from analysis.critical_temperature.law import ScalingLaw
from analysis.effective_temperature.claims import stationary
from analysis.effective_temperature.study import TemperatureResult
from analysis.effective_temperature.table import TemperatureCell
from analysis.fits.power_law import PowerLawFit
from analysis.optimal_temperature.study import OptimalResult
from analysis.perceptron_exponents.study import PerceptronResult
from analysis.phase_diagram.study import PhaseResult
from analysis.report.diagnostics import (
    Diagnostics,
    ends_of_runs,
    precision_pairs,
    pulls_of,
    spread_over_seeds,
    step_size_pairs,
)
from analysis.table import MeasurementTable


def scaling_diagnostics(law: ScalingLaw, table: MeasurementTable) -> Diagnostics:
    """Diagnose the runs of one law, with its runs at other batch sizes and precisions."""
    rows = law.curves.frame
    settings = {k: v for k, v in law.settings.items() if k not in ("batch_size", "dtype")}
    beside = table.frame
    for name, value in settings.items():
        beside = beside[beside[name] == value]
    precisions = beside
    if "batch_size" in beside:
        precisions = beside[beside["batch_size"] == law.batch_size]
    if "dtype" in law.settings:
        beside = beside[beside["dtype"] == law.settings["dtype"]]
    pulls = [
        _pulls_of_law(f"c = {c:g}", fit)
        for c, fit in sorted(law.fits.items())
        if len(fit.sizes) > 1
    ]
    shared = law.curves.shared_seeds
    return Diagnostics(
        pulls=_joined(pulls),
        spread=pd.DataFrame() if law.is_adaptive else _spread(rows, "relative_weight_change"),
        ends=ends_of_runs(rows),
        steps=step_size_pairs(beside) if shared else pd.DataFrame(),
        precision=precision_pairs(precisions) if shared else pd.DataFrame(),
    )


def perceptron_diagnostics(result: PerceptronResult) -> Diagnostics:
    """Diagnose all runs; pulls are those of gamma and b at every chi."""
    pulls = []
    for law in result.laws:
        if law.sizes is not None:
            for name, fit in (("γ", law.sizes.signal_to_noise), ("b", law.sizes.training_time)):
                found = fit.residuals / fit.means.stderr
                pulls.append(pulls_of(f"{name}, χ = {law.chi:g}", fit.means.positions, found))
    rows = result.table.frame
    return Diagnostics(
        pulls=_joined(pulls),
        spread=_spread(rows, "weight_norm"),
        ends=ends_of_runs(rows),
        precision=precision_pairs(rows),
        observable="weight_norm",
    )


def phase_diagnostics(result: PhaseResult) -> Diagnostics:
    """Diagnose all runs of the plane; where runs do not fit has a figure of its own."""
    laws = [law for each in result.diagrams for law in (each.lazy_law, each.feature_law)]
    names = [
        f"{side}{f', {each.label}' if each.label else ''}"
        for each in result.diagrams
        for side in ("α ≥ 10", "α ≤ 0.1")
    ]
    pulls = [
        pulls_of(name, law.alphas, law.pulls)
        for name, law in zip(names, laws, strict=True)
        if law.exponent is not None
    ]
    rows = result.table.frame
    if "alpha" not in rows:
        return Diagnostics(spread=_spread(rows, "relative_weight_change"))
    return Diagnostics(
        pulls=_joined(pulls),
        spread=_spread(rows, "relative_weight_change", "alpha"),
        precision=precision_pairs(rows),
        curve="alpha",
        pull_position="alpha",
    )


def batch_diagnostics(result: BatchResult) -> Diagnostics:
    """Diagnose all runs of the plane; what the step size does has figures of its own."""
    rows = result.table.frame
    rows = rows.assign(learning_rate=rows["temperature"] * rows["batch_size"])
    pulls = [
        _pulls_of_law(f"T = {law.temperature:.3g}", law.fit)
        for plane in result.planes
        for law in plane.laws
        if law.exponent is not None
    ]
    return Diagnostics(
        pulls=_joined(pulls),
        spread=_spread(rows, "relative_weight_change", "n_train", "learning_rate"),
        ends=ends_of_runs(rows, "n_train", "learning_rate"),
        precision=precision_pairs(rows),
        position="learning_rate",
    )


def optimal_diagnostics(result: OptimalResult) -> Diagnostics:
    """Diagnose all runs; pulls are those of T_opt against alpha."""
    pulls = [
        pulls_of(law.label or "cubic", law.law.alphas, law.law.pulls)
        for law in result.laws
        if law.law.exponent is not None
    ]
    rows = result.table.frame
    if "alpha" not in rows:
        return Diagnostics(spread=_spread(rows, "relative_weight_change"), ends=ends_of_runs(rows))
    return Diagnostics(
        pulls=_joined(pulls),
        spread=_spread(rows, "relative_weight_change", "alpha"),
        ends=ends_of_runs(rows, "alpha"),
        precision=precision_pairs(rows),
        curve="alpha",
        pull_position="alpha",
    )


def temperature_diagnostics(result: TemperatureResult) -> Diagnostics:
    """Return theory minus simulation in their errors, and how stationary fluctuations decay."""
    simulated = stationary(result.temperatures["simulation"])
    predicted = {cell.control: cell for cell in stationary(result.temperatures["mean_field"])}
    departures: dict[str, list[tuple[float, float]]] = {}
    for cell in simulated:
        partner = predicted.get(cell.control)
        pull = None if partner is None else _departure(cell, partner)
        if pull is not None and cell.control.noise_strength > 0:
            kind = "persistent SGD" if cell.control.persistence_gain > 1 else "SGD"
            departures.setdefault(kind, []).append((cell.control.noise_strength, pull))
    pulls = [
        pulls_of(kind, [x for x, _ in found], np.array([pull for _, pull in found]))
        for kind, found in departures.items()
    ]
    return Diagnostics(
        pulls=_joined(pulls),
        correlation=_joined(_correlation(cell) for cell in simulated or predicted.values()),
        curve="learning_rate",
        pull_position="noise_strength",
    )


def _departure(simulated: TemperatureCell, predicted: TemperatureCell) -> float | None:
    ours, theirs = simulated.found.secant, predicted.found.secant
    if ours is None or theirs is None or not ours.stderr:
        return None
    return (ours.value - theirs.value) / float(np.hypot(ours.stderr, theirs.stderr or 0.0))


def _correlation(cell: TemperatureCell) -> pd.DataFrame:
    """1 - B(k)/B(L), the correlation of the fluctuations where B(L) has settled."""
    found, rate = cell.found.displacement, cell.control.learning_rate
    lags = np.unique(np.linspace(0, len(found) - 1, 60).round().astype(int))
    return pd.DataFrame(
        {
            "configuration": cell.control.label,
            "curve": rate,
            "position": rate * lags,
            "correlation": 1 - found[lags] / found[-1],
        }
    )


def _pulls_of_law(name: str, fit: PowerLawFit) -> pd.DataFrame:
    return pulls_of(name, fit.sizes, fit.residuals / fit.log_stderr)


def _spread(
    rows: pd.DataFrame, observable: str, curve: str = "n_train", position: str = "temperature"
) -> pd.DataFrame:
    if "seed" not in rows or observable not in rows:
        return pd.DataFrame()
    return spread_over_seeds(rows, observable, curve, position)


def _joined(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    full = [part for part in parts if not part.empty]
    return pd.concat(full, ignore_index=True) if full else pd.DataFrame()
