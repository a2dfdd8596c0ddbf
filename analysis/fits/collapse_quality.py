"""How well ragged curves fall on one another when temperature and observable are rescaled.

Two measures of the same thing: the quality S of Houdayer and Hartmann, in units of the errors, and
the mean distance P_b of Bhattacharjee and Seno, which needs none. Both average over the points
that other curves overlap; the number of those points is always returned, since a measure of
distance is easily made small by moving curves apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.arrays import BoolArray, FloatArray, IntArray

SEARCH_BOUNDS = (-0.2, 1.2)
COARSE_STEP = 0.1
FINE_STEP = 0.01
MINIMUM_OVERLAP = 0.6
"""Fraction of the points that other curves must overlap for a minimum to mean anything."""
WIDTH_STEP = 0.05
"""Relative change of a at which the width of the minimum of P_b is read off."""

_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class CollapseData:
    """Curves y(ln T), one per size, on the union of their temperatures; NaN where not measured."""

    log_temperatures: FloatArray
    """ln T in increasing order, shape (T,)."""
    log_sizes: FloatArray
    """ln P, shape (P,)."""
    y: FloatArray
    """Logarithm of the observable, NaN where a curve has no point, shape (P, T)."""
    s: FloatArray
    """Standard error of y, positive where y is finite, shape (P, T)."""

    def __post_init__(self) -> None:
        shape = (len(self.log_sizes), len(self.log_temperatures))
        if self.y.shape != shape or self.s.shape != shape:
            raise ValueError(f"y {self.y.shape} and s {self.s.shape} must have shape {shape}")
        if not (np.diff(self.log_temperatures) > 0).all():
            raise ValueError("temperatures must increase")
        errors = self.s[self.known]
        if not (np.isfinite(errors) & (errors > 0)).all():
            raise ValueError("every point needs a positive error; give an error_floor")

    @property
    def known(self) -> BoolArray:
        """Points that exist, shape (P, T)."""
        return np.isfinite(self.y)

    def residuals(self, a: FloatArray, y: FloatArray | None = None) -> CollapseResiduals:
        """Return the distances of all points from the curves of other sizes at each `a`.

        Parameters
        ----------
        a : shape (A,)
            Exponents of T P^a.
        y : shape (B, P, T), optional
            Resampled curves in place of :attr:`y`; A and B are equal, or one of them is 1.
        """
        curves = self.y[None] if y is None else y
        moments = _Moments.zeros((len(a), *self.y.shape), (len(curves), *self.y.shape))
        for j, log_size in enumerate(self.log_sizes):
            columns = np.flatnonzero(self.known[j])
            # One point brackets nothing.
            if columns.size >= 2:
                position, inside = self._locate(a, j, columns)
                rows = np.arange(len(curves))[:, None, None]
                for k in (columns[position - 1], columns[position]):
                    moments.add(
                        self.log_temperatures[k] - self._abscissae(a, j),
                        inside / self.s[j, k] ** 2,
                        curves[rows, j, k],
                        log_size,
                    )
        own = np.broadcast_to(self.log_sizes[:, None], self.y.shape)
        return moments.residuals(curves, own, self.s, self.known)

    def distance(self, a: FloatArray, g: float) -> tuple[FloatArray, FloatArray]:
        """Return P_b and the fraction of points overlapped at each `a`; see bhattacharjee_seno.

        Parameters
        ----------
        a : shape (A,)
        g
            Exponent of P in the observable.

        Returns
        -------
        distance, fraction : shape (A,)
        """
        z = self.y - g * self.log_sizes[:, None]
        total, terms = np.zeros(len(a)), np.zeros(len(a))
        overlapped = np.zeros((len(a), *self.y.shape), dtype=bool)
        for p in range(len(self.log_sizes)):
            columns = np.flatnonzero(self.known[p])
            if columns.size < 2:
                continue
            _, inside = self._locate(a, p, columns)
            at = self._abscissae(a, p)
            line = np.interp(at, self.log_temperatures[columns], z[p, columns])
            total += np.abs(np.where(inside, z - line, 0.0)).sum(axis=(1, 2))
            terms += inside.sum(axis=(1, 2))
            overlapped |= inside
        return divide(total, terms), overlapped.sum(axis=(1, 2)) / self.known.sum()

    def _abscissae(self, a: FloatArray, j: int) -> FloatArray:
        """ln T at which curve j has the x of every point, shape (A, P, T)."""
        shifts = a[:, None, None] * (self.log_sizes - self.log_sizes[j])[:, None]
        return np.asarray(self.log_temperatures + shifts)

    def _locate(self, a: FloatArray, j: int, columns: IntArray) -> tuple[IntArray, BoolArray]:
        """Upper bracketing position among `columns` of curve j, and whether there is one."""
        at, grid = self._abscissae(a, j), self.log_temperatures[columns]
        position = np.searchsorted(grid, at, side="right").clip(1, columns.size - 1)
        inside = (at >= grid[0]) & (at <= grid[-1]) & self.known
        inside[:, j] = False
        return np.asarray(position), inside


@dataclass
class _Moments:
    """Sums over bracketing points for the straight line through them, abscissae relative to x."""

    k: FloatArray
    kx: FloatArray
    kxx: FloatArray
    ky: FloatArray
    kxy: FloatArray
    kl: FloatArray
    kxl: FloatArray

    @classmethod
    def zeros(cls, geometry: tuple[int, ...], curves: tuple[int, ...]) -> _Moments:
        """Start sums that depend on a alone (`geometry`) or also on y (`curves`)."""
        both = np.broadcast_shapes(geometry, curves)
        shapes = (geometry, geometry, geometry, both, both, geometry, geometry)
        return cls(*(np.zeros(shape) for shape in shapes))

    def add(self, x: FloatArray, weight: FloatArray, y: FloatArray, log_size: float) -> None:
        wx = weight * x
        self.k += weight
        self.kx += wx
        self.kxx += wx * x
        self.ky += weight * y
        self.kxy += wx * y
        # -g ln P is as linear as y, so its line is carried along and g never needs a search.
        self.kl += weight * log_size
        self.kxl += wx * log_size

    def residuals(
        self, y: FloatArray, log_sizes: FloatArray, s: FloatArray, known: BoolArray
    ) -> CollapseResiduals:
        determinant = self.k * self.kxx - self.kx**2
        used = (self.k > 0) & (determinant > 0) & known
        safe = np.where(used, determinant, 1.0)
        line_y = (self.kxx * self.ky - self.kx * self.kxy) / safe
        line_l = (self.kxx * self.kl - self.kx * self.kxl) / safe
        variance = np.where(used, s**2 + self.kxx / safe, 1.0)
        return CollapseResiduals(
            np.where(used, (y - line_y) / np.sqrt(variance), 0.0),
            np.where(used, (log_sizes - line_l) / np.sqrt(variance), 0.0),
            used,
            int(known.sum()),
        )


@dataclass(frozen=True)
class CollapseResiduals:
    """(y - Y)/sqrt(s^2 + var) of every point as ``offset - g * slope``."""

    offset: FloatArray
    """At g = 0, zero where no curve overlaps the point, shape (A, P, T)."""
    slope: FloatArray
    """Its change with -g, shape (A, P, T) or (1, P, T)."""
    used: BoolArray
    """Points that other curves overlap, shape (A, P, T) or (1, P, T)."""
    n_points: int
    """Points of all curves."""

    @property
    def n_used(self) -> IntArray:
        """Points that other curves overlap, shape (A,) or (1,)."""
        return np.asarray(self.used.sum(axis=(1, 2)), dtype=np.int64)

    @property
    def fraction(self) -> FloatArray:
        """The same over the number of points."""
        return np.asarray(self.n_used / self.n_points)

    def quadratic(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Coefficients of S(g) = c0 - 2 c1 g + c2 g^2; NaN where no points overlap."""
        sums = [
            (left * right).sum(axis=(1, 2))
            for left, right in (
                (self.offset, self.offset),
                (self.offset, self.slope),
                (self.slope, self.slope),
            )
        ]
        c0, c1, c2 = (divide(each, self.n_used) for each in sums)
        return c0, c1, c2

    def minimise(self, g: float | None) -> tuple[FloatArray, FloatArray]:
        """Return S and g, each of shape (A,): at the given g, or at the best one if None."""
        c0, c1, c2 = self.quadratic()
        best = divide(c1, c2) if g is None else np.full(c0.shape, g)
        return np.asarray(c0 - 2 * c1 * best + c2 * best**2), best


def divide(numerator: FloatArray, denominator: FloatArray | IntArray) -> FloatArray:
    """Divide; NaN where the denominator is not positive."""
    result = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result


@dataclass(frozen=True)
class CollapseQuality:
    """How well curves collapse at given exponents."""

    value: float
    """S; about 1 if the curves agree within their errors, NaN if none overlap."""
    n_used: int
    """Points that other curves overlap."""
    fraction: float
    """The same over the number of points."""
    a: float
    """Exponent of T P^a."""
    g: float
    """Exponent of y P^-g."""


def collapse_quality(data: CollapseData, a: float = 0.0, g: float | None = 0.0) -> CollapseQuality:
    r"""Return the quality S of the collapse of y - g ln P against ln T + a ln P.

    Every other curve that has points on both sides of x lends its two bracketing points to one
    weighted straight line, whose value and variance at x are Y and var. Then

    .. math:: S = \langle (y - Y)^2 / (s^2 + \mathrm{var}) \rangle

    over the points that at least one other curve overlaps. Curves may have any temperatures.

    Parameters
    ----------
    data
        Curves and their errors.
    a
        Exponent of P in the scaled temperature T P^a.
    g
        Exponent of P in the observable; None takes the value of least S, which is exact because
        S is quadratic in g.

    References
    ----------
    Houdayer & Hartmann, Phys. Rev. B 70, 014418 (2004), doi:
    10.1103/PhysRevB.70.014418; there S averages over points as here.

    Examples
    --------
    >>> t = np.linspace(-4.0, 0.0, 9)
    >>> p = np.log([64.0, 128.0, 256.0])
    >>> y = 0.9 * (t + p[:, None] / 3)
    >>> data = CollapseData(t, p, y, np.full((3, 9), 0.01))
    >>> quality = collapse_quality(data, a=1 / 3)
    >>> round(quality.value, 9), quality.n_used
    (0.0, 25)
    >>> collapse_quality(data).value > 100
    True
    """
    residuals = data.residuals(np.array([a]))
    value, best = residuals.minimise(g)
    return CollapseQuality(
        float(value[0]),
        int(residuals.n_used[0]),
        float(residuals.fraction[0]),
        a,
        float(best[0]),
    )


@dataclass(frozen=True)
class BhattacharjeeSeno:
    """Where the mean distance between curves is least: an estimate of a that needs no errors."""

    a: float
    """Position of the minimum of P_b."""
    width: float | None
    """0.05 a (2 ln[P_b(1.05 a)/P_b(a)])^(-1/2), their estimate of the error; None if undefined."""
    distance: float
    """P_b(a), mean distance in ln y."""
    unscaled: float
    """P_b(0)."""
    fraction: float
    """Fraction of points that other curves overlap at the minimum."""


def bhattacharjee_seno(
    data: CollapseData, g: float = 0.0, bounds: tuple[float, float] = SEARCH_BOUNDS
) -> BhattacharjeeSeno:
    r"""Find the a at which curves, interpolated linearly, are closest to one another.

    .. math:: P_b(a) = \langle |y_j - \mathrm{interp}_p(x_j)| \rangle

    over ordered pairs of curves (j, p) and the points of j within the range of p. The mean, not
    the sum: losing overlap is not rewarded.

    References
    ----------
    Bhattacharjee & Seno, J. Phys. A 34, 6375 (2001), equations (7)-(9), doi:
    10.1088/0305-4470/34/33/302.
    """
    a = float(minimise_over_a(lambda at: data.distance(at, g), 1, bounds)[0])
    distance, fraction = data.distance(np.array([a, (1 + WIDTH_STEP) * a, 0.0]), g)
    width = None
    if distance[0] > 0 and distance[1] > distance[0]:
        width = WIDTH_STEP * abs(a) / math.sqrt(2 * math.log(distance[1] / distance[0]))
    return BhattacharjeeSeno(a, width, float(distance[0]), float(distance[2]), float(fraction[0]))


def minimise_over_a(
    measure: Callable[[FloatArray], tuple[FloatArray, FloatArray]],
    n: int,
    bounds: tuple[float, float] = SEARCH_BOUNDS,
) -> FloatArray:
    """Return the minima of n functions of a: a coarse grid, a fine one, then golden sections.

    Parameters
    ----------
    measure
        Maps a of shape (n,) or (1,) to the measure and to the fraction of points overlapped.
        Coarse positions with less than 60 % overlap count only if there are no others.
    n
        Number of functions, e.g. bootstrap samples.
    """
    low, high = bounds

    def value(at: FloatArray) -> FloatArray:
        return np.asarray(np.nan_to_num(measure(at)[0], nan=np.inf))

    n_coarse = round((high - low) / COARSE_STEP) + 1
    coarse = np.linspace(low, high, n_coarse)
    scan = [measure(coarse[k : k + 1]) for k in range(n_coarse)]
    overlapped = np.array([fraction.max() >= MINIMUM_OVERLAP for _, fraction in scan])
    if overlapped.any():
        coarse, scan = (
            coarse[overlapped],
            [each for each, enough in zip(scan, overlapped, strict=True) if enough],
        )
    values = [np.broadcast_to(np.nan_to_num(each, nan=np.inf), n) for each, _ in scan]
    centre = coarse[np.argmin(values, axis=0)]
    steps = np.arange(-COARSE_STEP, COARSE_STEP + FINE_STEP / 2, FINE_STEP)
    fine = [np.clip(centre + step, low, high) for step in steps]
    chosen = np.argmin([value(at) for at in fine], axis=0)
    best = np.asarray(fine)[chosen, np.arange(n)]
    return _golden_section(
        value, np.maximum(best - FINE_STEP, low), np.minimum(best + FINE_STEP, high)
    )


def _golden_section(
    value: Callable[[FloatArray], FloatArray], low: FloatArray, high: FloatArray
) -> FloatArray:
    """Minima of n functions between `low` and `high`, shape (n,), to a thousandth of the range."""
    c, d = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_c, at_d = value(c), value(d)
    for _ in range(14):
        left = at_c < at_d
        low, high = np.where(left, low, c), np.where(left, d, high)
        kept, at_kept = np.where(left, c, d), np.where(left, at_c, at_d)
        probe = np.where(left, high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
        at_probe = value(probe)
        c, d = np.where(left, probe, kept), np.where(left, kept, probe)
        at_c, at_d = np.where(left, at_probe, at_kept), np.where(left, at_kept, at_probe)
    return np.asarray(np.where(at_c < at_d, c, d))
