"""From a table of trained perceptrons to exponents and verdicts against theory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from analysis.claims import Light, Verdict
from analysis.key import Key
from analysis.perceptron_exponents.claims import judge, lights
from analysis.perceptron_exponents.laws import PerceptronLaws, fit_laws
from analysis.result import JoinedResult, runs_line
from analysis.table import MeasurementTable, ReadTableError

COLUMNS = (
    "chi", "input_dim", "batch_size", "weight_norm", "signal", "signal_to_noise",
    "n_presentations", "n_updates", "learning_rate",
)  # fmt: skip
"""Columns that a table of perceptrons has beside those of every table."""


@dataclass(frozen=True)
class PerceptronResult(JoinedResult[PerceptronLaws]):
    """The laws of every chi and d of a table."""

    table: MeasurementTable = field(repr=False)
    """The data."""
    laws: tuple[PerceptronLaws, ...]
    """One per combination of settings."""
    n_bootstrap: int
    """Bootstrap samples behind every error."""

    @property
    def parts(self) -> tuple[PerceptronLaws, ...]:
        """The laws."""
        return self.laws

    def judge_part(self, part: PerceptronLaws) -> dict[Key, Verdict]:
        """Return the verdicts on one chi and d by key, e.g. ``gamma_snr[chi=1]``."""
        return judge(part)

    def answer_of(self, part: PerceptronLaws) -> str:
        """Return gamma, b and the law during training in one line."""
        return "" if part.sizes is None else _headline(part)

    @property
    def lights(self) -> dict[str, tuple[Light, ...]]:
        """Whether the numbers lie in their windows, by label."""
        return {law.label: lights(law) for law in self.laws}

    def headline(self) -> str:
        """Return the answers, or why there is none."""
        return super().headline() or (
            "exponents not determined: no chi has four sizes P >= 4 d at one T >= 30/alpha"
        )

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

    def more_numbers(self) -> dict[str, Any]:
        """Return the lights of every law."""
        return {
            "lights": {
                label: [vars(light) for light in lights_] for label, lights_ in self.lights.items()
            },
        }


def _headline(law: PerceptronLaws) -> str:
    assert law.sizes is not None
    theory, sizes = law.theory, law.sizes
    parts = [
        f"gamma = {sizes.signal_to_noise.slope} from w_1/w_perp, "
        f"{sizes.weight_norm.slope} from ||w|| (theory {theory.gamma:.3g})",
        f"b = {sizes.training_time.slope} ({theory.b:.3g})",
    ]
    if law.trajectory is not None and law.trajectory.exponent is not None:
        parts.append(f"y = {law.trajectory.exponent} ({theory.trajectory:.3g})")
    return f"{law.label}: {'; '.join(parts)}"


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
    return PerceptronResult(
        table,
        tuple(fit_laws(group, n_bootstrap=n_bootstrap, seed=seed) for group in groups),
        n_bootstrap,
    )


def _check_columns(columns: Iterable[str]) -> None:
    missing = [name for name in COLUMNS if name not in set(columns)]
    if missing:
        raise ReadTableError(
            f"the table lacks the column{'s' if len(missing) > 1 else ''} "
            f"{', '.join(repr(name) for name in missing)} of trained perceptrons"
        )
