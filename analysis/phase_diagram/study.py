"""The (alpha, T) plane at fixed P: where noise sets in, where the lazy regime and stability end.

One scan of temperatures per alpha. The lines are located in each scan, with the same resampled
seeds for all, and compared with their power laws in alpha.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.arrays import FloatArray
from analysis.curves import Curves, build_curves
from analysis.estimates import resampling_weights
from analysis.fits.alpha_law import fit_alpha_law
from analysis.fits.power_law import PowerLaw
from analysis.frame import printed
from analysis.locating.minimum import locate_optimal_temperature
from analysis.locating.threshold import locate_critical_temperatures
from analysis.locating.window import Window
from analysis.phase_diagram.claims import judge_diagram
from analysis.phase_diagram.diagram import (
    FEATURE_ALPHAS,
    LAZY_ALPHAS,
    AlphaScan,
    PhaseDiagram,
)
from analysis.phase_diagram.error_steps import measure_error_steps
from analysis.phase_diagram.noise_doubling import locate_noise_doubling
from analysis.phase_diagram.stability_edge import locate_stability_edge
from analysis.result import JoinedResult
from analysis.table import MeasurementTable, plain

COLUMNS = (
    "diagram", "n_train", "alpha", "n_seeds", "plateau", "noise_temperature",
    "noise_log_stderr", "noise_status", "threshold", "lazy_temperature", "lazy_log_stderr",
    "lazy_status", "optimal_temperature", "optimal_low68", "optimal_high68", "optimal_status",
    "edge_temperature", "last_whole_temperature",
)  # fmt: skip
"""Of phase_diagram.csv."""


class PhaseResult(JoinedResult[PhaseDiagram]):
    """All diagrams of a table with their estimates and verdicts."""

    @property
    def diagrams(self) -> tuple[PhaseDiagram, ...]:
        """One per P and combination of other settings."""
        return self.parts

    def lines(self) -> pd.DataFrame:
        """Return one row per diagram and alpha with every temperature and its refusal."""
        return self.tables["phase_diagram.csv"]


def analyse_phase_diagram(
    table: MeasurementTable,
    windows: Mapping[float, Window],
    threshold: float = 0.1,
    *,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> PhaseResult:
    """Locate the lines of the (alpha, T) plane at every P of a table.

    Parameters
    ----------
    windows
        Scales of temperature by alpha, which fix the groups of the test error in advance.
    threshold
        c of T_lazy(c).
    n_bootstrap, seed
        Number of resampled sets of seeds and the seed that draws them.
    """
    diagrams = []
    for group in table.groups(without=("alpha",)):
        frame = group.frame
        if "alpha" not in frame:
            frame = frame.assign(alpha=1.0)
        sizes = sorted(frame["n_train"].unique())
        for size in sizes:
            settings = {**group.settings, **({"n_train": size} if len(sizes) > 1 else {})}
            rows = frame[frame["n_train"] == size]
            diagrams.append(_diagram(rows, settings, windows, threshold, n_bootstrap, seed))
    lines = pd.concat([diagram.located for diagram in diagrams])
    return PhaseResult.join(
        table,
        tuple(diagrams),
        n_bootstrap,
        judge=judge_diagram,
        answer=_answer,
        tables={"phase_diagram.csv": printed(lines, COLUMNS)},
    )


def _diagram(
    rows: pd.DataFrame,
    settings: dict[str, Any],
    windows: Mapping[float, Window],
    threshold: float,
    n_bootstrap: int,
    seed: int,
) -> PhaseDiagram:
    by_alpha = {
        float(plain(a)): build_curves(frame) for a, frame in rows.groupby("alpha", sort=True)
    }
    weights = shared_weights(by_alpha, n_bootstrap, seed)
    scans = tuple(
        _scan(alpha, curves, weights[alpha], windows.get(alpha), threshold, n_bootstrap, seed)
        for alpha, curves in by_alpha.items()
    )
    return PhaseDiagram(
        settings=settings,
        n_train=int(rows["n_train"].iloc[0]),
        depth=int(rows["depth"].iloc[0]) if "depth" in rows else 3,
        threshold=threshold,
        scans=scans,
        lazy_law=_noise_law(scans, LAZY_ALPHAS),
        feature_law=_noise_law(scans, FEATURE_ALPHAS),
    )


def shared_weights(
    by_alpha: Mapping[float, Curves], n_bootstrap: int, seed: int
) -> dict[float, FloatArray]:
    """Resample the seeds of all alphas once; shape (n_bootstrap, seeds of that alpha) each."""
    labels = sorted(
        {label for curves in by_alpha.values() for label in curves.seed_labels}, key=str
    )
    position = {label: k for k, label in enumerate(labels)}
    drawn = resampling_weights(len(labels), n_bootstrap, np.random.default_rng(seed))
    return {
        alpha: drawn[:, [position[label] for label in curves.seed_labels]]
        for alpha, curves in by_alpha.items()
    }


def _scan(
    alpha: float,
    curves: Curves,
    weights: FloatArray,
    window: Window | None,
    threshold: float,
    n_bootstrap: int,
    seed: int,
) -> AlphaScan:
    has_error = curves.has("test_error")
    return AlphaScan(
        alpha=alpha,
        curves=curves,
        p=0,
        noise=locate_noise_doubling(curves, alpha, weights),
        lazy=locate_critical_temperatures(
            curves, threshold=threshold, n_bootstrap=n_bootstrap, seed=seed
        ),
        optimum=locate_optimal_temperature(curves, alpha, n_bootstrap=n_bootstrap, seed=seed)
        if has_error
        else None,
        edge=locate_stability_edge(curves, alpha),
        steps=() if window is None else measure_error_steps(curves, alpha, window),
    )


def _noise_law(scans: tuple[AlphaScan, ...], ends: tuple[float, float]) -> PowerLaw:
    slack = 1 + 1e-6
    chosen = [
        scan
        for scan in scans
        if ends[0] <= scan.alpha * slack
        and scan.alpha <= ends[1] * slack
        and scan.noise.point.value is not None
    ]
    return fit_alpha_law(
        [scan.alpha for scan in chosen],
        np.log([scan.noise.point.value or np.nan for scan in chosen]),
        np.array([scan.noise.point.log_stderr or 0.0 for scan in chosen]),
        [scan.noise.log_replicates for scan in chosen],
        n_clusters=min((scan.noise.n_clusters for scan in chosen), default=1),
        symbol="T_noise",
    )


def _answer(diagram: PhaseDiagram) -> str:
    """Return the slopes of T_noise in one line."""
    laws = "; ".join(law.brief for law in (diagram.lazy_law, diagram.feature_law))
    return f"{laws}, P = {diagram.n_train}"
