"""The section ``augmentation`` of a run: what D is shown, of reals and of fakes, in both steps.

A section of its own, since it is neither the loop's business nor part of an objective.
"""

from __future__ import annotations

from typing import Literal, Self, final

from pydantic import Field, model_validator

from acgan.config import Config

FamilyName = Literal["colour", "translation", "cutout"]
Border = Literal["zeros", "reflect"]


@final
class AugmentationConfig(Config):
    """DiffAugment (Zhao et al. 2020), with a fixed or an adaptive probability; off by default.

    Attributes:
        policy: the families of changes, any of ``colour`` (brightness, saturation, contrast; of
            grey images brightness and contrast), ``translation`` (by up to an eighth) and
            ``cutout`` (a hole of half the size). They are applied in this order, however written.
        border: what comes in where an image was moved away: ``zeros``, the middle of [-1, 1], as in
            DiffAugment; ``reflect``, the image mirrored at its last pixels, as Karras et al. 2020
            (appendix B) have it.
        probability: with which each family is applied to an image, for each by a coin of its own.
            By default 1, as in DiffAugment; if adaptive, where it starts, by default 0.
        adaptive: whether the probability follows how much D overfits (Karras et al. 2020, arXiv
            2006.06676, §3.1): upwards where r_t = E[sign D(x)] on reals is above ``target``.
        target: of r_t.
        adjustment_images: real images in which the probability goes from 0 to 1, if r_t stays
            above its target. The paper's is 500 000, for runs of 25 million images.
        noise: standard deviation of Gaussian noise on every pixel that D sees (instance noise,
            Sønderby et al. 2017, arXiv 1610.04490, §4; here it does not fade), pixels in [-1, 1].
    """

    policy: tuple[FamilyName, ...] = ()
    border: Border = "zeros"
    probability: float | None = Field(None, ge=0, le=1)
    adaptive: bool = False
    target: float = Field(0.6, gt=-1, lt=1)
    adjustment_images: int = Field(100_000, ge=1)
    noise: float = Field(0.0, ge=0)

    @property
    def active(self) -> bool:
        """Whether D is shown anything but the images as they are."""
        return bool(self.policy) or self.noise > 0

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        for name in self.policy:
            if self.policy.count(name) > 1:
                raise ValueError(f"policy has {name} twice; name each once")
        if self.border != "zeros" and "translation" not in self.policy:
            raise ValueError("border is for translation, which policy does not name")
        if not self.policy and (self.adaptive or self.probability is not None):
            raise ValueError(
                "there is nothing to apply with a probability; name families in policy, "
                'for example ["translation", "colour"]'
            )
        if self.probability == 0 and not self.adaptive:
            raise ValueError("a probability of 0 applies nothing; leave policy empty instead")
        return self
