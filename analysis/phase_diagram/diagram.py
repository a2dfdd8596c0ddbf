"""The (alpha, T) plane: scans of temperatures at each alpha."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analysis.curves import Curves
from analysis.estimates import Estimate, estimate_from_replicates
from analysis.fits.power_law import PowerLaw
from analysis.key import Key
from analysis.locating.located import CriticalTemperature, CriticalTemperatures
from analysis.locating.minimum import OptimalTemperature
from analysis.phase_diagram.error_steps import ErrorStep
from analysis.phase_diagram.noise_doubling import NoiseDoubling
from analysis.phase_diagram.stability_edge import StabilityEdge
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
        for scan in self.scans:
            alpha = scan.alpha
            found[self.key("T_noise", alpha=alpha)] = scan.noise.estimate()
            found[scan.lazy.key("T_c", alpha=alpha, **self.settings)] = scan.lazy_estimate()
            if scan.optimum is not None:
                found[self.key("T_opt", alpha=alpha)] = scan.optimum.estimate()
            found[self.key("T_edge", alpha=alpha)] = scan.edge.estimate()
            found |= {self.step_key(step): step.difference for step in scan.steps}
        return {key: estimate for key, estimate in found.items() if estimate is not None}
