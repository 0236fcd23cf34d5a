"""Are samples any good to train on? One network, fitted to real images, to samples, and to both.

The Classification Accuracy Score (Ravuri & Vinyals 2019; "GAN-train" in Shmelkov et al. 2018) is
the test accuracy of a classifier that learned from samples alone. Its relatives mix real images
and samples. What the figures mean in words is `acgan.studies.usefulness_verdict`'s to say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

from acgan.data.images import DataParts, Images, LabelledImages
from acgan.errors import DataError
from acgan.studies.arm_fits import (
    Fitted,
    KeptFits,
    fit_arm,
    initial_network,
    network_hash,
)
from acgan.studies.arms import Arm, compose, samples_needed, study_arms
from acgan.studies.samples import Samples, given_samples
from acgan.studies.usefulness_checks import check_study, notes_on, possible_arms
from acgan.studies.usefulness_config import UsefulnessConfig
from acgan.studies.usefulness_result import ArmResult, Usefulness

Progress = Callable[[str, int, int], None]
"""Told the stage's name, the fits that are done (the current one in part), in percent, and 100."""

_FORMAT = 1  # of the kept fits; another number here makes all of them anew


def usefulness(
    parts: DataParts,
    samples: Samples | LabelledImages,
    *,
    config: UsefulnessConfig,
    seeds: Sequence[int] = (0, 1, 2),
    folder: Path | None = None,
    part: Literal["test", "validation"] = "test",
    progress: Progress | None = None,
) -> Usefulness:
    """Fit the same network to every arm at every seed, and test it on real images.

    Every fit has the same number of steps, so an arm of more images shows each of them less often.
    At one seed all arms start from the same weights and share one set of samples, of which smaller
    arms hold a part; another seed has other weights, another order and other samples. Nothing is
    chosen by the tested part.

    Args:
        parts: ``train`` is the real training part, exactly what the samples' maker learned from.
        samples: of a model (`model_samples`), any function, or given images.
        config: what is fitted and how; `usefulness_config` knows what suits the data.
        seeds: three at least, each once, not negative.
        folder: where fits are kept as they are made: the same call goes on where it was killed.
        part: to test on; ``validation`` while choosing a configuration.
        progress: of the whole study.

    Raises:
        UsageError: fewer than three seeds, or one twice.
        DataError: the samples' maker learned from other images; sizes or classes differ; a class
            has no training image; given samples are too few for any arm.
        DivergedError: a fit became non-finite.
        DiskError: the folder cannot be written.

    Example:
        >>> study = usefulness(  # doctest: +SKIP
        ...     parts, model_samples(model), config=usefulness_config(parts.train, flip=True)
        ... )
        >>> study.by_key["synthetic"].accuracy  # doctest: +SKIP
        (0.801, 0.796, 0.804)
    """
    source = given_samples(samples) if isinstance(samples, LabelledImages) else samples
    check_study(parts, samples, source, seeds)
    tested: LabelledImages = getattr(parts, part)
    if not len(tested):
        raise DataError(f"the {part} part has no images to test on")
    arms, notes = possible_arms(study_arms(parts.train.class_counts, config), source, parts)
    study = _Study(parts, source, tested, config, min(arm.images for arm in arms))
    tell = progress or _silent
    fitted: dict[tuple[str, int], Fitted] = {}
    total = len(arms) * len(seeds)
    with KeptFits(folder) as kept:
        for seed in seeds:
            pool = _Pool(source, parts, samples_needed(arms), seed)
            for arm in arms:
                stage = f"seed {seed}, {arm.title}"
                tell(stage, 100 * len(fitted) // total, 100)

                def told(seen: int, all_images: int, _loss: float, stage: str = stage) -> None:
                    tell(stage, int(100 * (len(fitted) + seen / all_images) / total), 100)

                fitted[arm.key, seed] = study.fit(arm, seed, pool, kept, told)
    tell("fits done", 100, 100)
    return Usefulness(
        results=tuple(
            ArmResult(
                arm,
                tuple(fitted[arm.key, seed].confusion for seed in seeds),
                tuple(fitted[arm.key, seed].seconds for seed in seeds),
            )
            for arm in arms
        ),
        seeds=tuple(seeds),
        classes=tuple(each.name for each in parts.classes),
        train_counts=tuple(parts.train.class_counts.tolist()),
        config=config,
        protocol=study.protocol(part, seeds, {each.steps for each in fitted.values()}),
        notes=(*notes, *notes_on(arms, source)),
    )


@final
class _Pool:
    """Samples of one study seed, drawn when an arm first wants them, all a class may need at once.

    A study whose fits are all kept draws none.
    """

    def __init__(self, source: Samples, parts: DataParts, needed: Any, seed: int) -> None:
        self._source, self._shape, self._needed, self._seed = source, parts.shape, needed, seed
        self._drawn: dict[int, Images] = {}

    def draw(self, index: int, count: int) -> Images:
        if index not in self._drawn:
            drawn = self._source.draw(index, int(self._needed[index]), self._seed)
            if drawn.shape[1:] != self._shape:
                raise DataError(
                    f"samples are arrays of {drawn.shape[1:]} (C, H, W), the real images of "
                    f"{tuple(self._shape)}; draw samples of the data's own size and colour"
                )
            self._drawn[index] = drawn
        return self._drawn[index][:count]


@final
@dataclass(frozen=True, eq=False)
class _Study:
    parts: DataParts
    source: Samples
    tested: LabelledImages
    config: UsefulnessConfig
    smallest_arm: int

    @property
    def batch_size(self) -> int:
        """Of all arms: no arm may be smaller, or it would get another number of steps."""
        return min(self.config.fit.batch_size, self.smallest_arm)

    def fit(self, arm: Arm, seed: int, pool: _Pool, kept: KeptFits, progress: Any) -> Fitted:
        def make() -> Fitted:
            images = compose(arm, self.parts.train, pool.draw, seed=seed)
            return fit_arm(
                images,
                self.parts.train,
                self.tested,
                self.config,
                batch_size=self.batch_size,
                augmented=arm.augmented,
                seed=seed,
                progress=progress,
            )

        start = initial_network(self.config.network, self.parts.train, seed)
        fit = self.config.fit_of(augmented=arm.augmented)
        determined_by = {
            "format": _FORMAT,
            "train": self.parts.train.content_hash,
            "tested": self.tested.content_hash,
            "samples": self.source.identity if arm.has_samples else None,
            "arm": arm.content,
            "fit": json.loads(fit.model_dump_json()),
            "batch_size": self.batch_size,
            "network": network_hash(start),
            "seed": seed,
        }
        return kept.get(determined_by, {"arm": arm.key, "seed": seed}, make)

    def protocol(self, part: str, seeds: Sequence[int], steps: set[int]) -> dict[str, Any]:
        return {
            "network": self.config.network.model_dump(mode="json"),
            "fit": self.config.fit.model_dump(mode="json"),
            "steps": sorted(steps),
            "batch_size": self.batch_size,
            "ratios": list(self.config.ratios),
            "headline_ratio": self.config.headline_ratio,
            "balance_cap": self.config.balance_cap,
            "seeds": list(seeds),
            "train_images": len(self.parts.train),
            "train_images_per_class": self.parts.train.class_counts.tolist(),
            "train_hash": self.parts.train.content_hash,
            "reference": part,
            "reference_images": len(self.tested),
            "reference_hash": self.tested.content_hash,
            "samples": self.source.identity,
            **self.source.origin,
        }


def _silent(_stage: str, _done: int, _total: int) -> None:
    pass
