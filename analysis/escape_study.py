"""Simulated escapes and stationary laws against theory, and the claims they decide.

The table holds what was simulated; every theoretical number is computed here. Cells outside the
range of an asymptotic law are marked and enter no verdict about that law.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.claims import ClaimResult, cells, finite, judge, mean_over_seeds, require_columns
from analysis.escape import RELIABLE_WIDTH, levy_escape, noise_scale_for
from analysis.escape_power_law import (
    diffusion_validity,
    log_well_escape,
    power_law_kappa,
)
from analysis.estimates import Estimate, FloatArray
from analysis.verdicts import Verdict

LEARNING_RATE = 0.1
"""eta of wells and stationary laws in the table."""
_LEVY = "Battash and Lindenbaum 2023; Simsekli et al. 2019"
_POWER = "Meng et al. 2020"
_GRID_BARRIERS: FloatArray = np.geomspace(0.05, 6.4, 36)


def analyse_escapes(frame: pd.DataFrame) -> ClaimResult:
    """Return simulated numbers beside theory and the verdicts on the claims.

    Raises
    ------
    AnalyseTableError
        If the table lacks a column or has no rows.
    """
    require_columns(frame, ("dynamics", "seed"), "escape-times")
    parts = {key[0]: part for key, part in cells(frame, "dynamics")}
    estimates: dict[str, Estimate] = {}
    verdicts: dict[str, Verdict] = {}
    theory: list[dict[str, Any]] = []
    for name, study in _STUDIES.items():
        if name in parts:
            found, judged, rows = study(parts[name])
            estimates |= found
            verdicts |= judged
            theory += rows
    verdicts |= _selectivity()
    return ClaimResult(
        _headline(verdicts), frame, estimates, verdicts, {"theory.csv": _table(theory)}
    )


Found = tuple[dict[str, Estimate], dict[str, Verdict], list[dict[str, Any]]]


def _row(
    key: str, simulated: Estimate | None, theory: float, inside: bool, **more: Any
) -> dict[str, Any]:
    """Return a line of the comparison; `inside` says whether the law should hold there."""
    value = None if simulated is None else simulated.value
    error = None if simulated is None else simulated.stderr
    pull = (value - theory) / error if value is not None and error else None
    return {
        "key": key,
        "simulated": value,
        "stderr": error,
        "theory": theory,
        "pull": pull,
        "inside": inside,
        **more,
    }


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(dict.fromkeys(name for row in rows for name in row)))


def _levy(part: pd.DataFrame) -> Found:
    rows, found = [], {}
    for (a, expected), cell in cells(part, "tail_index", "mean_time"):
        law = levy_escape(a, noise_scale_for(a, expected), 1.0)
        key = f"exit_time[tail_index={a:g},law={expected:g}]"
        # Total time over total exits: blocks are of one size.
        value = mean_over_seeds(
            cell["simulated_time"], definition="mean exit time from |w| < 1 at curvature 1",
            fit_range=f"width over stationary scale {law.relative_width[0]:.1f}",
        )  # fmt: skip
        found[key] = value
        shape = float(cell["distance_to_exponential"].mean())
        rows.append(
            _row(key, value, expected, law.reliable, dynamics="levy", tail_index=a,
                 relative_width=float(law.relative_width[0]), shape=shape,
                 overshoot=float(cell["median_overshoot"].mean()))
        )  # fmt: skip
    return (
        finite(found),
        {"levy_rate": _judge_rate(rows), "levy_trapping": _judge_shape(rows)},
        rows,
    )


def _judge_rate(rows: list[dict[str, Any]]) -> Verdict:
    claim = "The mean exit time is a width^a / (2 C eps^a), whatever barrier and curvature."
    inside = [row["simulated"] / row["theory"] for row in rows if row["inside"]]
    outside = [row["simulated"] / row["theory"] for row in rows if not row["inside"]]
    if not inside:
        reason = f"no cell has a width of {RELIABLE_WIDTH:g} stationary scales"
        return judge(claim, None, reason, literature=_LEVY)
    reason = (
        f"simulated over predicted {min(inside):.2f} to {max(inside):.2f} in {len(inside)} cells "
        f"with a width of {RELIABLE_WIDTH:g} stationary scales or more"
    )
    if outside:
        reason += f"; below that the law fails: {min(outside):.2f} to {max(outside):.2f}"
    return judge(claim, min(inside) > 0.85 and max(inside) < 1.15, reason, literature=_LEVY)


def _judge_shape(rows: list[dict[str, Any]]) -> Verdict:
    claim = "Trapping is exponential: P(no exit until t) = exp(-t / mean)."
    inside = [row["shape"] for row in rows if row["inside"]]
    outside = [row["shape"] for row in rows if not row["inside"]]
    if not inside:
        return judge(claim, None, "no cell in the range of the law", literature=_LEVY)
    reason = f"largest distance to the exponential law of the same mean: {max(inside):.3f}"
    if outside:
        reason += f" in the range of the rate, {max(outside):.3f} outside"
    reason += "; blocks of a few hundred exits have 0.05 by chance"
    return judge(claim, max(inside) < 0.08, reason, literature=_LEVY)


def _box(part: pd.DataFrame) -> Found:
    rows, found, departures = [], {}, []
    for (name,), cell in cells(part, "box"):
        first = cell.iloc[0]
        index, scale, width = (
            _numbers(first[column]) for column in ("tail_indices", "noise_scales", "widths")
        )
        law = levy_escape(index, scale, width)
        left = np.array([_numbers(text) for text in cell["exits_by_coordinate"]])
        shares = left / left.sum(axis=1, keepdims=True)
        for j, predicted in enumerate(law.exit_probability):
            key = f"exit_share[{name},{j}]"
            value = mean_over_seeds(
                shares[:, j], definition="share of exits through this coordinate",
                fit_range=f"tail index {index[j]:g}, scale {scale[j]:g}, width {width[j]:g}",
            )  # fmt: skip
            found[key] = value
            rows.append(_row(key, value, float(predicted), law.reliable, dynamics="box"))
            departures.append(abs(float(shares[:, j].mean()) - float(predicted)))
    reason = (
        f"largest departure of a share from r_j / sum r: {max(departures):.3f}, over "
        f"{len(departures)} coordinates; smaller scales and wider boxes offset a smaller index"
    )
    claim = "Exits prefer the coordinate with the largest rate r_j, not the smallest index alone."
    verdict = judge(claim, max(departures) < 0.06, reason, literature=_LEVY)
    return finite(found), {"exit_coordinate": verdict}, rows


def _schedule(part: pd.DataFrame) -> Found:
    rows, found = [], {}
    for (a, name), cell in cells(part, "tail_index", "schedule"):
        key = f"survival[{name},tail_index={a:g}]"
        value = mean_over_seeds(
            cell["survival"], definition="share of paths that never left",
            fit_range="|w| < 1, eta 0.1, factors 1, 0.5, 0.1",
        )  # fmt: skip
        found[key] = value
        predicted = float(cell["predicted_survival"].iloc[0])
        rows.append(
            _row(key, value, predicted, name != "compensated", dynamics="schedule",
                 tail_index=a, schedule=name, late_median=float(cell["late_median"].mean()))
        )  # fmt: skip
    return finite(found), {"rate_decay_is_noise_decay": _judge_decay(found)}, rows


def _judge_decay(found: dict[str, Estimate | None]) -> Verdict:
    claim = "Decaying the learning rate traps because it decays the noise per step, eta sigma."
    pulls, texts = [], []
    for key, step in found.items():
        noise = found.get(key.replace("step_decays", "noise_decays"))
        if "step_decays" not in key or step is None or noise is None:
            continue
        error = float(np.hypot(step.stderr or np.nan, noise.stderr or np.nan))
        difference = step.value - noise.value
        pulls.append(difference / error)
        index = key.split("tail_index=")[1].rstrip("]")
        texts.append(f"{step} with decaying step and {noise} with decaying noise at index {index}")
    if not pulls or not np.isfinite(pulls).all():
        return judge(claim, None, "needs both schedules and two seeds", literature=_LEVY)
    worst = max(pulls, key=abs)
    reason = f"survival {'; '.join(texts)}; largest difference {worst:+.1f} standard errors"
    holds = True if abs(worst) <= 3 else None
    return judge(claim, holds, reason, literature=_LEVY, pull=float(worst))


def _well(part: pd.DataFrame) -> Found:
    rows, found = [], {}
    for (sigma_h, barrier), cell in cells(part, "sigma_h", "barrier"):
        key = f"log_exit_time[sigma_h={sigma_h:g},barrier={barrier:g}]"
        value = mean_over_seeds(
            cell["log_time"], definition="ln of the mean exit time from |w| < sqrt(2 barrier)",
            fit_range="H = 1, eta = 0.1, sigma_g = 1",
        )  # fmt: skip
        found[key] = value
        exact = log_escape(barrier, sigma_h)
        rows.append(
            _row(key, value, exact, True, dynamics="well", sigma_h=sigma_h, barrier=barrier)
        )
    return finite(found), {"polynomial_escape": _judge_polynomial(rows)}, rows


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
    return judge(claim, bool(worst < 0.15), reason, literature=_POWER)


def _stationary(part: pd.DataFrame) -> Found:
    rows, found = [], {}
    for (convention, sigma_h), cell in cells(part, "convention", "sigma_h"):
        key = f"kappa[{convention},sigma_h={sigma_h:g}]"
        value = _kappa(cell, f"H = 1, eta = 0.1, sigma_g = 1, {convention}")
        found[key] = value
        theory = power_law_kappa(1.0, LEARNING_RATE, sigma_h, convention)
        rows.append(
            _row(key, value, theory, True, dynamics="stationary", convention=convention,
                 sigma_h=sigma_h)
        )  # fmt: skip
    ratios = [row["simulated"] / row["theory"] for row in rows if row["convention"] == "ito"]
    claim = "The stationary law of power-law dynamics is (1 + rho w^2)^-kappa."
    reason = f"fitted kappa over its Ito value 1 + H/(eta sigma_H): {_span(ratios)}"
    law = judge(claim, _within(ratios, 0.1), reason, literature=_POWER)
    paper = [row["simulated"] - (row["theory"] - 1) for row in rows if row["convention"] == "ito"]
    reason = (
        f"Ito simulations, which SGD follows, exceed H/(eta sigma_H) by {_span(paper)}; the "
        "published value belongs to the anti-Ito reading"
    )
    claim = "kappa of SGD is H/(eta sigma_H), as published."
    published = judge(claim, False if paper else None, reason, literature=_POWER)
    return finite(found), {"stationary_power_law": law, "published_kappa": published}, rows


def _kappa(cell: pd.DataFrame, where: str) -> Estimate | None:
    definition = "exponent of the stationary law, maximum likelihood"
    return mean_over_seeds(cell["kappa"], definition=definition, fit_range=where)


def _span(values: list[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f}" if values else "not simulated"


def _within(values: list[float], tolerance: float) -> bool | None:
    if not values:
        return None
    return bool(np.max(np.abs(np.array(values) - 1)) <= tolerance)


def _sgd(part: pd.DataFrame, names: tuple[str, ...], kind: str) -> Found:
    rows, found = [], {}
    for values, cell in cells(part, *names):
        settings = dict(zip(names, values, strict=True))
        label = ",".join(f"{name}={value:g}" for name, value in settings.items())
        curvature = settings.get("curvature", 1.0)
        sigma_h = float(cell["sigma_h"].iloc[0])
        eta = settings["learning_rate"]
        key = f"kappa[{kind},{label}]"
        value = _kappa(cell, f"{kind}, {label}")
        found[key] = value
        tail = cell.loc[cell["kesten_samples"] >= 100, "nu_kesten"]
        nu = mean_over_seeds(
            tail,
            definition="tail exponent nu of E|1 - eta A|^nu = 1",
            fit_range=f"{kind}, {label}",
        )
        found[f"nu[{kind},{label}]"] = nu
        theory = power_law_kappa(curvature, eta, sigma_h)
        validity = diffusion_validity(curvature, sigma_h)
        rows.append(
            _row(key, value, theory, validity < 0.5, dynamics=kind, validity=validity,
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
    verdict = judge(claim, _within(ratios, 0.1), reason, literature=_POWER)
    return finite(found), {f"describes_sgd[{kind}]": verdict}, rows


def _random_curvature(part: pd.DataFrame) -> Found:
    return _sgd(part, ("curvature", "learning_rate"), "random_curvature")


def _regression(part: pd.DataFrame) -> Found:
    return _sgd(part, ("batch_size", "learning_rate", "share"), "regression")


def _network(part: pd.DataFrame) -> Found:
    found, rows = {}, []
    for (direction, factor), cell in cells(part, "direction", "width_factor"):
        where = f"{direction} direction, half width {factor:g} stationary widths"
        known = cell["kappa"].dropna()
        for name, values in (("kappa", known), ("r_squared", cell["r_squared"])):
            found[f"network_{name}[{direction},width={factor:g}]"] = mean_over_seeds(
                values, fit_range=where, logarithmic=name == "kappa",
                definition="1 + B H/(eta sigma_H), geometric mean" if name == "kappa"
                else "share of the variance's change explained by c0 + c1 t + c2 t^2",
            )  # fmt: skip
        rows.append(
            {
                "key": f"network[{direction},width={factor:g}]",
                "dynamics": "network",
                "simulated": float(known.median()) if len(known) else None,
                "valid": f"{len(known)} of {len(cell)}",
                "r_squared": float(cell["r_squared"].median()),
                "hessian": float(cell["hessian"].median()),
                "inside": bool(cell["r_squared"].median() > 0.9),
            }
        )
    claim = "Along its sharpest direction a trained network's gradient variance is a parabola."
    listed = "; ".join(
        f"{str(row['key'])[8:-1]}: kappa "
        + ("none" if row["simulated"] is None else f"{row['simulated']:.3g}")
        + f" ({row['valid']} valid), R² {row['r_squared']:.2f}"
        for row in rows
    )
    sharp = [row["inside"] for row in rows if "[top" in str(row["key"])]
    holds = all(sharp) if sharp else None
    return (
        finite(found),
        {"network_parabola": judge(claim, holds, listed, literature=_POWER)},
        rows,
    )


def _selectivity() -> dict[str, Verdict]:
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
        False, reason, literature=_POWER,
    )  # fmt: skip
    reason = (
        f"ln T of H = 0.25 minus that of H = 4: {scaled[0] - scaled[2]:.1f} for power-law and "
        f"{langevin[0] - langevin[2]:.1f} for Langevin noise that grows with curvature; power-law "
        "escapes are faster everywhere, not more selective"
    )
    more = judge(
        "Power-law noise selects flat minima more strongly than Langevin noise.",
        False, reason, literature=_POWER,
    )  # fmt: skip
    return {"sharp_minima_left_faster": sharp, "more_selective_than_langevin": more}


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:.1f}" for value in values)


def _numbers(text: Any) -> FloatArray:
    return np.array([float(word) for word in f"{text!s}".split()])


def _headline(verdicts: dict[str, Verdict]) -> str:
    counts: dict[str, int] = {}
    for verdict in verdicts.values():
        counts[verdict.status] = counts.get(verdict.status, 0) + 1
    return "claims about escapes: " + ", ".join(f"{n} {status}" for status, n in counts.items())


_STUDIES = {
    "levy": _levy,
    "box": _box,
    "schedule": _schedule,
    "stationary": _stationary,
    "random_curvature": _random_curvature,
    "regression": _regression,
    "network": _network,
    "well": _well,
}
