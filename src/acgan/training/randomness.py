"""All randomness of training is a pure function of (seed, retry, stream, images seen).

So only the counter needs saving: a run that is killed and resumed draws what it would have drawn.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import final

import torch


@final
@dataclass(frozen=True)
class Streams:
    """The random streams of one run.

    Attributes:
        seed: the run's seed.
        retry: 0, or how often a diverged run went back to a good state; salts every stream.
    """

    seed: int
    retry: int = 0

    def derive(self, stream: str, counter: int = 0) -> int:
        """A 63-bit seed for ``stream`` at ``counter``: the first bytes of a BLAKE2b hash."""
        text = f"{self.seed}/{self.retry}/{stream}/{counter}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1

    def generator(self, stream: str, counter: int = 0) -> torch.Generator:
        """A fresh CPU generator; drawing on the CPU gives every device the same numbers."""
        return torch.Generator().manual_seed(self.derive(stream, counter))

    def seed_global(self, stream: str, counter: int = 0) -> None:
        """Seed torch's global generators, which dropout and activation noise use."""
        torch.manual_seed(self.derive(stream, counter))
