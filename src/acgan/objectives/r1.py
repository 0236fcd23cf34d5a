"""R1: a gradient penalty at real images (Mescheder, Geiger & Nowozin 2018, eq. 9)."""

from __future__ import annotations

from typing import Literal, final

import torch
from pydantic import Field
from torch.nn.attention import SDPBackend, sdpa_kernel

from acgan.networks.statistics import frozen_statistics
from acgan.objectives.interface import BaseRegularizerConfig, DiscriminatorStep, Regularizer, Terms


@final
class R1Config(BaseRegularizerConfig):
    """Hyper-parameters of R1.

    Attributes:
        gamma: γ in γ/2 · E‖∇ₓ s(x)‖², pixels in [-1, 1].
        interval_steps: n. The term acts at every n-th discriminator step with n times the weight
            (lazy regularization, Karras et al. 2020, §3.1).
    """

    name: Literal["r1"] = "r1"
    gamma: float = Field(1.0, gt=0)
    interval_steps: int = Field(16, ge=1)

    def build(self, *, flip_keeps_class: bool) -> R1:  # noqa: ARG002
        """Return the regularizer."""
        return R1(self)


@final
class R1(Regularizer):
    """n · γ/2 · E‖∇ₓ s(x)‖² for real images, at every n-th step."""

    def __init__(self, config: R1Config) -> None:
        super().__init__()
        self._config = config

    def discriminator(self, now: DiscriminatorStep) -> Terms:
        """Return the term ``r1`` at every n-th step, else no term."""
        if now.step % self._config.interval_steps:
            return {}
        images, discriminator = now.real_images.detach().requires_grad_(), now.discriminator
        # Full precision: in bf16 the gradient of a gradient is mostly rounding error. Attention by
        # plain products: the fused kernels have no second derivative.
        with (
            torch.autocast(images.device.type, enabled=False),
            sdpa_kernel(SDPBackend.MATH),
            frozen_statistics(discriminator),
        ):
            logits = discriminator(images, now.real_labels).source_logits
            (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
        penalty = gradient.square().sum(dim=(1, 2, 3)).mean()
        return {"r1": 0.5 * self._config.gamma * self._config.interval_steps * penalty}
