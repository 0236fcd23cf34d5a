"""The adaptive probability of Karras et al. 2020 (arXiv 2006.06676, §3.1)."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

_INTERVAL_STEPS = 4


@final
class AdaptiveProbability(nn.Module):
    """A probability that rises while D overfits and falls while it does not.

    The sign of overfitting is r_t = E[sign D(x)], the mean over the real images of the last four D
    steps: 0 where D is right on half of them, 1 where it is right on all. After every fourth D step
    the probability goes up where r_t is above its target, down where it is below, by a fixed
    amount for each image; it stays in [0, 1]. (The paper bounds it below only. Beyond 1 it means
    nothing more and would only take as long to come back.)

    All of it is buffers on the device: state of a checkpoint, put back where an update is skipped.

    Args:
        start: the probability at first.
        target: of r_t.
        adjustment_images: real images in which it goes from 0 to 1 if r_t stays above its target.
    """

    probability: Tensor
    overfitting: Tensor
    signs: Tensor
    judged: Tensor

    def __init__(self, start: float, target: float, adjustment_images: int) -> None:
        super().__init__()
        self._target = target
        self._adjustment_images = adjustment_images
        self.register_buffer("probability", torch.tensor(start))
        self.register_buffer("overfitting", torch.tensor(0.0))
        self.register_buffer("signs", torch.tensor(0.0))
        self.register_buffer("judged", torch.tensor(0.0))

    @torch.no_grad()
    def observe(self, source_logits: Tensor, step: int) -> None:
        """Take note of what D said of real images.

        Args:
            source_logits: (N,), of real images as D was shown them, positive meaning real.
            step: D steps taken before.
        """
        self.signs += source_logits.sign().sum()
        self.judged += len(source_logits)
        if step % _INTERVAL_STEPS != _INTERVAL_STEPS - 1:
            return
        self.overfitting.copy_(self.signs / self.judged)
        way = (self.overfitting - self._target).sign()
        self.probability += way * self.judged / self._adjustment_images
        self.probability.clamp_(0, 1)
        self.signs.zero_()
        self.judged.zero_()
