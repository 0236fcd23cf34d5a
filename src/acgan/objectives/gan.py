"""GAN: D tells real from fake, and nobody hears of classes (Goodfellow et al. 2014, eq. 1).

With s the source logit of D:
    D:  ℓ_real(s(x)) + ℓ_fake(s(G(z)))
    G:  ℓ_gen(s(G(z)))
Where D is at its best and G perfect, D is right half of the time: σ(s) = ½ everywhere.
"""

from __future__ import annotations

from typing import ClassVar, Literal, final

from acgan.networks.interface import Heads
from acgan.objectives.source import SourceAlone, SourceConfig


@final
class GANConfig(SourceConfig):
    """Hyper-parameters of the GAN objective: those of every objective.

    Scripts that teach it soften D's targets: ``real_target`` .98, ``fake_target`` .02.
    """

    title: ClassVar[str] = "a GAN"
    reference: ClassVar[str] = "Goodfellow et al. 2014"
    conditional: ClassVar[bool] = False
    name: Literal["gan"] = "gan"

    @property
    def needs_classes(self) -> bool:
        """False: it has none."""
        return False

    @property
    def takes_unlabeled(self) -> bool:
        """True: it reads no label."""
        return True


@final
class GAN(SourceAlone):
    """The source loss alone, of a D that sees images without labels and answers with s(x).

    What goes wrong: G settles on few images that D takes for real, and no one can ask for others.
    """

    @property
    def heads(self) -> Heads:
        """A source head, no class head."""
        return Heads(source="plain", classes="none")
