"""What a torch module must be to have a temperature: a function of its weights and one input.

Twins, look-ahead and per-sample gradients all rest on it. What mixes the samples of a batch or
draws random numbers is refused here, in one sentence, before anything is trained.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import torch

from search_spaces import InvalidSettingError
from trainers.batches.streams import Purpose, generator

Build = Callable[[int], torch.nn.Module]
"""Makes a module from the seed of a replica; torch's generator is seeded when it is called."""

_PROBES = 8
_TOLERANCE = 1e-9


def build_module(build: Build, seed: int, dtype: torch.dtype) -> torch.nn.Module:
    """Return a new module in evaluation mode, its initial weights a function of the seed alone.

    Dropout is off in evaluation mode. Parameters without gradient become buffers: they are
    neither trained nor part of the norm of the weights. The state of torch's generator is left
    as it was.

    Raises
    ------
    InvalidSettingError
        If `build` returns something else, or a module without weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(generator(seed, Purpose.INIT).integers(2**63)))
        module = build(seed)
    if not isinstance(module, torch.nn.Module):
        raise InvalidSettingError(
            f"build({seed}) returned {type(module).__name__}; it must return a torch.nn.Module"
        )
    module = module.to(dtype).eval()
    for part in module.modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            if not parameter.requires_grad:
                delattr(part, name)
                part.register_buffer(name, parameter.data)
    squares = sum(float(w.detach().double().square().sum()) for w in module.parameters())
    if not squares > 0:
        raise InvalidSettingError(
            "the module has no weights that differ from zero at initialization; a relative "
            "weight change needs some"
        )
    return module


def check_build(build: Build) -> None:
    """Raise unless `build` gives the same module again for the same seed.

    Raises
    ------
    InvalidSettingError
        If it is no function of a seed, returns one module twice, or draws from another generator
        than torch's.
    """
    if not callable(build) or isinstance(build, torch.nn.Module):
        raise InvalidSettingError(
            f"build={type(build).__name__} must be a function that takes a seed and returns a "
            "new torch.nn.Module, because every seed needs weights of its own"
        )
    _check_signature(build)
    modules = [build_module(build, 0, torch.float64) for _ in range(2)]
    if modules[0] is modules[1]:
        raise InvalidSettingError(
            "build(0) returned the same module twice; it must make a new one, or one training "
            "would go on where another stopped"
        )
    first, second = (module.state_dict() for module in modules)
    same = first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
    if not same:
        raise InvalidSettingError(
            "build(0) gave different weights the second time; draw them from torch's generator, "
            "which is seeded for every call, or from the seed that build receives"
        )


def _check_signature(build: Build) -> None:
    try:
        inspect.signature(build).bind(0)
    except TypeError as error:
        raise InvalidSettingError(
            f"build must take one argument, the seed: {error}; write def build(seed): ..."
        ) from None
    except ValueError:  # some classes of other languages tell no signature
        return


def _evaluate(module: torch.nn.Module, probes: torch.Tensor) -> torch.Tensor:
    """Return the outputs of the first samples, or say that the module does not take them."""
    try:
        outputs: torch.Tensor = module(probes)
    except Exception as error:  # a module of the user's may raise anything
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        kind = str(probes.dtype).removeprefix("torch.")
        raise InvalidSettingError(
            f"the module fails on the first {len(probes)} samples of x, of shape "
            f"{tuple(probes.shape)} and type {kind}: {reason}"
        ) from error
    return outputs


def check_module(build: Build, x: torch.Tensor) -> int:
    """Return the number of outputs per sample, after checks on the first samples of `x`.

    Raises
    ------
    InvalidSettingError
        If the module fails on them, if an output depends on the other samples of the batch or on
        chance, if it is not finite, or if there is not one row of outputs per sample.
    """
    module = build_module(build, 0, torch.float64)
    _check_normalisation(module)
    probes = x[:_PROBES].double() if x.is_floating_point() else x[:_PROBES]
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        f = _evaluate(module, probes)
        if not isinstance(f, torch.Tensor) or f.shape[:1] != probes.shape[:1] or f.dim() > 2:
            shape = tuple(f.shape) if isinstance(f, torch.Tensor) else type(f).__name__
            raise InvalidSettingError(
                f"the module's output for {len(probes)} samples is {shape}; it must have shape "
                "(n,), (n, 1) or (n, classes)"
            )
        again, alone = module(probes), torch.cat([module(row[None]) for row in probes])
    if not torch.isfinite(f).all():
        raise InvalidSettingError("the module's outputs at initialization are not finite")
    if not torch.equal(f, again):
        raise InvalidSettingError(
            "the module gives different outputs for the same input in evaluation mode; a random "
            "force of its own would be mistaken for that of the batches, so remove it"
        )
    if any(not torch.equal(before[name], b) for name, b in module.named_buffers()):
        raise InvalidSettingError(
            "the module changes its buffers when it is evaluated; twins of it would not be equal"
        )
    if not torch.allclose(f, alone, rtol=_TOLERANCE, atol=_TOLERANCE):
        raise InvalidSettingError(
            "the module's output for a sample depends on the other samples of its batch; use "
            "layer or group normalisation instead"
        )
    return f.shape[1] if f.dim() == 2 else 1


def _check_normalisation(module: torch.nn.Module) -> None:
    for name, part in module.named_modules():
        if not isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
            continue
        counted = part.num_batches_tracked
        if counted is None or int(counted) == 0:
            raise InvalidSettingError(
                f"{type(part).__name__} {name!r} has collected no statistics: in training it "
                "mixes the samples of a batch, in evaluation mode it does nothing; use layer or "
                "group normalisation, or statistics that are given and stay as they are"
            )
