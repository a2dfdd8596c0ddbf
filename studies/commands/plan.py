"""What ``thermometer run --dry-run`` prints."""

from __future__ import annotations

import json
from typing import Any

import click


def print_plan(study: Any, as_json: bool) -> None:
    """Print what a study would train."""
    spec = study.spec
    if as_json:
        plan = {"planned": spec.n_trainings(), "n_seeds": spec.space.n_seeds}
        click.echo(json.dumps({**plan, "folder": str(study.folder.path)}))
        return
    if spec.is_adaptive:
        click.echo(
            f"{spec.n_curves()} curves, at most {spec.space.n_seeds} trainings each until ln T_c "
            f"is known to {spec.tolerance:g}, in {study.folder.path}"
        )
        return
    per = "planned" if spec.is_planned else f"to ask of {spec.sampler}"
    counts = {len(seeds) for _, seeds in spec.planned()} if spec.is_planned else set()
    low, high = (min(counts), max(counts)) if counts else (spec.space.n_seeds,) * 2
    seeds = f"{low} seeds each" if low == high else f"{low} to {high} seeds each"
    n_points = len(spec.points()) if spec.is_planned else spec.n_trials * len(spec.searches())
    click.echo(
        f"{n_points} configurations {per}, {seeds}: "
        f"{spec.n_trainings()} trainings in {study.folder.path}"
    )
