"""What `benchmarks/long_tail.py` found: figures of policies, class by class, and what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any, final

from acgan.studies.objectives_result import decimals, mean_and_std, summary
from acgan.studies.usefulness_result import paired_difference, rare_classes

MEASURES = {
    "accuracy": "judge agrees",
    "worst_class_accuracy": "worst class",
    "rare_accuracy": "rare classes",
    "frechet_ratio": "Fréchet / floor",
    "mean_class_frechet": "Fréchet in a class",
    "rare_class_frechet": "… in a rare one",
    "variance_ratio": "variance ratio",
    "rare_variance_ratio": "… of rare ones",
}
"""Heading of every figure of a run; rare ones are means over the rare classes."""

OF_CLASS = {
    "class_accuracy": "judge agrees",
    "class_frechet": "Fréchet",
    "class_variance_ratio": "variance ratio",
}
"""Heading of every figure of a class."""

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
        policy: of `training.fake_labels`.
        seed: of the run.
        images: real images that D saw.
        quality: its figures, as `quality.measure` has them.
    """

    policy: str
    seed: int
    images: int
    quality: Mapping[str, Any]


@final
@dataclass(frozen=True)
class LongTail:
    """All that is known so far.

    Attributes:
        data: name of the data.
        ratio: of the largest class to the smallest.
        part: the real part that samples are held against.
        per_class: samples a class.
        training_images: by class, in label order.
        runs: in the order in which they were trained.
    """

    data: str
    ratio: float
    part: str
    per_class: int
    training_images: Mapping[str, int]
    runs: tuple[Run, ...]

    def and_run(self, run: Run) -> LongTail:
        """With one run more."""
        return replace(self, runs=(*self.runs, run))

    @property
    def policies(self) -> tuple[str, ...]:
        """That have a run, in order of appearance; the first is what others are held against."""
        return tuple(dict.fromkeys(run.policy for run in self.runs))

    @property
    def rare(self) -> tuple[str, ...]:
        """The third of the classes with the fewest training images."""
        names = tuple(self.training_images)
        return tuple(names[index] for index in rare_classes(tuple(self.training_images.values())))

    def values(self, policy: str, measure: str) -> dict[int, float]:
        """A measure of a policy by seed; a seed is left out where it is not defined."""
        found = {run.seed: self._metric(run, measure) for run in self.runs if run.policy == policy}
        return {seed: value for seed, value in found.items() if value is not None}

    def class_values(self, policy: str, measure: str, name: str) -> list[float]:
        """A measure of a class, likewise."""
        found = [run.quality[measure][name] for run in self.runs if run.policy == policy]
        return [value for value in found if value is not None]

    def differences(self, policy: str) -> dict[str, dict[str, Any]]:
        """Each measure of a policy less the first policy's: 95 % t interval over common seeds."""
        result = {}
        for measure in MEASURES:
            own, base = self.values(policy, measure), self.values(self.policies[0], measure)
            seeds = [seed for seed in own if seed in base]
            if len(seeds) >= 2:
                found = paired_difference([own[s] for s in seeds], [base[s] for s in seeds])
                result[measure] = {**asdict(found), "seeds": seeds}
        return result

    def to_json(self) -> dict[str, Any]:
        """Plain values: the protocol, every run, and what follows from them."""
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
                    f"less_{self.policies[0]}": self.differences(policy),
                }
                for policy in self.policies
            },
        }

    def to_markdown(self) -> str:
        """Tables of policies, of classes, and of differences where two seeds are known."""
        counts = self.training_images
        rare = ", ".join(f"{name} ({counts[name]:,})" for name in self.rare)
        head = (
            f"{self.data}, largest class {self.ratio:g} times the smallest "
            f"({sum(counts.values()):,} training images): {self.per_class:,} samples a class "
            f"against the {self.part} part; mean ± standard deviation over seeds.\n"
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
        return _table(["fakes asked for by", "images", "seeds", *MEASURES.values()], lines)

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
            [f"{policy} less {self.policies[0]}", *(_interval(each.get(m)) for m in MEASURES)]
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
    mean, half_width = difference["mean"], difference["half_width"]
    digits = decimals(mean)
    return f"{mean:+.{digits}f} ± {half_width:.{digits}f}".replace("-", "−")


def _table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"
