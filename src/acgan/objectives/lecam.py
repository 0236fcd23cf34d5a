"""LeCam regularization (Tseng et al. 2021, arXiv 2104.03310): D's answers stay near moving anchors.

With few images D's answers to reals and to fakes drift apart without end. α_R and α_F are moving
averages of D's logits of reals and of fakes; D pays for reals far from α_F and fakes far from α_R.
"""

from __future__ import annotations

from typing import Literal, final

import torch
from pydantic import Field
from torch import Tensor

from acgan.config import Config
from acgan.objectives.interface import DiscriminatorStep, Regularizer, Terms


@final
class LeCamConfig(Config):
    """Hyper-parameters of LeCam regularization.

    Attributes:
        weight: λ of the paper.
        decay: of the moving averages, for each D step.
        start_images: the penalty begins after so many real images; the averages at once.
        clamp: the authors' program differs from their paper: a real below α_F or a fake above α_R
            pays nothing there. False is the paper.
    """

    name: Literal["lecam"] = "lecam"
    weight: float = Field(0.3, gt=0)
    decay: float = Field(0.99, ge=0, lt=1)
    start_images: int = Field(10_000, ge=1)
    clamp: bool = False


@final
class LeCam(Regularizer):
    """λ · (E‖D(x) − α_F‖² + E‖D(G(z)) − α_R‖²), the paper's eq. 3; the averages as in its eq. 4.

    The averages are those of the steps before: the present answers join them afterwards, and no
    gradient goes into them. They start from nothing and are divided by the weight that is in them
    (as Adam's moments are), so that they are averages from the second step on.
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
        """The term ``lecam``, or nothing before its start."""
        terms: Terms = {}
        real, fake = now.real.source_logits, now.fake.source_logits
        if now.images_seen >= self._config.start_images:
            # No step may have counted yet, if all were skipped; there is no anchor then.
            mass = self.mass.clamp(min=1e-6)
            above, below = real - self.fake / mass, self.real / mass - fake
            if self._config.clamp:
                above, below = above.relu(), below.relu()
            penalty = above.square().mean() + below.square().mean()
            terms["lecam"] = self._config.weight * penalty * (self.mass > 0)
        with torch.no_grad():
            kept = self._config.decay
            self.real.mul_(kept).add_(real.mean(), alpha=1 - kept)
            self.fake.mul_(kept).add_(fake.mean(), alpha=1 - kept)
            self.mass.mul_(kept).add_(1 - kept)
        return terms
