"""From a table of trained perceptrons to exponents and verdicts against theory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from analysis.claims import Light
from analysis.perceptron_exponents.claims import judge, lights, windows
from analysis.perceptron_exponents.laws import PerceptronLaws, fit_laws
from analysis.result import JoinedResult, runs_line
from analysis.table import MeasurementTable, ReadTableError

COLUMNS = (
    "chi", "input_dim", "batch_size", "weight_norm", "signal", "signal_to_noise",
    "n_presentations", "n_updates", "learning_rate",
)  # fmt: skip
"""Columns that a table of perceptrons has beside those of every table."""


class PerceptronResult(JoinedResult[PerceptronLaws]):
    """The laws of every chi and d of a table."""

    @property
    def laws(self) -> tuple[PerceptronLaws, ...]:
        """One per combination of settings."""
        return self.parts

    @property
    def lights(self) -> dict[str, tuple[Light, ...]]:
        """Whether the numbers lie in their windows, by label."""
        return {law.label: lights(law) for law in self.parts}

    def summary(self) -> str:
        """Return headline, exponents and verdicts as text for a terminal."""
        lines = [self.headline(), ""]
        lines += [
            f"  {key:<32} {estimate!s:<12} {estimate.fit_range}"
            for law in self.laws
            for key, estimate in law.estimates().items()
            if not key.has("n_train")
        ]
        lines += [""]
        lines += [f"  {key}: {verdict.status}" for key, verdict in self.verdicts.items()]
        return "\n".join([*lines, "", runs_line(self.counts)])


def _answer(law: PerceptronLaws) -> str:
    """Return gamma, b and the law during training in one line."""
    if law.sizes is None:
        return ""
    theory, sizes = law.theory, law.sizes
    parts = [
        f"gamma = {sizes.signal_to_noise.slope} from w_1/w_perp, "
        f"{sizes.weight_norm.slope} from ||w|| (theory {theory.gamma:.3g})",
        f"b = {sizes.training_time.slope} ({theory.b:.3g})",
    ]
    if law.trajectory is not None and law.trajectory.exponent is not None:
        parts.append(f"y = {law.trajectory.exponent} ({theory.trajectory:.3g})")
    return "; ".join(parts)


def _exponents(laws: Sequence[PerceptronLaws]) -> pd.DataFrame:
    """Return theory, window and measurement of every tested number as a table for scripts."""
    rows = [
        {
            "law": law.label,
            "quantity": name,
            "theory": window.theory,
            "low": window.low,
            "high": window.high,
            "value": window.estimate.value,
            "stderr": window.estimate.stderr,
            "n": window.estimate.n,
            "fit_range": window.estimate.fit_range,
        }
        for law in laws
        for name, window in windows(law).items()
    ]
    columns = ["law", "quantity", "theory", "low", "high", "value", "stderr", "n", "fit_range"]
    return pd.DataFrame(rows, columns=columns)


def analyse_perceptron(
    table: MeasurementTable, *, n_bootstrap: int = 1000, seed: int = 0
) -> PerceptronResult:
    """Measure gamma, b, delta, B*, T_noise and the law during training of every chi in a table.

    Raises
    ------
    ReadTableError
        If a column that only perceptrons have is missing.
    """
    _check_columns(table.frame.columns)
    groups = table.groups(without=("batch_size",))
    laws = tuple(fit_laws(group, n_bootstrap=n_bootstrap, seed=seed) for group in groups)
    return PerceptronResult.join(
        table,
        laws,
        n_bootstrap,
        judge=judge,
        answer=_answer,
        unanswered="exponents not determined: no chi has four sizes P >= 4 d at one T >= 30/alpha",
        numbers={"lights": {law.label: [vars(light) for light in lights(law)] for law in laws}},
        tables={"exponents.csv": _exponents(laws)},
    )


def _check_columns(columns: Iterable[str]) -> None:
    missing = [name for name in COLUMNS if name not in set(columns)]
    if missing:
        raise ReadTableError(
            f"the table lacks the column{'s' if len(missing) > 1 else ''} "
            f"{', '.join(repr(name) for name in missing)} of trained perceptrons"
        )
