"""Projection: the label enters the source logit (Miyato & Koyama 2018, arXiv 1802.05637)."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from acgan.networks.interface import Heads
from acgan.objectives.explanation import Explanation
from acgan.objectives.source import BaseObjectiveConfig, SourceOnly

_EXPLANATION = Explanation(
    title="Projection",
    noun="a projection GAN",
    paper="Miyato & Koyama 2018",
    equations="eq. 3",
    purpose="avoids ACGAN's loss of diversity within a class",
    discriminator_input="an image and a label: x with y, G(z, y′) with y′.",
    discriminator_output="s(x, y), a real image of class y or not, with ψ affine and a learned "
    "vector v_y for each class.",
    definitions="s(x, y) = ψ(φ(x)) + v_y·φ(x)",
    discriminator_loss="ℓ_real(s(x, y)) + ℓ_fake(s(G(z, y′), y′))",
    generator_loss="ℓ_gen(s(G(z, y′), y′))",
    failure_modes="s(x, y) may be high for a realistic image of another class, so samples show "
    "their target class less reliably than with ACGAN. A class with few images has a poorly "
    "trained v_y. There is no class head.",
    notes="""\
`acgan.networks.heads.LinearHeads` computes s; the source loss is the only term. The optimal s is
log p(x, y) / p_G(x, y): the generator is compared with the real images of the class, not rewarded
for images far from other classes. A run logs no class accuracy. R1 is computed at s(x, y). The
v_y are initialized like the other weights, count as heads for `optimizer.heads_multiplier`, and
have spectral norm if the discriminator has it.

A discriminator that receives labels cannot evaluate an image without a class. `acgan inspect`
evaluates it for every class and shows the highest value, max_y s(x, y), with its y.""",
)


@final
class ProjectionConfig(BaseObjectiveConfig):
    """Hyper-parameters of the projection objective: those of every objective."""

    explanations: ClassVar[tuple[Explanation, ...]] = (_EXPLANATION,)
    conditional: ClassVar[bool] = True
    name: Literal["projection"] = "projection"

    @property
    def needs_classes(self) -> bool:
        """True: both networks receive a class."""
        return True

    @property
    def takes_unlabeled(self) -> bool:
        """False: the discriminator needs the label of every image."""
        return False

    def build(self) -> Projection:
        """Return the objective."""
        return Projection(self)


@final
class Projection(SourceOnly):
    """The source loss of s(x, y), which `acgan.networks.heads.LinearHeads` computes."""

    @property
    def heads(self) -> Heads:
        """A projection as source head, no class head."""
        return Heads(source="projection", classes="none")
