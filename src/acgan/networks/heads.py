"""The heads of a discriminator, linear in its features.

An objective chooses them (`acgan.networks.interface.Heads`). They are computed in float32 (or
float64) also under autocast.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from acgan.networks.conditioning import required_labels
from acgan.networks.interface import Discriminator, DiscriminatorOutput, Heads
from acgan.networks.layers import full_precision


@final
class LinearHeads(nn.Module):
    """A source head and a class head of one of several kinds, on the same features φ(x).

    The source logit is ψ(φ(x)), or ψ(φ(x)) + v_y·φ(x) with a projection (Miyato & Koyama 2018,
    eq. 3), with ψ affine and one vector v_y per class. Class logits are affine in φ(x), and so
    is a second set of them (twin). A K + 1 head has no ψ: the source logit is
    log(Σ_{k<K} e^{l_k}) − l_K (Salimans et al. 2016, §5). An embedding is affine in φ(x) and then
    divided by its norm (Kang et al. 2021, §3.2), as the proxies are.

    Args:
        heads: which heads.
        features: F, the length of φ(x).
        classes: K.
    """

    def __init__(self, heads: Heads, features: int, classes: int) -> None:
        super().__init__()
        kind = self._kind = heads.classes
        self.source_head = None if kind == "k-plus-one" else nn.Linear(features, 1)
        # A linear layer and not an embedding: initialization and spectral norm then treat the v_y
        # as weights. All K products cost as much as a class head.
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
        # An embedding: only directions matter, so that spectral norm must not apply.
        self.proxies = nn.Embedding(classes, size) if kind == "proxies" else None

    def forward(self, features: Tensor, labels: Tensor | None) -> DiscriminatorOutput:
        """Return the outputs for features (N, F) of images with labels int64 (N,).

        Raises:
            ValueError: the source head is a projection and ``labels`` is None.
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
                    logits = class_logits_of_pairs(paired)
                case _:
                    source_logits = products["source"].squeeze(1)
            if self.projection_head is not None:
                column = required_labels(labels)[:, None]
                projection = products["projection"].gather(1, column)
                source_logits = source_logits + projection.squeeze(1)
            if self.proxies is not None:
                embeddings = F.normalize(products["embedding"], dim=1)
                proxies = F.normalize(self.proxies.weight, dim=1)
                logits = embeddings @ proxies.T
        return DiscriminatorOutput(
            source_logits, logits, features, paired, products.get("twin"), embeddings, proxies
        )

    def _products(self, features: Tensor) -> dict[str, Tensor]:
        """The outputs (N, width) of each linear head that exists."""
        layers = {
            "source": self.source_head,
            "projection": self.projection_head,
            "class": self.class_head,
            "twin": self.twin_head,
            "embedding": self.embedding_head,
        }
        present = {name: layer for name, layer in layers.items() if layer is not None}
        # One product for all heads reads the features, the largest tensor here, once.
        product = F.linear(features, torch.cat([layer.weight for layer in present.values()]))
        columns = torch.split(product, [layer.out_features for layer in present.values()], dim=1)
        return {
            name: column if layer.bias is None else column + layer.bias
            for (name, layer), column in zip(present.items(), columns, strict=True)
        }


class LinearDiscriminator(Discriminator, ABC):
    """A discriminator whose only heads are `LinearHeads`."""

    heads: LinearHeads

    @final
    def head_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the weights and biases of the heads."""
        yield from self.heads.parameters()


def class_logits_of_pairs(paired_logits: Tensor) -> Tensor:
    """Class logits (N, K) of paired ones (N, 2K): log(e^{l_2y} + e^{l_2y+1}).

    Their softmax is P(y | x) = P(real, y | x) + P(fake, y | x).
    """
    return paired_logits.view(len(paired_logits), -1, 2).logsumexp(dim=2)


def source_of_k_plus_one(k_plus_one_logits: Tensor) -> tuple[Tensor, Tensor]:
    """Class logits (N, K) and the source logit (N,) of K + 1 logits, the last of them "fake".

    σ(s) = 1 − P(fake | x) for s = log(Σ_{k<K} e^{l_k}) − l_K (Salimans et al. 2016, §5), and the
    softmax of the first K is P(y | x, real).
    """
    logits = k_plus_one_logits[:, :-1]
    return logits, logits.logsumexp(dim=1) - k_plus_one_logits[:, -1]
