"""The collapse alarm: says while a run goes on that it goes wrong, and what to try.

Pure functions of figures; the loop gathers them at every sample sheet.

Alarms of faults that have one cause each, and leave a mark that nothing else leaves.

Pure functions of figures, as `acgan.training.alarms`, which has those of collapse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from acgan.data.images import Images, Labels
from acgan.metrics.arrays import Float64Array
from acgan.objectives.acgan import ACGANConfig
from acgan.objectives.build import ObjectiveConfig
from acgan.objectives.classification import double_softmax_floor
from acgan.objectives.tac import TACConfig

GRACE_IMAGES = 30_000
"""No alarm before: every run begins by looking collapsed."""
PERSISTENCE = 2
"""Sheets in a row that must agree, since one bad sheet is noise."""
SOURCE_WON = 0.99
"""D is right this often on reals and on fakes: it has stopped teaching G."""
IGNORED_SHARE = 0.2
"""D reads fewer fakes of a class than this as that class …"""
READABLE_SHARE = 0.6
"""… although it reads at least this many held-out real images of it."""
ABOVE_CHANCE = 0.1
"""Over all classes D's head is right this far on the way from chance to always, or further."""
ALIKE_RATIO = 0.1
"""Variance of a class's samples over that of its real images, coarse pixels."""
KNOWN_BY_HEART = 0.5
"""D takes held-out real images for samples rather than for training images (`overfitting`).

Measured with small-gray, 100 000 images: .85 with 1 080 images of Fashion-MNIST, .36 with 4 000
digits, .20 with 5 400 of Fashion-MNIST, -.07 to .12 with 54 000.
"""
CLEARLY_APART = 6.0
"""That is only asked where D's means of training images and samples are so many errors apart."""


@final
@dataclass(frozen=True)
class AlarmEvidence:
    """What the alarms look at; of a generator without classes, K is 1 and means all samples.

    Attributes:
        source_accuracy: D's source accuracy on ``real`` and ``fake`` over the last interval.
        fake_class_accuracy: (K,), share of samples of each class that D's class head reads so;
            NaN where unknown.
        held_out_class_accuracy: (K,), likewise on validation images.
        variance_ratio: (K,), see `coarse_variance_ratio`.
        source_logits: (K,), D's mean source logit of samples of each class; NaN where unknown.
        overfitting: see `overfitting`; NaN where unknown.
    """

    source_accuracy: Mapping[str, float]
    fake_class_accuracy: Float64Array
    held_out_class_accuracy: Float64Array
    variance_ratio: Float64Array
    source_logits: Float64Array
    overfitting: float


def overfitting(train: Float64Array, held_out: Float64Array, fake: Float64Array) -> float:
    """How far D takes held-out real images for samples: 0 as training images, 1 as samples.

    r_v = (E[D_train] - E[D_validation]) / (E[D_train] - E[D_generated]), equation 1 of Karras et
    al. 2020 (arXiv 2006.06676), where D is the source logit.

    Args:
        train: source logits of training images, (N,).
        held_out: of real images that D never learned from, (M,).
        fake: of samples, (L,).

    Returns:
        NaN where D hardly places training images above samples: there is no way to be far on then.
    """
    way = train.mean() - fake.mean()
    error = np.sqrt(train.var() / len(train) + fake.var() / len(fake))
    if way <= CLEARLY_APART * error:
        return float("nan")
    return float((train.mean() - held_out.mean()) / way)


def find_alarms(evidence: AlarmEvidence, names: Sequence[str] | None) -> dict[str, str]:
    """The alarms that the evidence gives: ``{key: sentence}``.

    Args:
        evidence: of K classes.
        names: of these; None where the generator is asked for none.
    """
    alarms: dict[str, str] = {}
    blind = bool(np.isnan(evidence.held_out_class_accuracy).all())  # no class head, so no weight
    advice = "R1 among the regularizers" if blind else "a lower objective.class_weight_generator"
    source = evidence.source_accuracy
    if source and min(source.get("real", 0.0), source.get("fake", 0.0)) >= SOURCE_WON:
        alarms["source"] = (
            f"the discriminator wins outright: it is right on {source['real']:.1%} of real images "
            f"and {source['fake']:.1%} of fakes, so the generator learns little; try a lower "
            "optimizer.discriminator_lr, dropout, or label smoothing (objective.real_target=0.9)"
        )
    if evidence.overfitting >= KNOWN_BY_HEART:
        alarms["overfitting"] = (
            "the discriminator knows the training images by heart: real images that it has not "
            f"seen it places {evidence.overfitting:.0%} of the way from these to samples; show it "
            'changed ones (-o \'augmentation.policy=["translation","color"]\'), use an earlier '
            "checkpoint, or give it more images"
        )
    if names is None:
        ratio = evidence.variance_ratio[0]
        return alarms | ({"alike": _alike("samples", ratio, advice)} if ratio < ALIKE_RATIO else {})
    won = "source" in alarms  # then it learns nothing, of classes neither
    all_ignored = None if won else _all_ignored(evidence)
    if all_ignored:
        alarms["ignored"] = all_ignored
    for index, name in enumerate(names):
        fake = evidence.fake_class_accuracy[index]
        readable = evidence.held_out_class_accuracy[index] >= READABLE_SHARE
        if fake < IGNORED_SHARE and readable and not (won or all_ignored):
            alarms[f"ignored/{name}"] = (
                f"the class {name} is ignored: the discriminator reads only {fake:.0%} of its "
                "samples as that class; try a higher objective.class_weight_generator, or more "
                "images of it"
            )
        ratio = evidence.variance_ratio[index]
        if ratio < ALIKE_RATIO:
            alarms[f"alike/{name}"] = _alike(f"samples of class {name}", ratio, advice)
    return alarms


def find_augmentation_alarm(probability: float | None) -> dict[str, str]:
    """The alarm of an adaptive augmentation that is at its end: ``{key: sentence}``.

    Args:
        probability: with which it changes an image; None where none is adaptive.
    """
    if probability is None or probability < 1:
        return {}
    return {
        "augmentation": (
            "the adaptive augmentation is at its end: every image is changed, and the "
            "discriminator still overfits; try more families in augmentation.policy, lecam among "
            "the regularizers, a smaller discriminator, or more images"
        )
    }


def _all_ignored(evidence: AlarmEvidence) -> str | None:
    """The sentence where samples are of the class asked for hardly more often than by chance."""
    known = np.isfinite(evidence.fake_class_accuracy + evidence.held_out_class_accuracy)
    if known.sum() < 2:
        return None
    fake = float(evidence.fake_class_accuracy[known].mean())
    chance = 1 / len(known)
    hardly = fake < chance + ABOVE_CHANCE * (1 - chance)
    if not hardly or evidence.held_out_class_accuracy[known].mean() < READABLE_SHARE:
        return None
    return (
        f"the class asked for is ignored: the discriminator reads {fake:.0%} of samples as it, and "
        f"by chance it would be {chance:.0%}; unless another alarm says why, nothing tells the "
        "generator to draw the class: give it a class term (objective.class_weight_generator above "
        "0) or a discriminator that is told the class (objective.source_head=projection)"
    )


def _alike(which: str, ratio: float, advice: str) -> str:
    return (
        f"{which} are nearly all alike: their variance is {ratio:.0%} of the real images'; "
        f"try {advice}, or stop earlier and use an earlier checkpoint"
    )


def coarse_variance_ratio(
    fake: Images, fake_labels: Labels, real: Images, real_labels: Labels, classes: int
) -> Float64Array:
    """Per class, the summed variance of 8×8-reduced pixels over samples, divided by real images'.

    Reduced, because pixel noise would pass for variety. A cheap sign of collapse, not a measure of
    quality: `acgan.metrics.variance_ratio` has that.

    Args:
        fake: uint8 (N, C, H, W), labels int64 (N,).
        fake_labels: the classes asked for.
        real: uint8 (M, C, H, W), labels int64 (M,).
        real_labels: the true classes.
        classes: K.

    Returns:
        float64 (K,); NaN where a class has under 2 images on either side.
    """
    ratios = np.full(classes, np.nan)
    small_fake, small_real = _reduce(fake), _reduce(real)
    for index in range(classes):
        ours, theirs = small_fake[fake_labels == index], small_real[real_labels == index]
        if len(ours) > 1 and len(theirs) > 1:
            spread = theirs.var(axis=0, ddof=1).sum()
            if spread > 0:
                ratios[index] = ours.var(axis=0, ddof=1).sum() / spread
    return ratios


def class_shares(predicted: Labels, labels: Labels, classes: int) -> Float64Array:
    """(K,) share of images of each class that are predicted so; NaN without images."""
    right = np.bincount(labels[predicted == labels], minlength=classes).astype(np.float64)
    count = np.bincount(labels, minlength=classes)
    shares: Float64Array = np.divide(right, count, out=np.full(classes, np.nan), where=count > 0)
    return shares


def class_means(values: Float64Array, labels: Labels, classes: int) -> Float64Array:
    """(K,) mean of float64 (N,) values over the images of each class; NaN without images."""
    sums = np.bincount(labels, weights=values, minlength=classes)
    count = np.bincount(labels, minlength=classes)
    means: Float64Array = np.divide(sums, count, out=np.full(classes, np.nan), where=count > 0)
    return means


@final
class AlarmTracker:
    """Says an alarm when it has persisted, and when it is over; its counts are training state."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def ring(self, alarms: Mapping[str, str], images_seen: int) -> list[dict[str, Any]]:
        """The event rows that are new at this sheet."""
        if images_seen < GRACE_IMAGES:
            return []
        events: list[dict[str, Any]] = []
        for key, message in alarms.items():
            self._counts[key] = self._counts.get(key, 0) + 1
            if self._counts[key] == PERSISTENCE:
                events.append(
                    {"images": images_seen, "event": "alarm", "about": key, "message": message}
                )
        for key in [key for key in self._counts if key not in alarms]:
            if self._counts.pop(key) >= PERSISTENCE:
                message = f"the alarm about {key.replace('/', ' ')} is over"
                events.append(
                    {"images": images_seen, "event": "alarm over", "about": key, "message": message}
                )
        return events

    def state(self) -> dict[str, int]:
        """For the checkpoint."""
        return dict(self._counts)

    def restore(self, state: Mapping[str, int]) -> None:
        """From the checkpoint."""
        self._counts = dict(state)


def _reduce(images: Images) -> Float64Array:
    """Block means on a grid of at most 8×8 cells, flattened: (N, C·h·w) in [0, 255]."""
    count, channels, height, width = images.shape
    rows = np.linspace(0, height, min(8, height) + 1).astype(int)[:-1]
    columns = np.linspace(0, width, min(8, width) + 1).astype(int)[:-1]
    sums = np.add.reduceat(images.astype(np.float64), rows, axis=2)
    sums = np.add.reduceat(sums, columns, axis=3)
    heights = np.diff([*rows, height])[:, None]
    widths = np.diff([*columns, width])[None, :]
    result: Float64Array = (sums / (heights * widths)).reshape(
        count, channels * len(rows) * len(columns)
    )
    return result


SURE_ACCURACY = 0.95
"""D's class head is right on this share of labeled real images, yet …"""
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
    source_logits: Float64Array, real: Float64Array, asked: Float64Array, names: Sequence[str]
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
