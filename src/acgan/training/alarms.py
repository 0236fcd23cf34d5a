"""Training alarms: rules that recognize a failing run from its metrics, each with a remedy.

`acgan.training.monitor` collects the evidence at every sample grid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from acgan.data.images import Images, Labels
from acgan.metrics.arrays import Float64Array
from acgan.objectives.classification import double_softmax_minimum

GRACE_IMAGES = 30_000  # alarms start here: early samples of every run look collapsed
PERSISTENCE = 2  # consecutive grids with the same alarm: one bad grid is noise
DISCRIMINATOR_WINS = 0.99  # source accuracy, on real images and on fakes
IGNORED_ACCURACY = 0.2  # a class is ignored if D's class accuracy on its samples is below this …
RECOGNIZABLE_ACCURACY = 0.6  # … and at least this on held-out real images of it
ABOVE_CHANCE = 0.1  # all classes are ignored below chance + this share of (1 - chance)
COLLAPSED_RATIO = 0.1  # `coarse_variance_ratio` of a class
# `overfitting` of D. Measured with small-gray and 100,000 images: 0.85 with 1,080 images of
# Fashion-MNIST, 0.36 with 4,000 digits, 0.20 with 5,400 images of Fashion-MNIST, -0.07 to 0.12 with
# 54,000.
OVERFITTING = 0.5
SEPARATION = 6.0  # standard errors between D's means on training images and samples
CONFIDENT_ACCURACY = 0.95  # a double softmax: D's class accuracy on real images is at least this …
NEAR_FLOOR = 0.1  # … and its class loss at most this far above the minimum of a double softmax
OVERREPRESENTED = 3.0  # a class has this multiple of its share in the data among fakes …
EXPLAINED_SLOPE = 0.5  # … the slope of D's logits on the log ratio of shares is at least this …
EXPLAINED_CORRELATION = 0.8  # … and their correlation over classes at least this


@final
@dataclass(frozen=True, kw_only=True)
class AlarmEvidence:
    """Input of all alarms. An unconditional generator has one class: all samples.

    Attributes:
        class_names: names of the K classes; None for an unconditional generator.
        source_accuracy: D's source accuracy on ``real`` and ``fake`` over the last interval.
        fake_class_accuracy: (K,), D's class accuracy on samples of each class; NaN if unknown.
        held_out_class_accuracy: (K,), likewise on validation images.
        variance_ratio: (K,), see `coarse_variance_ratio`.
        source_logits: (K,), D's mean source logit of samples of each class; NaN if unknown.
        real_shares: (K,), share of each class among the training images.
        fake_shares: (K,), share of each class among the fakes that D is trained on.
        overfitting: see `overfitting`; NaN if unknown.
        class_loss: D's unweighted K-class cross-entropy on real images over the last interval.
        class_accuracy: D's class accuracy on the same images.
        augmentation_probability: of an adaptive augmentation.
    """

    class_names: Sequence[str] | None
    source_accuracy: Mapping[str, float]
    fake_class_accuracy: Float64Array
    held_out_class_accuracy: Float64Array
    variance_ratio: Float64Array
    source_logits: Float64Array
    real_shares: Float64Array
    fake_shares: Float64Array
    overfitting: float = float("nan")
    class_loss: float | None = None
    class_accuracy: float | None = None
    augmentation_probability: float | None = None


Findings = Iterable[Mapping[str, Any]]
"""The values for the key and sentence of each alarm that a rule finds."""


def discriminator_wins(evidence: AlarmEvidence) -> Findings:
    """D classifies nearly all real images and fakes correctly."""
    source = evidence.source_accuracy
    if source and min(source.get("real", 0.0), source.get("fake", 0.0)) >= DISCRIMINATOR_WINS:
        yield source


def discriminator_overfits(evidence: AlarmEvidence) -> Findings:
    """D's logits separate training images from held-out real images."""
    if evidence.overfitting >= OVERFITTING:
        yield {"share": evidence.overfitting}


def augmentation_at_limit(evidence: AlarmEvidence) -> Findings:
    """An adaptive augmentation changes every image."""
    if (evidence.augmentation_probability or 0) >= 1:
        yield {}


def all_classes_ignored(evidence: AlarmEvidence) -> Findings:
    """D's class accuracy on samples is near chance, although it classifies real images well."""
    fake, real = evidence.fake_class_accuracy, evidence.held_out_class_accuracy
    known = np.isfinite(fake + real)
    if evidence.class_names is None or known.sum() < 2 or any(discriminator_wins(evidence)):
        return
    accuracy, chance = float(fake[known].mean()), 1 / len(known)
    ignored = accuracy < chance + ABOVE_CHANCE * (1 - chance)
    if ignored and real[known].mean() >= RECOGNIZABLE_ACCURACY:
        yield {"accuracy": accuracy, "chance": chance}


def class_ignored(evidence: AlarmEvidence) -> Findings:
    """D's class accuracy on samples of one class is low, although it is high on real images."""
    if any(discriminator_wins(evidence)) or any(all_classes_ignored(evidence)):
        return
    real = evidence.held_out_class_accuracy
    for index, name in enumerate(evidence.class_names or ()):
        accuracy = evidence.fake_class_accuracy[index]
        if accuracy < IGNORED_ACCURACY and real[index] >= RECOGNIZABLE_ACCURACY:
            yield {"name": name, "accuracy": accuracy}


def samples_collapsed(evidence: AlarmEvidence) -> Findings:
    """The samples of a class, or all samples of an unconditional generator, are nearly equal."""
    has_class_head = bool(np.isfinite(evidence.held_out_class_accuracy).any())
    remedy = "a lower objective.class_weight_generator" if has_class_head else "the regularizer r1"
    names = evidence.class_names
    groups = [("", "all samples")]
    if names is not None:
        groups = [(f"/{name}", f"samples of {name}") for name in names]
    for (suffix, samples), ratio in zip(groups, evidence.variance_ratio, strict=True):
        if ratio < COLLAPSED_RATIO:
            yield {"suffix": suffix, "samples": samples, "ratio": ratio, "remedy": remedy}


def double_softmax(evidence: AlarmEvidence) -> Findings:
    """The class loss stays at the minimum of a double softmax although D's accuracy is high.

    The cross-entropy of a correct and confident head tends to 0, but of a softmax of its logits to
    log(1 + (K − 1)/e) (`double_softmax_minimum`).
    """
    loss, accuracy = evidence.class_loss, evidence.class_accuracy
    classes = len(evidence.class_names or ())
    if loss is None or accuracy is None or accuracy < CONFIDENT_ACCURACY or classes < 2:
        return
    floor = double_softmax_minimum(classes)
    if floor <= loss <= floor + NEAR_FLOOR:
        yield {"accuracy": accuracy, "loss": loss, "classes": classes, "floor": floor}


def classes_overrepresented(evidence: AlarmEvidence) -> Findings:
    """D rejects classes because their share among fakes exceeds their share in the data.

    If G is perfect within each class, the best D still outputs log p(y) / p′(y), where p is the
    share of a class in the data and p′ among fakes (docs/objective.md). D's mean logits per class
    are compared with that.
    """
    real, fake, logits = evidence.real_shares, evidence.fake_shares, evidence.source_logits
    known = np.isfinite(logits) & (real > 0) & (fake > 0)
    if evidence.class_names is None or known.sum() < 2:
        return
    log_ratio, logits = np.log(real[known] / fake[known]), logits[known]
    overrepresented = log_ratio <= -np.log(OVERREPRESENTED)
    if not overrepresented.any():
        return
    spread = log_ratio - log_ratio.mean()
    slope = float(spread @ (logits - logits.mean()) / (spread @ spread))
    correlation = float(np.corrcoef(log_ratio, logits)[0, 1])
    if slope >= EXPLAINED_SLOPE and correlation >= EXPLAINED_CORRELATION:
        names: npt.NDArray[Any] = np.array(evidence.class_names)[known]
        yield {"names": ", ".join(names[overrepresented]), "times": np.exp(-log_ratio.min())}


ALARMS: tuple[tuple[str, Callable[[AlarmEvidence], Findings], str], ...] = (
    (
        "source",
        discriminator_wins,
        "the discriminator wins: its source accuracy is {real:.1%} on real images and {fake:.1%} "
        "on fakes, so the generator learns little; try a lower optimizer.discriminator_lr, "
        "dropout, or label smoothing (objective.real_target=0.9)",
    ),
    (
        "overfitting",
        discriminator_overfits,
        "the discriminator has memorized the training images: its logits of held-out real images "
        "lie {share:.0%} of the way from training images to samples; augment its input "
        '(-o \'augmentation.policy=["translation","color"]\'), use an earlier checkpoint, or '
        "add images",
    ),
    (
        "augmentation",
        augmentation_at_limit,
        "the adaptive augmentation is at its limit: every image is changed, and the discriminator "
        "still overfits; try more entries in augmentation.policy, the regularizer lecam, a "
        "smaller discriminator, or more images",
    ),
    (
        "ignored",
        all_classes_ignored,
        "the generator ignores the target label: the discriminator assigns {accuracy:.0%} of "
        "samples to it, and {chance:.0%} is chance; unless another alarm gives the cause, add a "
        "class term (objective.class_weight_generator above 0) or a discriminator with the label "
        "as input (objective.source_head=projection)",
    ),
    (
        "ignored/{name}",
        class_ignored,
        "the generator ignores the class {name}: the discriminator assigns only {accuracy:.0%} of "
        "its samples to it; try a higher objective.class_weight_generator, or more images of it",
    ),
    (
        "collapsed{suffix}",
        samples_collapsed,
        "{samples} have collapsed: their variance is {ratio:.0%} of the real images'; try "
        "{remedy}, or use an earlier checkpoint",
    ),
    (
        "double-softmax",
        double_softmax,
        "the discriminator's class accuracy on real images is {accuracy:.1%}, but its class loss "
        "is {loss:.2f}: with {classes} classes, {floor:.2f} is the minimum of a softmax followed "
        "by a loss that applies softmax itself, so class gradients are weak and vanish for "
        "confident mistakes; give the loss logits (objective.class_loss=cross-entropy)",
    ),
    (
        "overrepresented",
        classes_overrepresented,
        "the discriminator rejects samples of {names} because of their class: these classes are up "
        "to {times:.0f} times as frequent among the fakes as in the data; sample them at the "
        "data's frequency (training.fake_labels=frequency)",
    ),
)
"""Key, rule and sentence of each alarm; key and sentence are format strings for the values that
the rule yields."""


def find_alarms(evidence: AlarmEvidence) -> dict[str, str]:
    """Return the sentences of all alarms by key."""
    return {
        key.format(**values): sentence.format(**values)
        for key, rule, sentence in ALARMS
        for values in rule(evidence)
    }


def overfitting(train: Float64Array, held_out: Float64Array, fake: Float64Array) -> float:
    """Return r_v: 0 if D's logits of held-out images equal training images', 1 if samples'.

    r_v = (E[D_train] - E[D_validation]) / (E[D_train] - E[D_generated]), equation 1 of Karras et
    al. 2020 (arXiv 2006.06676), where D is the source logit.

    Args:
        train: source logits of training images, (N,).
        held_out: source logits of real images that are not trained on, (M,).
        fake: source logits of samples, (L,).

    Returns:
        r_v, or NaN if D does not clearly place training images above samples.
    """
    distance = train.mean() - fake.mean()
    error = np.sqrt(train.var() / len(train) + fake.var() / len(fake))
    if distance <= SEPARATION * error:
        return float("nan")
    return float((train.mean() - held_out.mean()) / distance)


def coarse_variance_ratio(
    fake: Images, fake_labels: Labels, real: Images, real_labels: Labels, classes: int
) -> Float64Array:
    """Return, per class, the summed variance of coarse pixels of samples over that of real images.

    Pixels are reduced to 8×8 means, because pixel noise would count as diversity. This is a cheap
    sign of collapse, not a quality metric; see `acgan.metrics.variance_ratio` for that.

    Images are uint8 (N, C, H, W) and (M, C, H, W), labels int64 (N,) and (M,). The result is
    float64 (K,); NaN for classes with fewer than 2 samples or 2 real images.
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


def class_accuracies(predicted: Labels | None, labels: Labels, classes: int) -> Float64Array:
    """Return each class's accuracy, float64 (K,); NaN for classes without images or predictions."""
    if predicted is None:
        return np.full(classes, np.nan)
    return class_means((predicted == labels).astype(np.float64), labels, classes)


def class_means(values: Float64Array, labels: Labels, classes: int) -> Float64Array:
    """Return each class's mean of float64 (N,) values, (K,); NaN for classes without images."""
    sums = np.bincount(labels, weights=values, minlength=classes)
    count = np.bincount(labels, minlength=classes)
    means: Float64Array = np.divide(sums, count, out=np.full(classes, np.nan), where=count > 0)
    return means


@final
class AlarmTracker:
    """Reports an alarm once it has persisted, and its end; the counts are training state."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def update(self, alarms: Mapping[str, str], images_seen: int) -> list[dict[str, Any]]:
        """Count the alarms of one grid and return the new event rows."""
        if images_seen < GRACE_IMAGES:
            return []
        found = []
        for key, message in alarms.items():
            self._counts[key] = self._counts.get(key, 0) + 1
            if self._counts[key] == PERSISTENCE:
                found.append(("alarm", key, message))
        for key in [key for key in self._counts if key not in alarms]:
            if self._counts.pop(key) >= PERSISTENCE:
                found.append(("alarm over", key, f"the alarm {key.replace('/', ' ')} has ended"))
        return [
            {"images": images_seen, "event": event, "about": key, "message": message}
            for event, key, message in found
        ]

    def state(self) -> dict[str, int]:
        """Return the counts for a checkpoint."""
        return dict(self._counts)

    def restore(self, state: Mapping[str, int]) -> None:
        """Restore the result of `state`."""
        self._counts = dict(state)


def _reduce(images: Images) -> Float64Array:
    """Return block means on a grid of at most 8×8 cells, flattened: (N, C·h·w) in [0, 255]."""
    count, channels, height, width = images.shape
    rows = np.linspace(0, height, min(8, height) + 1).astype(int)[:-1]
    columns = np.linspace(0, width, min(8, width) + 1).astype(int)[:-1]
    sums = np.add.reduceat(images.astype(np.float64), rows, axis=2)
    sums = np.add.reduceat(sums, columns, axis=3)
    areas = np.outer(np.diff([*rows, height]), np.diff([*columns, width]))
    means: Float64Array = (sums / areas).reshape(count, channels * areas.size)
    return means
