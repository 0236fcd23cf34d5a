from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
import pytest

from acgan.evaluation.diversity_findings import diversity_findings
from acgan.metrics.arrays import Float64Array
from acgan.report.section import Finding


@final
@dataclass(frozen=True)
class Values:
    """Values by class of each measure; the real images' MS-SSIM is its baseline."""

    classes: tuple[str, ...] = ("a", "b", "c")
    variance: tuple[float, ...] = (0.9, 1.0, 1.1)
    by_predicted_class: float | None = 1.0
    duplicates: tuple[float, ...] = (0.0, 0.0, 0.0)
    similarity: tuple[float, ...] = (0.2, 0.3, 0.4)
    real_similarity: tuple[float, ...] = (0.2, 0.3, 0.4)
    sharpness: tuple[float, ...] = (1.0, 1.0, 1.0)
    color: tuple[float, ...] = (0.9, 1.0, 1.1)
    conditional: bool = True

    def findings(self) -> tuple[Finding, ...]:
        def pair(
            samples: tuple[float, ...], real: tuple[float, ...] = ()
        ) -> tuple[Float64Array, Float64Array]:
            return np.array(samples, float), np.array(real, float)

        values = {
            "ms_ssim": pair(self.similarity, self.real_similarity),
            "variance_ratio": pair(self.variance),
            "near_identical_share": pair(self.duplicates),
            "sharpness_ratio": pair(self.sharpness),
            "color_variance_ratio": pair(self.color),
        }
        return diversity_findings(
            self.classes,
            values,
            conditional=self.conditional,
            variance_by_predicted_class=self.by_predicted_class,
        )


GOOD = Values()


def found(values: Values) -> list[tuple[str, str]]:
    return [(each.key, each.level) for each in values.findings()]


def test_diversity_of_real_images_is_good_and_less_is_not_overstated() -> None:
    assert found(GOOD) == [("good", "good")]
    assert "as real images: the variance ratio is 1.00" in GOOD.findings()[0].sentence
    less = replace(GOOD, variance=(0.8, 0.7, 0.9))
    assert found(less) == [("good", "good")]
    sentence = less.findings()[0].sentence
    assert "somewhat less than real images: the variance ratio is 0.80" in sentence


@pytest.mark.parametrize(
    ("diversity", "expected"),
    [
        (replace(GOOD, variance=(0.01, 0.0, 0.02)), [("one-image-per-class", "fault")]),
        (replace(GOOD, variance=(0.4, 0.4, 0.45)), [("low-diversity", "warning")]),
        (replace(GOOD, variance=(0.7, 0.7, 0.8)), [("low-diversity", "warning")]),
        (replace(GOOD, variance=(0.45, 1.0, 1.0)), [("low-diversity", "warning")]),
        (replace(GOOD, variance=(0.1, 0.2, 0.1)), [("low-diversity", "fault")]),
        (replace(GOOD, variance=(0.9, 0.2, 0.9)), [("low-diversity", "warning")]),
        (replace(GOOD, similarity=(0.6, 0.5, 0.6)), [("low-diversity", "warning")]),
        (replace(GOOD, duplicates=(0.0, 0.3, 0.0)), [("duplicate-samples", "warning")]),
        (replace(GOOD, duplicates=(1.0, 1.0, 1.0)), [("duplicate-samples", "fault")]),
        (replace(GOOD, sharpness=(0.4,) * 3), [("blurry", "warning")]),
        (replace(GOOD, color=(0.02, 0.3, 0.9)), [("few-colors", "warning")]),
        (replace(GOOD, color=(0.02, 0.7, 0.9)), [("good", "good")]),
        (replace(GOOD, color=(np.nan, np.nan, np.nan)), [("good", "good")]),
        (replace(GOOD, sharpness=(9.0,) * 3), [("noise", "fault")]),
        (
            replace(GOOD, variance=(4.0, 5.0, 6.0), by_predicted_class=3.0),
            [("noise", "fault")],
        ),
        (replace(GOOD, variance=(4.0, 5.0, 6.0)), [("mixed-classes", "warning")]),
        (
            replace(GOOD, sharpness=(0.4,) * 3, variance=(0.0, 1.0, 1.0)),
            [("one-image-per-class", "fault"), ("blurry", "warning")],
        ),
    ],
)
def test_faults_are_named_and_come_first(
    diversity: Values, expected: list[tuple[str, str]]
) -> None:
    assert found(diversity) == expected


def test_collapsed_classes_are_named() -> None:
    (one,) = replace(GOOD, variance=(1.0, 0.0, 1.0)).findings()
    assert "the samples of b are nearly identical" in one.sentence
    (every,) = replace(GOOD, variance=(0.0, 0.0, 0.0)).findings()
    assert "the samples of every class are nearly identical" in every.sentence
    nothing = (np.nan,) * 8
    many = Values(
        tuple("abcdefgh"), (0.0,) * 7 + (1.0,), 1.0, nothing, nothing, nothing, nothing, nothing
    )
    assert "a, b, c, d, e and 2 more are nearly" in many.findings()[0].sentence


def test_without_values_there_are_no_findings() -> None:
    assert diversity_findings(("a", "b", "c"), {}) == ()
    nothing = (np.nan,) * 3
    assert Values(GOOD.classes, nothing, None, nothing, nothing, nothing, nothing).findings() == ()


def test_classes_of_one_color_are_named() -> None:
    (finding,) = replace(GOOD, color=(0.02, 0.3, 0.9)).findings()
    assert "is 0.41 times that of real images" in finding.sentence
    assert finding.sentence.endswith("almost not at all in a.")
    of_all = Values(("",), (1.0,), 1.0, (0.0,), (0.2,), (0.2,), (1.0,), (0.01,), conditional=False)
    (finding,) = of_all.findings()
    assert finding.sentence.endswith("is 0.01 times that of real images.")
