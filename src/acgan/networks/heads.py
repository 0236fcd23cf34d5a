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
    """A source head and, if asked for, a class head of one of several kinds, on the same φ(x).

    The source logit is ψ(φ(x)), or ψ(φ(x)) + v_y·φ(x) with a projection (Miyato & Koyama 2018,
    eq. 3), ψ being affine and v_y a vector for each class. Class logits are affine in φ(x), and so
    is a second set of them (twin). A K + 1 head has one class more, and no ψ: the source logit is
    log(Σ_{k<K} e^{l_k}) − l_K (Salimans et al. 2016, §5). An embedding is affine in φ(x) and then
    divided by its norm (Kang et al. 2021, §3.2), as the proxies are.

    Args:
        heads: which.
        features: F, the length of φ(x).
        classes: K.
    """

    def __init__(self, heads: Heads, features: int, classes: int) -> None:
        super().__init__()
        kind = self._kind = heads.classes
        self.source_head = None if kind == "k-plus-one" else nn.Linear(features, 1)
        # A linear layer and not an embedding, so that initialization and spectral norm treat the
        # v_y as the weights that they are; all K products cost what a class head costs.
        self.projection_head = (
            nn.Linear(features, classes, bias=False) if heads.source == "projection" else None
        )
        width = {
            "plain": classes,
            "twin": classes,
            "paired": 2 * classes,
            "k-plus-one": classes + 1,
        }
        self.class_head = nn.Linear(features, width[kind]) if kind in width else None
        self.twin_head = nn.Linear(features, classes) if kind == "twin" else None
        size = heads.embedding_size
        self.embedding_head = nn.Linear(features, size) if kind == "proxies" else None
        # Directions: what a point's length is does not matter, and spectral norm would only set it.
        self.proxies = nn.Embedding(classes, size) if kind == "proxies" else None

    def forward(self, features: Tensor, labels: Tensor | None) -> DiscriminatorOutput:
        """Answer for features (N, F) of images with labels int64 (N,).

        Raises:
            ValueError: the source head is a projection and there are no labels.
        """
        paired = embeddings = proxies = None
        with full_precision(features.device):
            products = self._products(features)
            logits = products.get("class")
            match self._kind:
                case "k-plus-one":
                    logits, source_logits = source_of_k_plus_one(products["class"])
                case "paired":
                    paired, source_logits = products["class"], products["source"].squeeze(1)
                    logits = either_of_pair(paired)
                case _:
                    source_logits = products["source"].squeeze(1)
            if self.projection_head is not None:
                source_logits = source_logits + _of_label(products["projection"], labels)
            if self.proxies is not None:
                embeddings = F.normalize(products["embedding"], dim=1)
                proxies = F.normalize(self.proxies.weight, dim=1)
                logits = embeddings @ proxies.T
        return DiscriminatorOutput(
            source_logits, logits, features, paired, products.get("twin"), embeddings, proxies
        )

    def _products(self, features: Tensor) -> dict[str, Tensor]:
        """What each linear head that there is makes of the features: (N, its outputs)."""
        layers = {
            "source": self.source_head,
            "projection": self.projection_head,
            "class": self.class_head,
            "twin": self.twin_head,
            "embedding": self.embedding_head,
        }
        present = {name: layer for name, layer in layers.items() if layer is not None}
        # One product for all heads: the features are the largest thing here, and are read once.
        predictions = F.linear(features, torch.cat([layer.weight for layer in present.values()]))
        columns = torch.split(
            predictions, [layer.out_features for layer in present.values()], dim=1
        )
        return {
            name: column if layer.bias is None else column + layer.bias
            for (name, layer), column in zip(present.items(), columns, strict=True)
        }


def either_of_pair(paired_logits: Tensor) -> Tensor:
    """Class logits (N, K) of paired ones (N, 2K): log(e^{l_2y} + e^{l_2y+1}).

    Their softmax is P(y | x) = P(real, y | x) + P(fake, y | x), the class whichever the source.
    """
    return paired_logits.view(len(paired_logits), -1, 2).logsumexp(dim=2)


def source_of_k_plus_one(k_plus_one_logits: Tensor) -> tuple[Tensor, Tensor]:
    """Class logits (N, K) and the source logit (N,) of K + 1 logits, the last of them "fake".

    σ(s) = 1 − P(fake | x) for s = log(Σ_{k<K} e^{l_k}) − l_K (Salimans et al. 2016, §5), and the
    softmax of the first K is P(y | x, real).
    """
    logits = k_plus_one_logits[:, :-1]
    return logits, logits.logsumexp(dim=1) - k_plus_one_logits[:, -1]


def _of_label(products: Tensor, labels: Tensor | None) -> Tensor:
    """From v_k·φ for every class k, (N, K), the one of each image's label, (N,)."""
    if labels is None:
        raise ValueError("a discriminator with a projection judges images of given classes: labels")
    return products.gather(1, labels[:, None]).squeeze(1)
