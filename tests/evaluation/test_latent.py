"""The chapter on latent structure, on tiny runs with and without their checkpoints."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from acgan.backbones.reference_network import JudgeNetworkConfig
from acgan.classifiers.fit import FitConfig
from acgan.classifiers.reference_classifier import Judge, JudgeConfig, fit_judge
from acgan.data.images import DataParts
from acgan.evaluation.evaluation_data import Evidence, Subject
from acgan.evaluation.latent import latent_section
from acgan.model.model import load
from acgan.report.section import Picture, Section, Table
from acgan.runs.config import RunConfig
from acgan.runs.folder import RunFolder
from acgan.training.display import SilentDisplay
from acgan.training.start import carry_out


@pytest.fixture(scope="module")
def judge(tiny_parts: DataParts) -> Judge:
    config = JudgeConfig(
        network=JudgeNetworkConfig(stem=4, stages=(8,)),
        fit=FitConfig(
            flip=False, images=400, batch_size=16, peak_rate=0.02, shift_pixels=1, precision="fp32"
        ),
    )
    return fit_judge(tiny_parts.train, config=config)


@pytest.fixture
def run(
    tmp_path: Path,
    tiny_parts: DataParts,
    tiny_config: Callable[..., RunConfig],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str], Path]:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr("acgan.training.start.draw_summary", lambda folder: {})

    def make(mode: str) -> Path:
        config = tiny_config(generator={"conditioning": {"mode": mode}})
        carry_out(config, tiny_parts, RunFolder(tmp_path / "run"), SilentDisplay())
        return tmp_path / "run"

    return make


def chapter(folder: Path, parts: DataParts, judge: Judge, run: Path | None) -> Section:
    model = load(folder)
    samples, asked = model.sample(count=4), np.repeat(np.arange(3), 4)
    subject = Subject("tiny", samples, asked.astype(np.int64), parts.classes, model, run)
    section = latent_section(Evidence(subject, parts, judge, True))
    assert section is not None
    return section


def pictures(section: Section) -> dict[str, Image.Image]:
    found = [block for block in section.blocks if isinstance(block, Picture)]
    return {each.title: Image.open(io.BytesIO(each.png)) for each in found}


@pytest.mark.parametrize("mode", ["batchnorm", "one-hot", "multiply"])
def test_a_run_shows_its_past(
    run: Callable[[str], Path], tiny_parts: DataParts, judge: Judge, mode: str
) -> None:
    folder = run(mode)
    section = chapter(folder, tiny_parts, judge, folder)
    table = section.blocks[-1]
    assert isinstance(table, Table)
    assert table.rows[0][0] == 0
    assert table.rows[-1][0] == load(folder).images_seen
    assert len(table.rows) >= 3
    assert all(0 <= float(row[1] or 0) <= 1 for row in table.rows)
    assert section.protocols["past"]["checkpoints"] == [row[0] for row in table.rows]
    assert len(pictures(section)) == 4
    (figure,) = section.figures
    assert figure.key == "latent.style_kept"
    assert figure.value is not None
    assert section.notes == ()


def test_the_last_row_is_the_model_itself(
    run: Callable[[str], Path], tiny_parts: DataParts, judge: Judge
) -> None:
    folder = run("batchnorm")
    sheet = pictures(chapter(folder, tiny_parts, judge, folder))["The same seed over training time"]
    image = load(folder).sample(label=2, count=1, seed=0)[0, 0]
    large = image.repeat(7, axis=0).repeat(7, axis=1)  # 8 px are enlarged to 56
    last = np.asarray(sheet)[-10 - 56 : -10, -10 - 56 : -10]
    np.testing.assert_array_equal(last, large)


def test_a_model_folder_alone_has_no_past(
    run: Callable[[str], Path], tiny_parts: DataParts, judge: Judge
) -> None:
    section = chapter(run("batchnorm") / "model", tiny_parts, judge, None)
    assert any("past" in note for note in section.notes)
    assert len(pictures(section)) == 3
    assert section.protocols["past"]["checkpoints"] == []


def test_a_damaged_checkpoint_is_left_out_with_a_note(
    run: Callable[[str], Path], tiny_parts: DataParts, judge: Judge
) -> None:
    folder = run("batchnorm")
    whole = chapter(folder, tiny_parts, judge, folder).protocols["past"]["checkpoints"]
    damaged = sorted((folder / "checkpoints").iterdir())[1]
    (damaged / "tensors.safetensors").write_bytes(b"nothing")
    section = chapter(folder, tiny_parts, judge, folder)
    assert any(damaged.name in note for note in section.notes)
    assert section.protocols["past"]["checkpoints"] == [whole[0], *whole[2:]]
    shutil.rmtree(folder / "checkpoints")
    assert any("past" in note for note in chapter(folder, tiny_parts, judge, folder).notes)


def test_the_same_evidence_gives_the_same_chapter(
    run: Callable[[str], Path], tiny_parts: DataParts, judge: Judge
) -> None:
    folder = run("concatenate")
    assert chapter(folder, tiny_parts, judge, folder) == chapter(folder, tiny_parts, judge, folder)


def test_samples_without_a_model_have_no_such_chapter(tiny_parts: DataParts, judge: Judge) -> None:
    test = tiny_parts.test
    subject = Subject("folder", test.images, test.labels, tiny_parts.classes)
    assert latent_section(Evidence(subject, tiny_parts, judge, None)) is None
