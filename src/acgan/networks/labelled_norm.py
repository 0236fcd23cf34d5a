"""A generator's normalisations, by which label and latent may enter."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from acgan.networks.conditioning import ConditioningConfig, required_labels
from acgan.networks.layers import BatchNormConfig, batch_norm


class LabelledNorm(nn.Module, ABC):
    """A normalisation that is told labels and latents, whether it uses them or not."""

    @abstractmethod
    def forward(self, activations: Tensor, labels: Tensor | None, latents: Tensor) -> Tensor:
        """Normalised activations, in their dtype and memory format.

        Args:
            activations: (N, C, H, W).
            labels: int64 (N,), or None where there are none.
            latents: (N, Z).

        Raises:
            ValueError: it uses labels and there are none.
        """


@final
class PlainBatchNorm(LabelledNorm):
    """Batch norm with one gain and one bias per channel; label and latent do not matter."""

    def __init__(self, channels: int, config: BatchNormConfig) -> None:
        super().__init__()
        self.batch_norm: nn.Module = batch_norm(channels, config)

    def forward(
        self,
        activations: Tensor,
        labels: Tensor | None,  # noqa: ARG002
        latents: Tensor,  # noqa: ARG002
    ) -> Tensor:
        """The normalised activations."""
        normal: Tensor = self.batch_norm(activations)
        return normal


@final
class ConditionalBatchNorm(LabelledNorm):
    """Batch norm with a gain 1 + g and a bias b for each image and channel.

    (g, b) = E[y] + M z: an embedding of 2·C numbers a class (de Vries et al. 2017), a linear layer
    without bias of the latent (Chen et al. 2019), or the sum of both (Brock et al. 2019).

    Args:
        channels: C.
        config: settings of the batch norm.
        classes: K of the embedding; 0 for none, and labels do not matter.
        latent_size: Z of the linear layer; 0 for none, and latents do not matter.
    """

    def __init__(
        self, channels: int, config: BatchNormConfig, *, classes: int = 0, latent_size: int = 0
    ) -> None:
        super().__init__()
        self.batch_norm = batch_norm(channels, config, affine=False)
        self.embedding = nn.Embedding(classes, 2 * channels) if classes else None
        self.of_latent = nn.Linear(latent_size, 2 * channels, bias=False) if latent_size else None

    def forward(self, activations: Tensor, labels: Tensor | None, latents: Tensor) -> Tensor:
        """The normalised activations."""
        gain, bias = self._gain_and_bias(labels, latents).chunk(2, dim=1)
        gain = 1 + gain
        norm, normal = self.batch_norm, activations
        if norm.training:
            normal = norm(activations)
        else:
            # Fixed statistics go into gain and bias: the activations are then read and written
            # once, and round-off in a low precision happens once.
            gain = gain * torch.rsqrt(norm.get_buffer("running_var") + norm.eps)
            bias = torch.addcmul(bias, norm.get_buffer("running_mean"), gain, value=-1)
        # These are float32 also under autocast; without the casts so would be the result.
        gain, bias = (each.to(normal.dtype)[:, :, None, None] for each in (gain, bias))
        return torch.addcmul(bias, normal, gain)

    def _gain_and_bias(self, labels: Tensor | None, latents: Tensor) -> Tensor:
        """(N, 2·C), g then b, in the latents' dtype."""
        parts = []
        if self.embedding is not None:
            parts.append(self.embedding(required_labels(labels)))
        if self.of_latent is not None:
            parts.append(self.of_latent(latents).to(latents.dtype))
        total: Tensor = sum(parts[1:], start=parts[0])
        return total


def labelled_norms(
    config: ConditioningConfig,
    widths: Sequence[int],
    classes: int,
    latent_size: int,
    norm: BatchNormConfig,
) -> nn.ModuleList:
    """The normalisations of all layers, from the latent on; each is a `LabelledNorm`."""
    labelled = {"all": len(widths), "first": 1}[config.layers]
    if config.mode != "batchnorm":
        labelled = 0
    of_latents = latent_size if config.latents_in_norms else 0
    return nn.ModuleList(
        ConditionalBatchNorm(
            channels, norm, classes=classes if index < labelled else 0, latent_size=of_latents
        )
        if index < labelled or of_latents
        else PlainBatchNorm(channels, norm)
        for index, channels in enumerate(widths)
    )
