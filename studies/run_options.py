"""How a study is run, and what a run says when it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RunOptions:
    """How a study is run; nothing here changes a result."""

    executor: str = "ray"
    device: str = "cpu"
    """Where trainings run: cpu, cuda, or any for both."""
    workers: int | None = None
    """Local cores; None for all."""
    address: str | None = None
    """A running Ray cluster instead of a private local one."""
    storage: str | None = None
    """Database that holds the ledger; None for the journal, or for what the folder says."""
    lease: float = 60.0
    """Seconds after which drivers that share a study take over from one that died."""
    ship_code: bool = False
    """Send our code to the cluster's nodes even if all of them have it."""
    gpus_per_point: float | None = None
    """GPUs that a task occupies, such as .25; one by default."""
    max_points: int | None = None
    max_hours: float | None = None
    memory: str | None = None
    """What one worker may use, such as ``2GB``; None for 512MB, and 4GB for mean-field theory."""
    tracking: bool = True
    """Whether to log to MLflow."""
    tracking_uri: str | None = None
    """An MLflow store; None for the one in the study's folder."""
    experiment_name: str | None = None
    quiet: bool = False
    command: str = ""
    """The command that reproduces the run, for the report."""
    say: Callable[[str], None] = lambda text: None
    """Receives one-line messages for the user."""


@dataclass(frozen=True)
class RunSummary:
    """What a run did and where its results are."""

    planned: int
    """Trainings the spec asks for, without those of invalid proposals."""
    invalid: int
    """Configurations that a sampler proposed and that cannot be trained, such as B > P."""
    done: int
    """Trainings in the ledger."""
    trained: int
    """Trainings done by this run."""
    failed: int
    interrupted: bool
    headline: str
    """The measured law in one line, or why there is none."""
    report: str | None
    """Path of the report, None if there is none yet."""
    tracked: bool
    """Whether MLflow holds the result."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Wall time of this run by phase, in their order."""

    @property
    def is_complete(self) -> bool:
        """Whether every training the spec asks for is done or has failed."""
        return self.done + self.failed >= self.planned
