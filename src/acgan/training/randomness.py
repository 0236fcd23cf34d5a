"""Random streams of training: pure functions of (seed, retry, stream, images seen).

A checkpoint therefore saves counters only, and a resumed run repeats the same random numbers.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import final

import torch


@final
class Stream(StrEnum):
    """The random streams of training.

    The values are hashed into every seed. They keep their first spelling, although the rest of the
    code has other names today: a renamed stream changes every bit of every run.
    """

    INITIAL_WEIGHTS = "initial-weights"
    FEATURE_NETWORK = "trunk"
    ORDER = "order"
    LABELED_ORDER = "labelled-order"
    HORIZONTAL_FLIP = "mirror"
    DROPOUT = "dropout"
    REGULARIZERS = "regularisers"
    # One stream per purpose: latents-discriminator-0, latents-generator, …
    LATENTS = "latents"
    LABELS = "labels"
    AUGMENTATION = "augmentation"
    STATISTICS = "statistics"


@final
@dataclass(frozen=True)
class Streams:
    """The random streams of one run.

    Attributes:
        seed: seed of the run.
        retry: how often the run went back to an earlier state after diverging; part of every seed.
    """

    seed: int
    retry: int = 0

    def derive(self, stream: Stream, counter: int = 0, *, purpose: str | None = None) -> int:
        """Return the 63-bit seed of a stream: the first bytes of a BLAKE2b hash.

        Args:
            stream: the stream.
            counter: images seen, or an index.
            purpose: suffix of the stream's name, where it serves several purposes.
        """
        name = f"{stream}-{purpose}" if purpose else f"{stream}"
        text = f"{self.seed}/{self.retry}/{name}/{counter}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1

    def generator(
        self, stream: Stream, counter: int = 0, *, purpose: str | None = None
    ) -> torch.Generator:
        """Return a new CPU generator; every device then gets the same numbers."""
        return torch.Generator().manual_seed(self.derive(stream, counter, purpose=purpose))

    def seed_global(self, stream: Stream, counter: int = 0) -> None:
        """Seed torch's global generators, which dropout and activation noise use."""
        torch.manual_seed(self.derive(stream, counter))
