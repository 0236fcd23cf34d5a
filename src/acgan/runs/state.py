"""Tensors of modules and optimizers by name, and back into the same memory layout.

A checkpoint holds contiguous values. Fused Adam on a CPU reads a parameter and its moments as raw
memory: moments in another memory format than their parameter's would silently be paired with the
wrong weights. So values are copied into tensors that already have the right layout.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from acgan.errors import UsageError


def module_tensors(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    """Return parameters and persistent buffers as ``prefix.name``, sharing their memory."""
    return {f"{prefix}.{name}": tensor for name, tensor in module.state_dict().items()}


def load_module(prefix: str, module: nn.Module, saved: Mapping[str, Tensor]) -> None:
    """Copy ``prefix.*`` of ``saved`` into a module, whose dtype, device and layout stay.

    Raises:
        UsageError: names or shapes differ; nothing has been copied then.
    """
    targets, saved = module_tensors(prefix, module), _below(prefix, saved)
    if missing := sorted(targets.keys() - saved.keys()):
        raise _misfit(f"{missing[0]} is missing")
    if unknown := sorted(saved.keys() - targets.keys()):
        raise _misfit(f"the network has no {unknown[0]}")
    for name, target in targets.items():
        _require_shape(name, target, saved[name])
    with torch.no_grad():
        for name, target in targets.items():
            target.copy_(saved[name])


def optimizer_tensors(prefix: str, module: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """Return an optimizer's state as ``prefix.<parameter name>.<key>``, sharing its memory.

    Parameters without a step have no state. Hyper-parameters are left out: the config and the
    counters determine them.

    Raises:
        ValueError: the optimizer has a parameter of another module, or a state that is not a
            tensor.
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
    """Replace an optimizer's state by ``prefix.*`` of ``saved``, in its parameters' layout.

    The module must be on its device and in its memory format already.

    Raises:
        UsageError: a name belongs to no parameter, or a shape differs; nothing has changed then.
        ValueError: the optimizer has a parameter of another module.
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
    optimizer.state.clear()
    for group in optimizer.param_groups:
        step_on_device = bool(group.get("fused") or group.get("capturable"))
        mine = {id(parameter) for parameter in group["params"]}
        for name, values in states.items():
            if id(parameter := parameters[name]) in mine:
                optimizer.state[parameter] = {
                    key: _like(parameter, value, step_on_device) for key, value in values.items()
                }


def _like(parameter: Tensor, value: Tensor, step_on_device: bool) -> Tensor:
    """Return ``value`` as the optimizer itself would have created it beside ``parameter``."""
    if not value.ndim:  # the step count: on the CPU unless the kernel reads it
        return value.to(parameter.device if step_on_device else "cpu", copy=True)
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


def _require_shape(name: str, target: Tensor, value: Tensor) -> None:
    if target.shape != value.shape:
        raise _misfit(f"{name} is {tuple(value.shape)}, not {tuple(target.shape)}")


def _misfit(what: str) -> UsageError:
    return UsageError(
        f"the saved weights do not fit this network: {what}; use the version of acgan that saved "
        "them, or start a new run with --run"
    )
