"""The heads of a discriminator: what it says of an image, linear in the features of its trunk.

Which of them there are is the objective's wish (`acgan.networks.interface.Heads`). They are
computed in float32 (or float64) also under autocast.
"""

from __future__ import annotations

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from acgan.networks.interface import DiscriminatorOutput, Heads
from acgan.networks.layers import full_precision


@final
class LinearHeads(nn.Module):
    """A source head and, if asked for, a class head on the same features φ(x).

    The source logit is ψ(φ(x)), or ψ(φ(x)) + v_y·φ(x) with a projection (Miyato & Koyama 2018,
    eq. 3), ψ being affine and v_y a vector for each class. The class logits are affine in φ(x).

    Args:
        heads: which.
        features: F, the length of φ(x).
        classes: K.
    """

    def __init__(self, heads: Heads, features: int, classes: int) -> None:
        super().__init__()
        self.source_head = nn.Linear(features, 1)
        # A linear layer and not an embedding, so that initialisation and spectral norm treat the
        # v_y as the weights that they are; all K products cost what a class head costs.
        self.projection_head = (
            nn.Linear(features, classes, bias=False) if heads.source == "projection" else None
        )
        self._paired = heads.classes == "paired"
        self.class_head = (
            None
            if heads.classes == "none"
            else nn.Linear(features, 2 * classes if self._paired else classes)
        )

    def forward(self, features: Tensor, labels: Tensor | None) -> DiscriminatorOutput:
        """Answer for features (N, F) of images with labels int64 (N,).

        Raises:
            ValueError: the source head is a projection and there are no labels.
        """
        layers = [self.source_head, self.projection_head, self.class_head]
        present = [layer for layer in layers if layer is not None]
        with full_precision(features.device):
            # One product for all heads: the features are the largest thing here, and are read once.
            answers = F.linear(features, torch.cat([layer.weight for layer in present]))
            columns = iter(torch.split(answers, [layer.out_features for layer in present], dim=1))
            source_logits = next(columns).squeeze(1) + self.source_head.bias
            if self.projection_head is not None:
                source_logits = source_logits + _of_label(next(columns), labels)
            if self.class_head is None:
                return DiscriminatorOutput(source_logits, None, features)
            logits = next(columns) + self.class_head.bias
            if not self._paired:
                return DiscriminatorOutput(source_logits, logits, features)
            return DiscriminatorOutput(source_logits, either_of_pair(logits), features, logits)


def either_of_pair(paired_logits: Tensor) -> Tensor:
    """Class logits (N, K) of paired ones (N, 2K): log(e^{l_2y} + e^{l_2y+1}).

    Their softmax is P(y | x) = P(real, y | x) + P(fake, y | x), the class whichever the source.
    """
    return paired_logits.view(len(paired_logits), -1, 2).logsumexp(dim=2)


def _of_label(products: Tensor, labels: Tensor | None) -> Tensor:
    """From v_k·φ for every class k, (N, K), the one of each image's label, (N,)."""
    if labels is None:
        raise ValueError("a discriminator with a projection judges images of given classes: labels")
    return products.gather(1, labels[:, None]).squeeze(1)
