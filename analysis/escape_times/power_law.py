"""Claims about state-dependent noise: stationary laws, exponents of SGD, barriers, sharpness."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.claims import Verdict
from analysis.distributions.power_law_escape import (
    diffusion_validity,
    log_well_escape,
    power_law_kappa,
)
from analysis.estimates import Estimate
from analysis.key import Key
from analysis.result import Found, cells, comparison_row, finite, judge, mean_over_seeds
from analysis.table import settings_label

LEARNING_RATE = 0.1
"""eta of wells and stationary laws in the table."""
_SOURCE = "Meng et al. 2020"


def well_claims(part: pd.DataFrame) -> Found:
    """Compare exit times from a well with the exact quadrature."""
    rows, found = [], {}
    for (sigma_h, barrier), cell in cells(part, "sigma_h", "barrier"):
        key = Key("log_exit_time", sigma_h=f"{sigma_h:g}", barrier=f"{barrier:g}")
        value = mean_over_seeds(
            cell["log_time"], definition="ln of the mean exit time from |w| < sqrt(2 barrier)",
            fit_range="H = 1, eta = 0.1, sigma_g = 1",
        )  # fmt: skip
        found[key] = value
        exact = log_escape(barrier, sigma_h)
        rows.append(
            comparison_row(
                key, value, exact, True, dynamics="well", sigma_h=sigma_h, barrier=barrier
            )
        )
    return finite(found), {Key("polynomial_escape"): _judge_polynomial(rows)}, rows


def log_escape(
    barrier: float, sigma_h: float, curvature: float = 1.0, sigma_g: float = 1.0
) -> float:
    """Return the exact ln E[tau] over a barrier in a quadratic well, eta = 0.1."""
    width = float(np.sqrt(2 * barrier / curvature))
    return log_well_escape(width, curvature, LEARNING_RATE, sigma_g, sigma_h)


def _judge_polynomial(rows: list[dict[str, Any]]) -> Verdict:
    claim = (
        "Escape takes exp(barrier) with constant and a power of the barrier with growing noise."
    )
    langevin = (log_escape(6.4, 0.0) - log_escape(3.2, 0.0)) / 3.2
    power = (log_escape(6.4, 5.0) - log_escape(3.2, 5.0)) / np.log(2)
    worst = max((abs(row["simulated"] - row["theory"]) for row in rows), default=np.nan)
    reason = (
        f"d ln T / d barrier = {langevin:.2f} for Langevin (limit 20), d ln T / d ln barrier = "
        f"{power:.2f} for sigma_H = 5 (limit 2.5), from the exact quadrature; simulations of "
        f"{len(rows)} wells agree with it within {worst:.2f} in ln T"
    )
    return judge(claim, bool(worst < 0.15), reason, literature=_SOURCE)


def stationary_claims(part: pd.DataFrame) -> Found:
    """Compare fitted exponents with those of the three conventions."""
    rows, found = [], {}
    for (convention, sigma_h), cell in cells(part, "convention", "sigma_h"):
        key = Key("kappa", convention, sigma_h=f"{sigma_h:g}")
        value = _kappa(cell, f"H = 1, eta = 0.1, sigma_g = 1, {convention}")
        found[key] = value
        theory = power_law_kappa(1.0, LEARNING_RATE, sigma_h, convention)
        rows.append(
            comparison_row(key, value, theory, True, dynamics="stationary", convention=convention,
                 sigma_h=sigma_h)
        )  # fmt: skip
    ratios = [row["simulated"] / row["theory"] for row in rows if row["convention"] == "ito"]
    claim = "The stationary law of power-law dynamics is (1 + rho w^2)^-kappa."
    reason = f"fitted kappa over its Ito value 1 + H/(eta sigma_H): {_span(ratios)}"
    law = judge(claim, _within(ratios, 0.1), reason, literature=_SOURCE)
    paper = [row["simulated"] - (row["theory"] - 1) for row in rows if row["convention"] == "ito"]
    reason = (
        f"Ito simulations, which SGD follows, exceed H/(eta sigma_H) by {_span(paper)}; the "
        "published value belongs to the anti-Ito reading"
    )
    claim = "kappa of SGD is H/(eta sigma_H), as published."
    published = judge(claim, False if paper else None, reason, literature=_SOURCE)
    return (
        finite(found),
        {Key("stationary_power_law"): law, Key("published_kappa"): published},
        rows,
    )


def _kappa(cell: pd.DataFrame, where: str) -> Estimate | None:
    definition = "exponent of the stationary law, maximum likelihood"
    return mean_over_seeds(cell["kappa"], definition=definition, fit_range=where)


def _span(values: list[float]) -> str:
    if not values:
        return "not simulated"
    ends = dict.fromkeys((f"{min(values):.2f}", f"{max(values):.2f}"))
    return " to ".join(ends)


def _within(values: list[float], tolerance: float) -> bool | None:
    if not values:
        return None
    return bool(np.max(np.abs(np.array(values) - 1)) <= tolerance)


def _sgd(part: pd.DataFrame, names: tuple[str, ...], kind: str) -> Found:
    rows, found = [], {}
    for values, cell in cells(part, *names):
        settings = dict(zip(names, values, strict=True))
        texts = {name: f"{value:g}" for name, value in settings.items()}
        where = f"{kind}, {settings_label(texts)}"
        curvature = settings.get("curvature", 1.0)
        sigma_h = float(cell["sigma_h"].iloc[0])
        eta = settings["learning_rate"]
        key = Key("kappa", kind, **texts)
        value = _kappa(cell, where)
        found[key] = value
        tail = cell.loc[cell["kesten_samples"] >= 100, "nu_kesten"]
        nu = mean_over_seeds(
            tail,
            definition="tail exponent nu of E|1 - eta A|^nu = 1",
            fit_range=where,
        )
        found[Key("nu", kind, **texts)] = nu
        theory = power_law_kappa(curvature, eta, sigma_h)
        validity = diffusion_validity(curvature, sigma_h)
        rows.append(
            comparison_row(key, value, theory, validity < 0.5, dynamics=kind, validity=validity,
                 nu_diffusion=2 * theory - 1, nu_kesten=None if nu is None else nu.value,
                 nu_hill=float(cell["nu_hill"].mean()), **settings)
        )  # fmt: skip
    ratios = [row["simulated"] / row["theory"] for row in rows]
    reason = f"fitted kappa over that of the diffusion: {_span(ratios)}"
    known = [(r["nu_kesten"], r["nu_diffusion"]) for r in rows if r["nu_kesten"] is not None]
    if known:
        listed = ", ".join(f"{kesten:.2f} ({diffusion:.2f})" for kesten, diffusion in known)
        reason += f"; exact tail exponents, with those of the diffusion: {listed}"
    validities = [row["validity"] for row in rows]
    reason += f"; 2H/sqrt(sigma_H) = {_span(validities)}, which should be << 1"
    claim = {
        "random_curvature": "Power-law dynamics describe SGD with random curvature of any sign.",
        "regression": "Power-law dynamics describe SGD on linear regression.",
    }[kind]
    verdict = judge(claim, _within(ratios, 0.1), reason, literature=_SOURCE)
    return finite(found), {Key("describes_sgd", kind): verdict}, rows


def random_curvature_claims(part: pd.DataFrame) -> Found:
    """Compare SGD with random curvature of any sign with the diffusion."""
    return _sgd(part, ("curvature", "learning_rate"), "random_curvature")


def regression_claims(part: pd.DataFrame) -> Found:
    """Compare SGD on linear regression with the diffusion."""
    return _sgd(part, ("batch_size", "learning_rate", "share"), "regression")


def network_claims(part: pd.DataFrame) -> Found:
    """Collect the local exponents of a trained network."""
    found, rows, listed, sharp = {}, [], [], []
    for (direction, factor), cell in cells(part, "direction", "width_factor"):
        where = f"{direction} direction, half width {factor:g} stationary widths"
        known = cell["kappa"].dropna()
        for name, values in (("kappa", known), ("r_squared", cell["r_squared"])):
            found[Key(f"network_{name}", direction, width=f"{factor:g}")] = mean_over_seeds(
                values, fit_range=where, logarithmic=name == "kappa",
                definition="1 + B H/(eta sigma_H), geometric mean" if name == "kappa"
                else "share of the variance's change explained by c0 + c1 t + c2 t^2",
            )  # fmt: skip
        kappa = float(known.median()) if len(known) else None
        valid, r_squared = f"{len(known)} of {len(cell)}", float(cell["r_squared"].median())
        rows.append(
            {
                "key": Key("network", direction, width=f"{factor:g}"),
                "dynamics": "network",
                "simulated": kappa,
                "valid": valid,
                "r_squared": r_squared,
                "hessian": float(cell["hessian"].median()),
                "inside": r_squared > 0.9,
            }
        )
        shown = "none" if kappa is None else f"{kappa:.3g}"
        listed.append(
            f"{direction},width={factor:g}: kappa {shown} ({valid} valid), R² {r_squared:.2f}"
        )
        if direction.startswith("top"):
            sharp.append(r_squared > 0.9)
    claim = "Along its sharpest direction a trained network's gradient variance is a parabola."
    verdict = judge(claim, all(sharp) if sharp else None, "; ".join(listed), literature=_SOURCE)
    return finite(found), {Key("network_parabola"): verdict}, rows


def selectivity_claims() -> dict[Key, Verdict]:
    """Judge whether sharp minima are left faster, from the exact quadrature at barrier 0.3."""
    h = np.array([0.25, 1.0, 4.0])
    fixed = [log_escape(0.3, 5.0, c) for c in h]
    width = [log_well_escape(1.0, c, LEARNING_RATE, 1.0, 5.0) for c in h]
    scaled = [log_escape(0.3, 5.0 * c**2, c, c) for c in h]
    langevin = [log_escape(0.3, 0.0, c, c) for c in h]
    reason = (
        f"ln T at H = 0.25, 1, 4 and one width: {_listed(width)} with the same noise; sharper is "
        f"slower. At one barrier: {_listed(fixed)}. With noise that grows with curvature "
        f"(sigma_g = H, sigma_H = 5 H²): {_listed(scaled)}, and {_listed(langevin)} for Langevin"
    )
    sharp = judge(
        "Power-law noise by itself leaves sharp minima faster than flat ones.",
        False, reason, literature=_SOURCE,
    )  # fmt: skip
    reason = (
        f"ln T of H = 0.25 minus that of H = 4: {scaled[0] - scaled[2]:.1f} for power-law and "
        f"{langevin[0] - langevin[2]:.1f} for Langevin noise that grows with curvature; power-law "
        "escapes are faster everywhere, not more selective"
    )
    more = judge(
        "Power-law noise selects flat minima more strongly than Langevin noise.",
        False, reason, literature=_SOURCE,
    )  # fmt: skip
    return {Key("sharp_minima_left_faster"): sharp, Key("more_selective_than_langevin"): more}


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:.1f}" for value in values)
