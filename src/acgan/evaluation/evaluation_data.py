"""Samples, real splits, and the features and predictions that extractors give for both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from acgan.classifiers.cache import cached_predictions
from acgan.classifiers.extractor import Extractor, Predictions
from acgan.classifiers.reference_classifier import ReferenceClassifier
from acgan.data.images import ClassName, DatasetSplits, Images, ImageShape, LabeledImages, Labels
from acgan.errors import DataError
from acgan.execution.progress import StageProgress
from acgan.metrics.accuracy import class_agreement
from acgan.metrics.arrays import Array
from acgan.metrics.frechet import Baseline, frechet_baseline
from acgan.model.model import Model
from acgan.plots.text import class_labels

HeldOutSplit = Literal["validation", "test"]
SplitName = Literal["train", "validation", "test"]
ALL_SAMPLES = "all samples"
"""Name of the single group of samples that were generated without labels."""


@final
@dataclass(frozen=True, eq=False)
class FeatureSets:
    """Features of samples and test images, and of validation images for the baseline.

    Attributes:
        samples: features of the samples, (N, F).
        test: features of the real images that the samples are compared with, (M, F).
        validation: features of other real images that no network was trained on, (V, F).
    """

    samples: Array
    test: Array
    validation: Array

    @property
    def counts(self) -> tuple[int, int, int]:
        """Number of samples, test and validation images."""
        return len(self.samples), len(self.test), len(self.validation)

    def enough(self, least: int) -> bool:
        """Return whether there are at least ``least`` samples and ``least`` test images."""
        return min(len(self.samples), len(self.test)) >= least

    def equal(self, least: int, *, seed: tuple[int, ...]) -> FeatureSets | None:
        """Return random subsets of equal size, as large as the smallest set allows.

        A measure that depends on the number of images is comparable with its baseline only at
        equal counts.

        Args:
            least: minimum number of images per side.
            seed: of the subsets, sampled without replacement.

        Returns:
            None if there are too few samples or test images. If there are too few validation
            images, those are empty: the baseline is undefined, the measure is not.
        """
        if not self.enough(least):
            return None
        has_baseline = len(self.validation) >= least
        count = min(self.counts if has_baseline else self.counts[:2])
        random = np.random.default_rng(seed)
        return FeatureSets(
            _subset(self.samples, count, random),
            _subset(self.test, count, random),
            _subset(self.validation, count if has_baseline else 0, random),
        )


def _subset(features: Array, count: int, random: np.random.Generator) -> Array:
    full = len(features) == count
    return features if full else features[random.permutation(len(features))[:count]]


@final
@dataclass(frozen=True, eq=False)
class SampleSet:
    """The samples to evaluate, from a model or from a folder of images.

    Attributes:
        name: name of the run or folder, for headings.
        samples: uint8 (N, C, H, W), sorted by class.
        target_labels: int64 (N,), in the data's label order; 0 for samples without labels.
        classes: the K classes of the data.
        model: the model that generated the samples; None for a folder of images.
        run: run folder with the saved checkpoints, if there is one.
        origin: everything needed to reproduce the samples: model hash, seed, count, folder.
        conditional: whether the samples were generated for labels.
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
        """Return the samples with one target label."""
        chosen: Images = self.samples[self.target_labels == index]
        return chosen


@final
@dataclass(frozen=True, eq=False)
class EvaluationData:
    """Samples and real splits; each extractor processes each of them once at most.

    Attributes:
        sample_set: the samples.
        splits: the real images, of the same shape and classes as the samples.
        reference_classifier: fitted to ``splits.train`` alone; None for data without classes.
        held_out: True if the model is known not to be trained on validation and test images
            (its record names the same splits); None if this is unknown.
        seed: of every random choice in the measures.
        folder: cache folder of predictions for real images; None to compute them each time.
        progress: callback for the progress of long stages.
        fallback_extractor: used if there is no reference classifier.
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
    _of_splits: dict[tuple[str, SplitName], Predictions] = field(default_factory=dict, repr=False)
    _baselines: dict[str, Baseline] = field(default_factory=dict, repr=False)

    @property
    def group_names(self) -> tuple[str, ...]:
        """Groups in which samples and real images are compared: the classes, in label order.

        Samples without labels form one group.
        """
        if not self.sample_set.conditional:
            return (ALL_SAMPLES,)
        return tuple(each.name for each in self.splits.classes)

    @property
    def group_labels(self) -> list[str]:
        """The `group_names` as images show them."""
        return class_labels(self.group_names)

    @property
    def extractor(self) -> Extractor:
        """Extractor of diversity and memorization: the reference classifier, or the fallback."""
        extractor = self.reference_classifier or self.fallback_extractor
        if extractor is None:
            raise ValueError("an evaluation needs a reference classifier or a fallback extractor")
        return extractor

    @property
    def required_reference_classifier(self) -> ReferenceClassifier:
        """The reference classifier; ValueError if there is none."""
        if self.reference_classifier is None:
            raise ValueError("there is no reference classifier: the data has no classes")
        return self.reference_classifier

    def with_samples(self, samples: Images, target_labels: Labels) -> EvaluationData:
        """Return this data with other samples; predictions for real images are shared.

        Args:
            samples: uint8 (N, C, H, W), N ≥ 1.
            target_labels: int64 (N,), each in [0, K), in the data's label order.

        Raises:
            DataError: there are no samples.
        """
        if target_labels.shape != samples.shape[:1]:
            raise ValueError(
                f"{len(samples)} samples but labels of shape {target_labels.shape}; give one label "
                "per sample"
            )
        if not len(samples):
            raise DataError("there are no samples to evaluate; generate at least one")
        changed = replace(self.sample_set, samples=samples, target_labels=target_labels)
        return replace(self, sample_set=changed, _of_samples={})

    def split_groups(self, split: SplitName) -> Labels:
        """Return the group of each image of a real split, int64 (N,)."""
        labels: Labels = getattr(self.splits, split).labels
        return labels if self.sample_set.conditional else np.zeros_like(labels)

    def sample_predictions(self, extractor: Extractor) -> Predictions:
        """Return features and logits of the samples."""
        if extractor.name not in self._of_samples:
            self._of_samples[extractor.name] = extractor.predict(
                self.sample_set.samples,
                progress=partial(self.progress, f"{extractor.name}: samples"),
            )
        return self._of_samples[extractor.name]

    def split_predictions(self, extractor: Extractor, split: SplitName) -> Predictions:
        """Return features and logits of the images of a real split."""
        key = (extractor.name, split)
        if key not in self._of_splits:
            stage = f"{extractor.name}: {split} images"
            real: LabeledImages = getattr(self.splits, split)
            self._of_splits[key] = self.real_predictions(extractor, real, stage)
        return self._of_splits[key]

    def real_predictions(
        self, extractor: Extractor, real: LabeledImages, stage: str
    ) -> Predictions:
        """Return features and logits of any real images, from the cache folder if there is one."""
        on_progress = partial(self.progress, stage)
        if self.folder is None:
            return extractor.predict(real.images, progress=on_progress)
        return cached_predictions(extractor, real, self.folder, progress=on_progress)

    def frechet_baseline(self, extractor: Extractor) -> Baseline:
        """Return the Fréchet distance between validation and test images at equal counts."""
        if extractor.name not in self._baselines:
            validation = self.split_predictions(extractor, "validation").features
            test = self.split_predictions(extractor, "test").features
            self._baselines[extractor.name] = frechet_baseline(validation, test, seed=self.seed)
        return self._baselines[extractor.name]

    def reference_accuracy(self, split: HeldOutSplit) -> float:
        """Return the accuracy of the reference classifier on a real split."""
        predictions = self.split_predictions(self.required_reference_classifier, split)
        return class_agreement(predictions.logits, getattr(self.splits, split).labels).overall

    def protocol(self, extractor: Extractor, **more: Any) -> dict[str, Any]:
        """Return the protocol shared by all metrics of an extractor, and ``more``."""
        test, labels = self.splits.test, self.sample_set.target_labels
        counts = np.bincount(labels, minlength=len(self.group_names))
        return {
            "extractor": extractor.name,
            "extractor_weights_hash": extractor.weights_hash(),
            "resize": extractor.resize_rule,
            "samples": len(self.sample_set.samples),
            "samples_per_class": counts.tolist() if self.sample_set.conditional else None,
            "reference": "test",
            "reference_images": len(test),
            "reference_hash": test.content_hash,
            "seed": self.seed,
            **more,
        }


def pixel_protocol(extractor: str, shape: ImageShape) -> dict[str, Any]:
    """Return the entries of a protocol that differ for metrics of pixels."""
    resize = f"none: images are compared at {shape}"
    return {"extractor": extractor, "extractor_weights_hash": None, "resize": resize}


def real_data(
    reference_classifier: ReferenceClassifier,
    splits: DatasetSplits,
    *,
    seed: int = 0,
    folder: Path | None = None,
) -> EvaluationData:
    """Return evaluation data without samples; `EvaluationData.with_samples` adds those of a model.

    Real images are processed once for any number of models.

    Args:
        reference_classifier: fitted to ``splits.train``.
        splits: of one data set.
        seed: of the subsets of the real-vs-real baseline.
        folder: cache folder of predictions for real images; None to compute them.

    Raises:
        DataError: the reference classifier was fitted to other images, or a split is empty.
    """
    if reference_classifier.record.train_hash != splits.train.content_hash:
        raise DataError(
            "the reference classifier was fitted to other images than the training split of "
            f"{splits.name}, so test images may be among them; fit one to this data"
        )
    if not len(splits.validation) or not len(splits.test):
        raise DataError(f"{splits.name} has no validation or no test images; raise their shares")
    none = SampleSet("", splits.test.images[:0], np.zeros(0, np.int64), splits.classes)
    return EvaluationData(none, splits, reference_classifier, None, seed, folder)
