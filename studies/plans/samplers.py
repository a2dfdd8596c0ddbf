"""Optuna's side of a search: distributions of the axes, samplers, and what they ask for."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from search_spaces import InvalidSettingError, ListAxis, LogAxis, SearchSpace
from search_spaces.choices import ACTIVATIONS, DATA, LOSSES, MODELS
from studies.contracts import Configuration
from studies.ledger.base import Ledger
from studies.plans.independent import IndependentSampler
from studies.specs.spec import StudySpec
from studies.units import CPU, Pack, Unit

GENERATION = 8
"""Trials asked at once of an adaptive sampler; fixed, so that results do not depend on timing."""

SEARCH = "search"
"""User attribute of a trial: which of several searches asked for it."""

_NAMES = {"data": DATA, "model": MODELS, "loss": LOSSES, "activation": ACTIVATIONS}
_MAIN = ("n_train", "temperature", "batch_size", "alpha")


def planned_distributions(points: Sequence[Configuration]) -> dict[str, BaseDistribution]:
    """Return one distribution per main axis and per other setting that varies over `points`."""
    values: dict[str, dict[Any, None]] = {}
    counts: Counter[str] = Counter()
    for point in points:
        settings = {k: v for k, v in point.to_dict().items() if isinstance(v, str | int | float)}
        counts.update(settings.keys())
        for name, value in settings.items():
            values.setdefault(name, {})[value] = None
    # Only what every point has, and what a distribution can hold.
    held = [name for name in values if counts[name] == len(points)]
    main = [name for name in _MAIN if name in held]
    varying = [name for name in held if len(values[name]) > 1]
    return {name: _spanning(name, list(values[name])) for name in dict.fromkeys((*main, *varying))}


def _spanning(name: str, values: list[Any]) -> BaseDistribution:
    # Names of trainings; an experiment may know others under the same setting.
    if set(values) <= set(_NAMES.get(name, ())):
        return CategoricalDistribution(_NAMES[name])
    if any(isinstance(value, str | bool) for value in values):
        return CategoricalDistribution(tuple(dict.fromkeys(values)))
    low, high = min(values), max(values)
    if all(isinstance(value, int) for value in values):
        return IntDistribution(low, high, log=low > 0)
    return FloatDistribution(low, high, log=low > 0)


def asked_distributions(space: SearchSpace, sampler: str) -> dict[str, BaseDistribution]:
    """Return the distribution of every axis of the space that a sampler has to choose."""
    axes = dict(space.axes)
    if space.window is not None:
        axes["temperature"] = _window_axis(space)
    distributions: dict[str, BaseDistribution] = {}
    for name, axis in axes.items():
        if isinstance(axis, LogAxis) and axis.is_integer:
            distributions[name] = IntDistribution(int(axis.low), int(axis.high), log=True)
        elif isinstance(axis, LogAxis):
            distributions[name] = FloatDistribution(axis.low, axis.high, log=True)
        elif len(axis.values()) > 1:
            distributions[name] = CategoricalDistribution(axis.values())
    if not distributions:
        raise InvalidSettingError(
            f"sampler={sampler} has nothing to choose; give an axis a range, "
            "for example temperature=log(0.01, 1)"
        )
    return distributions


def _window_axis(space: SearchSpace) -> LogAxis:
    axes = space.axes
    windows = [
        space.window_temperatures(alpha, depth, batch_size)
        for alpha in axes["alpha"].values()
        for depth in axes["depth"].values()
        for batch_size in _batch_sizes(space)
    ]
    return LogAxis(low=min(w[0] for w in windows), high=max(w[-1] for w in windows))


def _batch_sizes(space: SearchSpace) -> set[int]:
    """Return the batch sizes at the ends of the axes that give them."""
    axis = "active_fraction" if "active_fraction" in space.axes else "batch_size"
    return {
        space.batch_size_of({axis: value, "n_train": n_train})
        for value in space.axes[axis].values()
        for n_train in space.axes["n_train"].values()
    }


def make_sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    """Return the sampler named `sobol`, `random`, `tpe`, or by the dotted path of its class.

    Raises
    ------
    InvalidSettingError
        If the dotted path cannot be imported or is no Optuna sampler.
    """
    if name == "sobol":
        # scipy.stats takes half a second to import, which no other sampler needs.
        from studies.plans.sobol import SobolSampler

        return SobolSampler(seed=seed)
    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if name == "tpe":
        return optuna.samplers.TPESampler(seed=seed)
    module_name, _, class_name = name.rpartition(".")
    try:
        sampler_class: Any = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise InvalidSettingError(f"sampler={name!r} cannot be imported: {error}") from None
    if not (
        inspect.isclass(sampler_class) and issubclass(sampler_class, optuna.samplers.BaseSampler)
    ):
        raise InvalidSettingError(f"sampler={name!r} is not an optuna.samplers.BaseSampler")
    given = {"seed": seed} if "seed" in inspect.signature(sampler_class).parameters else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            sampler: optuna.samplers.BaseSampler = sampler_class(**given)
        except TypeError as error:
            raise InvalidSettingError(
                f"sampler={name!r} cannot be made without arguments: {error}"
            ) from None
    return sampler


def check_sampler(spec: StudySpec) -> None:
    """Raise InvalidSettingError unless the sampler of `spec` can search its space.

    It is asked for one point in memory, since some samplers refuse a distribution only then.
    """
    searched = [asked_distributions(s, spec.sampler) for s in spec.searches().values()]
    sampler = make_sampler(spec.sampler, spec.sampler_seed)
    try:
        for distributions in searched:
            optuna.create_study(sampler=sampler).ask(fixed_distributions=distributions)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise InvalidSettingError(
            f"sampler={spec.sampler} cannot search this space: {reason}"
        ) from None


class _Search:
    """One space that a sampler searches by itself: it sees the trials of this space only."""

    def __init__(self, name: str, space: SearchSpace, spec: StudySpec, ledger: Ledger) -> None:
        self.name = name
        self._space = space
        self._spec = spec
        self._ledger = ledger
        self._alone = spec.search_each is None
        self.distributions = asked_distributions(space, spec.sampler)
        self.asked = len(self._trials())

    def _trials(self) -> list[FrozenTrial]:
        trials = self._ledger.trials()
        if self._alone:
            return trials
        return [trial for trial in trials if trial.user_attrs.get(SEARCH) == self.name]

    def owns(self, trial: FrozenTrial) -> bool:
        """Whether a trial belongs to this search and was asked completely."""
        mine = self._alone or trial.user_attrs.get(SEARCH) == self.name
        return mine and set(self.distributions) <= set(trial.params)

    def ask(self) -> Unit | None:
        """Ask for the next configuration; None if it cannot be trained, which is recorded."""
        if self._alone:
            sampler = make_sampler(self._spec.sampler, self._seed())
        else:
            sampler = _Chosen(self._proposal())
        attrs = {} if self._alone else {SEARCH: self.name}
        trial = self._ledger.ask(sampler, self.distributions, attrs)
        self.asked += 1
        try:
            return self.unit(trial.number, trial.params)
        except InvalidSettingError as error:
            self._ledger.close_trial(trial.number, TrialState.PRUNED, str(error))
            return None

    def _proposal(self) -> dict[str, Any]:
        """Ask the sampler in a study that holds nothing but this search."""
        sampler = make_sampler(self._spec.sampler, self._seed())
        own = optuna.create_study(sampler=sampler)
        own.add_trials(self._trials())
        return own.ask(fixed_distributions=self.distributions).params

    def _seed(self) -> int:
        """Return a new seed for every trial; Sobol points are one sequence with one seed."""
        if self._spec.sampler == "sobol":
            return self._spec.sampler_seed
        place = f"{self.asked}" if self._alone else f"{self.name}/{self.asked}"
        text = f"{self._spec.sampler_seed}/{place}"
        return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)

    def unit(self, number: int, params: dict[str, Any]) -> Unit:
        """Return a trial of this search as a unit of work."""
        fixed = {
            name: axis.values()[0]
            for name, axis in self._space.axes.items()
            if isinstance(axis, ListAxis) and len(axis.values()) == 1
        }
        point = self._space.point({**fixed, **params})
        return Unit(point, tuple(self._space.seeds), trial=number)


class _Chosen(IndependentSampler):
    """Gives a trial the parameters that were chosen elsewhere."""

    def __init__(self, params: dict[str, Any]) -> None:
        self._params = params

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._params[param_name]


class AskedWork:
    """Configurations that an Optuna sampler asks for, in generations.

    With `search_each`, every value of that axis is a search of its own, and the searches take
    turns. Trials left running by a killed driver are trained again under their own number, and an
    unfinished generation is completed first, so that a restart asks for the same points.
    """

    def __init__(self, spec: StudySpec, ledger: Ledger) -> None:
        if spec.n_trials is None:
            raise InvalidSettingError(f"sampler={spec.sampler} needs n_trials")
        self._ledger = ledger
        self._searches = [
            _Search(name, space, spec, ledger) for name, space in spec.searches().items()
        ]
        self._n_trials = spec.n_trials * len(self._searches)
        adaptive = spec.sampler not in ("sobol", "random")
        self._generation = GENERATION * len(self._searches) if adaptive else self._n_trials
        self._outstanding = 0
        self._queue = self._left_running()

    @property
    def unfinished(self) -> int:
        """How many trials are still to be finished."""
        return self._n_trials - self._asked + len(self._queue) + self._outstanding

    @property
    def _asked(self) -> int:
        return sum(search.asked for search in self._searches)

    awaits_others = False

    def __bool__(self) -> bool:
        return self.unfinished > 0

    def take(self, limit: int | None = None, place: str = CPU) -> Pack:
        """Return the next pack, or an empty one while a generation is not finished."""
        while not self._queue and self._asked < self._n_trials and self._may_ask():
            self._ask_generation()
        if not self._queue:
            return ()
        self._outstanding += 1
        return (self._queue.pop(0),)

    def put_back(self, pack: Pack) -> None:
        """Take back a pack that has to be trained again."""
        self._outstanding -= 1
        self._queue.extend(pack)

    def settled(self, pack: Pack, seconds: float, place: str = CPU) -> None:
        """Note that a pack is in the ledger."""
        self._outstanding -= 1

    def _may_ask(self) -> bool:
        return self._outstanding == 0 or self._asked % self._generation != 0

    def _ask_generation(self) -> None:
        end = (self._asked // self._generation + 1) * self._generation
        for _ in range(self._asked, min(end, self._n_trials)):
            # The search that is furthest behind: they take turns, and a new one catches up.
            unit = min(self._searches, key=lambda search: search.asked).ask()
            if unit is not None:
                self._queue.append(unit)

    def _left_running(self) -> list[Unit]:
        """Return the trials to train again; one whose asking was cut short is given up."""
        left = []
        for trial in self._ledger.trials(TrialState.RUNNING):
            owner = next((search for search in self._searches if search.owns(trial)), None)
            if owner is None:
                self._ledger.close_trial(trial.number, TrialState.FAIL)
            else:
                left.append(owner.unit(trial.number, trial.params))
        return left
