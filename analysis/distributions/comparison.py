"""Stable against Gaussian against Student t, one parameter at a time.

A stable law nests the Gaussian, so a smaller Kolmogorov-Smirnov distance proves nothing: it
happens on 40 % of Gaussian samples. The decision is AIC: *heavy* iff AIC_G - AIC_S > 4, which
calls less than 1 % of Gaussian samples heavy. Heavy is not stable: Student t, Laplace and
Gaussian mixtures win as well, hence the Student likelihood and the stability gap beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt
from scipy import special

from analysis.arrays import FloatArray
from analysis.distributions.columns import Columns, blocks, screen_columns
from analysis.distributions.stable import as_matrix, fit_ecf, fit_mcculloch
from analysis.distributions.stable_table import stable_table
from analysis.distributions.student import fit_student

HEAVY = 4.0
"""Advantage in AIC of the stable law over the Gaussian beyond which noise counts as heavy."""
CRITICAL_DISTANCE = 1.36
"""KS_S beyond this over sqrt(n): the stable law does not fit either."""


@dataclass(frozen=True)
class LawComparison:
    """Fits and distances per column, shape (k,) each; NaN where the column was excluded."""

    tail_index: FloatArray = field(repr=False)
    """Characteristic-function regression."""
    scale: FloatArray = field(repr=False)
    """Scale of the stable law."""
    tail_index_mcculloch: FloatArray = field(repr=False)
    """Quantile estimate, the second opinion."""
    tail_index_even: FloatArray = field(repr=False)
    """Regression on even rows alone."""
    tail_index_odd: FloatArray = field(repr=False)
    """Regression on odd rows alone."""
    ks_stable: FloatArray = field(repr=False)
    """Largest distance of the empirical from the fitted stable distribution."""
    ks_gaussian: FloatArray = field(repr=False)
    """The same for the Gaussian."""
    delta_aic: FloatArray = field(repr=False)
    """AIC of the Gaussian minus that of the stable law, 2 dLL - 2."""
    heldout_z: FloatArray = field(repr=False)
    """Two-fold held-out gain of the stable law in standard errors."""
    student_dof: FloatArray = field(repr=False)
    """Degrees of freedom of the Student fit, at most 1000."""
    student_gain: FloatArray = field(repr=False)
    """Log-likelihood of the Student law minus that of the stable law."""
    excess_kurtosis: FloatArray = field(repr=False)
    """Fourth cumulant over squared variance."""
    n_samples: int
    """Minibatches n."""
    columns: Columns = field(repr=False)
    """Which columns were excluded, and why."""

    @property
    def heavy(self) -> npt.NDArray[np.bool_]:
        """Columns whose noise is heavier than Gaussian; False where excluded."""
        decided: npt.NDArray[np.bool_] = self.delta_aic > HEAVY
        return decided

    @property
    def stability_gap(self) -> FloatArray:
        """|regression - quantile estimate|, zero for stable data up to errors."""
        gap: FloatArray = np.abs(self.tail_index - self.tail_index_mcculloch)
        return gap

    @property
    def neither_fits(self) -> npt.NDArray[np.bool_]:
        """Columns where the stable law is rejected as well."""
        rejected: npt.NDArray[np.bool_] = self.ks_stable > CRITICAL_DISTANCE / np.sqrt(
            self.n_samples
        )
        return rejected

    @property
    def counts(self) -> dict[str, int]:
        """Columns used and excluded, by reason."""
        return self.columns.counts


def compare_laws(samples: npt.ArrayLike) -> LawComparison:
    """Fit stable, Gaussian and Student laws to every column and compare them.

    The stable law has median, regression index and scale plugged in, which makes the decision
    slightly conservative.

    Parameters
    ----------
    samples : shape (n, k)
        Row b is minibatch b, column j is parameter j.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> both = np.column_stack([rng.standard_normal(2000), rng.standard_t(3, 2000)])
    >>> compare_laws(both).heavy.tolist()
    [False, True]

    Raises
    ------
    FitStableLawError
        If the samples are not a matrix of numbers.
    """
    matrix = as_matrix(samples)
    columns = screen_columns(matrix)
    n, k = matrix.shape
    names = [f.name for f in fields(LawComparison) if f.name not in ("n_samples", "columns")]
    values = {name: np.full(k, np.nan) for name in names}
    for chosen in blocks(columns.used, n):
        rows = np.ascontiguousarray(matrix[:, chosen].T, dtype=float)
        for name, value in _compare_rows(rows).items():
            values[name][chosen] = value
    return LawComparison(**values, n_samples=n, columns=columns)


def _compare_rows(rows: FloatArray) -> dict[str, FloatArray]:
    tail_index, scale = fit_ecf(rows)
    ordered = np.sort(rows, axis=1)
    median = np.median(ordered, axis=1)
    mean, sd = rows.mean(axis=1), rows.std(axis=1)
    z = (ordered - median[:, None]) / scale[:, None]
    standard = (ordered - mean[:, None]) / sd[:, None]
    table = stable_table()
    stable = table.log_pdf(z, tail_index).sum(axis=1) - rows.shape[1] * np.log(scale)
    gaussian = -0.5 * rows.shape[1] * (np.log(2 * np.pi * sd**2) + 1)
    student = fit_student(ordered - median[:, None])
    even, odd, heldout_z = _heldout(rows)
    return {
        "tail_index": tail_index,
        "scale": scale,
        "tail_index_mcculloch": fit_mcculloch(rows)[0],
        "tail_index_even": even,
        "tail_index_odd": odd,
        "ks_stable": _distance(table.cdf(z, tail_index)),
        "ks_gaussian": _distance(special.ndtr(standard)),
        "delta_aic": 2 * (stable - gaussian) - 2,
        "heldout_z": heldout_z,
        "student_dof": student.dof,
        "student_gain": student.log_likelihood - stable,
        "excess_kurtosis": (standard**4).mean(axis=1) - 3,
    }


def _heldout(rows: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the index of even and odd rows, and the held-out gain over its standard error."""
    halves = [rows[:, start::2] for start in (0, 1)]
    indices, gains = [], []
    for train, test in (halves, halves[::-1]):
        tail_index, scale = fit_ecf(train)
        median = np.median(train, axis=1)[:, None]
        z = (test - median) / scale[:, None]
        stable = stable_table().log_pdf(z, tail_index) - np.log(scale)[:, None]
        mean, sd = train.mean(axis=1)[:, None], train.std(axis=1)[:, None]
        gaussian = -0.5 * ((test - mean) / sd) ** 2 - np.log(sd * np.sqrt(2 * np.pi))
        indices.append(tail_index)
        gains.append(stable - gaussian)
    gain = np.concatenate(gains, axis=1)
    spread = gain.std(axis=1)
    z_value: FloatArray = np.divide(
        gain.mean(axis=1) * np.sqrt(gain.shape[1]),
        spread,
        out=np.zeros_like(spread),
        where=spread > 0,
    )
    return indices[0], indices[1], z_value


def _distance(cdf: FloatArray) -> FloatArray:
    """Return sup |F_n - F| of sorted rows with distribution values `cdf` (k, n)."""
    n = cdf.shape[1]
    rank = np.arange(n) / n
    distance: FloatArray = np.maximum(cdf - rank, rank + 1 / n - cdf).max(axis=1)
    return distance
