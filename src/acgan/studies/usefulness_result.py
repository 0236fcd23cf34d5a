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
from acgan.studies.arms import Arm
from acgan.studies.usefulness_config import UsefulnessConfig

Verdict = Literal["gain", "cost", "none"]

CONFIDENCE = 0.95
_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@final
@dataclass(frozen=True)
class Difference:
    """An arm's figure less a baseline's, seed by seed.

    Attributes:
        per_seed: the differences, in shares of 1.
        mean: of them.
        half_width: of the 95 % t interval around the mean (N − 1 degrees of freedom): 4.30 standard
            errors for three seeds, 3.18 for four, 2.78 for five.
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
        """``gain`` or ``cost`` where the whole interval lies on that side of 0, else ``none``."""
        low, high = self.interval
        return "gain" if low > 0 else "cost" if high < 0 else "none"


def paired_difference(arm: Sequence[float], baseline: Sequence[float]) -> Difference:
    """The difference of means with its t interval, from values paired by seed.

    Args:
        arm: one value a seed.
        baseline: of the same seeds in the same order; two at least.
    """
    if len(arm) != len(baseline) or len(arm) < 2:
        raise ValueError(f"{len(arm)} and {len(baseline)} values; two pairs at least are needed")
    differences = np.asarray(arm, np.float64) - np.asarray(baseline, np.float64)
    count = len(differences)
    error = differences.std(ddof=1) / np.sqrt(count)
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)
    return Difference(
        tuple(differences.tolist()), float(differences.mean()), float(quantile * error)
    )


def in_words(difference: Difference) -> str:
    """The difference as the end of a sentence, in percentage points; it never says more than it is.

    >>> in_words(paired_difference([0.5, 0.51, 0.52], [0.6, 0.61, 0.62]))
    'cost 10.0 ± 0.0 points'
    >>> in_words(paired_difference([0.5, 0.61, 0.52], [0.51, 0.60, 0.52]))
    'no difference that three seeds can show (0.0 ± 2.5 points)'
    """
    half_width = f"± {100 * difference.half_width:.1f} points"
    size = 100 * difference.mean
    if difference.verdict == "none":
        signed = f"{size:+.1f}".replace("-", "−")
        if signed[1:] == "0.0":
            signed = "0.0"
        seeds = in_letters(len(difference.per_seed))
        return f"no difference that {seeds} seeds can show ({signed} {half_width})"
    return f"{difference.verdict} {abs(size):.1f} {half_width}"


def in_letters(number: int) -> str:
    """A small count as a word, a larger one in digits."""
    return _WORDS[number] if number < len(_WORDS) else str(number)


_SKEWED_FROM = 2.0  # largest class over smallest from which one speaks of rare classes


@final
@dataclass(frozen=True, eq=False)
class ArmResult:
    """What came of one arm.

    Attributes:
        arm: which.
        confusions: per seed, int64 (K, K), tested images by class (row) and class read (column).
        seconds: of wall-clock time per seed.
    """

    arm: Arm
    confusions: tuple[Int64Array, ...]
    seconds: tuple[float, ...]

    @property
    def accuracy(self) -> tuple[float, ...]:
        """Share of tested images read right, one a seed."""
        return tuple(float(np.trace(each) / each.sum()) for each in self.confusions)

    @property
    def macro_f1(self) -> tuple[float, ...]:
        """Mean over classes of the harmonic mean of precision and recall, one a seed.

        A class that is never read has F1 0; classes without a tested image are left out.
        """
        return tuple(_macro_f1(each) for each in self.confusions)

    @property
    def recall(self) -> Float64Array:
        """Share of each class's tested images that is read right, (seeds, K); NaN without any."""
        return np.stack([_recall(each) for each in self.confusions])

    def to_json(self) -> dict[str, Any]:
        """Plain values; what is not defined is None."""
        recall = [[defined(float(value)) for value in row] for row in self.recall]
        return {
            "title": self.arm.title,
            "real_per_class": list(self.arm.real),
            "samples_per_class": list(self.arm.synthetic),
            "augmented": self.arm.augmented,
            "accuracy": list(self.accuracy),
            "macro_f1": list(self.macro_f1),
            "recall": recall,
            "confusion": [each.tolist() for each in self.confusions],
            "seconds": list(self.seconds),
        }

    def mean_recall(self, classes: Sequence[int]) -> tuple[float, ...]:
        """Recall, averaged over these classes, one a seed."""
        return tuple(np.nanmean(self.recall[:, list(classes)], axis=1).tolist())


@final
@dataclass(frozen=True, eq=False)
class Usefulness:
    """A whole study.

    Attributes:
        results: in reading order.
        seeds: of the fits; values of one seed are paired across arms.
        classes: names of the K classes.
        train_counts: real training images of each class.
        config: what was fitted, and how.
        protocol: everything needed to make the figures again.
        notes: sentences that a reader needs.
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
        """The results by their arm's key."""
        return {each.arm.key: each for each in self.results}

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "classes": list(self.classes),
            "train_images_per_class": list(self.train_counts),
            "rare_classes": [self.classes[index] for index in self.rare],
            "arms": {key: each.to_json() for key, each in self.by_key.items()},
            "protocol": self.protocol,
            "notes": list(self.notes),
        }

    @property
    def is_skewed(self) -> bool:
        """Whether the largest class has at least twice the images of the smallest."""
        return max(self.train_counts) >= _SKEWED_FROM * min(self.train_counts)

    @property
    def rare(self) -> tuple[int, ...]:
        """The third of the classes with the fewest training images; empty if not skewed."""
        return rare_classes(self.train_counts) if self.is_skewed else ()


def rare_classes(train_counts: Sequence[int]) -> tuple[int, ...]:
    """The third of the classes with the fewest training images, one at least, ascending."""
    order = np.argsort(train_counts, kind="stable")
    return tuple(sorted(order[: max(1, len(order) // 3)].tolist()))


def _recall(confusion: Int64Array) -> Float64Array:
    total = confusion.sum(axis=1)
    recall = np.full(len(total), np.nan)
    np.divide(np.diagonal(confusion), total, out=recall, where=total > 0)
    return recall


def _macro_f1(confusion: Int64Array) -> float:
    right, tested, read = np.diagonal(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    # 2 P R / (P + R) with P = right / read and R = right / tested; no 0 / 0 where tested > 0
    there = tested > 0
    return float((2 * right[there] / (tested + read)[there]).mean())
