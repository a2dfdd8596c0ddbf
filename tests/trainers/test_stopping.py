"""When a training ends, and what it then reports."""

import dataclasses
import json
import math

import numpy as np
import pytest

from search_spaces import InvalidSettingError, Point, Seeds
from trainers import BACKENDS, resolve_backend, train, train_pack
from trainers.kernels.backend import train_replica
from trainers.measurement import Measurement
from trainers.models.replica import initial_parameters
from trainers.reference.loop import train_reference
from trainers.replicas.engine import train_replicas
from trainers.stopping import StopReason

TRAINERS = {
    "numba": train_replica,
    "torch": train_reference,
    "torch-replicas": lambda replica: train_replicas([replica])[0],
}


@pytest.fixture(params=BACKENDS, name="run")
def _run(request):
    return TRAINERS[request.param]


def test_contradictory_points_use_up_the_budget(run, make_replica):
    """The same input with both labels can never be fitted."""
    x = np.ones((2, 4))
    replica = make_replica(n_train=2, x=x, y=[1.0, -1.0], max_presentations=200)
    row = run(replica).to_row()
    assert row["stop_reason"] == "step_budget"
    assert row["margin_min"] < 1
    assert 0 < row["n_steps"] <= 200


@pytest.mark.parametrize("run", ["numba", "torch"], indirect=True)
@pytest.mark.parametrize(
    ("loss", "scheme"),
    [
        ("hinge", "sequential"),
        ("hinge", "jump"),
        ("quadratic_hinge", "sequential"),
        ("logistic", "sequential"),
    ],
)
def test_no_contradiction_outlasts_the_budget(run, make_replica, loss, scheme):
    """P = 2 with B = P, one input and both labels; and one point alone, of one class."""
    settings = {"loss": loss, "scheme": scheme, "alpha": 3.0, "max_presentations": 60}
    replica = make_replica(n_train=2, batch_size=2, x=np.ones((2, 4)), y=[1.0, -1.0], **settings)
    row = run(replica).to_row()
    assert (row["stop_reason"], row["n_presentations"]) == ("step_budget", 60)
    if loss != "quadratic_hinge":  # which approaches the margin for ever
        alone = run(make_replica(n_train=1, temperature=0.3, **settings))
        assert alone.stop_reason == StopReason.FITTED


@pytest.mark.parametrize("run", ["numba", "torch"], indirect=True)
def test_logistic_training_is_tested_once_in_p_presentations(run, make_replica):
    """All samples pull in every step; t* is known to within P/B steps."""
    replica = make_replica(
        n_train=10, batch_size=3, loss="logistic", alpha=10.0, temperature=0.05, width=16,
        max_presentations=10**4,
    )  # fmt: skip
    row = run(replica).to_row()
    assert row["stop_reason"] == "fitted"
    assert row["training_time_resolution"] == 4
    assert row["n_steps"] % 4 == 0
    assert row["n_updates"] == row["n_steps"]
    assert row["n_violators_used"] == row["n_presentations"]
    assert row["margin_min"] >= 1


@pytest.mark.parametrize("run", ["numba", "torch"], indirect=True)
def test_layers_add_up_and_quantiles_are_ordered(run, make_replica):
    replica = make_replica(n_train=20, alpha=5.0, width=16, depth=3, bias=True)
    row = run(replica).to_row()
    squares = [np.square(w).sum() + np.square(b).sum()
               for w, b in zip(replica.weights, replica.biases, strict=True)]  # fmt: skip
    changes = [row[f"relative_weight_change_layer_{layer}"] for layer in (1, 2, 3, 4)]
    total = math.sqrt(np.dot(squares, np.square(changes)) / sum(squares))
    assert row["relative_weight_change"] == pytest.approx(total, rel=1e-9)
    assert row["margin_min"] <= row["margin_q05"] <= row["margin_q50"] <= row["margin_q95"]


def test_layers_of_a_pack_add_up(make_replica):
    replica = make_replica(n_train=20, alpha=5.0, width=16, depth=3)
    row = TRAINERS["torch-replicas"](replica).to_row()
    squares = [np.square(w).sum() for w in replica.weights]
    changes = [row[f"relative_weight_change_layer_{layer}"] for layer in (1, 2, 3, 4)]
    total = math.sqrt(np.dot(squares, np.square(changes)) / sum(squares))
    assert row["relative_weight_change"] == pytest.approx(total, rel=1e-6)
    with pytest.raises(InvalidSettingError, match="loss=logistic cannot be trained with backend"):
        TRAINERS["torch-replicas"](make_replica(n_train=2, loss="logistic"))


def test_labels_other_than_plus_and_minus_one_are_refused(make_replica):
    with pytest.raises(InvalidSettingError, match="data=digits has the label 0; labels must be"):
        make_replica(n_train=2, x=np.ones((2, 4)), y=[1.0, 0.0])


def test_an_empty_layer_is_refused():
    with pytest.raises(InvalidSettingError, match="input_dim=0, width=3 and depth=2 has an empty"):
        initial_parameters(0, 3, 2, seed=0)


def test_budget_counts_presentations_not_steps(run, make_replica):
    x = np.ones((4, 4))
    replica = make_replica(
        n_train=4, x=x, y=[1.0, -1.0, 1.0, -1.0], batch_size=4, max_presentations=41
    )
    row = run(replica).to_row()
    assert row["n_steps"] == 10  # a full batch always holds a violator here
    assert row["n_presentations"] == 40
    assert row["n_updates"] == 10


def test_single_point_is_fitted_by_the_first_step(run, make_replica):
    """F = 0 before it; one step of size eta adds about alpha eta K to y F."""
    replica = make_replica(n_train=1, temperature=0.3, alpha=100.0, width=32)
    row = run(replica).to_row()
    assert (row["n_steps"], row["n_updates"], row["stop_reason"]) == (1, 1, "fitted")
    assert row["training_time"] == pytest.approx(0.3)
    assert row["margin_min"] >= 1
    assert row["train_error"] == 0


def test_training_time_is_that_of_the_last_step_that_moved_the_weights(run, make_replica):
    """Two points, fitted by their first presentation each: t* is the step that draws the second.

    Orthogonal one-hot inputs share only the deeper layers; a step of tiny T alpha leaves the
    other one unfitted.
    """
    from trainers.batches.fixed_size import batch_indices

    replica = make_replica(
        n_train=2, x=np.array([[2.0, 0, 0, 0], [0, 2.0, 0, 0]]), y=[1.0, -1.0], alpha=30.0,
        temperature=0.3, width=200, depth=1, data_seed=3, max_presentations=1000,
    )  # fmt: skip
    drawn = batch_indices(3, 0, 1000, 2, 1, "without_replacement")[:, 0]
    second = int(np.argmax(drawn != drawn[0]))
    row = run(replica).to_row()
    assert row["stop_reason"] == "fitted"
    assert row["n_updates"] == 2
    assert row["n_steps"] == second + 1
    assert row["training_time"] == pytest.approx(0.3 * (second + 1))


def test_budget_that_ends_with_the_fitting_step_is_fitted(run, make_replica):
    settings = {"n_train": 6, "alpha": 50.0, "temperature": 0.2, "width": 16, "data_seed": 2}
    n_steps = run(make_replica(max_presentations=10**4, **settings)).n_steps
    exact = run(make_replica(max_presentations=n_steps, **settings))
    short = run(make_replica(max_presentations=n_steps - 1, **settings))
    assert (exact.stop_reason, exact.n_steps) == (StopReason.FITTED, n_steps)
    assert short.stop_reason == StopReason.STEP_BUDGET


@pytest.mark.parametrize("temperature", [1e2, 1e6, 1e30])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_divergence_is_a_result_with_a_plain_row(run, make_replica, temperature, dtype):
    replica = make_replica(
        n_train=16,
        temperature=temperature,
        dtype=dtype,
        depth=3,
        width=16,
        max_presentations=10**4,
    )
    row = run(replica).to_row()
    assert row["stop_reason"] == "diverged"
    json.dumps(row, allow_nan=False)
    change = row["relative_weight_change"]
    assert change is None or change > 30


def test_not_a_number_in_the_data_diverges(run, make_replica):
    x = np.ones((3, 4))
    x[1, 2] = np.nan
    row = run(make_replica(n_train=3, x=x, y=[1.0, 1.0, -1.0])).to_row()
    assert row["stop_reason"] == "diverged"
    assert row["margin_min"] is None
    json.dumps(row, allow_nan=False)


def test_dead_network_never_moves_and_uses_up_the_budget(run, make_replica):
    """One neuron with a negative field everywhere: outputs and gradients vanish."""
    replica = make_replica(n_train=3, x=np.ones((3, 4)), y=[1.0, -1.0, 1.0], width=1, depth=1)
    weights = (-np.ones((4, 1)), np.ones(1))
    row = run(dataclasses.replace(replica, weights=weights)).to_row()
    assert (row["n_steps"], row["n_updates"], row["stop_reason"]) == (0, 0, "step_budget")
    assert row["relative_weight_change"] == 0
    assert row["train_error"] == 1
    assert row["weight_norm"] == pytest.approx(math.sqrt(5))


def test_row_holds_plain_python_scalars():
    point = Point.create(n_train=32, temperature=0.1, batch_size=2, max_presentations=10**5)
    row = train(point, Seeds.shared(0)).to_row()
    layers = {f"relative_weight_change_layer_{layer}" for layer in (1, 2, 3, 4)}
    expanded = {"layer_weight_change", "training_time_resolution", "requested", "curve"}
    assert set(row) == set(Measurement.__slots__) - expanded | layers
    assert {type(value) for value in row.values()} == {str, int, float}
    assert row["n_presentations"] == 2 * row["n_steps"]
    assert row["training_time"] == pytest.approx(0.2 * row["n_steps"])


def test_backend_is_chosen_and_checked():
    point = Point.create(n_train=32, temperature=0.1, batch_size=1, max_presentations=10)
    assert resolve_backend(point) == "numba"
    assert resolve_backend(point, "torch") == "torch"
    with pytest.raises(InvalidSettingError, match="did you mean 'numba'"):
        train_pack([(point, Seeds.shared(0))], backend="numb")
