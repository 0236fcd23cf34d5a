"""CGAN: both G and D are given the label (Mirza & Osindero 2014, arXiv 1411.1784, eq. 2).

With s(x, y) the source logit of a D that is told that x is of class y:
    D:  ℓ_real(s(x, y)) + ℓ_fake(s(G(z, y′), y′))
    G:  ℓ_gen(s(G(z, y′), y′))
It is the step between GAN and ACGAN: D is *given* the label, and has none to find.
"""

from __future__ import annotations

from typing import ClassVar, Literal, final

from acgan.networks.interface import Heads
from acgan.objectives.source import SourceAlone, SourceConfig


@final
class CGANConfig(SourceConfig):
    """Hyper-parameters of the CGAN objective, besides those of every objective.

    Attributes:
        source_head: how D is given the label. ``joined``, the paper's: as K numbers, or K constant
            maps, beside the image; ``projection``: as a vector that its features are multiplied
            with, which is all that `acgan.objectives.projection` is.
    """

    title: ClassVar[str] = "a conditional GAN"
    reference: ClassVar[str] = "Mirza & Osindero 2014"
    conditional: ClassVar[bool] = True
    name: Literal["cgan"] = "cgan"
    source_head: Literal["joined", "projection"] = "joined"

    @property
    def needs_classes(self) -> bool:
        """True: G is asked for a class and D is told it."""
        return True

    @property
    def takes_unlabeled(self) -> bool:
        """False: D is given the label of every image."""
        return False


@final
class CGAN(SourceAlone):
    """The source loss alone, of a D that sees images with their labels and answers with s(x, y).

    What goes wrong: nothing makes D use the label; where it does not, G need not either.
    """

    def __init__(self, config: CGANConfig) -> None:
        super().__init__(config)
        self._config = config

    @property
    def heads(self) -> Heads:
        """A source head that is given the label, no class head."""
        return Heads(source=self._config.source_head, classes="none")
