"""The study of effective temperatures: cells, laws, verdicts, and the words that go with them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analysis.claims import Verdict
from analysis.effective_temperature import claims as judge
from analysis.effective_temperature.table import ReplicaCell, TemperatureCell, TemperatureTable
from analysis.estimates import Estimate
from analysis.fits.power_law import PowerLaw
from analysis.frame import Record, estimates_of, number, printed, tidy
from analysis.key import Key
from analysis.result import Result, finite

NO_SINGLE_TEMPERATURE = (
    "SGD has no single temperature: its noise resembles the Hessian, so stiff directions are "
    "hotter than soft ones. Laws quote the secant T_sec = B(L)/χ(L), the mean over directions."
)
METHODS = ("simulation", "mean_field")


@dataclass(frozen=True, kw_only=True)
class TemperatureResult(Result):
    """Everything that the report says."""

    temperatures: dict[str, list[TemperatureCell]]
    """By method."""
    replicas: dict[str, list[ReplicaCell]]
    """By method."""
    located: pd.DataFrame = field(repr=False)
    """The temperatures of every configuration and method."""
    laws: dict[str, PowerLaw]
    """Power laws by key, those that could be fitted."""
    table: pd.DataFrame = field(repr=False, default_factory=pd.DataFrame)
    """The rows behind it."""

    def summary(self) -> str:
        """Return headline, caveat, temperatures and verdicts as lines of text."""
        lines = [self.answer, NO_SINGLE_TEMPERATURE]
        for method in METHODS:
            lines += [
                f"{cell.control.label} ({method}): {cell.found.summary()}"
                for cell in self.temperatures[method]
            ]
        lines += [f"{v.status}: {v.claim} {v.reason}" for v in self.verdicts.values()]
        return "\n".join(lines)

    def frame(self) -> pd.DataFrame:
        """Return one row per configuration and method for ``temperatures.csv``."""
        return self.tables["temperatures.csv"]


def _estimates(
    located: pd.DataFrame,
    replicas: dict[str, list[ReplicaCell]],
    laws: dict[str, PowerLaw],
) -> dict[Key, Estimate]:
    """Every number with its error: slopes of the laws, temperatures, distances."""
    found: dict[Key, Estimate | None] = {Key("slope", key): law.slope for key, law in laws.items()}
    for method in METHODS:
        if len(located):
            found |= estimates_of(located[located["method"] == method])
        for item in replicas[method]:
            found[Key("D", _where(item))] = item.estimate("replica_distance")
    return finite(found)


def _where(cell: TemperatureCell | ReplicaCell) -> str:
    return f"{cell.control.label}, {cell.size}"


def _answer(law: PowerLaw | None, verdict: Verdict) -> str:
    """Return the main law in one line."""
    if law is None or law.slope is None:
        return f"T_sec against eta (1-b)/b: {verdict.reason}"
    prefactor = float(law.evaluate(np.ones(1))[0])
    return f"T_sec = {prefactor:.3g} (eta (1-b)/b)^{law.slope}, {law.slope.fit_range}"


def _row(cell: TemperatureCell) -> Record:
    c, found = cell.control, cell.found
    return {
        "method": cell.method,
        "size": cell.size,
        "configuration": c.label,
        "load": c.load,
        "noise_strength": c.noise_strength,
        "learning_rate": c.learning_rate,
        "active_fraction": c.active_fraction,
        "persistence_time": c.persistence_time or None,
        "langevin_temperature": c.langevin_temperature,
        "family": "; ".join(c.family),
        "stationary": found.stationarity.stationary,
        "reason": "; ".join(found.stationarity.reasons),
        "temperature_bare": cell.bare,
        **number("temperature_long", found.long),
        **number("temperature_secant", found.secant),
        **number("temperature_short", found.short),
        "long": found.long,
        "secant": found.secant,
        "short": found.short,
        "remark": "" if found.stationarity.stationary else str(found.stationarity),
        "estimates": {
            Key("T_long", _where(cell)): found.long,
            Key("T_secant", _where(cell)): found.secant,
            Key("T_short", _where(cell)): found.short,
        },
    }


COLUMNS = (
    "method", "size", "load", "learning_rate", "active_fraction", "persistence_time",
    "langevin_temperature", "family", "stationary", "reason", "temperature_bare",
    "temperature_long", "temperature_long_stderr", "temperature_secant",
    "temperature_secant_stderr", "temperature_short", "temperature_short_stderr",
)  # fmt: skip
"""Of temperatures.csv."""


def analyse_temperatures(table: TemperatureTable) -> TemperatureResult:
    """Measure temperatures and distances, fit the laws and judge the claims."""
    temperatures = {method: table.temperatures(method) for method in METHODS}
    replicas = {method: table.replicas(method) for method in METHODS}
    # Laws are those of the simulations, of the theory where there is nothing else.
    cells = temperatures["simulation"] or temperatures["mean_field"]
    apart = replicas["simulation"] or replicas["mean_field"]
    noise, rate = judge.noise_law(cells), judge.rate_law(cells)
    distance = judge.distance_law(cells, apart)
    named = {"T_sec,noise": noise, "T_sec,eta,persistent": rate, "D,T_sec": distance}
    laws = {key: law for key, law in named.items() if law is not None}
    verdicts = {
        Key("noise_law"): judge.judge_noise_law(noise),
        Key("single_temperature"): judge.judge_single_temperature(cells),
        Key("persistent_hotter"): judge.judge_persistent(cells),
        Key("persistent_independent_of_eta"): judge.judge_rate(rate),
        Key("distance_follows_temperature"): judge.judge_distance(distance),
        Key("noise_widens_boundary"): judge.judge_width(apart),
        Key("langevin_bath"): judge.judge_bath(cells),
        Key("theory_agrees"): judge.judge_theory(
            temperatures["simulation"],
            temperatures["mean_field"],
            replicas["simulation"],
            replicas["mean_field"],
        ),
    }
    every = [cell for method in METHODS for cell in temperatures[method]]
    every_replica = [cell for method in METHODS for cell in replicas[method]]
    located = tidy(_row(cell) for cell in every)
    return TemperatureResult(
        answer=_answer(noise, verdicts[Key("noise_law")]),
        estimates=_estimates(located, replicas, laws),
        verdicts=verdicts,
        counts={
            "rows": table.n_rows,
            "temperatures": len(every),
            "not_stationary": len(every) - len(judge.stationary(every)),
            "replicas": len(every_replica),
        },
        numbers={
            "quoted_slope": NO_SINGLE_TEMPERATURE,
            "not_stationary": {
                _where(cell): list(cell.found.stationarity.reasons)
                for cell in every
                if cell.found.secant is None
            },
            "not_at_rest": {_where(cell): cell.unrest for cell in every_replica if cell.unrest},
        },
        tables={"temperatures.csv": printed(located, COLUMNS if every else ())},
        temperatures=temperatures,
        replicas=replicas,
        located=located,
        laws=laws,
        table=table.frame,
    )
