"""Faults planted among real digits, which the chapters on variety and memorisation must name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import gaussian_filter

from acgan.classifiers.reference_classifier import Judge, fit_judge
from acgan.data.config import DataConfig
from acgan.data.images import DataParts, Images, Labels
from acgan.data.load import load_data
from acgan.evaluation.diversity import diversity_section
from acgan.evaluation.evaluation_data import Evidence, Subject
from acgan.evaluation.memorization import memorisation_section
from acgan.report.section import Picture, Section

RANDOM = np.random.default_rng(0)
KEPT: list[Path] = []


@pytest.fixture(scope="module")
def parts() -> DataParts:
    return load_data(DataConfig(source="digits"))


@pytest.fixture(scope="module")
def judge(parts: DataParts) -> Judge:
    return fit_judge(parts.train, images=12_000)


@pytest.fixture(scope="module", autouse=True)
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the judge's answers to real images lie, which all tests share."""
    KEPT.append(tmp_path_factory.mktemp("answers"))
    return KEPT[-1]


def evidence_of(parts: DataParts, judge: Judge, samples: Images, asked: Labels) -> Evidence:
    subject = Subject("planted", samples, asked, parts.classes)
    return Evidence(subject, parts, judge, held_out=True, folder=KEPT[-1])


def some_training(parts: DataParts) -> npt.NDArray[np.int64]:
    return RANDOM.permutation(len(parts.train))[:500]


def blur(images: Images, sigma: float) -> Images:
    smooth = gaussian_filter(images.astype(np.float64), (0, 0, sigma, sigma))
    return np.asarray(smooth.round().astype(np.uint8))


def keys(section: Section) -> list[str]:
    return [each.key for each in section.findings]


def value(section: Section, key: str) -> float:
    (figure,) = [each for each in section.figures if each.key == key]
    assert figure.value is not None
    return figure.value


def test_held_out_images_are_accused_of_nothing(parts: DataParts, judge: Judge) -> None:
    evidence = evidence_of(parts, judge, parts.validation.images, parts.validation.labels)
    variety, memory = diversity_section(evidence), memorisation_section(evidence)
    assert keys(variety) == ["good"]
    assert keys(memory) == ["good"]
    assert value(variety, "diversity.variance.judge") == pytest.approx(1, abs=0.2)
    assert value(variety, "diversity.sharpness") == pytest.approx(1, abs=0.1)
    assert value(memory, "memorisation.nearest.pixels") == pytest.approx(1, abs=0.1)
    assert abs(value(memory, "memorisation.copying_test.pixels")) < 1.5
    for section in (variety, memory):
        assert {each.protocol for each in section.figures} <= set(section.protocols)
        for figure in section.figures:
            assert figure.floor is not None
            assert len(figure.per_class) in {0, 10}
        for block in section.blocks:
            assert isinstance(block, Picture)
            assert block.png.startswith(b"\x89PNG")


def test_one_image_a_class(parts: DataParts, judge: Judge) -> None:
    asked = np.repeat(np.arange(10), 30)
    first = [int(np.flatnonzero(parts.validation.labels == index)[0]) for index in range(10)]
    samples = parts.validation.images[np.repeat(first, 30)].astype(np.int64)
    samples = np.clip(samples + RANDOM.integers(-2, 3, samples.shape), 0, 255).astype(np.uint8)
    section = diversity_section(evidence_of(parts, judge, samples, asked))
    assert section.findings[0].key == "one-image-a-class"
    assert section.findings[0].level == "fault"
    assert "every class" in section.findings[0].sentence
    assert value(section, "diversity.ms_ssim") > 0.9
    assert value(section, "diversity.duplicates") == 1
    assert value(section, "diversity.ms_ssim_share") == 0


def test_one_collapsed_class_is_named(parts: DataParts, judge: Judge) -> None:
    images, asked = parts.validation.images.copy(), parts.validation.labels
    threes = np.flatnonzero(asked == 3)
    images[threes] = images[threes[0]]
    finding = diversity_section(evidence_of(parts, judge, images, asked)).findings[0]
    assert (finding.key, finding.level) == ("one-image-a-class", "fault")
    assert "samples of three hardly" in finding.sentence


def test_a_few_images_again_and_again(parts: DataParts, judge: Judge) -> None:
    chosen = np.concatenate(
        [
            RANDOM.choice(np.flatnonzero(parts.validation.labels == index)[:8], 40)
            for index in range(10)
        ]
    )
    evidence = evidence_of(
        parts, judge, parts.validation.images[chosen], parts.validation.labels[chosen]
    )
    assert "duplicate-samples" in keys(diversity_section(evidence))


def test_training_images_returned(parts: DataParts, judge: Judge) -> None:
    chosen = some_training(parts)
    evidence = evidence_of(parts, judge, parts.train.images[chosen], parts.train.labels[chosen])
    section = memorisation_section(evidence)
    assert keys(section) == ["copies-training-images"]
    assert section.findings[0].level == "fault"
    assert section.findings[0].sentence.startswith("Copied training images: 100.0%")
    assert value(section, "memorisation.near_copies.pixels") == 1
    assert value(section, "memorisation.authenticity.pixels") == 0
    assert value(section, "memorisation.copying_test.judge") < -5
    assert value(section, "memorisation.nearest.pixels") == 0
    assert keys(diversity_section(evidence)) == ["good"]  # as varied as the data, of course


@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.5])
def test_blurred_training_images_returned(parts: DataParts, judge: Judge, sigma: float) -> None:
    chosen = some_training(parts)
    images = blur(parts.train.images[chosen], sigma)
    section = memorisation_section(evidence_of(parts, judge, images, parts.train.labels[chosen]))
    assert keys(section) == ["blurred-training-images"]
    assert section.findings[0].level == "fault"


def test_a_blurry_model_that_copies_nothing_is_called_blurry(
    parts: DataParts, judge: Judge
) -> None:
    evidence = evidence_of(
        parts, judge, blur(parts.validation.images, 1.0), parts.validation.labels
    )
    assert not {"copies-training-images", "blurred-training-images"} & set(
        keys(memorisation_section(evidence))
    )
    assert "blurry" in keys(diversity_section(evidence))


def test_copies_under_noise_or_shifted_by_a_pixel(parts: DataParts, judge: Judge) -> None:
    chosen = some_training(parts)
    images, labels = parts.train.images[chosen], parts.train.labels[chosen]
    noisy = np.clip(images + RANDOM.normal(0, 20, images.shape), 0, 255).astype(np.uint8)
    for changed in (noisy, np.roll(images, 1, axis=3)):
        section = memorisation_section(evidence_of(parts, judge, changed, labels))
        assert keys(section) == ["copies-training-images"]


def test_a_tenth_of_copies_among_new_images(parts: DataParts, judge: Judge) -> None:
    images, labels = parts.validation.images.copy(), parts.validation.labels.copy()
    images[::10], labels[::10] = parts.train.images[:50], parts.train.labels[:50]
    (finding,) = memorisation_section(evidence_of(parts, judge, images, labels)).findings
    assert (finding.key, finding.level) == ("copies-training-images", "fault")


def test_noise(parts: DataParts, judge: Judge) -> None:
    images, labels = parts.validation.images, parts.validation.labels
    noisy = np.clip(images + RANDOM.normal(0, 90, images.shape), 0, 255).astype(np.uint8)
    section = diversity_section(evidence_of(parts, judge, noisy, labels))
    assert section.findings[0].key == "noise"
    assert section.findings[0].level == "fault"


def test_an_ignored_label_is_no_noise(parts: DataParts, judge: Judge) -> None:
    asked = RANDOM.permutation(parts.validation.labels)
    found = keys(diversity_section(evidence_of(parts, judge, parts.validation.images, asked)))
    assert found == ["mixed-classes"]


def test_the_same_evidence_gives_the_same_sections(parts: DataParts, judge: Judge) -> None:
    evidence = evidence_of(parts, judge, parts.validation.images, parts.validation.labels)
    again = replace(evidence, _of_samples={}, _of_parts={})
    for make in (diversity_section, memorisation_section):
        first, second = make(evidence), make(again)
        assert first.figures == second.figures
        assert first.blocks == second.blocks


def test_too_few_images_give_no_figure_and_say_how_many_it_takes(
    parts: DataParts, judge: Judge
) -> None:
    few = np.arange(9)
    evidence = evidence_of(parts, judge, parts.validation.images[few], parts.validation.labels[few])
    for section, words in (
        (diversity_section(evidence), "10 samples"),
        (memorisation_section(evidence), "20 samples"),
    ):
        assert all(figure.value is None for figure in section.figures)
        assert all(words in figure.note for figure in section.figures)
        assert not section.blocks
        assert not section.findings


def test_a_class_with_too_few_samples_has_no_figure_and_the_others_do(
    parts: DataParts, judge: Judge
) -> None:
    images, labels = parts.validation.images, parts.validation.labels
    keep = (labels != 4) | (np.cumsum(labels == 4) <= 5)
    evidence = evidence_of(parts, judge, images[keep], labels[keep])
    variety, memory = diversity_section(evidence), memorisation_section(evidence)
    assert any("four" in note for note in variety.notes)
    for figure in (*variety.figures, *memory.figures):
        if figure.per_class:
            assert [value is None for value in figure.per_class] == [i == 4 for i in range(10)]


def test_says_when_nobody_knows_what_the_model_learned_from(parts: DataParts, judge: Judge) -> None:
    evidence = evidence_of(parts, judge, parts.validation.images, parts.validation.labels)
    assert not memorisation_section(evidence).notes
    (note,) = memorisation_section(replace(evidence, held_out=None)).notes
    assert note.startswith("Nobody knows")


def test_one_colour_scheme_a_class_is_named_where_images_have_colours(parts: DataParts) -> None:
    tinted = replace(
        parts,
        train=replace(parts.train, images=tint(parts.train.images, None)),
        validation=replace(parts.validation, images=tint(parts.validation.images, None)),
        test=replace(parts.test, images=tint(parts.test.images, None)),
    )
    judge = fit_judge(tinted.train, images=4_000)
    labels = parts.validation.labels
    of_all = evidence_of(tinted, judge, tinted.validation.images, labels)
    varied = diversity_section(of_all)
    assert value(varied, "diversity.colour") == pytest.approx(1, abs=0.2)
    of_one = evidence_of(tinted, judge, tint(parts.validation.images, labels), labels)
    section = diversity_section(of_one)
    assert value(section, "diversity.colour") < 0.1
    assert "few-colours" in keys(section)
    assert "few-colours" not in keys(varied)


def tint(images: Images, labels: Labels | None) -> Images:
    """Grey images in three channels, each in a colour of its own, or of its label."""
    colours = np.random.default_rng(1).uniform(0.2, 1, (len(images), 3))
    chosen = colours if labels is None else colours[labels]
    return np.asarray((images * chosen[:, :, None, None]).round().astype(np.uint8))
