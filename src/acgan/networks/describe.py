"""Layers, parameters and floating-point operations of two networks.

They are counted by torch's `FlopCounterMode` on copies without storage (the meta device), which
takes no memory and almost no time, and leaves networks and random state as they are.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from acgan.data.images import ImageShape
from acgan.networks.interface import Discriminator, DiscriminatorOutput, Generator


@final
@dataclass(frozen=True)
class LayerRow:
    """One layer, in the order of computation.

    Attributes:
        layer: its path in the network.
        kind: its class's name.
        output_shape: without the batch.
        parameters: number of trained numbers.
    """

    layer: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int


@final
@dataclass(frozen=True)
class NetworkTable:
    """One network.

    Attributes:
        rows: its layers.
        parameters: number of trained numbers.
        forward_flops: floating-point operations (a multiplication and an addition are two) of the
            matrix products and convolutions of one forward pass, per image.
    """

    rows: tuple[LayerRow, ...]
    parameters: int
    forward_flops: int


@final
@dataclass(frozen=True)
class NetworkSummary:
    """Both networks.

    Attributes:
        generator: the generator.
        discriminator: the discriminator.
        training_flops: operations per real image of one D step and one G step, forward and
            backward, each with its own batch of fake images.
    """

    generator: NetworkTable
    discriminator: NetworkTable
    training_flops: int

    def __str__(self) -> str:
        return render_summary(self)


def describe_networks(
    generator: Generator, discriminator: Discriminator, shape: ImageShape, classes: int, batch: int
) -> NetworkSummary:
    """Count layers, parameters and operations of two networks.

    Args:
        generator: of images of ``shape``.
        discriminator: for images of ``shape``.
        shape: channels, height, width.
        classes: number of classes.
        batch: images in a training batch (at least 1); costs are per image of it.
    """
    g = copy.deepcopy(generator).to("meta").train()
    d = copy.deepcopy(discriminator).to("meta").train()
    latents = torch.empty(batch, g.latent_size, device="meta")
    labels = torch.empty(batch, dtype=torch.int64, device="meta")
    images = torch.empty(batch, *shape, device="meta")
    if g.classes != classes:
        raise ValueError(f"the generator has {g.classes} classes, not {classes}")
    return NetworkSummary(
        generator=_table(g, (latents, labels), batch),
        discriminator=_table(d, (images, labels), batch),
        training_flops=_training_flops(g, d, images, latents, labels) // batch,
    )


def render_summary(summary: NetworkSummary) -> str:
    """Return the summary as plain text."""
    sections = []
    for title, table in (
        ("generator", summary.generator),
        ("discriminator", summary.discriminator),
    ):
        lines = [("layer", "kind", "output", "parameters")]
        lines += [
            (row.layer, row.kind, "×".join(map(str, row.output_shape)), f"{row.parameters:,}")
            for row in table.rows
        ]
        lines.append(("total", "", "", f"{table.parameters:,}"))
        widths = [max(len(line[column]) for line in lines) for column in range(4)]
        text = [
            f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:<{widths[2]}}  {d:>{widths[3]}}".rstrip()
            for a, b, c, d in lines
        ]
        text.insert(1, "─" * max(map(len, text)))
        cost = f"forward: {_count(table.forward_flops)}FLOP an image"
        sections.append("\n".join([title, *text, cost]))
    training = f"training: {_count(summary.training_flops)}FLOP an image (a D step and a G step)"
    return "\n\n".join([*sections, training])


def _table(network: nn.Module, inputs: tuple[Tensor, Tensor], batch: int) -> NetworkTable:
    rows: list[LayerRow] = []
    layers = {name: layer for name, layer in network.named_modules() if _is_layer(name, layer)}

    def record(name: str) -> Any:
        def hook(layer: nn.Module, _inputs: Any, output: Tensor) -> None:
            rows.append(_row(name, layer, tuple(output.shape[1:])))

        return hook

    handles = [layer.register_forward_hook(record(name)) for name, layer in layers.items()]
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    called = {row.layer for row in rows}
    for name, layer in layers.items():  # heads are never called: one product has all weights
        if name not in called and isinstance(layer, nn.Linear):
            rows.append(_row(name, layer, (layer.out_features,)))
        if name not in called and isinstance(layer, nn.Embedding):
            rows.append(_row(name, layer, (layer.num_embeddings,)))
    return NetworkTable(
        rows=tuple(rows),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        forward_flops=counter.get_total_flops() // batch,
    )


def _row(name: str, layer: nn.Module, output_shape: tuple[int, ...]) -> LayerRow:
    kind = next(c.__name__ for c in type(layer).mro() if not c.__name__.startswith("Param"))
    learned = sum(parameter.numel() for parameter in layer.parameters())
    return LayerRow(name, kind, output_shape, learned)


def _is_layer(name: str, module: nn.Module) -> bool:
    """Whether a module has no children except spectral norm, which is part of its layer."""
    if "parametrizations" in name.split("."):
        return False
    return all(child == "parametrizations" for child, _ in module.named_children())


def _training_flops(
    generator: nn.Module, discriminator: nn.Module, images: Tensor, latents: Tensor, labels: Tensor
) -> int:
    with FlopCounterMode(display=False) as counter:
        with torch.no_grad():
            fakes = generator(latents, labels)
        for batch in (images, fakes):
            torch.autograd.backward(_scalar(discriminator(batch, labels)))
        discriminator.requires_grad_(False)
        torch.autograd.backward(_scalar(discriminator(generator(latents, labels), labels)))
    return int(counter.get_total_flops())


def _scalar(output: DiscriminatorOutput) -> Tensor:
    total = output.source_logits.sum()
    return total if output.class_logits is None else total + output.class_logits.sum()


def _count(number: int) -> str:
    """Format a number with three digits and a prefix: 12.3 M."""
    value, prefixes = float(number), ["", "k", "M", "G", "T", "P"]
    while value >= 999.5 and len(prefixes) > 1:
        value, prefixes = value / 1000, prefixes[1:]
    return f"{value:.3g} {prefixes[0]}"
