"""The report of escapes: theory beside simulation, failing ranges shaded."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.distributions.levy_escape import RELIABLE_WIDTH
from analysis.escape_times.power_law import log_escape
from analysis.estimates import format_value
from analysis.report.content import PlannedFigure, ReportContent, ReportContext, ReportTable
from analysis.report.methods import paragraphs, seeds_of, shown
from analysis.report.style import GREY, MARKERS
from analysis.report.tables import claim_answer, claim_sections
from analysis.result import ClaimResult, cells

_FIGURES = {
    "levy": (
        "exit-time",
        "Simulated mean exit time over the law of large jumps against the half width of the box "
        "in stationary scales; colours are tail indices, bars standard errors over blocks. "
        "Shaded: below 15 stationary scales the asymptotic law fails, and near index 2 by an "
        "order of magnitude. Right: distance of the exit times to an exponential law of their "
        "own mean.",
    ),
    "schedule": (
        "schedules",
        "Survival of 4000 steps in |w| < 1 by schedule: simulation (markers, standard errors) "
        "and exp(-(2C/a) Σ (ησ)^a) (bars). The formula knows the noise per step ησ alone: it "
        "predicts equal survival for a step and a noise that decay by the same factor, and none "
        "of the gain where the noise is restored (compensated), which lies outside its range.",
    ),
    "well": (
        "barriers",
        "ln of the mean exit time against the barrier, linear (left) and logarithmic (right): "
        "lines are the exact quadrature, markers simulations. A straight line on the left is an "
        "exponential, on the right a power of the barrier.",
    ),
    "stationary": (
        "stationary",
        "Fitted over theoretical exponent kappa of the stationary law: three conventions of the "
        "stochastic integral, SGD with random curvature, and SGD on linear regression, where the "
        "diffusion does not describe SGD (hollow: outside its range).",
    ),
}


def escape_content(result: ClaimResult, context: ReportContext) -> ReportContent:
    """Return answers, figures and tables of a study of escapes."""
    theory = result.tables["theory.csv"]
    present = set(theory["dynamics"]) if len(theory) else set()
    plots = {
        "levy": plot_exit_times,
        "schedule": plot_schedules,
        "well": plot_barriers,
        "stationary": plot_exponents,
    }
    figures = tuple(
        PlannedFigure(
            _FIGURES[name][0],
            partial(plot, theory),
            _FIGURES[name][1],
            partial(_drawn, theory, name),
        )
        for name, plot in plots.items()
        if name in present
    )
    return ReportContent(
        title="escapes and stationary laws",
        citations=("battash2024noise", "simsekli2019tail", "meng2020state"),
        numbers=result.to_dict(),
        answers=(
            claim_answer(
                result, "Model dynamics with known noise; no network but in the local measurement."
            ),
        ),
        figures=figures,
        tables=(*claim_sections(result), ("Theory and simulation", (_comparison(theory),))),
        conventions=(
            "Stable noise with characteristic function exp(-|s k|^a), location 0; "
            "C = Γ(1 + a) sin(πa/2)/π. Euler steps; one SGD step is dt = η.",
            "Power-law dynamics dw = -H w dt + √(η(σ_g + σ_H w²)) dB, Ito unless stated; exits "
            "with the Brownian-bridge correction.",
            "Errors are standard errors over independent blocks of paths, with Student's "
            "interval.",
        ),
        files=result.tables,
        methods=escape_methods(result.frame, context),
        conditional="they hold the spread over simulated paths, and nothing about networks",
    )


def _drawn(theory: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the numbers of a figure."""
    shown = _EXPONENTS if name == "stationary" else (name,)
    return _of(theory, *shown).dropna(axis=1, how="all")


_EXPONENTS = ("stationary", "random_curvature", "regression")


def _of(theory: pd.DataFrame, *names: str) -> pd.DataFrame:
    part: pd.DataFrame = theory.loc[theory["dynamics"].isin(names)]
    return part


def plot_exit_times(theory: pd.DataFrame) -> Figure:
    """Ratio of simulated and predicted exit time, and the shape of the law, against width."""
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for k, ((a,), rows) in enumerate(cells(_of(theory, "levy"), "tail_index")):
        ordered = rows.sort_values("relative_width")
        style = {"marker": MARKERS[k % len(MARKERS)], "color": f"C{k}", "label": f"index {a:g}"}
        ratio = ordered["simulated"] / ordered["theory"]
        error = (ordered["stderr"] / ordered["theory"]).fillna(0)
        left.errorbar(ordered["relative_width"], ratio, yerr=error, lw=0.8, **style)
        right.plot(ordered["relative_width"], ordered["shape"], lw=0.8, **style)
    for axes in (left, right):
        low, high = axes.get_xlim()
        axes.axvspan(min(1.0, low), RELIABLE_WIDTH, color="0.9", lw=0, zorder=0)
        axes.set(xscale="log", xlabel="half width / stationary scale", xlim=(1.0, high * 1.2))
    left.axhline(1, color=GREY, lw=0.8)
    left.set(yscale="log", ylabel="exit time, simulated / predicted")
    right.set_ylabel("distance to exponential law")
    left.legend(loc="lower right")
    return figure


def plot_schedules(theory: pd.DataFrame) -> Figure:
    """Survival by schedule, simulated and predicted."""
    part = _of(theory, "schedule")
    indices = sorted(part["tail_index"].unique())
    names = list(dict.fromkeys(part["schedule"]))
    figure = Figure(figsize=(6.2, 3.0), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(indices)
    for k, a in enumerate(indices):
        rows = part[part["tail_index"] == a].set_index("schedule").loc[names]
        x = np.arange(len(names)) + (k - (len(indices) - 1) / 2) * width
        axes.bar(x, rows["theory"], width * 0.9, color=f"C{k}", alpha=0.25)
        axes.errorbar(
            x, rows["simulated"], yerr=rows["stderr"].fillna(0), fmt="o", color=f"C{k}",
            label=f"index {a:g}",
        )  # fmt: skip
    axes.set_xticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes.set_ylabel("survival")
    axes.legend(loc="best")
    return figure


def plot_barriers(theory: pd.DataFrame) -> Figure:
    """Exit time against the barrier, linear and logarithmic."""
    part = _of(theory, "well")
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    grid = np.geomspace(part["barrier"].min() / 1.5, part["barrier"].max() * 2, 30)
    for k, ((sigma_h,), rows) in enumerate(cells(part, "sigma_h")):
        exact = np.array([log_escape(b, sigma_h) for b in grid])
        label = r"Langevin" if sigma_h == 0 else rf"$\sigma_H$ = {sigma_h:g}"
        for axes in panels:
            axes.plot(grid, exact, color=f"C{k}", lw=0.9)
            axes.errorbar(
                rows["barrier"], rows["simulated"], yerr=rows["stderr"].fillna(0),
                fmt=MARKERS[k % len(MARKERS)], color=f"C{k}", label=label,
            )  # fmt: skip
    highest = float(part["simulated"].max())
    panels[0].set(xlabel="barrier", ylabel="ln mean exit time", ylim=(-1, highest + 3))
    panels[1].set(xlabel="barrier", xscale="log")
    panels[1].legend(loc="best")
    return figure


def plot_exponents(theory: pd.DataFrame) -> Figure:
    """Fitted over theoretical kappa."""
    part = _of(theory, *_EXPONENTS)
    figure = Figure(figsize=(6.0, 0.9 + 0.24 * len(part)), layout="constrained")
    axes: Axes = figure.subplots()
    names = []
    for y, (_, row) in enumerate(part.iloc[::-1].iterrows()):
        names.append(_spelled(row))
        error = row["stderr"] if pd.notna(row["stderr"]) else 0.0
        axes.errorbar(
            row["simulated"] / row["theory"], y, xerr=error / row["theory"], fmt="o", color="C0",
            mfc="C0" if row["inside"] else "white",
        )  # fmt: skip
    axes.axvline(1, color=GREY, lw=0.8)
    axes.set_yticks(range(len(part)), names)
    axes.set(xscale="log", xlabel=r"$\kappa$ fitted / theory")
    return figure


_SPELLED = {
    "ito": "Ito",
    "paper": "anti-Ito",
    "stratonovich": "Stratonovich",
    "random_curvature": "random curvature",
    "sigma_h": r"$\sigma_H$",
    "curvature": "H",
    "learning_rate": "η",
    "batch_size": "B",
}
_SETTINGS = ("sigma_h", "curvature", "batch_size", "learning_rate", "share")


def _spelled(row: pd.Series) -> str:
    """Return what tells a row of exponents from others, in symbols.

    >>> _spelled(pd.Series({"dynamics": "random_curvature", "curvature": 0.1, "theory": 2}))
    'random curvature, H = 0.1'
    """
    kind = str(row["convention"] if row["dynamics"] == "stationary" else row["dynamics"])
    given = [name for name in _SETTINGS if name in row and pd.notna(row[name])]
    settings = (f"{_SPELLED.get(name, name)} = {row[name]:g}" for name in given)
    return ", ".join((_SPELLED.get(kind, kind), *settings))


def _comparison(theory: pd.DataFrame) -> ReportTable:
    def text(value: object, form: str = ".4g") -> str:
        return "" if pd.isna(value) else format(value, form)  # type: ignore[call-overload]

    rows = []
    for _, row in theory.iterrows():
        simulated, error = row["simulated"], row.get("stderr")
        shown = "" if pd.isna(simulated) else format_value(
            float(simulated), None if pd.isna(error) else float(error)
        )  # fmt: skip
        rows.append(
            (
                str(row["key"]),
                shown,
                text(row.get("theory")),
                text(row.get("pull"), "+.1f"),
                "yes" if row["inside"] else "no",
            )
        )
    columns = ("quantity", "simulated", "theory", "pull (s.e.)", "in the range of the law")
    return ReportTable("All comparisons", columns, tuple(rows), keys=True)


def escape_methods(frame: pd.DataFrame, context: ReportContext) -> tuple[str, ...]:
    """Return how paths were simulated and which theory stands beside them."""
    simulated = (
        f"The dynamics {shown(frame, 'dynamics')} were simulated in {seeds_of(frame, 'blocks')} "
        f"of {shown(frame, 'n_paths')} paths, tail indices {shown(frame, 'tail_index')}, "
        f"σ_H = {shown(frame, 'sigma_h')}, time steps {shown(frame, 'dt')}. Path p is a "
        f"function of the seed and of p alone."
    )
    theory = (
        "Exit times of stable noise were compared with the law of large jumps, those of "
        "power-law dynamics with an exact quadrature of the mean first-passage time, stationary "
        "exponents with 1 + H/(η σ_H) for Ito noise. Errors are standard errors over blocks."
    )
    return paragraphs(context, simulated, theory)
