"""`acgan evaluate` on tiny and skewed sets: values or reasons, never a crash or nan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acgan.backbones.reference_network import ReferenceNetworkConfig
from acgan.classifiers.fit import FitConfig
from acgan.classifiers.reference_classifier import ReferenceClassifierConfig
from acgan.data.images import LabeledImages


def write(root: Path, counts: tuple[int, ...], seed: int) -> Path:
    random = np.random.default_rng(seed)
    for label, count in enumerate(counts):
        (root / f"c{label}").mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(40 * label, 40 * label + 60, (8, 8)).astype(np.uint8)
            Image.fromarray(pixels).save(root / f"c{label}" / f"{number}.png")
    return root


@pytest.mark.slow
@pytest.mark.parametrize(
    ("real", "samples"),
    [((3, 3), (1, 1)), ((100, 4), (60, 2)), ((40, 3, 3), (1, 1, 50))],
)
def test_tiny_and_skewed_sets_give_a_report_with_advice(
    acgan: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    real: tuple[int, ...],
    samples: tuple[int, ...],
) -> None:
    def config(_train: LabeledImages, *, flip: bool) -> ReferenceClassifierConfig:
        fit = FitConfig(flip=flip, images=160, batch_size=32, precision="fp32")
        network = ReferenceNetworkConfig(stem=4, stages=(8,))
        return ReferenceClassifierConfig(network=network, fit=fit)

    monkeypatch.setenv("ACGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("acgan.classifiers.cache.reference_classifier_config", config)
    arguments = (write(tmp_path / "made", samples, 1), "--data", write(tmp_path / "d", real, 0))
    done = acgan("evaluate", *arguments, "--extractor", "none", "--out", tmp_path / "out")
    assert done.code == 0, done.err
    assert done.err.index("-o data.test_share=0.3") < done.err.index("samples: "), "before the work"
    text = done.out + done.err + (tmp_path / "out" / "report.json").read_text("utf-8")
    assert " nan" not in text
    assert "NaN" not in text
    assert "-o data.test_share=0.3" in text
    assert "-o data.split_seed=1, 2, 3" in text
