"""Pages of docs/verification, written by the tests that measure what they show."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

import matplotlib
import pytest
from browser import REQUIRED, axe_source, find_browser, running_browser
from matplotlib.figure import Figure
from tiers import place

from analysis.report.style import STYLE

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "verification"

PAGES = {
    "trainers": (
        "Trainings against independent simulators",
        "Digits parity, alpha = 100, B = 1, three hidden layers of width 64; 64 replicas on both "
        "sides. Weight change, presentations and updates are geometric means; *pull* is the "
        "difference of the logarithms (test error: of the means) in combined standard errors.",
    ),
    "coverage": (
        "Coverage of the confidence intervals",
        "Fraction of 1000 synthetic tables whose nominal 95 % interval of a holds the true value. "
        "a = 0.4, noise 0.10 per run and 0.08 shared by all runs of a seed; *rows*: 0.13 per run, "
        "resampled cell by cell; *adaptive design*: tolerance 0.05, noise 0.12 per training. "
        "Three sizes give no exponent. Grey in the figure: 0.90 to 0.985; bars: binomial errors.",
    ),
    "adaptive": (
        "The adaptive design on digits",
        "Ten studies of five sizes P = 64..1024 (alpha = 100, B = 1, three hidden layers of width "
        "64), each with its own sequence of seeds, at two tolerances. *rms*: deviation of "
        "T_lazy(0.1) from 64 seeds of an independent code, over the sizes; *largest pull*: the "
        "largest of these deviations in stated errors; the last *pull* is that of a from 0.333.",
    ),
    "perceptron": (
        "The study `perceptron-exponents` against theory and an independent simulator",
        "T = 100 κ and B = 1 unless a range is given; 16 seeds per size (3 and 6 at the largest), "
        "12 per temperature and batch size. *window* is the departure from theory that finite "
        "sizes explain; *pull* is the difference from the independent simulator in combined "
        "standard errors (of exponents: in ours). *First step* is w₁/(T B) in units of E[a]/√d, "
        "that of the independent simulator ‖w‖/(T B).",
    ),
    "perceptron-events": (
        "The event-driven perceptron against the plain loop",
        "T = 100 κ, B = 1, d = 64; independent data and batches. Geometric means; *pull* is the "
        "difference of the logarithms in standard errors, *p* that of the Kolmogorov-Smirnov "
        "test.",
    ),
    "glyphs": (
        "How hard the glyphs are",
        "Test error of networks trained at T = 0.1 until every image is fitted: data=glyphs, "
        "alpha = 100, B = 1, three hidden layers of width 64, hinge loss; means over 4 seeds with "
        "10000 test images, geometric mean of the weight change.",
    ),
    "glyph_law": (
        "Two and a half decades of P with glyphs",
        "data=glyphs, perceptrons of three hidden layers of width 64, alpha = 100, B = 1, hinge "
        "loss, 12 seeds shared by all P = 64, 128, ..., 16384 and 15 temperatures from 0.001 to "
        "3.16 (beyond 1.78 only for the crossings at small P), 4096 test images per seed. Errors "
        "are 68 %, intervals 95 %, resampled over seeds; for local slopes, of one T or one P, "
        "both come from the slopes of single seeds. At weight change c, a(c) is the ratio of the "
        "local gamma and delta by construction: that it tends to gamma/delta has content only as "
        "far as these are constants. T_test is measured against T = 6..35 T_noise, three "
        "temperatures of which T = 0.178 is just none; its systematic is half the spread of a "
        "with an end of that range moved by one temperature.",
    ),
    "noise_laws": (
        "The laws of the noise against independent measurements",
        "Tail indices, decisions, exits, stationary laws and matched noise; *reference* values "
        "were measured with other code and other random numbers, or are limits to keep.",
    ),
    "study": (
        "The study `critical-temperature` against the published laws",
        "Nine sizes P = 64..1024, 64 shared seeds, B = 1; measured values come with one standard "
        "error, *published* ones from an independent code on the same images, with other splits.",
    ),
    "effective_temperature": (
        "Mean-field theory of the perceptron against simulation",
        "Simulation (1000 weights; 16 seeds of its own per case, 32 for replicas) ± standard "
        "error / theory (10000 copies, 3 solver seeds); *z* is the difference in combined "
        "standard errors. Quadratic hinge with κ = 1 unless stated; load 4, η = 0.05, ridge 0.1 "
        "for the first four cases, load 3 for the next four (η = 0.1 for the logistic loss), load "
        "0.8 and η = 0.1 without ridge for the replicas. Training errors below 0.005 are left "
        "out.",
    ),
    "temperature_slopes": (
        "Effective temperatures of SGD and persistent SGD",
        "T_short, T_sec and T_long of simulations (400 weights, 8 seeds of its own per case), "
        "of mean-field theory (3000 copies, 4 solver seeds), and *published*: an independent "
        "solver (6000 copies, one or two seeds, errors of about 2 %, 2 % and 10 %). T_0 is the "
        "bare noise of equations (11) and (12). Quadratic hinge without ridge unless stated. "
        "The published T_sec at b = 0.5, 0.0578, is high within its error: a plain matrix loop "
        "written from the equations alone (float64, M = 4 N, burn-in 120 steps, L = 80, two "
        "windows, H = 0.1, eight selections on each of n data sets, jackknife over data sets) "
        "gives T_sec = 0.05599(22) at N = 500 (n = 80), 0.05608(22) at N = 1000 (n = 40), "
        "0.05656(37) at N = 2000 (n = 14), and 0.05679(35) at N = 1000 after 300 steps (n = "
        "10); the published simulation has 0.0562(5).",
    ),
    "phase_diagram": (
        "The study `phase-diagram` against published numbers",
        "Digits parity, P = 512, B = 1, three hidden layers of width 64; *published*: an "
        "independent code with other splits, eight seeds. Weight change / test error by "
        "temperature; *pulls* in combined standard errors. Below: T_noise (the weight change has "
        "doubled over the lowest T), its slopes in alpha, and the steps of the test error between "
        "groups of temperatures fixed in advance (published: 64 seeds on another grid).",
    ),
    "batch_regimes": (
        "The study `batch-regimes` against published numbers",
        "Digits parity, alpha = 100, P = 512: weight change at B over that at B = 1 at equal T, "
        "paired by seed; *published*: an independent code with other splits, sixteen seeds.",
    ),
    "optimal_temperature": (
        "The study `optimal-temperature` against published numbers",
        "Digits parity, P = 256, B = 1, 64 seeds, eight temperatures per alpha: minimum of a "
        "cubic in ln T with its 68 % interval; *published*: an independent code, other splits.",
    ),
}


class Pages:
    """Rows by page; a page is rewritten if the session measured any of its rows."""

    def __init__(self) -> None:
        self._rows: dict[str, list[dict[str, str]]] = defaultdict(list)
        self._marks: dict[str, list[tuple[str, float, float]]] = defaultdict(list)

    def add(self, page: str, **columns: object) -> None:
        """Add a row to a page; every row of a page has the same columns."""
        self._rows[page].append({name: str(value) for name, value in columns.items()})

    def mark(self, page: str, label: str, value: float, error: float) -> None:
        """Add a point with an error bar to the figure of a page."""
        self._marks[page].append((label, value, error))

    def write(self) -> None:
        """Write the pages that have rows."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        for page, rows in self._rows.items():
            title, text = PAGES[page]
            names = list(rows[0])
            lines = [f"# {title}", "", text, "", "Rewritten by `make verify`.", ""]
            if self._marks[page]:
                draw_coverage(self._marks[page]).savefig(
                    FOLDER / f"{page}.svg", metadata={"Date": None}
                )
                lines += [f"![{title}]({page}.svg)", ""]
            lines += [f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]
            lines += [f"| {' | '.join(row[name] for name in names)} |" for row in rows]
            (FOLDER / f"{page}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def draw_coverage(marks: list[tuple[str, float, float]]) -> Figure:
    """Fractions with binomial errors over the range that is accepted; dashed: nominal."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 0.9 + 0.27 * len(marks)), layout="constrained")
        axes = figure.subplots()
        axes.axvspan(0.90, 0.985, color="0.92", lw=0)
        axes.axvline(0.95, color="0.45", lw=0.9, ls="--")
        for y, (_, value, error) in enumerate(marks):
            axes.errorbar(value, y, xerr=error, fmt="o", color="black", lw=1.2)
        axes.set_yticks(range(len(marks)), [label for label, _, _ in marks])
        axes.set_ylim(len(marks) - 0.4, -0.6)
        axes.set(xlim=(0.88, 1.0), xlabel="fraction of intervals that hold the true exponent")
    return figure


@pytest.fixture(scope="session")
def browser():
    """Run Chromium for the session; without one, skip, or fail where browsers are required."""
    program = find_browser()
    if program is None:
        _miss("no Chromium is installed")
    with running_browser(program) as running:
        yield running


@pytest.fixture(scope="session")
def axe():
    """Return the script of axe-core; without it, skip, or fail where browsers are required."""
    source = axe_source()
    if source is None:
        _miss("no axe-core; 'make axe' installs it")
    return source


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Give every test its tier before markers are selected."""
    place(items, parallel=config.pluginmanager.hasplugin("xdist"))


def _miss(reason):
    (pytest.fail if os.environ.get(REQUIRED) == "required" else pytest.skip)(reason)


@pytest.fixture(scope="session")
def pages():
    """Collect rows for docs/verification and write them at the end of the session."""
    collected = Pages()
    yield collected
    collected.write()
