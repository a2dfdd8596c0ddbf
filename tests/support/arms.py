"""What a campaign of accidents runs, which accidents it has, and what it counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

RESUMABLE = {0, 3, 4, 130}
"""Exit codes after which the same command is expected to continue."""


@dataclass(frozen=True)
class Sweep:
    """What every study of a campaign trains."""

    n_train: tuple[int, ...]
    temperature: tuple[float, ...]
    n_seeds: int

    @property
    def n_configurations(self) -> int:
        """Number of MLflow runs below the study's."""
        return len(self.n_train) * len(self.temperature)

    @property
    def n_trainings(self) -> int:
        """Number of rows of its table."""
        return self.n_configurations * self.n_seeds

    @property
    def settings(self) -> tuple[str, ...]:
        """Arguments of ``thermometer run``."""
        return (
            "critical-temperature",
            f"n_train={list(self.n_train)}",
            f"temperature={list(self.temperature)}",
            f"n_seeds={self.n_seeds}",
            "comparison_batch_size=null",
            "comparison_temperature=null",
        )


@dataclass(frozen=True)
class Arm:
    """One way to store a study, and how often which accident is in the urn for it."""

    name: str
    weights: Mapping[str, int]
    create: Callable[[str], str] | None = None
    """Makes a database and returns its URL for --storage; None for the journal."""
    query: Callable[[str, str], list[tuple]] | None = None
    """Asks a database."""
    outage: Callable[[], None] | None = None
    """Kills the database and starts it again."""


@dataclass
class Tally:
    """What happened."""

    events: Counter[str] = field(default_factory=Counter)
    skipped: dict[str, str] = field(default_factory=dict)
    drivers: int = 0
    begun: int = 0
    """Studies."""
    lost: int = 0
    """Finished trainings that were in the ledger before, and are not any more."""
    repeated: int = 0
    """Trainings that are in the ledger more than once."""
    equal_tables: int = 0
    """Studies whose table is that of the undisturbed one, bit for bit."""
    complete_in_mlflow: int = 0
    """Studies with one finished run for each configuration, and nothing else."""
    exits: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    """Studies that ran to their end and were checked."""
    trainings: int = 0
    mended: int = 0
    """Trainings whose record an event destroyed in the file, and which were repeated for it."""
    wrong: list[str] = field(default_factory=list)
    """Every departure from what must hold."""
