"""The networks of a model folder, built by its configuration and filled with its weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from acgan.errors import AcganError, DataError, UsageError
from acgan.model_folder import ModelRecord, Network
from acgan.networks.build import build_discriminator, build_generator
from acgan.networks.generator_set import GeneratorSet
from acgan.networks.interface import Discriminator, Generator
from acgan.objectives.build import build_objective

NetworkT = TypeVar("NetworkT", bound=nn.Module)


def generator_of(record: ModelRecord) -> Generator:
    """G, or those of a set's members as one; evaluation mode, float32, no gradients, on the CPU.

    Raises:
        DataError: the weights do not fit the configuration, or members not each other.
    """
    if record.members:
        try:
            return GeneratorSet([generator_of(member) for member in record.members]).eval()
        except ValueError as error:
            raise DataError(f"the model at {record.folder} is damaged: {error}") from None
    return _filled(
        lambda: build_generator(record.config.generator, record.shape, len(record.classes)),
        record,
        "generator",
    )


def discriminator_of(record: ModelRecord) -> Discriminator:
    """D; evaluation mode, float32, no gradients, on the CPU.

    Raises:
        UsageError: the model is a set, whose members have a discriminator each.
        DataError: the weights do not fit the configuration.
    """
    if record.members:
        listed = "".join(
            f"\n  {member.folder}: {', '.join(each.name for each in member.classes)}"
            for member in record.members
        )
        raise UsageError(
            f"this model is a set of {len(record.members)}, whose discriminators know nothing of "
            f"each other's classes; ask one of them:{listed}"
        )
    heads = build_objective(record.config.objective).heads
    return _filled(
        lambda: build_discriminator(
            record.config.discriminator, record.shape, len(record.classes), heads
        ),
        record,
        "discriminator",
    )


def _filled(build: Callable[[], NetworkT], record: ModelRecord, name: Network) -> NetworkT:
    state = record.state(name)
    try:
        with torch.random.fork_rng(devices=[]):  # initialisation draws numbers that nobody wants
            network = build()
        network.load_state_dict(state)
    except (AcganError, RuntimeError) as error:
        lines = str(error).strip().splitlines()
        reason = lines[min(1, len(lines) - 1)].strip()  # torch names the cause in its second line
        raise DataError(
            f"the model is damaged: the {name}'s weights in {record.folder} do not fit its "
            f"config.json: {reason}"
        ) from None
    return network.eval().requires_grad_(False)
