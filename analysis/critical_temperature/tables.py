"""Tables of critical temperatures, their exponents and the models compared."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from analysis.critical_temperature.law import ScalingLaw
from analysis.critical_temperature.test_error.logistic import NOT_IDENTIFIABLE
from analysis.estimates import interval_text
from analysis.fits.collapse import NO_COLLAPSE
from analysis.fits.power_law import PowerLaw
from analysis.key import Key
from analysis.locating.located import NOT_MEASURED
from analysis.report.content import ReportTable
from analysis.report.tables import estimate_text, quality_text, table_of

_MODELS = ("power law", "constant", "logarithm", "quadratic", "broken")


def temperature_tables(law: ScalingLaw) -> list[ReportTable]:
    """One table of critical temperatures per definition."""
    columns = {
        "P": lambda row: str(row.n_train),
        "T_c": lambda row: estimate_text(row.estimate, row.status),
        "95 % interval": lambda row: interval_text(row.estimate),
        "bracket": lambda row: f"{_end(row.bracket_low)} … {_end(row.bracket_high)}",
        "replicas": lambda row: str(row.n_replicas),
        "temperatures": lambda row: str(row.n_temperatures),
        "censored": lambda row: str(row.n_censored),
        "diverged": lambda row: str(row.n_diverged),
        "remark": lambda row: row.message,
    }
    return [
        table_of(str(title), rows.itertuples(), columns, remarks=True)
        for title, rows in law.located.groupby("title", sort=False)
        if not (rows["status"] == NOT_MEASURED).all()
    ]


def _end(temperature: float | None) -> str:
    return "" if temperature is None or math.isnan(temperature) else f"{temperature:.4g}"


def exponent_table(law: ScalingLaw) -> ReportTable:
    """All exponents with errors, quality of fit, range and definition."""
    columns = ("quantity", "value (68 %)", "95 % interval", "χ²/dof (p)", "n", "fit range",
               "definition")  # fmt: skip
    fits = law.power_laws()
    rows = [
        (
            key,
            str(estimate),
            interval_text(estimate),
            quality_text(fits.get(key)),
            str(estimate.n),
            estimate.fit_range,
            estimate.definition,
        )
        for key, estimate in law.estimates().items()
        if not key.has("n_train")
    ]
    rows += [
        (key, _missing(fit.remarks[0]), "", "", "", fit.fit_range, fit.remarks[0])
        for key, fit in fits.items()
        if not fit.determined
    ]
    rows += [(key, _missing(why), "", "", "", "", why) for key, why in law.unmeasured().items()]
    return ReportTable("Exponents and amplitudes", columns, tuple(rows), keys=True)


def _missing(reason: str) -> str:
    """Return the fixed words in which a number is missing."""
    words = (NOT_MEASURED, NOT_IDENTIFIABLE, NO_COLLAPSE)
    return next((each for each in words if reason.startswith(each)), "not determined")


def model_table(law: ScalingLaw) -> ReportTable:
    """AIC of every law of T_c against P that was tried, relative to the power law."""
    fits = {key: fit for key, fit in law.power_laws().items() if fit.determined}
    columns: dict[str, Callable[[Any], str]] = {"quantity": lambda item: item[0]}
    columns |= {name: partial(_preference, name) for name in _MODELS}
    columns["remarks"] = lambda item: "; ".join(item[1].remarks)
    title = (
        "Model comparison: AIC = χ² + 2k minus that of the power law (positive: the power law is "
        "preferred); logarithm: T_c = A − B ln P, quadratic: a term (ln P)², broken: two powers"
    )
    return table_of(title, fits.items(), columns, keys=True, remarks=True)


def _preference(name: str, item: tuple[Key, PowerLaw]) -> str:
    aic = item[1].aic
    return f"{aic[name] - aic['power law']:+.1f}" if name in aic else ""
