"""What a study makes of its table: one row per kind of study.

The driver, the ledger and MLflow treat all kinds alike. A package of a user's adds its own as an
entry point of the group ``sgd_thermometer.kinds``, a :class:`studies.contracts.Kind`.
"""

from __future__ import annotations

from studies.contracts import Kind
from studies.registry import Registry

_ROWS: dict[str, Kind | str] = {
    "critical-temperature": Kind(
        experiment="training",
        analysis="studies.kinds.critical_temperature:analyse",
        report="analysis.critical_temperature.report:scaling_content",
        tables=("t_c.csv",),
        compare="Look at: the scatter of `temperature` against `relative_weight_change`, which "
        "crosses c at T_lazy(c), and against `test_error`; parallel coordinates of `n_train`, "
        "`temperature` and `test_error`.",
        options=("thresholds", "design", "tolerance", "extension"),
    ),
    "phase-diagram": Kind(
        experiment="training",
        analysis="studies.kinds.regimes:analyse_plane",
        report="analysis.phase_diagram.report:phase_content",
        tables=("phase_diagram.csv",),
        compare="Look at: the contour of `test_error` over `temperature` and `alpha`, and of "
        "`relative_weight_change` over the same axes.",
        options=("thresholds",),
    ),
    "batch-regimes": Kind(
        experiment="training",
        analysis="studies.kinds.regimes:analyse_batches",
        report="analysis.batch_regimes.report:batch_content",
        tables=("b_star.csv",),
        compare="Look at: the scatter of `batch_size` against `relative_weight_change` at one "
        "`temperature`, flat up to B*; the contour of it over `batch_size` and `learning_rate`.",
    ),
    "optimal-temperature": Kind(
        experiment="training",
        analysis="analysis.optimal_temperature.study:analyse_optimal_temperature",
        report="analysis.optimal_temperature.report:optimal_content",
        tables=("t_opt.csv",),
        compare="Look at: the scatter of `temperature` against `test_error` at one `alpha`, "
        "lowest at T_opt; the contour of `test_error` over `temperature` and `alpha`.",
    ),
    "effective-temperature": Kind(
        experiment="perceptron-dynamics",
        analysis="analysis.effective_temperature.study:analyse_temperatures",
        report="analysis.effective_temperature.report:temperature_content",
        tables=("temperatures.csv",),
        compare="Look at: the scatter of `learning_rate` against `temperature_secant` at one "
        "`active_fraction`; parallel coordinates of `method`, `learning_rate` and "
        "`persistence_time`, where simulation and mean-field theory must agree. These are raw "
        "slopes, also of runs that are not stationary; the report says which.",
        marks=("method", "quantity", "load"),
    ),
    "perceptron-exponents": Kind(
        experiment="training",
        analysis="analysis.perceptron_exponents.study:analyse_perceptron",
        report="analysis.perceptron_exponents.report:perceptron_content",
        tables=("exponents.csv",),
        compare="Look at: the scatter of `n_train` against `training_time` and "
        "`signal_to_noise`; parallel coordinates of `n_train`, `temperature`, `batch_size` and "
        "`signal_to_noise`.",
        marks=("n_train", "signal", "trajectory"),
    ),
    "gradient-noise": Kind(
        experiment="gradient-noise",
        analysis="analysis.gradient_noise.study:analyse_gradient_noise",
        report="analysis.gradient_noise.report:gradient_noise_content",
        tables=("parameters.csv", "layers.csv"),
        compare="Look at: the scatter of `batch_size` against `median_tail_index` at each "
        "`epoch`; parallel coordinates of `epoch`, `batch_size` and `layer`.",
        marks=("layer", "tail_indices"),
    ),
    "escape-times": Kind(
        experiment="escape",
        analysis="analysis.escape_times.study:analyse_escapes",
        report="analysis.escape_times.report:escape_content",
        tables=("theory.csv",),
        compare="Look at: one value of `dynamics` at a time; for `levy` the scatter of "
        "`tail_index` against `simulated_time`, for `well` that of `sigma_h` against "
        "`log_time`.",
        marks=("dynamics",),
    ),
    "large-batch-noise": Kind(
        experiment="large-batch-noise",
        analysis="analysis.large_batch_noise.study:analyse_large_batches",
        report="analysis.large_batch_noise.report:large_batch_content",
        tables=("arms.csv",),
        compare="Look at: parallel coordinates of `arm`, `label_noise`, `learning_rate` and "
        "`test_error`; each arm against `small` at equal other settings.",
        marks=("arm", "stopped_test_error"),
    ),
}

KINDS: Registry[Kind] = Registry("kind", "kinds", _ROWS)
"""The kinds of studies by name."""
