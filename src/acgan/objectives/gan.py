"""GAN: the discriminator separates real from fake, without classes (Goodfellow et al. 2014)."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from acgan.networks.interface import Heads
from acgan.objectives.explanation import Explanation
from acgan.objectives.source import BaseObjectiveConfig, SourceOnly

_EXPLANATION = Explanation(
    title="GAN",
    noun="a GAN",
    paper="Goodfellow et al. 2014",
    equations="eq. 1",
    purpose="the baseline, without classes",
    discriminator_input="an image x or G(z). The generator is unconditional "
    '(`generator.conditioning.mode = "none"`), and labels are ignored.',
    discriminator_output="s(x), real or fake.",
    discriminator_loss="ℓ_real(s(x)) + ℓ_fake(s(G(z)))",
    generator_loss="ℓ_gen(s(G(z)))",
    failure_modes="the generator may produce only a few kinds of images (mode collapse), and there "
    "is no way to request a class.",
    notes="""\
With an optimal discriminator and a perfect generator, σ(s) = ½ everywhere: the discriminator is
right on half of the images. Tutorials often smooth its targets to t_r = 0.98 and t_f = 0.02, so
that it is never certain. The equilibrium stays the same, because the two targets are symmetric.""",
)


@final
class GANConfig(BaseObjectiveConfig):
    """Hyper-parameters of the GAN objective: those of every objective."""

    explanations: ClassVar[tuple[Explanation, ...]] = (_EXPLANATION,)
    conditional: ClassVar[bool] = False
    name: Literal["gan"] = "gan"

    @property
    def needs_classes(self) -> bool:
        """False: no term uses a class."""
        return False

    @property
    def takes_unlabeled(self) -> bool:
        """True: no term uses a label."""
        return True

    def build(self) -> GAN:
        """Return the objective."""
        return GAN(self)


@final
class GAN(SourceOnly):
    """The source loss of a discriminator that receives images without labels and returns s(x)."""

    @property
    def heads(self) -> Heads:
        """A source head, no class head."""
        return Heads(source="plain", classes="none")
