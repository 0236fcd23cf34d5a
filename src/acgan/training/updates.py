"""What updates leave on the device, and the one place where it is read out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import final

import torch
from torch import Tensor

from acgan.training.guard import Finding
from acgan.training.meters import Meters


@final
@dataclass(frozen=True)
class Update:
    """What one update leaves on the device, to be read out at the end of the iteration.

    Attributes:
        network: ``discriminator`` or ``generator``.
        terms: names of the loss terms; their values come first in ``finding``.
        finding: what the guard saw.
        counts: right answers by what they are answers to, each with the number of questions.
    """

    network: str
    terms: tuple[str, ...]
    finding: Finding
    counts: Mapping[str, tuple[Tensor, int]]


def read_out(updates: Sequence[Update], meters: Meters) -> list[str]:
    """Count the updates that were made, and name what spoiled the others; the one read-out."""
    figures = [
        torch.cat([u.finding.sizes, *(total.view(1) for total, _ in u.counts.values())])
        for u in updates
    ]
    values = iter(torch.cat(figures).tolist())
    skipped = []
    for update in updates:
        sizes = list(islice(values, len(update.finding.names)))
        totals = list(islice(values, len(update.counts)))
        problem = update.finding.problem(sizes)
        if problem:
            skipped.append(f"{update.network}: {problem}")
            continue
        for term, value in zip(update.terms, sizes, strict=False):
            meters.add(f"{update.network}.{term}", value)
        for (name, (_, count)), total in zip(update.counts.items(), totals, strict=True):
            meters.add(name, total, count)
    return skipped
