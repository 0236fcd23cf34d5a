"""Fitting of a classifier: batches from memory, augmentation, one cycle of the learning rate."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from acgan.classifiers.fit_checkpoint import FitCheckpoint
from acgan.config import Config
from acgan.data.batches import random_horizontal_flip
from acgan.data.images import LabeledImages
from acgan.errors import DataError, DivergedError, counted
from acgan.execution.execution import fast_bfloat16

FitProgress = Callable[[int, int, float], None]


class FitConfig(Config):
    """How to fit a classifier; together with the data and a seed it determines the weights.

    Attributes:
        flip: flip half of the images horizontally. It has no default, because it is wrong for
            digits and text, where a flipped image belongs to another class or to none.
        images: the budget, in training images.
        batch_size: images per step (fewer if the data has fewer).
        optimizer: ``adamw``, or stochastic gradient descent with Nesterov momentum 0.9.
        peak_lr: the learning rate at the top of the cycle.
        warm_up_share: share of the steps in which the learning rate rises linearly from 0; it
            falls linearly to 0 over the rest.
        weight_decay: on weights of two dimensions or more, never on biases or batch norm.
        label_smoothing: probability spread evenly over all classes.
        shift_pixels: largest random shift in each direction; the border is filled by reflection.
        erase_pixels: side of a random square that is replaced by the mean color; 0 for none.
        precision: ``auto`` is bfloat16 if the processor computes with it, else float32.
    """

    flip: bool
    images: int = Field(gt=0)
    batch_size: int = Field(default=128, ge=2)
    optimizer: Literal["adamw", "sgd-nesterov"] = "adamw"
    peak_lr: float = Field(default=3e-3, gt=0)
    warm_up_share: float = Field(default=0.2, ge=0, lt=1)
    weight_decay: float = Field(default=0.05, ge=0)
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    shift_pixels: int = Field(default=2, ge=0)
    erase_pixels: int = Field(default=0, ge=0)
    precision: Literal["auto", "bf16", "fp32"] = "auto"


def fit_classifier(
    network: nn.Module,
    train: LabeledImages,
    config: FitConfig,
    *,
    seed: int,
    progress: FitProgress | None = None,
    checkpoint: FitCheckpoint | None = None,
) -> None:
    """Fit ``network`` in place, on the device of its parameters; it ends in eval mode.

    ``seed`` determines all randomness (order, augmentation, dropout); torch's global generator
    stays unchanged.

    Args:
        network: maps uint8 (N, C, H, W) to logits (N, K).
        train: the training images.
        config: the configuration of the fit.
        seed: of order, augmentation and dropout.
        progress: called after each step with images seen, the budget and the batch's loss in nats.
        checkpoint: where the state is saved from time to time and continued from, to the same
            weights, bit for bit. Only for networks on the CPU.

    Raises:
        DataError: fewer than two images.
        DivergedError: the loss is not finite.
        DiskError: the checkpoint cannot be written.
    """
    if len(train) < 2:
        raise DataError(
            f"cannot fit a classifier to {counted(len(train), 'image')}; give at least two"
        )
    device = next(network.parameters()).device
    batch_size = min(config.batch_size, len(train))
    steps = max(1, round(config.images / batch_size))
    network.to(memory_format=torch.channels_last).train()
    optimizer = _optimizer(network, config)
    half = config.precision == "bf16" or (config.precision == "auto" and fast_bfloat16(device.type))
    fill = _mean_color(train)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        saved = checkpoint.take() if checkpoint is not None else {}
        done, waiting = _restored(saved, network, optimizer)
        for step in range(done + 1, steps + 1):
            for group in optimizer.param_groups:
                group["lr"] = config.peak_lr * one_cycle(step - 1, steps, config.warm_up_share)
            while len(waiting) < batch_size:  # every image once before any again
                waiting = torch.cat([waiting, torch.randperm(len(train))])
            chosen, waiting = waiting[:batch_size], waiting[batch_size:]
            # Fancy indexing copies, so a read-only memory map is never handed to torch.
            images = augment(torch.from_numpy(train.images[chosen.numpy()]), config, fill)
            inputs = images.to(device, memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                logits = network(inputs)
            target = torch.from_numpy(train.labels[chosen.numpy()]).to(device)
            loss = F.cross_entropy(logits.float(), target, label_smoothing=config.label_smoothing)
            value = loss.item()
            if not math.isfinite(value):
                raise DivergedError(
                    f"the classifier's loss became {value} after {step * batch_size} images; "
                    f"use a peak_lr below {config.peak_lr:g}"
                )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if checkpoint is not None:
                checkpoint.save_if_due(partial(_state, step, waiting, network, optimizer))
            if progress is not None:
                progress(step * batch_size, steps * batch_size, value)
    network.eval()


def measure_images_per_second(
    network: nn.Module, train: LabeledImages, config: FitConfig, *, seconds: float = 1.0
) -> float:
    """Return the speed of a fit, measured on a copy of the network after a warm-up."""
    few = config.model_copy(update={"images": 2 * min(config.batch_size, len(train))})
    few = few.model_copy(update={"peak_lr": 1e-6})  # the weights hardly change
    trial = copy.deepcopy(network)
    fit_classifier(trial, train, few, seed=0)
    started, images = time.perf_counter(), 0
    while images == 0 or time.perf_counter() - started < seconds:
        fit_classifier(trial, train, few, seed=0)
        images += few.images
    return images / (time.perf_counter() - started)


def one_cycle(step: int, steps: int, warm_up_share: float) -> float:
    """Return the share of the peak learning rate at 0-based ``step``: triangular, never 0."""
    warm_up = warm_up_share * steps
    at = step + 0.5  # the middle of the step, so that neither the first nor the last is lost
    return at / warm_up if at < warm_up else max(0.0, (steps - at) / (steps - warm_up))


def augment(images: Tensor, config: FitConfig, fill: Tensor) -> Tensor:
    """Shift, flip and erase each image independently, with torch's global generator.

    Args:
        images: uint8 (N, C, H, W).
        config: which operations, and their size.
        fill: uint8 (C,), the color of an erased square.

    Returns:
        uint8 (N, C, H, W), a new tensor if anything changed.
    """
    count, _, height, width = images.shape
    if config.shift_pixels:
        images = _shift(images, config.shift_pixels)
    if config.flip:
        images = random_horizontal_flip(images)
    if config.erase_pixels:
        rows = _span(count, height, config.erase_pixels)
        columns = _span(count, width, config.erase_pixels)
        hole = rows[:, None, :, None] & columns[:, None, None, :]
        images = torch.where(hole, fill[None, :, None, None], images)
    return images


def _optimizer(network: nn.Module, config: FitConfig) -> torch.optim.Optimizer:
    parameters = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.peak_lr, fused=True)
    return torch.optim.SGD(groups, lr=config.peak_lr, momentum=0.9, nesterov=True, fused=True)


def _state(
    step: int, waiting: Tensor, network: nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, Tensor]:
    """Return everything that the next step depends on, besides data, configuration and seed."""
    return {
        "step": torch.tensor(step),
        "waiting": waiting,
        "random": torch.get_rng_state(),
        **{f"network.{name}": value for name, value in network.state_dict().items()},
        **{
            f"optimizer.{index}.{name}": value
            for index, parameter in enumerate(network.parameters())
            for name, value in optimizer.state[parameter].items()
        },
    }


def _restored(
    saved: Mapping[str, Tensor], network: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[int, Tensor]:
    """Restore a saved state; return the steps done and the waiting indices (none: the start)."""
    if not saved:
        return 0, torch.empty(0, dtype=torch.int64)
    weights = {name: saved[f"network.{name}"] for name in network.state_dict()}
    network.load_state_dict(weights)
    parameters = list(network.parameters())
    for key, value in saved.items():
        kind, _, rest = key.partition(".")
        if kind == "optimizer":
            index, _, name = rest.partition(".")
            parameter = parameters[int(index)]
            # Fused optimizers need moments in the memory format of their parameter.
            alike = torch.empty_like(parameter.detach()) if value.dim() else value.clone()
            optimizer.state[parameter][name] = alike.copy_(value)
    torch.set_rng_state(saved["random"])
    return int(saved["step"]), saved["waiting"]


def _mean_color(train: LabeledImages) -> Tensor:
    sample = train.images[:: max(1, len(train) // 4096)]
    return torch.from_numpy(np.rint(sample.mean(axis=(0, 2, 3))).astype(np.uint8))


def _shift(images: Tensor, most: int) -> Tensor:
    count, channels, height, width = images.shape
    rows = torch.arange(height) + torch.randint(-most, most + 1, (count, 1))
    columns = torch.arange(width) + torch.randint(-most, most + 1, (count, 1))
    return images[
        torch.arange(count)[:, None, None, None],
        torch.arange(channels)[None, :, None, None],
        _reflect(rows, height)[:, None, :, None],
        _reflect(columns, width)[:, None, None, :],
    ]


def _reflect(positions: Tensor, size: int) -> Tensor:
    """Reflect positions outside [0, size) back inside, without repeating the border pixel."""
    period = max(1, 2 * (size - 1))
    inside = positions.remainder(period)
    return torch.minimum(inside, period - inside)


def _span(count: int, size: int, side: int) -> Tensor:
    """Return bool (count, size): a run of up to ``side`` positions around a uniform center."""
    start = torch.randint(size, (count, 1)) - side // 2
    positions = torch.arange(size)
    return (positions >= start) & (positions < start + side)
