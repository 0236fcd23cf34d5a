"""No sentence contradicts its own figures: direction words against numbers, over wide ranges."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acgan.evaluation.class_coverage import _RULES as COVERAGE
from acgan.evaluation.class_coverage import _facts as coverage_facts
from acgan.evaluation.diversity_findings import diversity_findings
from acgan.evaluation.fidelity_findings import fidelity_findings, reconciled
from acgan.evaluation.findings import first_finding
from acgan.evaluation.label_classifiers import Accuracy
from acgan.evaluation.label_findings import label_findings
from acgan.evaluation.latent_findings import latent_findings
from acgan.evaluation.memorization_findings import NearCopies, memorization_findings
from acgan.metrics.class_coverage import total_variation_at
from acgan.metrics.style import StyleConsistency
from acgan.report.section import Finding, Metric
from acgan.studies.usefulness_findings import _AUGMENTATION, _SAMPLES_ALONE
from acgan.studies.usefulness_result import paired_difference

N = r"(−?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?)%?"
Check = Callable[..., bool]
CHECKS: dict[str, tuple[tuple[str, Check], ...]] = {
    "one-image-per-class": ((rf"\(variance ratio {N}", lambda v: v <= 0.05),),
    "one-image": ((rf"\(variance ratio {N}", lambda v: v <= 0.05),),
    "noise": ((rf"(?:have|is) {N} times", lambda v: v >= 2),),
    "mixed-classes": ((rf"is {N} times that of real", lambda v: v >= 2),),
    "low-diversity": (
        (rf"more similar to each other .*variance ratio {N}", lambda v: v <= 0.75),
        (rf"MS-SSIM {N}, real images {N}", lambda ours, real: ours > real),
        (rf"although the variance .* is {N} times", lambda v: v >= 0.75),
        (r"in some classes, by variance ratio: .*?\((\d\.\d+)\)", lambda v: v <= 0.5),
    ),
    "duplicate-samples": ((rf"{N} are near-identical", lambda v: v >= 5),),
    "blurry": ((rf"have {N} times the fine detail", lambda v: v <= 0.6),),
    "few-colors": ((rf"is {N} times that of real", lambda v: v <= 0.5),),
    "good": (
        (rf"somewhat less than .* ratio is {N}", lambda v: v <= 0.9),
        (rf"about as much as .* ratio is {N}", lambda v: 0.9 <= v <= 1.25),
        (rf"more than real images: .* ratio is {N}", lambda v: v >= 1.25),
        (r"No sign of copied", lambda: True),
    ),
    "near-real": (
        (rf"{N} times the .*variance .*about as close", lambda times: times <= 2),
        (rf"over the baseline is {N} .*about as close", lambda excess: excess <= 25),
        (
            rf"{N} times .* baseline is {N} .*less close than other",
            lambda times, excess: times >= 2 and excess <= 2,
        ),
    ),
    "baseline-too-high": (
        (
            rf"{N} times .* baseline is {N} .*decides nothing",
            lambda times, excess: times <= 2 and excess >= 25,
        ),
    ),
    "far-from-real": (
        (rf"{N} times .* baseline is {N}", lambda times, excess: times >= 2 and excess >= 25),
    ),
    "some-way-from-real": (
        (rf"{N} times .* baseline is {N}", lambda times, excess: times >= 2 and excess >= 2),
    ),
    "classes-far-from-real": (
        (rf"\((\d+)%\).* closer \({N}\)", lambda far, together: far >= 50 and together <= 25),
    ),
    "samples-unlike-real": ((rf"is {N}, that of real images {N}", lambda a, b: a < b),),
    "typical-not-diverse": (
        (rf"precision is {N} \(real images: {N}\)", lambda ours, real: ours >= 0.95 * real - 1),
        (rf"recall only {N} \(real images: {N};", lambda ours, real: ours < real),
    ),
    "classifier-unreliable": ((rf"class is {N} \(0 means none", lambda v: v <= 0.5),),
    "label-ignored": ((rf"predicted class is {N} \(real images: {N};", lambda a, b: a < b),),
    "classes-permuted": (
        (rf"{N} of these classes' samples .*; {N} would be", lambda now, other: now < other),
    ),
    "classes-confused": ((rf"\({N}, real images {N};", lambda a, b: a < b and a <= 50),),
    "classes-below-real": ((rf"\({N}, real images {N};", lambda a, b: 50 <= a < b),),
    "samples-below-real": ((rf"\({N}, real images {N}\)", lambda a, b: a < b),),
    "too-typical": ((rf"better than real images \({N}, real images {N}\)", lambda a, b: a > b),),
    "labels-correct": (
        (rf"assigns {N} of them to the target label and is right on {N}", lambda a, b: True),
    ),
    "independent-classifier-disagrees": (
        (rf"assigns {N} of them to the target label, and {N} of", lambda a, b: a < b),
    ),
    "resolution-unused": (
        (rf"it falls from {N} to {N}", lambda full, half: half < full),
        (
            rf"is {N} at the full side and {N} at half the side; on real images it falls from {N} "
            rf"to {N}",
            lambda a, b, c, d: a - b <= (c - d) / 4 + 0.2,
        ),
    ),
    "past-its-best": ((rf"accuracy: {N} of .* now {N}", lambda best, now: best > now),),
    "style-consistent": ((rf"classes is {N}", lambda v: v >= 0.3),),
    "style-inconsistent": ((r"classes is (-?[\d.]+)", lambda v: v <= 0.1),),
    "copies-training-images": ((rf"{N} of the samples .* images: {N}\)", lambda a, b: a > b),),
    "blurred-training-images": (
        (rf"{N} of the samples .* images: {N}\)", lambda a, b: a > b),
        (rf"with {N} times their sharpness", lambda v: v <= 0.7),
    ),
    "nearer-than-held-out": ((rf"distance {N} times theirs", lambda v: v <= 0.8),),
    "classes-missing": ((r"generates (\d+) of (\d+) classes", lambda a, b: 0 < a <= b),),
    "classes-uncertain": ((r"so rare that this may be chance", lambda: True),),
    "classes-uneven": (
        (rf"differ by {N} of", lambda v: v >= 10),
        (rf"Lowest .*?\({N}\); highest: .*?\({N}\)", lambda a, b: a <= 1 <= b),
    ),
    "classes-covered": ((rf"differ by {N} of", lambda v: v <= 10),),
    "samples-alone-cost": ((rf"predicts {N} of .* images {N}: ", lambda a, b: a <= b),),
    "samples-alone-equal": ((rf"predicts {N} of .* images {N}: ", lambda a, b: a >= b - 2.1),),
    "samples-alone-undecided": (
        (rf"predicts {N} of .* images {N}: no difference that", lambda a, b: a != b),
    ),
    "augmentation-help": ((rf"gain {N}", lambda v: v >= 0),),
    "augmentation-cost": ((rf"cost {N}", lambda v: v >= 0),),
    "augmentation-not-proven": ((r"no difference that", lambda: True),),
}
"""By finding: patterns of its direction words and what their figures must satisfy."""


def consistent(findings: Iterable[Finding]) -> None:
    """Check that every sentence matches a pattern and that all that it matches hold."""
    for finding in findings:
        assert "nan" not in finding.sentence, finding.sentence
        matched = [
            (match, check)
            for pattern, check in CHECKS[finding.key]
            if (match := re.search(pattern, finding.sentence))
        ]
        assert matched, f"no pattern for: {finding.sentence}"
        for match, check in matched:
            figures = [float(each.replace(",", "").replace("−", "-")) for each in match.groups()]
            assert check(*figures), finding.sentence


share = st.floats(0, 1)
wide = st.one_of(st.floats(0, 1.5), st.floats(0, 60), st.just(np.nan))
optional_share = st.one_of(st.none(), share)


@given(
    variance=st.lists(wide, min_size=3, max_size=3),
    by_predicted=st.one_of(st.none(), st.floats(0, 60)),
    duplicates=st.one_of(share, st.just(np.nan)),
    similarity=share,
    real_similarity=share,
    sharpness=wide,
    color=wide,
    conditional=st.booleans(),
)
def test_diversity(
    variance: list[float],
    by_predicted: float | None,
    duplicates: float,
    similarity: float,
    real_similarity: float,
    sharpness: float,
    color: float,
    conditional: bool,
) -> None:
    def pair(ours: Any, real: Any = 1.0) -> Any:
        return np.resize(np.array(ours, float), 3), np.resize(np.array(real, float), 3)

    values = {
        "ms_ssim": pair(similarity, real_similarity),
        "variance_ratio": pair(variance),
        "near_identical_share": pair(duplicates),
        "sharpness_ratio": pair(sharpness),
        "color_variance_ratio": pair(color),
    }
    consistent(
        diversity_findings(
            ("a", "b", "c"),
            values,
            conditional=conditional,
            variance_by_predicted_class=by_predicted,
        )
    )


def test_high_variance_is_never_called_more_alike_because_of_it() -> None:
    values = {
        "ms_ssim": (np.array([0.8]), np.array([0.2])),
        "variance_ratio": (np.array([33.81]), np.array([1.0])),
    }
    sentences = [each.sentence for each in diversity_findings(("a",), values, conditional=False)]
    assert any("look more alike" in each and "0.80, real images 0.20" in each for each in sentences)
    assert not any("similar to each other" in each for each in sentences)


def metric(measure: str, value: float | None, baseline: float | None, **more: Any) -> Metric:
    return Metric(measure, measure, value, "low", "p", baseline, **more)


positive = st.one_of(st.floats(1e-6, 1), st.floats(1e-6, 1e4))


@given(
    distance=st.one_of(st.none(), positive),
    baseline=st.one_of(st.none(), positive),
    spread=positive,
    by_class=st.lists(st.tuples(positive, positive), min_size=2, max_size=2),
    precision=st.tuples(optional_share, optional_share),
    recall=st.tuples(optional_share, optional_share),
    decisive=st.booleans(),
)
def test_fidelity(
    distance: float | None,
    baseline: float | None,
    spread: float,
    by_class: list[tuple[float, float]],
    precision: tuple[float | None, float | None],
    recall: tuple[float | None, float | None],
    decisive: bool,
) -> None:
    ours, real = zip(*by_class, strict=True)
    metrics = {
        "frechet_distance": metric(
            "frechet_distance", distance, baseline, per_class=ours, per_class_baseline=real
        ),
        "precision": metric("precision", *precision),
        "recall": metric("recall", *recall),
    }
    consistent(
        fidelity_findings(("a", "b"), metrics, extractor="net", spread=spread, decisive=decisive)
    )


counts = st.lists(
    st.lists(st.integers(0, 300), min_size=3, max_size=3), min_size=3, max_size=3
).map(lambda rows: np.array(rows, np.int64))
good_counts = st.tuples(counts, st.integers(0, 3000)).map(
    lambda pair: pair[0] + pair[1] * np.eye(3, dtype=np.int64)
)


@given(
    samples=st.one_of(counts, good_counts),
    real=good_counts,
    sides=st.tuples(share, share, share, share),
    other=st.tuples(share, share),
)
def test_labels(
    samples: Any, real: Any, sides: tuple[float, float, float, float], other: tuple[float, float]
) -> None:
    low = max(0.0, other[0] - 0.05)
    accuracy = Accuracy(other[0], (low, min(1.0, other[0] + 0.05)), other[1], (), ())
    consistent(
        label_findings(
            ("a", "b", "c"), samples, real, at_half={"net": sides}, others={"probe": accuracy}
        )
    )


def test_few_samples_with_wrong_labels_are_not_called_correct() -> None:
    samples = np.array([[2, 6], [7, 2]], np.int64)
    real = np.array([[50, 0], [0, 50]], np.int64)
    assert "labels-correct" not in [f.key for f in label_findings(("a", "b"), samples, real)]


def test_an_accuracy_of_imbalanced_classes_is_not_called_low() -> None:
    real = np.array([[960, 0], [38, 2]], np.int64)
    (only,) = label_findings(("a", "b"), real, real)
    assert only.key == "classifier-unreliable"
    assert "only 96.2%" not in only.sentence


@given(
    style=st.floats(-1, 1),
    past=st.lists(share, min_size=1, max_size=4),
    samples=st.integers(1, 999),
)
def test_latent(style: float, past: list[float], samples: int) -> None:
    consistency = StyleConsistency(("stroke",), np.array([style]), np.array([0.1]))
    consistent(latent_findings(consistency, list(enumerate(past)), samples))


@given(
    shares=st.lists(st.tuples(share, share), min_size=1, max_size=3),
    samples=st.integers(1, 10_000),
    held_out=st.integers(1, 10_000),
    sharpness=st.one_of(st.none(), st.floats(0, 5)),
    nearest=st.one_of(st.none(), st.floats(0, 5)),
)
def test_memorization(
    shares: list[tuple[float, float]],
    samples: int,
    held_out: int,
    sharpness: float | None,
    nearest: float | None,
) -> None:
    copies = [NearCopies(f"in space {i}", *pair) for i, pair in enumerate(shares)]
    consistent(
        memorization_findings(
            copies,
            samples=samples,
            held_out=held_out,
            copy_sharpness=sharpness,
            nearest_ratio=nearest,
        )
    )


@given(
    samples=st.lists(st.integers(0, 400), min_size=3, max_size=3).filter(any),
    real=st.lists(st.integers(0, 400), min_size=3, max_size=3).filter(any),
)
def test_coverage(samples: list[int], real: list[int]) -> None:
    ours, test = np.array(samples, np.int64), np.array(real, np.int64)
    count = int(min(ours.sum(), test.sum()))
    excess = total_variation_at(count, ours, test, seed=0)
    consistent(first_finding(COVERAGE, coverage_facts(("a", "b", "c"), ours, test, excess)))


@given(
    ours=st.lists(share, min_size=3, max_size=3),
    real=st.lists(share, min_size=3, max_size=3),
    rules=st.sampled_from([_SAMPLES_ALONE, _AUGMENTATION]),
)
def test_usefulness(ours: list[float], real: list[float], rules: Any) -> None:
    difference = paired_difference(ours, real)
    facts = SimpleNamespace(
        real=np.mean(real),
        alone=np.mean(ours),
        verdict=difference.verdict,
        words=difference.words,
    )
    consistent(first_finding(rules, facts))


@pytest.mark.parametrize("trusted", ["own", "other"])
def test_contradicting_networks_are_reconciled_in_one_sentence(trusted: str) -> None:
    near = Finding("near-real", "good", "close")
    far = Finding("far-from-real", "warning", "far")
    found = {"own": (near,), "other": (far,)}
    (only,) = reconciled(found, trusted=trusted, reason="it knows the classes")
    assert only.level == ("good" if trusted == "own" else "warning")
    assert "close to real images for own, but not for other" in only.sentence
    assert f"more weight to {trusted}: it knows the classes." in only.sentence
    assert reconciled({"own": (near,), "other": (near,)}, trusted="own", reason="") == ()
    assert reconciled({"own": (far,), "other": (far,)}, trusted="own", reason="") == ()


NETWORKS = ("own", "other", "third")
VERDICTS = {  # Fréchet distance and baseline, in units of the variance of real features
    "near": (0.011, 0.01),
    "far": (0.9, 0.01),
    "some way": (0.1, 0.01),
    "baseline too high": (0.9, 0.6),
    "unknown": (None, None),
}
CLOSE = r"close to real images for (.+), but not for (.+?)\. (.+)"


@given(
    verdicts=st.lists(st.sampled_from(sorted(VERDICTS)), min_size=2, max_size=3),
    order=st.permutations(NETWORKS),
    trusted=st.integers(0, 2),
)
def test_reconciled_networks_are_named_by_their_own_verdicts_in_any_order(
    verdicts: list[str], order: list[str], trusted: int
) -> None:
    by_name = dict(zip(order, verdicts, strict=False))
    one = list(by_name)[trusted % len(by_name)]
    found = {}
    for name, verdict in by_name.items():
        metrics = {
            "frechet_distance": metric("frechet_distance", *VERDICTS[verdict]),
            **{key: metric(key, None, None) for key in ("precision", "recall")},
        }
        found[name] = fidelity_findings((), metrics, extractor=name, spread=1.0, decisive=False)
        consistent(found[name])
    near = {name for name, verdict in by_name.items() if verdict == "near"}
    far = {name for name, verdict in by_name.items() if verdict in ("far", "some way")}
    results = reconciled(found, trusted=one, reason="REASON")
    assert len(results) == bool(near and far)
    for result in results:
        match = re.search(CLOSE, result.sentence)
        assert match
        closer, farther = (set(re.split(", | and ", each)) for each in match.groups()[:2])
        assert (closer, farther) == (near, far)
        assert result.level == ("good" if one in near else "warning")
        advice = match.group(3)
        assert one in advice
        assert ("Give more weight" in advice) == (one in near | far)
    backwards = reconciled(dict(reversed(found.items())), trusted=one, reason="REASON")
    assert [each.level for each in backwards] == [each.level for each in results]
