"""CGAN: generator and discriminator receive the label (Mirza & Osindero 2014, arXiv 1411.1784)."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from acgan.networks.interface import Heads
from acgan.objectives.explanation import Explanation
from acgan.objectives.source import BaseObjectiveConfig, SourceOnly

_EXPLANATION = Explanation(
    title="CGAN",
    noun="a conditional GAN",
    paper="Mirza & Osindero 2014",
    equations="eq. 2",
    purpose="a GAN that generates requested classes",
    discriminator_input="an image and a label: x with y, G(z, y′) with y′. The label enters the "
    'first layer beside the image (`source_head = "joined"`) or multiplies the features '
    '(`"projection"`, as in Projection).',
    discriminator_output="s(x, y), a real image *of class y* or not.",
    discriminator_loss="ℓ_real(s(x, y)) + ℓ_fake(s(G(z, y′), y′))",
    generator_loss="ℓ_gen(s(G(z, y′), y′))",
    failure_modes="no term forces the discriminator to use the label. If it ignores the label, so "
    "can the generator. A label that enters beside the image is easily lost among the pixels.",
)


@final
class CGANConfig(BaseObjectiveConfig):
    """Hyper-parameters of the CGAN objective, besides those of every objective.

    Attributes:
        source_head: how the discriminator receives the label. ``joined`` as in the paper: K
            numbers, or K constant feature maps, beside the image; ``projection``: a vector that
            multiplies the features, which makes it `acgan.objectives.projection`.
    """

    explanations: ClassVar[tuple[Explanation, ...]] = (_EXPLANATION,)
    conditional: ClassVar[bool] = True
    name: Literal["cgan"] = "cgan"
    source_head: Literal["joined", "projection"] = "joined"

    @property
    def needs_classes(self) -> bool:
        """True: both networks receive a class."""
        return True

    @property
    def takes_unlabeled(self) -> bool:
        """False: the discriminator needs the label of every image."""
        return False

    def build(self) -> CGAN:
        """Return the objective."""
        return CGAN(self)


@final
class CGAN(SourceOnly):
    """The source loss of a discriminator that receives images with labels and returns s(x, y)."""

    def __init__(self, config: CGANConfig) -> None:
        super().__init__(config)
        self._config = config

    @property
    def heads(self) -> Heads:
        """A source head that receives the label, no class head."""
        return Heads(source=self._config.source_head, classes="none")
