"""Several generators as one, each for a few of the classes (Odena et al. 2017, §4: 100 × 10)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import cast, final

import torch
from torch import Tensor, nn

from acgan.networks.conditioning import required_labels
from acgan.networks.interface import Generator


@final
class GeneratorSet(Generator):
    """A generator that forwards every label to the member with that class.

    A member always computes the whole batch, with its class 0 in the rows of other members, and
    only its own rows are used: its images are bit for bit those that it generates alone in batches
    of that size. A batch with classes of m members costs m passes; samples are generated class
    after class, which costs one or two.

    Args:
        members: conditional, with equal latent sizes; the classes of the first come first, then
            those of the second, and so on.

    Raises:
        ValueError: there is no member, one is not conditional, or latent sizes differ.
    """

    def __init__(self, members: Sequence[Generator]) -> None:
        super().__init__()
        if len({member.latent_size for member in members}) != 1:
            raise ValueError("a set needs members, all with latents of one size")
        if not all(member.conditional for member in members):
            raise ValueError("a member is not conditional; a set needs conditional generators")
        self.members = nn.ModuleList(members)
        self.latent_size = members[0].latent_size
        self.conditional = True
        self.classes = sum(member.classes for member in members)
        self._first_classes = torch.tensor([0, *(m.classes for m in members)]).cumsum(0)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (N, C, H, W) in [-1, 1].

        Args:
            latents: (N, latent_size).
            labels: int64 (N,), each in [0, K) with K the classes of all members together.

        Raises:
            ValueError: ``labels`` is None, or the batch is empty.
        """
        labels = required_labels(labels)
        wanted = labels.cpu()
        owners = torch.searchsorted(self._first_classes, wanted, right=True) - 1
        images: Tensor | None = None
        for index in sorted(set(owners.tolist())):
            mine = owners == index
            local = torch.where(mine, wanted - self._first_classes[index], 0)
            generated = self.all_members()[index](latents, local.to(labels.device))
            rows = mine.to(generated.device)[:, None, None, None]
            images = generated if images is None else torch.where(rows, generated, images)
        if images is None:
            raise ValueError("an empty batch has no image")
        return images

    def member_of(self, label: int) -> tuple[Generator, int]:
        """Return the generator of a class, and the label of the class within it."""
        index = bisect_right(self._first_classes.tolist(), label) - 1
        return self.all_members()[index], label - int(self._first_classes[index])

    def normalized(self) -> Iterator[tuple[nn.Module, nn.Module]]:
        """Yield those of all members."""
        return chain.from_iterable(each.normalized() for each in self.all_members())

    def all_members(self) -> list[Generator]:
        """Return the generators, in the order of their classes."""
        return cast(list[Generator], list(self.members))
