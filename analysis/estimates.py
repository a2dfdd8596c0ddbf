"""A number, its error, and how it came about: the only form in which results are reported.

Errors come from the cluster bootstrap: a seed fixes data set and initial weights at all sizes and
temperatures, so seeds are resampled as whole units and everything is recomputed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from analysis.arrays import FloatArray


@dataclass(frozen=True)
class Estimate:
    """An estimated number.

    Examples
    --------
    >>> print(Estimate(0.3331, 0.0062, (0.321, 0.345), 32, "exponent", "P = 64..1024"))
    0.333(6)
    """

    value: float
    """Best estimate from all data."""
    stderr: float | None
    """Standard error (68 %), or None where the data give none."""
    interval95: tuple[float, float] | None
    """95 % interval, or None where the data give none."""
    n: int
    """Number of independent replicas (seeds)."""
    definition: str
    """What the number is."""
    fit_range: str
    """The sizes and temperatures it was taken from."""

    def __str__(self) -> str:
        return format_value(self.value, self.stderr)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON; ten digits, null for what is unknown."""
        interval = self.interval95
        return {
            "value": json_number(self.value),
            "stderr": json_number(self.stderr),
            "interval95": None if interval is None else [json_number(x) for x in interval],
            "n": self.n,
            "definition": self.definition,
            "fit_range": self.fit_range,
        }


def json_number(value: float | None) -> float | None:
    """Return `value` to ten significant digits, None if it is not finite (JSON has no NaN)."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.10g}")


def format_value(value: float, stderr: float | None) -> str:
    """Write value and standard error as ``value(error)``.

    The error has one digit, two if the first of them is 1, and counts in the last digit of the
    value. Powers of ten are set apart below 0.001 and from a million on.

    >>> format_value(0.3331, 0.0062), format_value(4.94, 0.21), format_value(0.384, 0.0123)
    ('0.333(6)', '4.9(2)', '0.384(12)')
    >>> format_value(1234.0, 56.0), format_value(4.7e-6, 2e-7), format_value(0.5, None)
    ('1230(60)', '4.7(2)e-06', '0.5')
    >>> format_value(-0.00099, 0.0007), format_value(-0.00094, 0.0007)
    ('-0.0010(7)', '-9(7)e-04')
    """
    if stderr is None or not math.isfinite(stderr) or stderr <= 0 or not math.isfinite(value):
        return f"{value:.4g}"
    # Numbers of numpy have another repr, which decimals do not read.
    value, (shown, last) = float(value), _shown_digits(float(stderr))
    rounded = round(value, -last) + 0.0  # no minus sign before a zero
    # What is printed decides, so that 0.00099 rounded to 0.001 is not written as ten 1e-4.
    magnitude = max(abs(rounded), float(f"{shown}e{last}"))
    if 1e-3 <= magnitude < 1e6:
        return _in_units_of(0, rounded, shown, last)
    power = _power_of_ten(magnitude)
    return f"{_in_units_of(power, rounded, shown, last)}e{power:+03d}"


def format_interval(value: float, stderr: float | None, ends: Sequence[float]) -> str:
    """Write an interval with the digits that the standard error allows.

    >>> format_interval(0.4051, 0.0143, (0.3598, 0.4506))
    '[0.360, 0.451]'
    >>> format_interval(1300, 1100, (0.0, 3.7e24))
    '[0, 3.7e+24]'
    """
    shown = [format_value(end, stderr) for end in ends]
    texts = [text.split("(")[0] for text in shown]
    # Behind the brackets of one of them stands a power of ten.
    if any("e" in text for text in (format_value(value, stderr), *shown)):
        texts = [f"{end:.3g}" for end in ends]
    return f"[{', '.join(texts)}]"


def interval_text(estimate: Estimate | None) -> str:
    """Return ``[0.321, 0.345]`` with the digits that the error allows, or nothing."""
    if estimate is None or estimate.interval95 is None:
        return ""
    return format_interval(estimate.value, estimate.stderr, estimate.interval95)


def _shown_digits(stderr: float) -> tuple[int, int]:
    """Return the digits of an error as a whole number, and the power of ten of the last one."""
    power = _power_of_ten(stderr)
    leading = float(Decimal(repr(stderr)).scaleb(-power))
    if leading >= 9.5:
        return 10, power
    if leading < 1.95:
        return round(10 * leading), power - 1
    return round(leading), power


def _power_of_ten(number: float) -> int:
    return Decimal(repr(number)).adjusted()


def _in_units_of(power: int, value: float, shown: int, last: int) -> str:
    number, decimals = Decimal(repr(value)).scaleb(-power), power - last
    if decimals <= 0:
        return f"{number:.0f}({shown * 10**-decimals})"
    return f"{number:.{decimals}f}({shown})"


def resampling_weights(
    n_clusters: int, n_bootstrap: int, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """How often each cluster is drawn in each bootstrap sample.

    Returns
    -------
    array, shape (n_bootstrap, n_clusters)
        Counts; every row sums to `n_clusters`.
    """
    probabilities = np.full(n_clusters, 1.0 / n_clusters)
    return rng.multinomial(n_clusters, probabilities, size=n_bootstrap).astype(float)


def bootstrap_stderr(replicates: FloatArray, n_clusters: int) -> float | None:
    """Standard error sqrt(S/(S-1)) sd(replicates) from S resampled clusters.

    The factor repairs the variance that resampling S clusters with replacement loses. None for a
    single cluster, or when fewer than half of the replicates exist.
    """
    finite = replicates[np.isfinite(replicates)]
    if n_clusters < 2 or finite.size < max(2, replicates.size / 2):
        return None
    return float(np.std(finite, ddof=1) * math.sqrt(n_clusters / (n_clusters - 1)))


def student_factor(n_clusters: int) -> float:
    """t_{.975, S-1}: half width of the 95 % interval in standard errors for S clusters.

    Plain percentiles cover 80 % instead of 95 % with four seeds; this factor covers 94-98 %.
    """
    return float(special.stdtrit(n_clusters - 1, 0.975))


def estimate_from_replicates(
    value: float,
    replicates: FloatArray,
    n_clusters: int,
    *,
    definition: str,
    fit_range: str,
    logarithmic: bool = False,
) -> Estimate:
    """Build an :class:`Estimate` from a value and its bootstrap replicates.

    Parameters
    ----------
    value
        Best estimate from all data.
    replicates : shape (n_bootstrap,)
        The same number recomputed on resampled clusters; its logarithm if `logarithmic`.
    n_clusters
        Number of clusters S that were resampled.
    logarithmic
        Whether the error is symmetric in the logarithm, as for a temperature.
    """
    error = bootstrap_stderr(replicates, n_clusters)
    return estimate_from_error(
        value,
        error,
        n_clusters - 1,
        n_clusters,
        definition=definition,
        fit_range=fit_range,
        logarithmic=logarithmic,
    )


def estimate_from_error(
    value: float,
    error: float | None,
    dof: int,
    n: int,
    *,
    definition: str,
    fit_range: str,
    logarithmic: bool = False,
) -> Estimate:
    """Build an :class:`Estimate` from a standard error with `dof` degrees of freedom.

    The error is that of the logarithm if `logarithmic`; None gives no interval.
    """
    if error is None:
        return Estimate(value, None, None, n, definition, fit_range)
    half = float(special.stdtrit(dof, 0.975)) * error
    if not logarithmic:
        return Estimate(value, error, (value - half, value + half), n, definition, fit_range)
    # Two seeds give t = 12.7: beyond e^50 the interval is all positive numbers anyway.
    factor = math.exp(min(half, 50.0))
    return Estimate(
        value, value * error, (value / factor, value * factor), n, definition, fit_range
    )


def jackknife_stderr(left_out: Sequence[float]) -> float | None:
    """Return the standard error from the values without each seed; None for fewer than two.

    >>> round(jackknife_stderr([2.0, 2.5, 3.0]), 4)
    0.5774
    """
    n = len(left_out)
    if n < 2 or not all(math.isfinite(value) for value in left_out):
        return None
    return math.sqrt((n - 1) * float(np.var(left_out)))


def resampled_means(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Weighted means over what is finite, shape (n_bootstrap, ...); values are (..., seed)."""
    known = np.isfinite(values)
    flat = (-1, values.shape[-1])
    sums = weights @ np.where(known, values, 0.0).reshape(flat).T
    counts = weights @ known.reshape(flat).T.astype(float)
    return _ratio(sums, counts).reshape(len(weights), *values.shape[:-1])


def mean_over_runs(values: FloatArray) -> FloatArray:
    """Mean over the last axis of what is finite; NaN where nothing is."""
    known = np.isfinite(values)
    return _ratio(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1).astype(float))


def stderr_over_runs(values: FloatArray) -> FloatArray:
    """Standard error of :func:`mean_over_runs`; NaN for fewer than two values."""
    known = np.isfinite(values)
    n = known.sum(axis=-1).astype(float)
    deviations = np.where(known, values - mean_over_runs(values)[..., None], 0.0)
    variance = _ratio((deviations**2).sum(axis=-1), n - 1)
    return np.sqrt(_ratio(variance, n))


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    result = np.full(np.shape(numerator), np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result
