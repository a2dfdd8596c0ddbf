"""The (alpha, T) plane: scans of temperatures at each alpha."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from analysis.curves import Curves
from analysis.estimates import Estimate, estimate_from_replicates
from analysis.fits.power_law import PowerLaw
from analysis.frame import Record, estimates_of, tidy
from analysis.key import Key
from analysis.locating.located import CriticalTemperature, CriticalTemperatures
from analysis.locating.minimum import OptimalTemperature
from analysis.phase_diagram.error_steps import ErrorStep
from analysis.phase_diagram.noise_doubling import NoiseDoubling
from analysis.phase_diagram.stability_edge import StabilityEdge
from analysis.result import finite
from analysis.table import settings_label

LAZY_ALPHAS = (10.0, np.inf)
"""Scales at which T_noise ~ 1/(alpha K) is expected."""
FEATURE_ALPHAS = (0.0, 0.1)
"""Scales at which T_noise ~ alpha^((D-1)/(D+1)) is expected."""
FEATURE_REGIME = "feature regime"


@dataclass(frozen=True)
class AlphaScan:
    """Everything located at one alpha and one P."""

    alpha: float
    """Initialization scale."""
    curves: Curves = field(repr=False)
    """The data as arrays."""
    p: int
    """Position of P in `curves`."""
    noise: NoiseDoubling
    """T_noise."""
    lazy: CriticalTemperatures
    """T_lazy(c) of all sizes of the scan."""
    optimum: OptimalTemperature | None
    """T_opt, None without a test error."""
    edge: StabilityEdge
    """T_edge."""
    steps: tuple[ErrorStep, ...]
    """Rise and fall of the test error, where both are expected."""

    @property
    def lazy_point(self) -> CriticalTemperature:
        """T_lazy(c) at P or its refusal."""
        return self.lazy.points[self.p]

    @property
    def is_feature_regime(self) -> bool:
        """Whether the weight change exceeds c already on its plateau."""
        threshold = self.lazy.threshold
        return threshold is not None and self.noise.plateau >= threshold

    def lazy_text(self) -> str:
        """T_lazy(c), ``feature regime``, or why there is none."""
        if self.is_feature_regime:
            return FEATURE_REGIME
        return self.lazy_estimate_text()

    def lazy_estimate_text(self) -> str:
        """T_lazy(c) as a number, or the words in which it was refused."""
        estimate = self.lazy_estimate()
        return self.lazy_point.status if estimate is None else str(estimate)

    def lazy_estimate(self) -> Estimate | None:
        """Return T_lazy(c) as an estimate, None if it is refused."""
        point = self.lazy_point
        low, high = point.bracket
        if point.value is None or low is None or high is None:
            return None
        return estimate_from_replicates(
            point.value,
            self.lazy.log_replicates[:, self.p],
            self.lazy.n_clusters,
            definition=self.lazy.definition,
            fit_range=f"P = {point.n_train}, T = {low:.4g}..{high:.4g}",
            logarithmic=True,
        )


@dataclass(frozen=True)
class PhaseDiagram:
    """The plane of one P and one set of other settings."""

    settings: dict[str, Any]
    """Settings that tell this diagram from others; empty if there is one."""
    n_train: int
    """P."""
    depth: int
    """Hidden layers D, for the prediction (D-1)/(D+1)."""
    threshold: float
    """c of T_lazy(c)."""
    scans: tuple[AlphaScan, ...]
    """One per alpha, in increasing order."""
    lazy_law: PowerLaw
    """T_noise(alpha) on the lazy side."""
    feature_law: PowerLaw
    """T_noise(alpha) in the feature regime."""

    @property
    def label(self) -> str:
        """``width=64`` or ``""``."""
        return settings_label(self.settings)

    @property
    def steps(self) -> tuple[ErrorStep, ...]:
        """Rises and falls of the test error at all alphas."""
        return tuple(step for scan in self.scans for step in scan.steps)

    @property
    def feature_slope(self) -> float:
        """The predicted k = (D-1)/(D+1)."""
        return (self.depth - 1) / (self.depth + 1)

    def key(self, name: str, /, *words: str, **settings: Any) -> Key:
        """Return ``name[words,settings,label]``."""
        return Key(name, *words, **settings, **self.settings)

    def step_key(self, step: ErrorStep) -> Key:
        """Return the key of a step of the test error and of the verdict on it."""
        return self.key(f"test_error_{step.name}", alpha=step.alpha)

    def estimates(self) -> dict[Key, Estimate]:
        """Return every number by its key, e.g. ``T_noise[alpha=100]``."""
        found: dict[Key, Estimate | None] = {
            self.key("slope_T_noise", "lazy"): self.lazy_law.exponent,
            self.key("slope_T_noise", "feature"): self.feature_law.exponent,
        }
        return finite(found) | estimates_of(self.located)

    @cached_property
    def located(self) -> pd.DataFrame:
        """Every temperature of every scan, or why there is none."""
        return tidy(self._row(scan) for scan in self.scans)

    def _row(self, scan: AlphaScan) -> Record:
        alpha, optimum, lazy = scan.alpha, scan.optimum, scan.lazy_point
        low, high = (None, None) if optimum is None else optimum.interval68 or (None, None)
        noise, edge = scan.noise.estimate(), scan.edge.estimate()
        minimum = None if optimum is None else optimum.estimate()
        messages = (
            scan.noise.point.message,
            "" if scan.is_feature_regime else lazy.message,
            "" if optimum is None else optimum.message,
        )
        return {
            "diagram": self.label,
            "n_train": self.n_train,
            "alpha": alpha,
            "n_seeds": scan.curves.n_clusters,
            "plateau": scan.noise.plateau,
            "noise_temperature": scan.noise.point.value,
            "noise_log_stderr": scan.noise.point.log_stderr,
            "noise_status": scan.noise.point.status,
            "threshold": self.threshold,
            "lazy_temperature": lazy.value,
            "lazy_log_stderr": lazy.log_stderr,
            "lazy_status": FEATURE_REGIME if scan.is_feature_regime else lazy.status,
            "optimal_temperature": None if optimum is None else optimum.value,
            "optimal_low68": low,
            "optimal_high68": high,
            "optimal_status": "not measured" if optimum is None else optimum.status,
            "edge_temperature": scan.edge.half,
            "last_whole_temperature": scan.edge.last_whole,
            "remark": "; ".join(message for message in messages if message),
            "noise": noise,
            "lazy": scan.lazy_text(),
            "optimum": minimum,
            "edge": edge,
            "estimates": {
                self.key("T_noise", alpha=alpha): noise,
                scan.lazy.key("T_c", alpha=alpha, **self.settings): scan.lazy_estimate(),
                self.key("T_opt", alpha=alpha): minimum,
                self.key("T_edge", alpha=alpha): edge,
                **{self.step_key(step): step.difference for step in scan.steps},
            },
        }
