"""Results of `benchmarks/long_tail.py`: metrics of policies and classes, and differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any, final

from acgan.report.report import mean_and_spread
from acgan.studies.objectives_result import mean_and_std, summary
from acgan.studies.usefulness_result import paired_difference, rare_classes

MEASURES = {
    "accuracy": "GAN-test accuracy",
    "worst_class_accuracy": "worst class",
    "rare_accuracy": "rare classes",
    "frechet_ratio": "Fréchet ratio",
    "mean_class_frechet": "Fréchet per class",
    "rare_class_frechet": "… of rare classes",
    "variance_ratio": "variance ratio",
    "rare_variance_ratio": "… of rare classes",
}
"""Headings of the metrics of a run; those of rare classes are means over them."""

OF_CLASS = {
    "class_accuracy": "GAN-test accuracy",
    "class_frechet": "Fréchet",
    "class_variance_ratio": "variance ratio",
}
"""Headings of the metrics of a class."""

_RARE = {
    "rare_accuracy": "class_accuracy",
    "rare_class_frechet": "class_frechet",
    "rare_variance_ratio": "class_variance_ratio",
}


@final
@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        policy: value of `training.fake_labels`.
        seed: seed of the run.
        images: real images seen.
        quality: metrics from `quality.measure`.
    """

    policy: str
    seed: int
    images: int
    quality: Mapping[str, Any]


@final
@dataclass(frozen=True)
class LongTail:
    """Results of all runs so far.

    Attributes:
        data: name of the data.
        ratio: size of the largest class over the smallest.
        split: the split that samples are compared to.
        per_class: samples per class.
        training_images: number of training images by class, in label order.
        runs: runs in order of training.
    """

    data: str
    ratio: float
    split: str
    per_class: int
    training_images: Mapping[str, int]
    runs: tuple[Run, ...]

    def and_run(self, run: Run) -> LongTail:
        """Return these results with another run."""
        return replace(self, runs=(*self.runs, run))

    @property
    def policies(self) -> tuple[str, ...]:
        """Policies with a run, in order of training; others are compared to the first."""
        return tuple(dict.fromkeys(run.policy for run in self.runs))

    @property
    def rare(self) -> tuple[str, ...]:
        """The third of the classes with the fewest training images."""
        names = tuple(self.training_images)
        return tuple(names[index] for index in rare_classes(tuple(self.training_images.values())))

    def values(self, policy: str, measure: str) -> dict[int, float]:
        """Return a metric of a policy by seed, without seeds for which it is undefined."""
        found = {run.seed: self._metric(run, measure) for run in self.runs if run.policy == policy}
        return {seed: value for seed, value in found.items() if value is not None}

    def class_values(self, policy: str, measure: str, name: str) -> list[float]:
        """Return the defined values of a metric of a class over the runs of a policy."""
        found = [run.quality[measure][name] for run in self.runs if run.policy == policy]
        return [value for value in found if value is not None]

    def differences(self, policy: str) -> dict[str, dict[str, Any]]:
        """Return each metric minus that of the first policy: 95 % t interval over common seeds."""
        result = {}
        for measure in MEASURES:
            own, base = self.values(policy, measure), self.values(self.policies[0], measure)
            seeds = [seed for seed in own if seed in base]
            if len(seeds) >= 2:
                found = paired_difference([own[s] for s in seeds], [base[s] for s in seeds])
                result[measure] = {**asdict(found), "seeds": seeds}
        return result

    def to_json(self) -> dict[str, Any]:
        """Return plain values: the protocol, all runs and their summaries."""
        return {
            **asdict(self),
            "rare_classes": list(self.rare),
            "policies": {
                policy: {
                    "measures": {
                        measure: summary(list(self.values(policy, measure).values()))
                        for measure in MEASURES
                    },
                    "classes": {
                        name: {
                            measure: summary(self.class_values(policy, measure, name))
                            for measure in OF_CLASS
                        }
                        for name in self.training_images
                    },
                    f"minus_{self.policies[0]}": self.differences(policy),
                }
                for policy in self.policies
            },
        }

    def to_markdown(self) -> str:
        """Return tables of policies and classes, and of differences if two seeds are common."""
        counts = self.training_images
        rare = ", ".join(f"{name} ({counts[name]:,})" for name in self.rare)
        head = (
            f"{self.data}, largest class {self.ratio:g} times the smallest "
            f"({sum(counts.values()):,} training images): {self.per_class:,} samples per class "
            f"compared to the {self.split} split; mean ± std over seeds.\n"
            f"Rare classes: {rare}.\n"
        )
        return "\n".join([head, self._by_policy(), self._by_class(), *self._by_difference()])

    def _by_policy(self) -> str:
        lines = []
        for policy in self.policies:
            runs = [run for run in self.runs if run.policy == policy]
            metrics = [
                mean_and_std(list(self.values(policy, measure).values())) for measure in MEASURES
            ]
            images = " / ".join(f"{each:,}" for each in sorted({run.images for run in runs}))
            lines.append([policy, images, str(len(runs)), *metrics])
        return _table(["policy", "images", "seeds", *MEASURES.values()], lines)

    def _by_class(self) -> str:
        columns = [(policy, measure) for measure in OF_CLASS for policy in self.policies]
        header = [f"{OF_CLASS[measure]}, {policy}" for policy, measure in columns]
        lines = [
            [
                name,
                f"{count:,}",
                *(mean_and_std(self.class_values(*column, name)) for column in columns),
            ]
            for name, count in self.training_images.items()
        ]
        return _table(["class", "training images", *header], lines)

    def _by_difference(self) -> list[str]:
        found = {policy: self.differences(policy) for policy in self.policies[1:]}
        lines = [
            [f"{policy} minus {self.policies[0]}", *(_interval(each.get(m)) for m in MEASURES)]
            for policy, each in found.items()
            if each
        ]
        title = "difference ± half of its 95 % interval, paired by seed"
        return [_table([title, *MEASURES.values()], lines)] if lines else []

    def _metric(self, run: Run, measure: str) -> float | None:
        if measure not in _RARE:
            value: float | None = run.quality[measure]
            return value
        values = [run.quality[_RARE[measure]][name] for name in self.rare]
        return None if None in values else fmean(values)


def _interval(difference: Mapping[str, Any] | None) -> str:
    if difference is None:
        return "–"
    sign = "+" if difference["mean"] > 0 else ""
    return sign + mean_and_spread(difference["mean"], difference["half_width"])


def _table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"
