"""LeCam regularization (Tseng et al. 2021, arXiv 2104.03310).

With few images the discriminator's logits of real and fake images diverge. α_R and α_F are moving
averages of these logits; the penalty is on real images far from α_F and fake images far from α_R.
"""

from __future__ import annotations

from typing import Literal, final

import torch
from pydantic import Field
from torch import Tensor

from acgan.objectives.interface import BaseRegularizerConfig, DiscriminatorStep, Regularizer, Terms


@final
class LeCamConfig(BaseRegularizerConfig):
    """Hyper-parameters of LeCam regularization.

    Attributes:
        weight: λ of the paper.
        decay: of the moving averages, per discriminator step.
        start_images: number of real images before the penalty begins; averages begin at once.
        clamp: as in the authors' program, no penalty on real images below α_F and fake images
            above α_R; False as in the paper.
    """

    name: Literal["lecam"] = "lecam"
    weight: float = Field(0.3, gt=0)
    decay: float = Field(0.99, ge=0, lt=1)
    start_images: int = Field(10_000, ge=1)
    clamp: bool = False

    def build(self, *, flip_keeps_class: bool) -> LeCam:  # noqa: ARG002
        """Return the regularizer."""
        return LeCam(self)


@final
class LeCam(Regularizer):
    """λ · (E‖D(x) − α_F‖² + E‖D(G(z)) − α_R‖²), paper, eq. 3; averages as in its eq. 4.

    The averages are over previous steps, without gradient; the current logits are added after the
    term. They start at 0 and are divided by their total weight (the bias correction of Adam).
    """

    real: Tensor
    fake: Tensor
    mass: Tensor

    def __init__(self, config: LeCamConfig) -> None:
        super().__init__()
        self._config = config
        for name in ("real", "fake", "mass"):
            self.register_buffer(name, torch.tensor(0.0))

    def discriminator(self, now: DiscriminatorStep) -> Terms:
        """Return the term ``lecam`` from ``start_images`` on; update the averages."""
        terms: Terms = {}
        real, fake = now.real.source_logits, now.fake.source_logits
        if now.images_seen >= self._config.start_images:
            # If every step so far was skipped, there is no average yet.
            mass = self.mass.clamp(min=1e-6)
            above, below = real - self.fake / mass, self.real / mass - fake
            if self._config.clamp:
                above, below = above.relu(), below.relu()
            penalty = above.square().mean() + below.square().mean()
            terms["lecam"] = self._config.weight * penalty * (self.mass > 0)
        with torch.no_grad():
            decay = self._config.decay
            self.real.mul_(decay).add_(real.mean(), alpha=1 - decay)
            self.fake.mul_(decay).add_(fake.mean(), alpha=1 - decay)
            self.mass.mul_(decay).add_(1 - decay)
        return terms
