"""Projection: D is given the label and has no class head (Miyato & Koyama 2018, arXiv 1802.05637).

The label enters D's source logit (paper, eq. 3): s(x, y) = ψ(φ(x)) + v_y·φ(x), φ being the trunk, ψ
affine and v_y a learned vector for each class. To look real, an image has to look like a real image
*of its class*. All that is optimized is the source loss of s(x, y).
"""

from __future__ import annotations

from typing import ClassVar, Literal, final

from acgan.networks.interface import Heads
from acgan.objectives.source import SourceAlone, SourceConfig


@final
class ProjectionConfig(SourceConfig):
    """Hyper-parameters of the projection objective: those of every objective."""

    title: ClassVar[str] = "a projection GAN"
    reference: ClassVar[str] = "Miyato & Koyama 2018"
    conditional: ClassVar[bool] = True
    name: Literal["projection"] = "projection"

    @property
    def needs_classes(self) -> bool:
        """True: the label is all that G is told of classes."""
        return True

    @property
    def takes_unlabeled(self) -> bool:
        """False: D is given the label of every image."""
        return False


@final
class Projection(SourceAlone):
    """The source loss alone; D's head does the rest (`acgan.networks.heads.LinearHeads`)."""

    @property
    def heads(self) -> Heads:
        """A projection as source head, no class head."""
        return Heads(source="projection", classes="none")
