"""Numbers behind the figures, forests and diagnostics of effective temperatures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.effective_temperature.claims import stationary
from analysis.effective_temperature.study import METHODS, TemperatureResult
from analysis.effective_temperature.table import TemperatureCell
from analysis.fits.forest import Forest, rows_of_law
from analysis.frame import number, printed
from analysis.report.diagnostics import Diagnostics, joined, pulls_of


def fluctuation_data(result: TemperatureResult) -> pd.DataFrame:
    """Response and displacement at every lag of every stationary configuration."""
    return pd.DataFrame(
        {
            "method": method,
            "configuration": cell.control.label,
            "step": k,
            "response": x,
            "displacement": y,
        }
        for method in METHODS
        for cell in result.temperatures[method]
        if cell.found.secant is not None
        for k, (x, y) in enumerate(zip(cell.found.response, cell.found.displacement, strict=True))
    )


TEMPERATURES = (
    "method", "configuration", "load", "noise_strength", "temperature_long",
    "temperature_long_stderr", "temperature_secant", "temperature_secant_stderr",
    "temperature_short", "temperature_short_stderr",
)  # fmt: skip


def temperature_data(result: TemperatureResult) -> pd.DataFrame:
    """Temperatures and distances of replicas against eta (1-b)/b."""
    found = printed(result.located, TEMPERATURES if len(result.located) else ())
    return pd.concat([found, width_data(result)], ignore_index=True)


def width_data(result: TemperatureResult) -> pd.DataFrame:
    """Distance of replicas and widths of the boundary of every configuration."""
    names = ("replica_distance", "width_mean", "width_hard", "width_spread", "width_contact")
    return pd.DataFrame(
        {
            "method": method,
            "configuration": cell.control.label,
            "load": cell.control.load,
            "noise_strength": cell.control.noise_strength,
            **{k: v for name in names for k, v in number(name, cell.estimate(name)).items()},
        }
        for method in METHODS
        for cell in result.replicas[method]
    )


def temperature_forests(result: TemperatureResult) -> tuple[Forest, ...]:
    """Return the slopes of the laws of temperature, without each point in turn."""
    symbols = {
        "T_sec,noise": (r"$T_\mathrm{sec}$ against $x = \eta(1-b)/b$", "x", 1.0),
        "T_sec,eta,persistent": (r"$T_\mathrm{sec}$ (persistent) against $\eta$", r"\eta", 0.0),
        "D,T_sec": (r"replica distance against $T_\mathrm{sec}$", r"T_\mathrm{sec}", 1.0),
    }
    forests = []
    for key, law in result.laws.items():
        label, symbol, expected = symbols[key]
        rows = rows_of_law("all points", symbol, law)
        if len(rows) > 1:
            forests.append(Forest("slope", rows, expected, label))
    return tuple(forests)


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
        pulls=joined(pulls),
        correlation=joined(_correlation(cell) for cell in simulated or predicted.values()),
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
