"""Results of a usefulness study: confusion matrices, metrics, and paired differences of arms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, final

import numpy as np
from scipy import stats

from acgan.metrics.arrays import Float64Array, Int64Array
from acgan.report.section import defined
from acgan.studies.arms import Arm, UsefulnessConfig

Verdict = Literal["gain", "cost", "none"]
_CONFIDENCE = 0.95
_SKEWED_FROM = 2.0  # largest class over smallest from which there are rare classes


@final
@dataclass(frozen=True)
class Difference:
    """A metric of an arm minus that of a baseline, paired by seed.

    Attributes:
        per_seed: the differences, in shares of 1.
        mean: of them.
        half_width: of the 95 % t interval of the mean (N − 1 degrees of freedom): 4.30 standard
            errors for 3 seeds, 3.18 for 4, 2.78 for 5.
    """

    per_seed: tuple[float, ...]
    mean: float
    half_width: float

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end."""
        return self.mean - self.half_width, self.mean + self.half_width

    @property
    def verdict(self) -> Verdict:
        """``gain`` or ``cost`` if the whole interval is on that side of 0, else ``none``."""
        low, high = self.interval
        return "gain" if low > 0 else "cost" if high < 0 else "none"

    @property
    def words(self) -> str:
        """The difference in percentage points, as the end of a sentence.

        >>> paired_difference([0.5, 0.51, 0.52], [0.6, 0.61, 0.62]).words
        'cost 10.0 ± 0.0 points'
        >>> paired_difference([0.5, 0.61, 0.52], [0.51, 0.60, 0.52]).words
        'no difference that 3 seeds can show (0.0 ± 2.5 points)'
        """
        size, width = 100 * self.mean, f"± {100 * self.half_width:.1f} points"
        if self.verdict != "none":
            return f"{self.verdict} {abs(size):.1f} {width}"
        signed = "0.0" if round(abs(size), 1) == 0 else f"{size:+.1f}".replace("-", "−")
        return f"no difference that {len(self.per_seed)} seeds can show ({signed} {width})"


def paired_difference(arm: Sequence[float], baseline: Sequence[float]) -> Difference:
    """Return the difference of means with its t interval, from values paired by seed.

    Args:
        arm: one value per seed, at least two.
        baseline: of the same seeds in the same order.
    """
    if len(arm) != len(baseline) or len(arm) < 2:
        raise ValueError(f"{len(arm)} and {len(baseline)} values; two pairs at least are needed")
    differences = np.asarray(arm, np.float64) - np.asarray(baseline, np.float64)
    # Not scipy.stats.t.interval, which is NaN if all differences are equal.
    quantile = stats.t.ppf((1 + _CONFIDENCE) / 2, len(differences) - 1)
    half_width = float(quantile * stats.sem(differences))
    return Difference(tuple(differences.tolist()), float(differences.mean()), half_width)


@final
@dataclass(frozen=True, eq=False)
class ArmResult:
    """The results of one arm.

    Attributes:
        arm: the training set.
        confusions: per seed, int64 (K, K), test images by class (row) and predicted class (column).
        seconds: of wall-clock time per seed.
    """

    arm: Arm
    confusions: tuple[Int64Array, ...]
    seconds: tuple[float, ...]

    @property
    def accuracy(self) -> tuple[float, ...]:
        """Share of test images with the right prediction, by seed."""
        return tuple(float(np.trace(each) / each.sum()) for each in self.confusions)

    @property
    def macro_f1(self) -> tuple[float, ...]:
        """Mean over classes of the harmonic mean of precision and recall, by seed.

        A class that is never predicted has F1 0; classes without test images are left out.
        """
        return tuple(_macro_f1(each) for each in self.confusions)

    @property
    def recall(self) -> Float64Array:
        """Share of each class's test images with the right prediction, (seeds, K); NaN if none."""
        return np.stack([_recall(each) for each in self.confusions])

    def mean_recall(self, classes: Sequence[int]) -> tuple[float, ...]:
        """Return the recall averaged over these classes, by seed."""
        return tuple(np.nanmean(self.recall[:, list(classes)], axis=1).tolist())

    def to_json(self) -> dict[str, Any]:
        """Return plain values; None if undefined."""
        return {
            "title": self.arm.title,
            "real_per_class": list(self.arm.real),
            "samples_per_class": list(self.arm.synthetic),
            "augmented": self.arm.augmented,
            "accuracy": list(self.accuracy),
            "macro_f1": list(self.macro_f1),
            "recall": [[defined(value) for value in row] for row in self.recall],
            "confusion": [each.tolist() for each in self.confusions],
            "seconds": list(self.seconds),
        }


@final
@dataclass(frozen=True, eq=False)
class Usefulness:
    """The results of a study.

    Attributes:
        results: in reading order.
        seeds: of the fits; values of one seed are paired across arms.
        classes: names of the K classes.
        train_counts: real training images of each class.
        config: arms, network and fit.
        protocol: everything needed to reproduce the metrics.
        notes: sentences that readers of the results need.
    """

    results: tuple[ArmResult, ...]
    seeds: tuple[int, ...]
    classes: tuple[str, ...]
    train_counts: tuple[int, ...]
    config: UsefulnessConfig
    protocol: dict[str, Any]
    notes: tuple[str, ...]

    @cached_property
    def by_key(self) -> dict[str, ArmResult]:
        """The results by key of the arm."""
        return {each.arm.key: each for each in self.results}

    @property
    def is_skewed(self) -> bool:
        """Whether the largest class has at least twice the images of the smallest."""
        return max(self.train_counts) >= _SKEWED_FROM * min(self.train_counts)

    @property
    def rare(self) -> tuple[int, ...]:
        """The third of the classes with the fewest training images; empty if not skewed."""
        return rare_classes(self.train_counts) if self.is_skewed else ()

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "classes": list(self.classes),
            "train_images_per_class": list(self.train_counts),
            "rare_classes": [self.classes[index] for index in self.rare],
            "arms": {key: each.to_json() for key, each in self.by_key.items()},
            "protocol": self.protocol,
            "notes": list(self.notes),
        }


def rare_classes(train_counts: Sequence[int]) -> tuple[int, ...]:
    """Return the third of the classes with the fewest training images, at least one, ascending."""
    order = np.argsort(train_counts, kind="stable")
    return tuple(sorted(order[: max(1, len(order) // 3)].tolist()))


def _recall(confusion: Int64Array) -> Float64Array:
    total = confusion.sum(axis=1)
    recall = np.full(len(total), np.nan)
    np.divide(np.diagonal(confusion), total, out=recall, where=total > 0)
    return recall


def _macro_f1(confusion: Int64Array) -> float:
    right, tested = np.diagonal(confusion), confusion.sum(axis=1)
    # 2 P R / (P + R) with P = right / predicted and R = right / tested; no 0 / 0 where tested > 0
    known = tested > 0
    return float((2 * right[known] / (tested + confusion.sum(axis=0))[known]).mean())
