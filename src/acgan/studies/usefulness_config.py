"""Configuration of a usefulness study: the network and the fit, the same for every arm."""

from __future__ import annotations

from typing import Annotated, Self, final

from pydantic import Field, model_validator

from acgan.backbones.reference_network import ReferenceNetworkConfig
from acgan.classifiers.fit import FitConfig
from acgan.config import Config
from acgan.data.images import LabeledImages

Ratio = Annotated[float, Field(gt=0)]


@final
class UsefulnessConfig(Config):
    """What is compared, and the one fit that every arm gets.

    Attributes:
        fit: of the augmented arms. The others are fitted by the same one, less what it does to
            images: no shift, no mirroring, no erasing.
        network: that every arm fits, from the same initial weights at the same seed.
        ratios: samples a real image in the mixed arms, the classes in the proportions of the
            real ones.
        headline_ratio: the one of ``ratios`` that is fitted with augmentation too and that the
            verdict speaks of. Choose it before the study, never by its results.
        balance_cap: samples a real image at most in the capped arm that is filled up.
    """

    fit: FitConfig
    network: ReferenceNetworkConfig = ReferenceNetworkConfig(stem=16, stages=(32, 64, 96))
    ratios: tuple[Ratio, ...] = Field(default=(0.5, 1.0, 2.0, 5.0), min_length=1)
    headline_ratio: Ratio = 1.0
    balance_cap: Ratio = 5.0

    @model_validator(mode="after")
    def _headline_is_fitted(self) -> Self:
        if self.headline_ratio not in self.ratios:
            raise ValueError(
                f"headline_ratio {self.headline_ratio:g} is none of the ratios; add it to them"
            )
        if len({round(100 * ratio) for ratio in self.ratios}) < len(self.ratios):
            raise ValueError("two ratios are the same to the percent; leave one out")
        return self

    def fit_of(self, *, augmented: bool) -> FitConfig:
        """The fit with or without classical augmentation."""
        if augmented:
            return self.fit
        return self.fit.model_copy(update={"flip": False, "shift_pixels": 0, "erase_pixels": 0})


def usefulness_config(
    train: LabeledImages, *, flip: bool, images: int | None = None
) -> UsefulnessConfig:
    """The study's configuration for some data.

    Rate, budget and augmentation were chosen once, on real images alone, by validation parts: of a
    tenth of Fashion-MNIST, where mirroring helps and shifts only slow the fit down, and of 1 080
    images of MNIST, where a shift by a pixel does as well as by two. For color pictures they are
    what is usual, and unmeasured.

    Args:
        train: the real training part.
        flip: whether a mirrored image is of the same class: yes for photographs and clothes, no
            for digits and letters.
        images: shown in each fit, repetitions counted; None for `FIT_IMAGES`.
    """
    gray = train.shape.channels == 1
    glyphs = gray and not flip
    return UsefulnessConfig(
        fit=FitConfig(
            flip=flip,
            images=FIT_IMAGES if images is None else images,
            optimizer="sgd-nesterov",
            peak_lr=0.1,
            weight_decay=5e-4,
            label_smoothing=0.1,
            shift_pixels=1 if glyphs else 0 if gray else 2,
        ),
        network=ReferenceNetworkConfig(
            stem=16 if gray else 32, stages=(32, 64, 96) if gray else (64, 128, 128)
        ),
    )


FIT_IMAGES = 48_000
"""Images shown in a fit: some 20 seconds of one core for 28×28 gray, 100 for 32×32 color."""
