"""The chapter on latent structure, on tiny runs with and without their checkpoints."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from acgan.backbones.reference_network import ReferenceNetworkConfig
from acgan.classifiers.fit import FitConfig
from acgan.classifiers.reference_classifier import (
    ReferenceClassifier,
    ReferenceClassifierConfig,
    fit_reference_classifier,
)
from acgan.data.images import DatasetSplits
from acgan.evaluation.evaluation_data import EvaluationData, SampleSet
from acgan.evaluation.latent import latent_section
from acgan.model.model import load
from acgan.report.section import ImageBlock, Section, Table
from acgan.runs.config import RunConfig
from acgan.runs.folder import RunFolder
from acgan.training.display import SilentDisplay
from acgan.training.run import run_training


@pytest.fixture(scope="module")
def reference_classifier(tiny_splits: DatasetSplits) -> ReferenceClassifier:
    config = ReferenceClassifierConfig(
        network=ReferenceNetworkConfig(stem=4, stages=(8,)),
        fit=FitConfig(
            flip=False, images=400, batch_size=16, peak_lr=0.02, shift_pixels=1, precision="fp32"
        ),
    )
    return fit_reference_classifier(tiny_splits.train, config=config)


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_splits: DatasetSplits,
    tiny_config: Callable[..., RunConfig],
) -> Iterator[Callable[[str], Path]]:
    """Return a run of a conditioning mode; each mode is trained once."""
    root = tmp_path_factory.mktemp("runs")

    def make(mode: str) -> Path:
        if not (root / mode).exists():
            config = tiny_config(generator={"conditioning": {"mode": mode}})
            run_training(config, tiny_splits, RunFolder(root / mode), SilentDisplay())
        return root / mode

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        patch.setattr("acgan.training.run.draw_summary", lambda folder: {})
        yield make


def chapter(
    folder: Path, splits: DatasetSplits, reference_classifier: ReferenceClassifier, run: Path | None
) -> Section:
    model = load(folder)
    samples, target_labels = model.sample(count=4), np.repeat(np.arange(3), 4)
    sample_set = SampleSet(
        "tiny", samples, target_labels.astype(np.int64), splits.classes, model, run
    )
    section = latent_section(EvaluationData(sample_set, splits, reference_classifier, True))
    assert section is not None
    return section


def images_of(section: Section) -> dict[str, Image.Image]:
    found = [block for block in section.blocks if isinstance(block, ImageBlock)]
    return {each.title: Image.open(io.BytesIO(each.png)) for each in found}


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["batchnorm", "one-hot", "multiply"])
def test_a_run_shows_its_past(
    run: Callable[[str], Path],
    tiny_splits: DatasetSplits,
    reference_classifier: ReferenceClassifier,
    mode: str,
) -> None:
    folder = run(mode)
    section = chapter(folder, tiny_splits, reference_classifier, folder)
    table = section.blocks[-1]
    assert isinstance(table, Table)
    assert table.rows[0][0] == 0
    assert table.rows[-1][0] == load(folder).images_seen
    assert len(table.rows) >= 3
    assert all(0 <= float(row[1] or 0) <= 1 for row in table.rows)
    assert section.protocols["past"]["checkpoints"] == [row[0] for row in table.rows]
    assert len(images_of(section)) == 4
    (metric,) = section.metrics
    assert metric.key == "style_consistency[pixels]"
    assert metric.value is not None
    assert section.notes == ()


@pytest.mark.slow
def test_the_last_row_is_the_model_itself(
    run: Callable[[str], Path],
    tiny_splits: DatasetSplits,
    reference_classifier: ReferenceClassifier,
) -> None:
    folder = run("batchnorm")
    grid = images_of(chapter(folder, tiny_splits, reference_classifier, folder))[
        "The same seed over training time"
    ]
    image = load(folder).sample(label=2, count=1, seed=0)[0, 0]
    large = image.repeat(7, axis=0).repeat(7, axis=1)  # 8 px are enlarged to 56
    last = np.asarray(grid)[-10 - 56 : -10, -10 - 56 : -10]
    np.testing.assert_array_equal(last, large)


def test_a_model_folder_alone_has_no_past(
    run: Callable[[str], Path],
    tiny_splits: DatasetSplits,
    reference_classifier: ReferenceClassifier,
) -> None:
    section = chapter(run("batchnorm") / "model", tiny_splits, reference_classifier, None)
    assert any("over training time" in note for note in section.notes)
    assert len(images_of(section)) == 3
    assert section.protocols["past"]["checkpoints"] == []


def test_a_damaged_checkpoint_is_skipped_with_a_note(
    run: Callable[[str], Path],
    tiny_splits: DatasetSplits,
    reference_classifier: ReferenceClassifier,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run("batchnorm"), folder)
    whole = chapter(folder, tiny_splits, reference_classifier, folder).protocols["past"][
        "checkpoints"
    ]
    damaged = sorted((folder / "checkpoints").iterdir())[1]
    (damaged / "tensors.safetensors").write_bytes(b"nothing")
    section = chapter(folder, tiny_splits, reference_classifier, folder)
    assert any(damaged.name in note for note in section.notes)
    assert section.protocols["past"]["checkpoints"] == [whole[0], *whole[2:]]
    shutil.rmtree(folder / "checkpoints")
    assert any(
        "over training time" in note
        for note in chapter(folder, tiny_splits, reference_classifier, folder).notes
    )


@pytest.mark.slow
def test_the_same_evidence_gives_the_same_chapter(
    run: Callable[[str], Path],
    tiny_splits: DatasetSplits,
    reference_classifier: ReferenceClassifier,
) -> None:
    folder = run("concatenate")
    assert chapter(folder, tiny_splits, reference_classifier, folder) == chapter(
        folder, tiny_splits, reference_classifier, folder
    )


def test_samples_without_a_model_have_no_such_chapter(
    tiny_splits: DatasetSplits, reference_classifier: ReferenceClassifier
) -> None:
    test = tiny_splits.test
    sample_set = SampleSet("folder", test.images, test.labels, tiny_splits.classes)
    assert (
        latent_section(EvaluationData(sample_set, tiny_splits, reference_classifier, None)) is None
    )
