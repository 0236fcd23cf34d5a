"""From modules and optimizers to named tensors and back, into the same memory layout.

A checkpoint holds contiguous values. Fused Adam on a CPU walks a parameter and its moments as raw
memory: moments restored in another memory format than their parameter's would be paired with the
wrong weights, without a word. So values are copied into tensors that have the right layout already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from acgan.errors import UsageError


def module_tensors(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers as ``prefix.name``; they share memory with the module."""
    return {f"{prefix}.{name}": tensor for name, tensor in module.state_dict().items()}


def load_module(prefix: str, module: nn.Module, saved: Mapping[str, Tensor]) -> None:
    """Copy ``prefix.*`` of ``saved`` into a module; dtype, device and memory format stay its own.

    Raises:
        UsageError: names or shapes differ.
    """
    copy_into(module_tensors(prefix, module), _below(prefix, saved))


def copy_into(targets: Mapping[str, Tensor], saved: Mapping[str, Tensor]) -> None:
    """Copy values into existing tensors of the same names and shapes.

    Raises:
        UsageError: names or shapes differ; nothing has been copied then.
    """
    _require_names(targets.keys(), saved.keys())
    for name, target in targets.items():
        _require_shape(name, target, saved[name])
    with torch.no_grad():
        for name, target in targets.items():
            target.copy_(saved[name])


def optimizer_tensors(prefix: str, module: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """An optimizer's state as ``prefix.<parameter name>.<key>``; shares memory with it.

    Parameters that were never stepped have no state. Learning rates and other hyper-parameters
    are no state: the config and the counters determine them.

    Raises:
        ValueError: the optimizer has a parameter that is not of ``module``, or a state that is
            not a tensor.
    """
    tensors: dict[str, Tensor] = {}
    for name, parameter in _optimized(module, optimizer).items():
        for key, value in optimizer.state.get(parameter, {}).items():
            if value is None:
                continue
            if not isinstance(value, Tensor):
                raise ValueError(f"the optimizer's {key!r} of {name} is not a tensor: {value!r}")
            tensors[f"{prefix}.{name}.{key}"] = value
    return tensors


def load_optimizer(
    prefix: str, module: nn.Module, optimizer: Optimizer, saved: Mapping[str, Tensor]
) -> None:
    """Give an optimizer the state ``prefix.*`` of ``saved``, in the layout of its parameters.

    The module must be on its device and in its memory format already. State that the optimizer
    had is dropped.

    Raises:
        UsageError: a saved name is no parameter's, or a shape differs; nothing has changed then.
        ValueError: the optimizer has a parameter that is not of ``module``.
    """
    parameters = _optimized(module, optimizer)
    states: dict[str, dict[str, Tensor]] = {}
    for full_name, value in _below(prefix, saved).items():
        name, _, key = full_name.removeprefix(f"{prefix}.").rpartition(".")
        if name not in parameters:
            raise _misfit(f"{full_name} belongs to no parameter")
        if value.ndim:
            _require_shape(full_name, parameters[name], value)
        states.setdefault(name, {})[key] = value
    on_device = {
        id(parameter)
        for group in optimizer.param_groups
        for parameter in group["params"]
        if group.get("fused") or group.get("capturable")
    }
    optimizer.state.clear()
    for name, values in states.items():
        parameter = parameters[name]
        optimizer.state[parameter] = {
            key: _like(parameter, value, scalar_on_device=id(parameter) in on_device)
            for key, value in values.items()
        }


def _like(parameter: Tensor, value: Tensor, *, scalar_on_device: bool) -> Tensor:
    """``value`` as the optimizer itself would have created it beside ``parameter``."""
    if not value.ndim:  # the step count: on the CPU unless the kernel reads it
        return value.to(parameter.device if scalar_on_device else "cpu", copy=True)
    empty = torch.empty_like(parameter, dtype=value.dtype, memory_format=torch.preserve_format)
    return empty.detach().copy_(value)


def _optimized(module: nn.Module, optimizer: Optimizer) -> dict[str, nn.Parameter]:
    mine = {id(p) for group in optimizer.param_groups for p in group["params"]}
    named = {name: p for name, p in module.named_parameters() if id(p) in mine}
    if len(named) != len(mine):
        raise ValueError(f"{len(mine) - len(named)} optimized parameters are not of this module")
    return named


def _below(prefix: str, saved: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in saved.items() if name.startswith(f"{prefix}.")}


def _require_names(expected: Iterable[str], found: Iterable[str]) -> None:
    missing, unknown = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if missing:
        raise _misfit(f"it lacks {missing[0]}")
    if unknown:
        raise _misfit(f"it has {unknown[0]}, which is not wanted")


def _require_shape(name: str, target: Tensor, value: Tensor) -> None:
    if target.shape != value.shape:
        raise _misfit(f"{name} is {tuple(value.shape)}, not {tuple(target.shape)}")


def _misfit(what: str) -> UsageError:
    return UsageError(
        f"the saved weights do not fit this network: {what}; use the version of acgan that saved "
        "them, or start a new run with --run"
    )
