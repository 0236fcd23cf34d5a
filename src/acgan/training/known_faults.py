"""Alarms of faults that have one cause each, and leave a mark that nothing else leaves.

Pure functions of figures, as `acgan.training.alarms`, which has those of collapse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from acgan.objectives.acgan import ACGANConfig
from acgan.objectives.build import ObjectiveConfig
from acgan.objectives.classification import double_softmax_floor
from acgan.objectives.tac import TACConfig

Figures = npt.NDArray[np.float64]

SURE_ACCURACY = 0.95
"""D's class head is right on this share of labelled real images, yet …"""
NEAR_FLOOR = 0.1
"""… its class loss is this close above the least that softmax twice can give."""
OFTEN = 3.0
"""A class is asked for this many times as often as the data has it …"""
FOLLOWED_SHARE = 0.5
"""… and D's logit of samples follows at least this share of what that explains."""
FOLLOWED_CORRELATION = 0.8
"""Correlation, over classes, of D's logit with what is explained."""


def mean_class_loss(objective: ObjectiveConfig, row: Mapping[str, Any]) -> float | None:
    """D's class loss on real images over an interval, without its weight.

    Args:
        objective: of the run.
        row: the interval's row of metrics.

    Returns:
        None where there is none, or it is another than the cross entropy of K classes.
    """
    if not isinstance(objective, ACGANConfig | TACConfig) or not objective.class_weight_real:
        return None
    term = row.get("discriminator", {}).get("class_real")
    return None if term is None else term / objective.class_weight_real


def find_double_softmax(loss: float | None, accuracy: float | None, classes: int) -> dict[str, str]:
    """A class loss that stays at the floor of softmax twice although D knows the classes.

    Cross entropy of a head that is right and sure tends to 0. Given a softmax of the logits it
    cannot fall below log(1 + (K − 1)/e) (`double_softmax_floor`), and a head that is right comes to
    lie just there.

    Args:
        loss: mean over an interval, see `mean_class_loss`.
        accuracy: of the class head on the same images.
        classes: K.
    """
    if loss is None or accuracy is None or accuracy < SURE_ACCURACY or classes < 2:
        return {}
    floor = double_softmax_floor(classes)
    if not floor <= loss <= floor + NEAR_FLOOR:
        return {}
    return {
        "double-softmax": (
            f"the discriminator names the class of {accuracy:.1%} of real images, and yet its "
            f"class loss is {loss:.2f}: of {classes} classes {floor:.2f} is the least that is left "
            "where a softmax is given to a loss that takes a softmax itself, so class gradients "
            "are weak, and vanish where a mistake is sure; give the loss logits "
            "(objective.class_loss=cross-entropy)"
        )
    }


def find_overasked(
    source_logits: Figures, real: Figures, asked: Figures, names: Sequence[str]
) -> dict[str, str]:
    """Classes that D rejects because they are asked for more often than the data has them.

    Where G is perfect within each class, the best D still answers s = log p(y) / p′(y), p being
    the data's share of a class and p′ its share among fakes (docs/objective.md, "Which classes
    fakes are asked for"). So D's mean logit of the samples of each class is held against that.

    Args:
        source_logits: (K,), D's mean source logit of samples of each class; NaN where unknown.
        real: (K,), p, shares of the training images.
        asked: (K,), p′, shares of the fakes that D is trained on.
        names: of the K classes.
    """
    known = np.isfinite(source_logits) & (real > 0) & (asked > 0)
    if known.sum() < 2:
        return {}
    explained = np.log(real[known] / asked[known])
    often = explained <= -np.log(OFTEN)
    if not often.any():
        return {}
    logits = source_logits[known]
    spread = explained - explained.mean()
    followed = float(spread @ (logits - logits.mean()) / (spread @ spread))
    correlation = float(np.corrcoef(explained, logits)[0, 1])
    if followed < FOLLOWED_SHARE or correlation < FOLLOWED_CORRELATION:
        return {}
    found = [name for name, is_known in zip(names, known, strict=True) if is_known]
    rare = [name for name, one in zip(found, often, strict=True) if one]
    return {
        "overasked": (
            f"the discriminator rejects samples of {', '.join(rare)} for their class: they are "
            f"asked for up to {np.exp(-explained.min()):.0f} times as often as the data has them, "
            "so that the class itself says fake; draw them as often as the data has them "
            "(training.fake_labels=frequency)"
        )
    }
