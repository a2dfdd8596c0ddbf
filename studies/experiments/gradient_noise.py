"""Samples of minibatch noise in one layer of a network, at a checkpoint of its training."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from search_spaces import InvalidSettingError, Point, Seeds
from search_spaces.configuration import Configuration
from search_spaces.grid import Setting
from search_spaces.numbers import positive_integer, positive_number
from studies.contracts import Scanned
from studies.experiments.grid import (
    GridExperiment,
    as_text,
    plain_number,
)
from studies.experiments.networks import (
    check_networks,
    data_of,
    network_point,
    network_settings,
    settle_network,
)


def _epoch(name: str, raw: Any) -> float:
    return 0 if raw == 0 else positive_number(name, raw)


def _count(name: str, raw: Any) -> int:
    return 0 if raw == 0 else positive_integer(name, raw)


SETTINGS = (
    *network_settings(width=32, depth=2, n_train=1024),
    Setting("learning_rate", 0.5, positive_number, "eta of the training before the samples"),
    Setting("train_batch_size", 16, positive_integer, "Batch size of that training"),
    Setting("n_batches", 2000, positive_integer, "Minibatches sampled at a checkpoint"),
    Setting("per_layer", 100, positive_integer, "Parameters sampled per layer"),
    Setting("n_resamples", 0, _count, "Bootstrap resamples of every tail index; 0 for none"),
    Setting("epoch", [0, 2, 30], _epoch, "Checkpoints, in epochs"),
    Setting("batch_size", [4, 16, 64], positive_integer, "B of the sampled noise"),
    Setting("layer", [1, 2, 3], positive_integer, "Layer, from 1; the last one is the read-out"),
)


def _point(values: Mapping[str, Any]) -> Point:
    """Return the network that is trained."""
    return network_point(values, values["train_batch_size"])


_SUMMARIES = ("layer", "n_resamples", "epoch", "batch_size")


@functools.lru_cache(maxsize=4)
def _sampled(values: tuple[tuple[str, Any], ...], epoch: float, batch_size: int, seed: int) -> Any:
    """Return the noise of all layers with the errors of the network; layers share it."""
    from trainers.noise.gradient_noise import choose_parameters, sample_gradient_noise

    settings = dict(values)
    loss, parameters, errors = _trained(values, epoch, seed)
    chosen = choose_parameters(loss.parameters, settings["per_layer"], seed)
    noise = sample_gradient_noise(
        loss, chosen, batch_size, settings["n_batches"], seed=seed, parameters=parameters
    )
    return noise, errors


@functools.lru_cache(maxsize=4)
def _trained(values: tuple[tuple[str, Any], ...], epoch: float, seed: int) -> Any:
    """Return loss, weights at the checkpoint, and errors."""
    from trainers.models.replica import prepare_replica
    from trainers.noise.sample_losses import replica_errors, replica_loss
    from trainers.noise.walk import train_steps
    from trainers.threads import one_torch_thread

    point = _point(dict(values))
    replica = prepare_replica(point, Seeds.shared(seed))
    with one_torch_thread():
        loss = replica_loss(replica)
        n_steps = round(epoch * point.n_train / point.batch_size)
        # Training has its own batches: the noise is sampled with those of the next seed space.
        parameters = train_steps(
            loss, point.learning_rate, point.batch_size, n_steps, seed + 2**32
        )
        return loss, parameters, replica_errors(replica, parameters)


_SUMMARY_COLUMNS = {
    "median_tail_index": "median",
    "tail_index_low": "low",
    "tail_index_high": "high",
    "fraction_heavy": "fraction_heavy",
    "fraction_student": "fraction_student",
    "fraction_neither": "fraction_neither",
    "spread": "spread",
    "estimation_error": "estimation_error",
    "split_half": "split_half",
    "kurtosis_correlation": "kurtosis_correlation",
    "stability_gap": "stability_gap",
    "median_student_dof": "median_dof",
}
"""Columns by the field of the layer's summary that they hold."""


def _summarize(settings: Mapping[str, Any], sampled: Any) -> dict[str, Any]:
    from analysis.distributions.comparison import compare_laws
    from analysis.distributions.controls import (
        gaussian_surrogate,
        pooled_tail_index,
        summarize_layer,
    )

    noise, errors = sampled
    inside = noise.chosen.layer_of == settings["layer"] - 1
    samples = noise.samples[:, inside]
    compared = compare_laws(samples)
    summary = summarize_layer(compared, np.arange(samples.shape[1]))
    used = samples[:, compared.columns.used]
    surrogate = gaussian_surrogate(used)
    control = compare_laws(surrogate)
    counts = summary.counts
    known = {
        **{column: getattr(summary, name) for column, name in _SUMMARY_COLUMNS.items()},
        "median_ks_stable": _median(compared.ks_stable),
        "median_ks_gaussian": _median(compared.ks_gaussian),
        "median_delta_aic": _median(compared.delta_aic),
        "surrogate_heavy": float(control.heavy.mean()) if used.size else np.nan,
        "surrogate_tail_index": _median(control.tail_index),
        "pooled_tail_index": pooled_tail_index(used) if used.size else np.nan,
        "pooled_surrogate_tail_index": pooled_tail_index(surrogate) if used.size else np.nan,
        "gradient_norm": noise.gradient_norm,
        **errors,
    }
    return {
        "n_sampled": summary.n_sampled,
        "n_used": summary.n_used,
        "n_dead": counts["dead (constant)"],
        "n_atoms": counts["atom of 5 % or more"],
        "n_not_finite": counts["not finite"],
        **{name: plain_number(value) for name, value in known.items()},
        "parameters": as_text(noise.chosen.entries[settings["layer"] - 1], 12),
        "tail_indices": as_text(compared.tail_index),
        "scales": as_text(compared.scale),
        "delta_aics": as_text(compared.delta_aic),
        "kurtoses": as_text(compared.excess_kurtosis),
        **_intervals(samples, settings["n_resamples"]),
    }


def _intervals(samples: np.ndarray, n_resamples: int) -> dict[str, str]:
    if not n_resamples:
        return {}
    from analysis.distributions.stable import bootstrap_stable

    found = bootstrap_stable(samples, n_resamples)
    return {"low": as_text(found.low), "high": as_text(found.high)}


def _median(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else np.nan


class GradientNoise(GridExperiment):
    """The grid over checkpoints, batch sizes and layers."""

    name = "gradient-noise"
    axes = SETTINGS
    shown = ("loss", "epoch", "batch_size", "layer")
    params = ("loss", "epoch", "batch_size", "layer", "width", "depth", "learning_rate", "data")

    def build(self, values: dict[str, Any]) -> Mapping[str, Any]:
        values = settle_network(values, SETTINGS)
        if values["layer"] > values["depth"] + 1:
            raise InvalidSettingError(
                f"layer={values['layer']} does not exist: depth={values['depth']} has layers 1 to "
                f"{values['depth'] + 1}, the last one the read-out"
            )
        if values["batch_size"] > values["n_train"]:
            raise InvalidSettingError(
                f"batch_size={values['batch_size']} exceeds n_train={values['n_train']}"
            )
        if values["n_batches"] < 100:
            raise InvalidSettingError(f"n_batches={values['n_batches']} must be at least 100")
        _point(values)
        return values

    def check(self, spec: Scanned, device: str = "cpu", is_here: bool = True) -> str:
        """Refuse networks without a torch description and data sets that are too small."""
        check_networks(_point(dict(configuration.settings)) for configuration in spec.points())
        return "torch"

    def prepare(self, spec: Scanned, backend: str) -> None:
        """Compile the streams once, not in every worker."""
        from trainers.batches.fixed_size import batch_indices

        batch_indices(0, 0, 1, 2, 1, "without_replacement")

    def measure(
        self, configuration: Configuration, seeds: Sequence[int], backend: str, device: str = "cpu"
    ) -> list[dict[str, Any]]:
        """Return the tail indices of one layer for every seed."""
        values = tuple(
            (name, value) for name, value in configuration.settings if name not in _SUMMARIES
        )
        settings = dict(configuration.settings)
        return [
            _summarize(settings, _sampled(values, settings["epoch"], settings["batch_size"], seed))
            for seed in seeds
        ]

    def expected_seconds(self, configuration: Configuration) -> float:
        """Rough time of one layer; the first one of a checkpoint pays for the training."""
        settings = dict(configuration.settings)
        cost = 6e-6 * settings["n_batches"] * settings["per_layer"] / 2
        steps = settings["epoch"] * settings["n_train"] / settings["train_batch_size"]
        return float(0.1 + cost + 5e-4 * steps / 6)

    def conditional_on(self, spec: Scanned) -> str:
        """Return the data."""
        return data_of(spec.points())
