"""R1: a penalty on D's gradient at real images (Mescheder, Geiger & Nowozin 2018, eq. 9)."""

from __future__ import annotations

from typing import Literal, final

import torch
from pydantic import Field
from torch.nn.attention import SDPBackend, sdpa_kernel

from acgan.config import Config
from acgan.networks.statistics import frozen_statistics
from acgan.objectives.interface import DiscriminatorStep, Regularizer, Terms


@final
class R1Config(Config):
    """Hyper-parameters of R1.

    Attributes:
        gamma: γ in γ/2 · E‖∇ₓ s(x)‖², pixels in [-1, 1].
        interval_steps: acts at every n-th D step, n times as strong (lazy regularization, Karras
            et al. 2020, §3.1).
    """

    name: Literal["r1"] = "r1"
    gamma: float = Field(1.0, gt=0)
    interval_steps: int = Field(16, ge=1)


@final
class R1(Regularizer):
    """γ/2 · E‖∇ₓ s(x)‖² on real images, at every n-th step and n times as strong."""

    def __init__(self, config: R1Config) -> None:
        super().__init__()
        self._config = config

    def discriminator(self, now: DiscriminatorStep) -> Terms:
        """The term ``r1``, or nothing between two intervals."""
        if now.step % self._config.interval_steps:
            return {}
        images, discriminator = now.real_images.detach().requires_grad_(), now.discriminator
        # Full precision: the gradient of a gradient in bf16 is mostly rounding. And attention as
        # plain products: its fused kernels have no second derivative.
        with (
            torch.autocast(images.device.type, enabled=False),
            sdpa_kernel(SDPBackend.MATH),
            frozen_statistics(discriminator),
        ):
            logits = discriminator(images, now.real_labels).source_logits
            (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
        penalty = gradient.square().sum(dim=(1, 2, 3)).mean()
        return {"r1": 0.5 * self._config.gamma * self._config.interval_steps * penalty}
