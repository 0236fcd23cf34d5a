"""What goes into a generator's first linear layer: the latent, and maybe the label."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from acgan.networks.conditioning import ConditioningConfig, required_labels


class LabelEntry(nn.Module, ABC):
    """What a generator's first linear layer is given.

    Attributes:
        output_size: length of one row of the result.
    """

    output_size: int

    @abstractmethod
    def forward(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """(N, output_size) from latents (N, Z) and labels int64 (N,).

        Raises:
            ValueError: it uses labels and there are none.
        """


@final
class NoiseAlone(LabelEntry):
    """The label enters elsewhere, or nowhere."""

    def __init__(self, latent_size: int) -> None:
        super().__init__()
        self.output_size = latent_size

    def forward(self, latents: Tensor, labels: Tensor | None) -> Tensor:  # noqa: ARG002
        """The latents as they are."""
        return latents


@final
class MultipliedEmbedding(LabelEntry):
    """z ⊙ e(y) with a learned e(y) of z's size."""

    def __init__(self, latent_size: int, classes: int) -> None:
        super().__init__()
        self.output_size = latent_size
        self.embedding = nn.Embedding(classes, latent_size)

    def forward(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """(N, Z)."""
        embedded: Tensor = self.embedding(required_labels(labels))
        return latents * embedded


@final
class JoinedEmbedding(LabelEntry):
    """[z, e(y)] with a learned e(y)."""

    def __init__(self, latent_size: int, classes: int, embedding_size: int) -> None:
        super().__init__()
        self.output_size = latent_size + embedding_size
        self.embedding = nn.Embedding(classes, embedding_size)

    def forward(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """(N, Z + embedding_size)."""
        return torch.cat([latents, self.embedding(required_labels(labels))], dim=1)


@final
class JoinedOneHot(LabelEntry):
    """[z, one-hot(y)]."""

    def __init__(self, latent_size: int, classes: int) -> None:
        super().__init__()
        self.output_size = latent_size + classes
        self._classes = classes

    def forward(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """(N, Z + K)."""
        one_hot = F.one_hot(required_labels(labels), self._classes)
        return torch.cat([latents, one_hot.to(latents.dtype)], dim=1)


def label_entry(config: ConditioningConfig, latent_size: int, classes: int) -> LabelEntry:
    """What goes into the first linear layer."""
    match config.mode:
        case "batchnorm" | "none":
            return NoiseAlone(latent_size)
        case "concatenate":
            return JoinedEmbedding(latent_size, classes, config.embedding_size)
        case "one-hot":
            return JoinedOneHot(latent_size, classes)
        case "multiply":
            return MultipliedEmbedding(latent_size, classes)
