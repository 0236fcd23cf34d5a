"""The seam of every measure: what a network says of images, as logits and as features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
import numpy.typing as npt

from acgan.data.images import Images

Floats = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]
"""Told how many images of how many are done."""


@final
@dataclass(frozen=True, eq=False)
class Answers:
    """What an extractor says of N images.

    Attributes:
        logits: float32 (N, K), unnormalised, over the classes that the extractor knows.
        features: float32 (N, F), in which distances are measured.
    """

    logits: Floats
    features: Floats


class Extractor(Protocol):
    """A fixed network that looks at images, each on its own.

    Answers are functions of the one image: neither the other images nor their number change them.
    """

    @property
    def name(self) -> str:
        """Part of every figure's name: ``judge``, ``efficientnet-lite0-128px``."""

    @property
    def resize_rule(self) -> str:
        """How images of another size are brought to the network's own, in words."""

    def answers(self, images: Images, *, progress: Progress | None = None) -> Answers:
        """Logits and features of uint8 images (N, C, H, W), C 1 or 3.

        Raises:
            DataError: it cannot read images of this size or these channels.
        """

    def weights_hash(self) -> str:
        """SHA-256 over its weights: equal networks, equal hash."""
