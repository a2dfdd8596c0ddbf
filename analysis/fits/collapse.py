"""Do the curves of all sizes become one curve of T P^a? The fit of a, and when there is none.

A minimum of S exists for any set of curves. It counts as a collapse only if the curves agree
within their errors there, still overlap, and the minimum lies inside the range searched.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from analysis.arrays import FloatArray, IntArray
from analysis.curves import Curves, single_law
from analysis.estimates import Estimate, estimate_from_replicates
from analysis.fits.collapse_quality import (
    MINIMUM_OVERLAP,
    SEARCH_BOUNDS,
    BhattacharjeeSeno,
    CollapseData,
    CollapseQuality,
    bhattacharjee_seno,
    collapse_quality,
    minimise_over_a,
)
from analysis.fits.form import size_range
from analysis.table import MeasurementTable

NO_COLLAPSE = "no collapse"
MINIMUM_CURVES = 3
LARGEST_QUALITY = 3.0
"""S above which curves differ by more than their errors allow."""
INTERPOLATION_ERROR = 0.01
"""Error of a straight line between temperatures a quarter of a decade apart, in ln y."""
POOLING = 16.0
"""Weight, in degrees of freedom, of the errors' mean square over temperatures."""
SCAN_STEP = 0.005
BOUND_TOLERANCE = 2e-3

Interval = tuple[float | None, float | None]


@dataclass(frozen=True)
class CollapseFit:
    """The exponents that bring all curves onto one function of T P^a, and what supports them."""

    observable: str
    """The column whose geometric mean was scaled."""
    a: Estimate | None
    """Exponent of T P^a, bootstrap error; None without two curves. To quote if `determined`."""
    g: Estimate | None
    """Exponent of y P^-g; no error where it was given."""
    a_interval: Interval
    """Where S(a) <= S_min + 1 around the minimum; None on a side where the scan ends first."""
    g_interval: Interval
    """The same for g, over all a of `a_interval`; None where g was given."""
    quality: CollapseQuality | None
    """S, points used and their fraction at the minimum."""
    unscaled: CollapseQuality | None
    """The same at a = g = 0."""
    scan_a: FloatArray = field(repr=False)
    """Exponents at which S was evaluated, shape (n,)."""
    scan_quality: FloatArray = field(repr=False)
    """S(a), at the best g for each a where g is free; NaN without overlap, shape (n,)."""
    scan_fraction: FloatArray = field(repr=False)
    """Fraction of points used at each a, shape (n,)."""
    opinion: BhattacharjeeSeno | None
    """a of least mean distance at the same g."""
    data: CollapseData = field(repr=False)
    """The curves in the fit."""
    replicates: FloatArray = field(repr=False)
    """(a, g) of every bootstrap sample, shape (n_bootstrap, 2)."""
    remarks: tuple[str, ...]
    """Reasons for refusal first, then what must accompany the numbers."""
    free_g: bool
    """Whether g was fitted."""
    determined: bool
    """Whether the curves collapse; otherwise the exponents are only the best estimate."""

    @property
    def overlaps(self) -> bool:
        """Whether there are two curves or more that overlap somewhere at the fitted a."""
        return self.quality is not None and math.isfinite(self.quality.value)

    def __str__(self) -> str:
        if not self.determined or self.a is None or self.g is None or self.quality is None:
            return self.remarks[0]
        exponents = f"a = {self.a}" + (f", g = {self.g}" if self.free_g else "")
        return f"{self.observable} collapses: {exponents}, {_quality_text(self.quality)}"

    def summary(self) -> str:
        """Return exponents, intervals, the second opinion and remarks as lines of text."""
        lines = [str(self)]
        if self.a is not None and self.g is not None and self.quality is not None:
            lines.append(f"  a = {self.a}, S + 1 interval {_interval_text(self.a_interval)}")
            if self.free_g:
                lines.append(f"  g = {self.g}, S + 1 interval {_interval_text(self.g_interval)}")
            lines.append(f"  {_quality_text(self.quality)}, {self.a.fit_range}, n = {self.a.n}")
        if self.unscaled is not None:
            lines.append(f"  unscaled: S = {self.unscaled.value:.3g}")
        if self.opinion is not None:
            width = "" if self.opinion.width is None else f" +- {self.opinion.width:.3f}"
            lines.append(
                f"  Bhattacharjee-Seno: a = {self.opinion.a:.3f}{width}, "
                f"P_b = {self.opinion.distance:.3g} (unscaled {self.opinion.unscaled:.3g})"
            )
        return "\n".join([*lines, *(f"  {r}" for r in self.remarks if r != str(self))])


def fit_collapse(
    data: MeasurementTable | Curves,
    observable: str = "relative_weight_change",
    *,
    g: float | None = 0.0,
    temperatures: tuple[float, float] | None = None,
    error_floor: float = INTERPOLATION_ERROR,
    n_bootstrap: int = 200,
    seed: int = 0,
) -> CollapseFit:
    """Fit the exponent a at which ln y - g ln P is one function of ln T + a ln P.

    The quality S (:func:`~analysis.fits.collapse_quality.collapse_quality`) is least at the fitted
    a; a free g takes its exact best value at every a. Errors come from the same fit to resampled
    seeds; the interval S <= S_min + 1 stands beside them.

    Parameters
    ----------
    data
        A table that holds one law, or its curves. Of several batch sizes the smallest is used.
    observable
        A positive quantity; its mean logarithm over fitted runs is scaled.
    g
        Exponent of P in the observable, or None to fit it.
    temperatures
        Lowest and highest temperature in the fit, both included; None takes all.
    error_floor
        Error of interpolation, added in quadrature to the standard errors.
    n_bootstrap, seed
        Number of bootstrap samples and the seed that draws them.

    Raises
    ------
    ReadTableError
        If the table holds several laws or lacks the observable.
    ValueError
        If the window is empty, or the floor negative, or zero where errors are unknown.

    References
    ----------
    Houdayer & Hartmann, Phys. Rev. B 70, 014418 (2004); interval S + 1: Melchert,
    arXiv:0910.5403 (2009).
    """
    curves = data if isinstance(data, Curves) else single_law(data)
    rows, columns = _window(curves, temperatures)
    scaled = _collapse_data(curves, observable, rows, columns, error_floor)
    if len(rows) < 2:
        return _no_fit(observable, scaled)
    best = _minimise(scaled, scaled.y[None], g)[0]
    logs = curves.resampled_log_mean(observable, n_bootstrap, seed)[:, rows][:, :, columns]
    replicates = _minimise(scaled, logs, g)
    estimates = _estimates(best, replicates, curves.n_clusters, observable, g, scaled)
    quality = collapse_quality(scaled, float(best[0]), float(best[1]))
    scan = _Scan.of(scaled, g, quality)
    refusals = _refusals(scaled, quality)
    return CollapseFit(
        observable=observable,
        a=estimates[0],
        g=estimates[1],
        a_interval=scan.a_interval,
        g_interval=scan.g_interval if g is None else (None, None),
        quality=quality,
        unscaled=collapse_quality(scaled),
        scan_a=scan.a,
        scan_quality=scan.quality,
        scan_fraction=scan.fraction,
        opinion=bhattacharjee_seno(scaled, quality.g),
        data=scaled,
        replicates=replicates,
        remarks=(*refusals, *_cautions(curves, scan.a_interval)),
        free_g=g is None,
        determined=not refusals,
    )


def _window(curves: Curves, temperatures: tuple[float, float] | None) -> tuple[IntArray, IntArray]:
    """Positions of the sizes and temperatures with stable cells in the window."""
    low, high = temperatures if temperatures is not None else (0.0, math.inf)
    if not low < high:
        raise ValueError(f"temperatures={temperatures!r} must be (low, high) with low < high")
    # Temperatures carry six digits in tables; a bound typed with fewer must still include them.
    t = curves.temperatures
    cells = curves.stable & (t >= low * (1 - 1e-5)) & (t <= high * (1 + 1e-5))
    return np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))


def _collapse_data(
    curves: Curves, observable: str, rows: IntArray, columns: IntArray, floor: float
) -> CollapseData:
    if not (math.isfinite(floor) and floor >= 0):
        raise ValueError(f"error_floor={floor!r} must be a finite number, zero or larger")
    if not rows.size:
        raise ValueError(
            "no temperature in the window at which 80 % of the runs fitted the data; "
            f"measured are T = {curves.temperatures[0]:.4g} to {curves.temperatures[-1]:.4g}"
        )
    cells = np.ix_(rows, columns)
    log_t = np.log(curves.temperatures)[columns]
    y = np.where(curves.stable, curves.log_mean(observable), np.nan)[cells]
    own = np.where(np.isfinite(y), np.nan_to_num(curves.log_stderr(observable)[cells]), np.nan)
    s = np.hypot(_pooled_errors(own, curves.n_fitted[cells] - 1), floor)
    return CollapseData(log_t, np.log(curves.sizes[rows].astype(float)), y, s)


def _pooled_errors(own: FloatArray, dof: IntArray) -> FloatArray:
    """Errors of each size drawn toward their root mean square over temperatures, shape (P, T).

    An error from four runs is uncertain by 40 %; in S it would weigh as its inverse square, and S
    of a perfect collapse would be 3 instead of 1.
    """
    known = np.isfinite(own)
    square = np.where(known, own**2, 0.0)
    mean = square.sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)
    pooled = (dof * square + POOLING * mean) / (dof + POOLING)
    return np.where(known, np.sqrt(np.maximum(pooled, 0.0)), np.nan)


def _minimise(data: CollapseData, y: FloatArray, g: float | None) -> FloatArray:
    """Return the best (a, g) of every set of curves in y (n, P, T), shape (n, 2)."""

    def measure(a: FloatArray) -> tuple[FloatArray, FloatArray]:
        residuals = data.residuals(a, y)
        return residuals.minimise(g)[0], residuals.fraction

    incomplete = np.isnan(y[:, data.known].sum(axis=1))
    a = minimise_over_a(measure, len(y))
    best = np.column_stack([a, data.residuals(a, y).minimise(g)[1]])
    best[incomplete] = np.nan
    return best


def _estimates(
    best: FloatArray,
    replicates: FloatArray,
    n_clusters: int,
    observable: str,
    g: float | None,
    data: CollapseData,
) -> tuple[Estimate, Estimate]:
    where = _fit_range(data)
    a = estimate_from_replicates(
        float(best[0]),
        replicates[:, 0],
        n_clusters,
        definition=f"exponent a at which {observable} P^-g is a function of T P^a",
        fit_range=where,
    )
    definition = f"exponent g of {observable} P^-g as a function of T P^a"
    if g is not None:
        return a, Estimate(g, None, None, n_clusters, f"{definition}, given", where)
    return a, estimate_from_replicates(
        float(best[1]), replicates[:, 1], n_clusters, definition=definition, fit_range=where
    )


@dataclass(frozen=True)
class _Scan:
    """S along a and where it stays below S_min + 1."""

    a: FloatArray
    quality: FloatArray
    fraction: FloatArray
    a_interval: Interval
    g_interval: Interval

    @classmethod
    def of(cls, data: CollapseData, g: float | None, minimum: CollapseQuality) -> _Scan:
        low, high = SEARCH_BOUNDS
        grid = np.linspace(low, high, round((high - low) / SCAN_STEP) + 1)
        a = np.unique(np.append(grid, minimum.a))
        residuals = data.residuals(a)
        s = residuals.minimise(g)[0]
        level = minimum.value + 1
        # NaN counts as outside: without overlap nothing is known.
        outside = np.flatnonzero(np.logical_not(s <= level))
        at = int(np.searchsorted(a, minimum.a))
        below, above = outside[outside < at], outside[outside > at]
        first = int(below[-1]) + 1 if below.size else 0
        last = int(above[0]) - 1 if above.size else len(a) - 1
        a_interval = (
            _level_crossing(a, s, first - 1, first, level) if below.size else None,
            _level_crossing(a, s, last + 1, last, level) if above.size else None,
        )
        c0, c1, c2 = (each[first : last + 1] for each in residuals.quadratic())
        half = np.sqrt(np.maximum(c1**2 - c2 * (c0 - level), 0.0))
        g_interval = (float(np.min((c1 - half) / c2)), float(np.max((c1 + half) / c2)))
        return cls(a, s, residuals.fraction, a_interval, g_interval)


def _level_crossing(a: FloatArray, s: FloatArray, out: int, inside: int, level: float) -> float:
    """Where S reaches the level between a point outside and its neighbour inside."""
    if not math.isfinite(s[out]):
        return float(a[inside])
    share = (level - s[inside]) / (s[out] - s[inside])
    return float(a[inside] + share * (a[out] - a[inside]))


def _refusals(data: CollapseData, quality: CollapseQuality) -> list[str]:
    n_curves, best = len(data.log_sizes), f"(best estimate a = {quality.a:.2f})"
    reasons = []
    if n_curves < MINIMUM_CURVES:
        reasons.append(
            f"{NO_COLLAPSE}: {n_curves} curves; at least {MINIMUM_CURVES} are needed {best}"
        )
    if not quality.value <= LARGEST_QUALITY:
        reasons.append(
            f"{NO_COLLAPSE}: S = {quality.value:.3g} at its minimum exceeds {LARGEST_QUALITY:g}: "
            f"the curves differ by more than their errors {best}"
        )
    if quality.fraction < MINIMUM_OVERLAP:
        reasons.append(
            f"{NO_COLLAPSE}: only {quality.n_used} of {int(data.known.sum())} points overlap "
            f"other curves at the minimum of S; at least {MINIMUM_OVERLAP:.0%} are needed; widen "
            f"the range of temperatures {best}"
        )
    reasons.extend(
        f"{NO_COLLAPSE}: S is least at the bound a = {bound:g} of the search"
        for bound in SEARCH_BOUNDS
        if abs(quality.a - bound) < BOUND_TOLERANCE
    )
    return reasons


def _cautions(curves: Curves, interval: Interval) -> list[str]:
    cautions = []
    if None in interval:
        cautions.append(
            "S stays within 1 of its minimum up to the end of the search: a is not bounded on "
            "that side"
        )
    if curves.n_clusters < 2:
        cautions.append(
            "insufficient seeds: with one replica S is in units of error_floor and a has no error"
        )
    return cautions


def _fit_range(data: CollapseData) -> str:
    sizes = np.rint(np.exp(data.log_sizes)).astype(np.int64)
    low, high = np.exp(data.log_temperatures[[0, -1]])
    return f"{size_range(sizes)}, T = {low:.3g}..{high:.3g} ({int(data.known.sum())} means)"


def _quality_text(quality: CollapseQuality) -> str:
    return f"S = {quality.value:.3g} from {quality.fraction:.0%} of the points"


def _interval_text(interval: Interval) -> str:
    low, high = ("?" if end is None else f"{end:.3f}" for end in interval)
    return f"[{low}, {high}]"


def _no_fit(observable: str, data: CollapseData) -> CollapseFit:
    remark = f"{NO_COLLAPSE}: {len(data.log_sizes)} curve; at least {MINIMUM_CURVES} are needed"
    return CollapseFit(
        observable=observable,
        a=None,
        g=None,
        a_interval=(None, None),
        g_interval=(None, None),
        quality=None,
        unscaled=None,
        scan_a=np.empty(0),
        scan_quality=np.empty(0),
        scan_fraction=np.empty(0),
        opinion=None,
        data=data,
        replicates=np.empty((0, 2)),
        remarks=(remark,),
        free_g=False,
        determined=False,
    )
