"""How the label enters a generator: joined to or multiplied into the noise, by batch norms, or not.

By the norms the latent may enter too, beside or without the label.

An architecture asks for two things: what goes into its first linear layer
(`acgan.networks.label_entry`) and its normalisation (`acgan.networks.labelled_norm`). It never asks
which of the five ways it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, final

from pydantic import BeforeValidator, Field
from torch import Tensor, nn

from acgan.config import Config


@final
class ConditioningConfig(Config):
    """How the label enters.

    Attributes:
        mode: ``batchnorm``: a gain and a bias per class in every batch norm (de Vries et al. 2017),
            the noise alone enters below, so fixed noise keeps the style while the class changes.
            ``concatenate``: a learned embedding is joined to the noise. ``one-hot``: the one-hot
            label is joined to the noise (Odena et al. 2017). ``multiply``: a learned embedding is
            multiplied into the noise, as the popular script does; the class then is only a scale of
            each noise dimension and fixed noise does not keep the style. ``none``: it does not
            enter; the generator draws from all of the data and cannot be asked for a class.
        layers: with ``batchnorm``: ``all`` batch norms, or the ``first`` alone; the others then
            have one gain and one bias per channel for all classes, which costs less time.
        latents_in_norms: the latent too adds to the gains and biases of every batch norm, by one
            linear layer each (Chen et al. 2019, arXiv 1810.01365; with labels Brock et al. 2019,
            arXiv 1809.11096, appendix B). What a whole image has in common, such as its colours,
            then depends on the latent by a short way; without it G tends to settle it by class.
        embedding_size: size of the joined embedding (``concatenate`` alone).
        embedding_std: embeddings start as N(0, embedding_std²); by default .3 with ``batchnorm``
            (gains that start all alike teach G to ignore the label) and 1 elsewhere.
    """

    mode: Annotated[
        Literal["batchnorm", "concatenate", "one-hot", "multiply", "none"],
        # an override `…mode=none` is read as no value at all, which is what it says
        BeforeValidator(lambda given: "none" if given is None else given),
    ] = "batchnorm"
    layers: Literal["all", "first"] = "all"
    latents_in_norms: bool = False
    embedding_size: int = Field(50, ge=1)
    embedding_std: float | None = Field(None, gt=0)

    @property
    def conditional(self) -> bool:
        """Whether labels reach the generator at all."""
        return self.mode != "none"

    @property
    def initial_std(self) -> float:
        """The standard deviation that embeddings start with."""
        if self.embedding_std is not None:
            return self.embedding_std
        return 0.3 if self.mode == "batchnorm" else 1.0


def required_labels(labels: Tensor | None) -> Tensor:
    """The labels; ValueError where there are none."""
    if labels is None:
        raise ValueError("this generator draws images of given classes; give it labels")
    return labels


def label_parameters(generator: nn.Module) -> Iterator[nn.Parameter]:
    """The parameters through which the label enters: every embedding, in module order."""
    for module in generator.modules():
        if isinstance(module, nn.Embedding):
            yield from module.parameters()
