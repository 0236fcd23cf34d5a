"""Features of samples and of two real parts, and subsets of equal size of all three.

What an evaluation has before it: samples, real parts, and what extractors say of both.

The real side of every comparison: one judge's view of the parts that it has not learned from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from acgan.classifiers.cache import cached_predictions
from acgan.classifiers.extractor import Extractor, Predictions
from acgan.classifiers.reference_classifier import ReferenceClassifier
from acgan.data.images import ClassName, DatasetSplits, Images, LabeledImages, Labels
from acgan.errors import DataError
from acgan.execution.progress import StageProgress
from acgan.metrics.accuracy import class_agreement
from acgan.metrics.arrays import Array, Float32Array
from acgan.metrics.frechet import frechet_baseline
from acgan.model.model import Model


@final
@dataclass(frozen=True, eq=False)
class FeatureSets:
    """What is compared: samples with test images, and as the floor validation with test images.

    Attributes:
        samples: features of the samples, (N, F).
        test: of the real images that samples are held against, (M, F).
        validation: of real images that are neither among these nor learned from, (V, F).
    """

    samples: Array
    test: Array
    validation: Array

    @property
    def counts(self) -> tuple[int, int, int]:
        """Images of samples, test and validation."""
        return len(self.samples), len(self.test), len(self.validation)

    def enough(self, least: int) -> bool:
        """Whether samples and test images are that many."""
        return min(len(self.samples), len(self.test)) >= least

    def equal(self, least: int, *, seed: tuple[int, ...]) -> FeatureSets | None:
        """Random subsets of one size, as large as the smallest side allows.

        A measure that depends on the number of images may then be held against its floor.

        Args:
            least: images a side that the measure takes.
            seed: of the subsets, which are drawn without replacement.

        Returns:
            The subsets; without validation images where there are fewer than ``least`` (the floor
            falls away, the measure does not); None where samples or test images are too few.
        """
        if not self.enough(least):
            return None
        has_baseline = len(self.validation) >= least
        count = min(self.counts if has_baseline else self.counts[:2])
        random = np.random.default_rng(seed)
        return FeatureSets(
            _some(self.samples, count, random),
            _some(self.test, count, random),
            _some(self.validation, count if has_baseline else 0, random),
        )


def _some(features: Array, count: int, random: np.random.Generator) -> Array:
    if len(features) == count:
        return features
    chosen: Array = features[random.permutation(len(features))[:count]]
    return chosen


Split = Literal["train", "validation", "test"]
EVERYTHING = "all samples"


@final
@dataclass(frozen=True, eq=False)
class SampleSet:
    """The samples under examination, wherever they come from.

    Attributes:
        name: of the run or folder, for headings.
        samples: uint8 (N, C, H, W), class after class.
        target_labels: int64 (N,), the class asked for, in the data's label order; 0 where none was.
        classes: the K classes, those of the data.
        model: what drew them; None for a folder of pictures from elsewhere.
        run: the run's folder, where kept checkpoints lie; None without one.
        origin: what it takes to have the same samples again: model hash, seed, count, folder.
        conditional: whether classes were asked for.
    """

    name: str
    samples: Images
    target_labels: Labels
    classes: tuple[ClassName, ...]
    model: Model | None = None
    run: Path | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)
    conditional: bool = True

    def of_class(self, index: int) -> Images:
        """The samples asked for as one class."""
        chosen: Images = self.samples[self.target_labels == index]
        return chosen


@final
@dataclass(frozen=True, eq=False)
class EvaluationData:
    """Samples and real parts; each extractor looks at each of them once at most.

    Attributes:
        sample_set: the samples.
        splits: the real images, of the samples' own shape and classes.
        reference_classifier: fitted to ``parts.train`` alone; None of data without classes.
        held_out: whether the model is known never to have seen validation and test: its record
            names the same parts. None where nobody knows (a folder of pictures from elsewhere).
        seed: of every random choice in the measures.
        folder: where answers to real images are kept; None to compute them each time.
        progress: told of long stages.
        fallback_extractor: looks at the images in the judge's place where there is none.
    """

    sample_set: SampleSet
    splits: DatasetSplits
    reference_classifier: ReferenceClassifier | None
    held_out: bool | None
    seed: int = 0
    folder: Path | None = None
    progress: StageProgress = lambda _stage, _done, _total: None
    fallback_extractor: Extractor | None = None
    _of_samples: dict[str, Predictions] = field(default_factory=dict, repr=False)
    _of_parts: dict[tuple[str, Split], Predictions] = field(default_factory=dict, repr=False)

    @property
    def group_names(self) -> tuple[str, ...]:
        """The groups in which samples are held against real images: the classes, in label order.

        Where no class was asked for, all samples are one group.
        """
        if not self.sample_set.conditional:
            return (EVERYTHING,)
        return tuple(each.name for each in self.splits.classes)

    @property
    def extractor(self) -> Extractor:
        """In whose features variety and copies are looked for: the judge's, if there is one."""
        extractor = self.reference_classifier or self.fallback_extractor
        if extractor is None:
            raise ValueError("an evaluation takes a judge, or an extractor instead")
        return extractor

    @property
    def required_reference_classifier(self) -> ReferenceClassifier:
        """The judge, for what is not done without one."""
        if self.reference_classifier is None:
            raise ValueError("there is no judge: the data have no classes")
        return self.reference_classifier

    def split_groups(self, part: Split) -> Labels:
        """The group of each image of a real part, int64 (N,)."""
        labels: Labels = getattr(self.splits, part).labels
        return labels if self.sample_set.conditional else np.zeros_like(labels)

    def sample_predictions(self, extractor: Extractor) -> Predictions:
        """What an extractor says of the samples."""
        if extractor.name not in self._of_samples:
            stage = f"{extractor.name}: samples"
            self._of_samples[extractor.name] = extractor.predict(
                self.sample_set.samples,
                progress=lambda done, total: self.progress(stage, done, total),
            )
        return self._of_samples[extractor.name]

    def split_predictions(self, extractor: Extractor, part: Split) -> Predictions:
        """What an extractor says of a real part."""
        key = (extractor.name, part)
        if key not in self._of_parts:
            data = getattr(self.splits, part)

            def told(done: int, total: int) -> None:
                self.progress(f"{extractor.name}: {part} images", done, total)

            self._of_parts[key] = (
                cached_predictions(extractor, data, self.folder, progress=told)
                if self.folder
                else extractor.predict(data.images, progress=told)
            )
        return self._of_parts[key]

    def protocol(self, extractor: Extractor, **more: Any) -> dict[str, Any]:
        """What every figure made with an extractor states, and ``more``."""
        test = self.splits.test
        return {
            "extractor": extractor.name,
            "extractor_weights_hash": extractor.weights_hash(),
            "resize": extractor.resize_rule,
            "samples": len(self.sample_set.samples),
            "samples_per_class": np.bincount(
                self.sample_set.target_labels, minlength=len(self.group_names)
            ).tolist()
            if self.sample_set.conditional
            else None,
            "reference": "test",
            "reference_images": len(test),
            "reference_hash": test.content_hash,
            "seed": self.seed,
            **more,
        }


SplitName = Literal["validation", "test"]


@final
@dataclass(frozen=True, eq=False)
class Reference:
    """The real side of a comparison, computed once for any number of models; `reference` makes it.

    Attributes:
        reference_classifier: who looked.
        part: name of the real part that samples are held against.
        real: that part.
        features: float32 (N, 128), the judge's features of it.
        baseline: Fréchet distance between the two real parts that the judge has not seen, at equal
            counts; NaN where they are too small.
        baseline_count: images on either side of the floor.
        baseline_subsets: subsets of the larger part over which it is averaged.
        baseline_seed: of these subsets.
        accuracy: the judge's on validation and test.
    """

    reference_classifier: ReferenceClassifier
    part: SplitName
    real: LabeledImages
    features: Float32Array
    baseline: float
    baseline_count: int
    baseline_subsets: int
    baseline_seed: int
    accuracy: dict[SplitName, float]


def reference(
    reference_classifier: ReferenceClassifier,
    splits: DatasetSplits,
    *,
    part: SplitName = "test",
    seed: int = 0,
    folder: Path | None = None,
) -> Reference:
    """Look at the real parts: the reference, and the floor between validation and test.

    Args:
        reference_classifier: fitted to ``parts.train``.
        splits: of one data set.
        part: what samples are held against: ``test``, or ``validation`` while choosing a recipe.
        seed: of the floor's subsets.
        folder: where the judge's answers to the real parts are kept for the next time; None to
            compute them.

    Raises:
        DataError: the judge learned from other images, or a part is empty.
        DiskError: the answers cannot be written.
    """
    if reference_classifier.record.train_hash != splits.train.content_hash:
        raise DataError(
            f"the judge was fitted to other images than the training part of {splits.name}; what "
            "it says of held-out images would not be unseen: fit a judge to this data"
        )
    if not len(splits.validation) or not len(splits.test):
        raise DataError(f"{splits.name} lacks a validation or test part; raise its share")
    real: dict[SplitName, LabeledImages] = {"validation": splits.validation, "test": splits.test}
    predicted = {
        name: cached_predictions(reference_classifier, data, folder)
        if folder
        else reference_classifier.predict(data.images)
        for name, data in real.items()
    }
    baseline = frechet_baseline(
        predicted["validation"].features, predicted["test"].features, seed=seed
    )
    return Reference(
        reference_classifier=reference_classifier,
        part=part,
        real=real[part],
        features=predicted[part].features,
        baseline=baseline.distance,
        baseline_count=baseline.count,
        baseline_subsets=baseline.draws,
        baseline_seed=baseline.seed,
        accuracy={
            name: class_agreement(predicted[name].logits, data.labels).overall
            for name, data in real.items()
        },
    )
