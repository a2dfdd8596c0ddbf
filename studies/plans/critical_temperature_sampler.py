"""Find critical temperatures with Optuna: a sampler that measures where curves cross a level.

It needs nothing of ours but the posterior of :mod:`analysis.locating.posterior`, so that it serves
any study whose objective returns the relative weight change of a training.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from analysis.locating.posterior import (
    OPEN,
    Crossing,
    MeasuredCurve,
    crossing_status,
    locate_crossing,
    propose,
)
from search_spaces import InvalidSettingError
from search_spaces.choices import nearest
from search_spaces.numbers import positive_integer, positive_number, significant
from studies.plans.independent import IndependentSampler

Group = tuple[Any, ...]

_MEASURED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class CriticalTemperatureSampler(IndependentSampler):
    """Measure T_lazy(c), where the objective reaches c, in about ten trials per curve.

    The objective returns the relative weight change. A trial that fails, is pruned, or returns
    a value that is not positive and finite counts as diverged: T_c lies below its temperature.

    The next temperature of a curve is a pure function of that curve's own finished trials, in
    the order of their numbers. With ``generation=n`` it uses the trials of completed generations
    of n only, so that n trials of a curve can run at once and the result depends neither on
    their timing nor on the order in which they finish. Several curves never influence each
    other. Whoever asks for more than :meth:`open_slots` gets a sensible temperature at once,
    from whatever has finished by then.

    Parameters
    ----------
    parameter
        Name of the temperature, a float on a logarithmic scale; its ends are the window.
    threshold
        c, the relative weight change to reach.
    group_by
        Names of the parameters that tell curves apart. The objective suggests them before
        `parameter`, or they are fixed by ``enqueue_trial`` or ``ask(fixed_distributions)``. Like
        all other parameters they are drawn at random if left to this sampler.
    tolerance
        Standard deviation of ln T_c at which a curve is located.
    seed
        Seed of the random parameters; each is a function of it, the trial's number and the name.
    generation
        Trials of one curve asked for at once. 1 needs fewest trials.
    max_trials
        Trials after which a curve that is not located is given up.

    Raises
    ------
    InvalidSettingError
        For a threshold or tolerance that is not positive, and for names or distributions that
        do not fit the study.

    Examples
    --------
    >>> def objective(trial):
    ...     n_train = trial.suggest_int("n_train", 128, 128)
    ...     temperature = trial.suggest_float("temperature", 0.001, 10, log=True)
    ...     return 0.1 * temperature * (n_train / 128) ** (1 / 3)
    >>> sampler = CriticalTemperatureSampler(group_by=("n_train",), tolerance=0.1)
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> study = optuna.create_study(sampler=sampler)
    >>> while not sampler.finished(study):
    ...     study.optimize(objective, n_trials=1)
    >>> round(sampler.posterior(study, 128).temperature, 1)
    1.0
    """

    def __init__(
        self,
        parameter: str = "temperature",
        threshold: float = 0.1,
        group_by: Sequence[str] = ("alpha", "n_train"),
        tolerance: float = 0.05,
        seed: int = 0,
        *,
        generation: int = 1,
        max_trials: int = 64,
    ) -> None:
        self.parameter = parameter
        self.threshold = positive_number("threshold", threshold)
        self.group_by = (group_by,) if isinstance(group_by, str) else tuple(group_by)
        self.tolerance = positive_number("tolerance", tolerance)
        self.generation = positive_integer("generation", generation)
        self.max_trials = positive_integer("max_trials", max_trials)
        self._seed = seed
        if parameter in self.group_by:
            raise InvalidSettingError(f"group_by contains the parameter {parameter!r} itself")

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return the curve's next temperature, or any other parameter at random."""
        self._raise_error_if_multi_objective(study)
        if param_name != self.parameter:
            text = f"{self._seed}/{trial.number}/{param_name}"
            seed = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)
            random = optuna.samplers.RandomSampler(seed=seed)
            return random.sample_independent(study, trial, param_name, param_distribution)
        low, high = self._window(param_distribution)
        earlier = [
            t for t in self._curves(study).get(self._group(trial), ()) if t.number < trial.number
        ]
        generation_start = len(earlier) // self.generation * self.generation
        finished = [t for t in earlier[:generation_start] if t.state in _MEASURED]
        log_t = propose(
            self._measured(finished),
            self.threshold,
            (math.log(low), math.log(high)),
            pending=len(earlier) - len(finished),
        )
        return min(max(significant(math.exp(log_t), 6), low), high)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Refuse a study that never asked for the temperature but for a name much like it."""
        if state is not TrialState.COMPLETE or self.parameter in trial.params:
            return
        hint = nearest(self.parameter, trial.params)
        if hint and not self._curves(study):
            raise InvalidSettingError(
                f"parameter={self.parameter!r} was not suggested by trial {trial.number}{hint}"
            )

    def groups(self, study: optuna.Study) -> list[Group]:
        """Return the values of `group_by` of every curve, in the order of their first trial.

        Raises
        ------
        InvalidSettingError
            If trials have finished but none of them has the parameter.
        """
        curves = self._curves(study)
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if complete and not curves:
            names = sorted({name for trial in complete for name in trial.params})
            raise InvalidSettingError(
                f"parameter={self.parameter!r} is in no trial of the study; its parameters are "
                f"{', '.join(names)}{nearest(self.parameter, names)}"
            )
        return list(curves)

    def posterior(self, study: optuna.Study, group: object = ()) -> Crossing | None:
        """Return the posterior of ln T_c of one curve, from all its finished trials.

        Parameters
        ----------
        study
            The study, or a copy of it loaded elsewhere.
        group
            The values of `group_by`: a tuple in that order, a mapping, or the value itself if
            there is only one.

        Returns
        -------
        Crossing or None
            None while no trial of the curve has a value.
        """
        key = self._key(group)
        curves = self.groups(study)
        if key not in curves:
            known = "; ".join(map(str, curves[:8])) or "none yet"
            raise InvalidSettingError(
                f"no trial has {', '.join(self.group_by)} = {key}; the curves are: {known}"
            )
        return locate_crossing(self._measured(self._finished_trials(study, group)), self.threshold)

    def status(self, study: optuna.Study, group: object = ()) -> str:
        """Say whether a curve is located or why it is not, see `analysis.crossing_status`."""
        measured = self._finished_trials(study, group)
        if not measured:
            return OPEN
        low, high = self._window(measured[-1].distributions[self.parameter])
        return crossing_status(
            self._measured(measured),
            self.threshold,
            (math.log(low), math.log(high)),
            self.tolerance,
        )

    def finished(self, study: optuna.Study, group: object = None) -> bool:
        """Whether the curve, or without `group` every curve met so far, needs no more trials.

        A curve is finished when it is located, or out of reach, or has used `max_trials`. Trials
        in flight count for nothing, as they may have been left behind by a killed process.
        """
        if group is None:
            groups = self.groups(study)
            return bool(groups) and all(self.finished(study, g) for g in groups)
        used = len(self._finished_trials(study, group))
        return used >= self.max_trials or self.status(study, group) != OPEN

    def open_slots(self, study: optuna.Study, group: object = ()) -> int:
        """How many trials of the curve may be asked for now without a dependence on timing.

        None while the generation before is incomplete. A trial left running by a killed process
        keeps it so until somebody tells its result or its failure.
        """
        key = self._key(group)
        trials = self._curves(study).get(key, [])
        start = len(trials) // self.generation * self.generation
        if any(t.state not in _MEASURED for t in trials[:start]):
            return 0
        return start + self.generation - len(trials)

    def _window(self, distribution: BaseDistribution) -> tuple[float, float]:
        if not (isinstance(distribution, FloatDistribution) and distribution.log):
            raise InvalidSettingError(
                f"{self.parameter!r} needs a float distribution on a logarithmic scale, "
                f"suggest_float({self.parameter!r}, low, high, log=True); it has {distribution}"
            )
        return distribution.low, distribution.high

    def _group(self, trial: FrozenTrial) -> Group:
        known = _known_parameters(trial)
        missing = [name for name in self.group_by if name not in known]
        if missing:
            others = [name for name in known if name != self.parameter]
            raise InvalidSettingError(
                f"group_by={missing[0]!r} was not suggested before {self.parameter!r} in trial "
                f"{trial.number}; suggested were: {', '.join(others) or 'none'}"
                f"{nearest(missing[0], others)}"
            )
        return tuple(known[name] for name in self.group_by)

    def _curves(self, study: optuna.Study) -> dict[Group, list[FrozenTrial]]:
        """Return the trials that have a temperature, by curve, in the order of their numbers."""
        trials = [t for t in study.get_trials(deepcopy=False) if self.parameter in t.params]
        trials.sort(key=lambda t: t.number)
        curves: dict[Group, list[FrozenTrial]] = {}
        for trial in trials:
            # A trial may have failed, or be running, between its temperature and its group.
            if trial.state is TrialState.COMPLETE or set(self.group_by) <= set(
                _known_parameters(trial)
            ):
                curves.setdefault(self._group(trial), []).append(trial)
        return curves

    def _finished_trials(self, study: optuna.Study, group: object) -> list[FrozenTrial]:
        self.groups(study)
        trials = self._curves(study).get(self._key(group), [])
        return [t for t in trials if t.state in _MEASURED]

    def _key(self, group: object) -> Group:
        if isinstance(group, Mapping):
            missing = [name for name in self.group_by if name not in group]
            if missing or len(group) != len(self.group_by):
                raise InvalidSettingError(
                    f"a group has the names {', '.join(self.group_by)}, not {', '.join(group)}"
                )
            return tuple(group[name] for name in self.group_by)
        return tuple(group) if isinstance(group, (tuple, list)) else (group,)

    def _measured(self, finished: Sequence[FrozenTrial]) -> MeasuredCurve:
        return MeasuredCurve.of(
            [t.params[self.parameter] for t in finished],
            [t.value if t.state is TrialState.COMPLETE else None for t in finished],
        )


def _known_parameters(trial: FrozenTrial) -> dict[str, Any]:
    """Return the values that parameters have, or will have because they were enqueued."""
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}
