"""The methods paragraphs of the studies of noise and of fluctuations, written from their tables.

Every number is a column of the table, so that the text cannot disagree with what was run; a
column that is missing is not mentioned.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.report.methods import provenance_sentence
from analysis.report.page import ReportContext


def gradient_noise_methods(frame: pd.DataFrame, context: ReportContext) -> tuple[str, ...]:
    """Return how gradient noise was sampled and compared with laws."""
    trained = (
        f"{_networks(frame)} were trained on P = {_values(frame, 'n_train')} points of "
        f"{_values(frame, 'data')} with η = {_values(frame, 'learning_rate')} and batches of "
        f"{_values(frame, 'train_batch_size')}. At epochs {_values(frame, 'epoch')} the weights "
        f"were frozen and {_values(frame, 'n_batches')} minibatches of "
        f"B = {_values(frame, 'batch_size')} drawn; the noise is the minibatch gradient minus "
        f"the full gradient, at up to {_values(frame, 'per_layer')} parameters of each layer, "
        f"{_seeds(frame)}."
    )
    fitted = (
        "A symmetric stable law was fitted to every parameter by regression on the empirical "
        "characteristic function, a Gaussian and a Student law by maximum likelihood, and "
        "compared by AIC. Gaussian noise of the same variances went through the same analysis. "
        "Values are means over layers and networks; errors are standard errors over networks."
    )
    return _paragraphs(context, trained, fitted)


def large_batch_methods(frame: pd.DataFrame, context: ReportContext) -> tuple[str, ...]:
    """Return how the arms were trained and compared."""
    trained = (
        f"{_networks(frame)} were trained on P = {_values(frame, 'n_train')} points of "
        f"{_values(frame, 'data')} (share of flipped labels {_values(frame, 'label_noise')}) for "
        f"{_values(frame, 'n_steps')} steps with η = {_values(frame, 'learning_rate')}, schedule "
        f"{_values(frame, 'schedule')}. The large batch has B = {_values(frame, 'large')}, the "
        f"small one b = {_values(frame, 'small')}; the scaled rate is "
        f"{_values(frame, 'rate_factor')} times larger. Test errors were taken on "
        f"{_values(frame, 'n_test')} points, stopping on {_values(frame, 'n_validation')} others."
    )
    compared = (
        f"Arms of a seed share data, labels and initial weights; differences of test errors were "
        f"taken seed by seed, {_seeds(frame)}. A difference counts beyond two standard errors."
    )
    return _paragraphs(context, trained, compared)


def escape_methods(frame: pd.DataFrame, context: ReportContext) -> tuple[str, ...]:
    """Return how paths were simulated and which theory stands beside them."""
    simulated = (
        f"The dynamics {_values(frame, 'dynamics')} were simulated in {_seeds(frame, 'blocks')} "
        f"of {_values(frame, 'n_paths')} paths, tail indices {_values(frame, 'tail_index')}, "
        f"σ_H = {_values(frame, 'sigma_h')}, time steps {_values(frame, 'dt')}. Path p is a "
        f"function of the seed and of p alone."
    )
    theory = (
        "Exit times of stable noise were compared with the law of large jumps, those of "
        "power-law dynamics with an exact quadrature of the mean first-passage time, stationary "
        "exponents with 1 + H/(η σ_H) for Ito noise. Errors are standard errors over blocks."
    )
    return _paragraphs(context, simulated, theory)


def temperature_methods(frame: pd.DataFrame, context: ReportContext) -> tuple[str, ...]:
    """Return how displacement and response were measured, in simulation and theory."""
    simulated = frame[frame["method"] == "simulation"]
    solved = frame[frame["method"] == "mean_field"]
    texts = []
    if len(simulated):
        texts.append(
            f"Perceptrons of {_values(simulated, 'n_weights')} weights were simulated with loss "
            f"{_values(simulated, 'loss')}, margin κ = {_values(simulated, 'target_margin')}, "
            f"load P/d = {_values(simulated, 'load')}, η = "
            f"{_values(simulated, 'learning_rate')}, active fraction b = "
            f"{_values(simulated, 'active_fraction')}, {_seeds(simulated)}. After a time "
            f"{_values(simulated, 'burn_in_time')}, displacement and response were averaged over "
            f"{_values(simulated, 'n_windows')} windows of "
            f"{_values(simulated, 'window_time')}; the field of the twins was "
            f"{_values(simulated, 'field_strength')}."
        )
    if len(solved):
        texts.append(
            f"The dynamical mean-field theory was solved for "
            f"{_values(solved, 'n_copies')} copies of the effective sample, {_seeds(solved)}."
        )
    return _paragraphs(context, *texts)


def _networks(frame: pd.DataFrame) -> str:
    depth = _values(frame, "depth")
    return (
        f"Networks with {depth} hidden layer{'' if depth == '1' else 's'} of width "
        f"{_values(frame, 'width')}, {_values(frame, 'activation')} units, α = "
        f"{_values(frame, 'alpha')} and the {_values(frame, 'loss')} loss"
    )


def _values(frame: pd.DataFrame, name: str) -> str:
    """Return the values of a column in words, ``unknown`` without it."""
    if name not in frame:
        return "unknown"
    values: Sequence[object] = sorted(frame[name].dropna().unique())
    texts = [f"{v:g}" if isinstance(v, int | float) else str(v).replace("_", " ") for v in values]
    return ", ".join(texts) or "unknown"


def _seeds(frame: pd.DataFrame, word: str = "seeds") -> str:
    if "point" not in frame:
        return f"{frame['seed'].nunique()} {word}"
    counts = frame.groupby("point")["seed"].nunique()
    low, high = int(counts.min()), int(counts.max())
    return f"{low} {word}" if low == high else f"{low} to {high} {word} per configuration"


def _paragraphs(context: ReportContext, *texts: str) -> tuple[str, ...]:
    return tuple(text for text in (*texts, provenance_sentence(context)) if text)
