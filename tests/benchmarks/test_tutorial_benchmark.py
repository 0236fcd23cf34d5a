"""benchmarks/tutorial.py: the script's networks and mistakes, and the snapshots of its command."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from acgan.data.images import LabeledImages, make_classes
from acgan.errors import DataError


def images(count: int, side: int = 16, channels: int = 1) -> LabeledImages:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (count, channels, side, side), np.uint8)
    labels = random.integers(0, 10, count).astype(np.int64)
    return LabeledImages(pixels, labels, make_classes([str(i) for i in range(10)]))


@pytest.mark.slow
def test_the_scripts_mistakes_are_all_there(load_script: Any) -> None:
    script = load_script("tutorial")
    tutorial = script.Tutorial(images(150), 16, seed=0)
    rows = [metrics for metrics, _ in zip(tutorial.train(), range(3), strict=False)]
    assert [row.images_seen for row in rows] == [64, 128, 150], "the last batch is a partial one"

    _, classes = tutorial.discriminator(torch.randn(64, 1, 16, 16))
    assert torch.allclose(classes.sum(1), torch.ones(64)), "softmax comes before the loss"
    right = F.one_hot(torch.arange(10), 10).float()
    least = nn.CrossEntropyLoss()(right, torch.arange(10)).item()
    most = nn.CrossEntropyLoss()(right.roll(1, 0), torch.arange(10)).item()
    assert (least, most) == (pytest.approx(1.461, abs=1e-3), pytest.approx(2.461, abs=1e-3))
    loss = nn.CrossEntropyLoss()(classes, torch.randint(10, (64,))).item()
    assert 1.461 < loss < 2.461

    norms = [m for m in tutorial.generator.modules() if isinstance(m, nn.BatchNorm2d)]
    assert [(norm.eps, norm.momentum) for norm in norms] == [(1e-5, 0.1), (0.8, 0.1), (0.8, 0.1)]
    # torch's own initialization of Linear is uniform with this bound, the convolutions' is not
    bound = 1 / math.sqrt(script.LATENT)
    fresh = script.Tutorial(images(64), 16, seed=1).generator
    assert fresh.start.weight.abs().max() <= bound
    assert fresh.start.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert fresh.blocks[2].weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert all(not group["fused"] for group in tutorial._generator_optimizer.param_groups)


@pytest.mark.slow
def test_generators_of_the_script_are_those_of_system_4(load_script: Any) -> None:
    tutorial = load_script("tutorial").Tutorial(images(64, side=28), 32, seed=0)
    # 10·100 + (100·8192 + 8192) + 256 + (128·128·9 + 128) + 256 + (128·64·9 + 64) + 128 + 577
    assert sum(p.numel() for p in tutorial.generator.parameters()) == 1_050_985
    maps = tutorial.discriminator.blocks(torch.zeros(2, 1, 32, 32))
    assert maps.shape == (2, 128, 2, 2)
    samples, labels = tutorial.sample(per_class=12, seed=3)
    assert samples.shape == (120, 1, 32, 32)
    assert torch.bincount(labels).tolist() == [12] * 10
    assert tutorial.generator.training, "the script samples in train mode"


@pytest.mark.slow
def test_the_script_repeats_itself_with_its_seed(load_script: Any) -> None:
    script = load_script("tutorial")
    first, second, other = (
        next(script.Tutorial(images(64), 16, seed=seed).train()) for seed in (0, 0, 1)
    )
    assert first == second
    assert first != other


@pytest.mark.parametrize(("side", "channels"), [(30, 1), (4, 1), (16, 4)])
def test_the_script_refuses_sizes_that_its_networks_do_not_take(
    load_script: Any, side: int, channels: int
) -> None:
    with pytest.raises(DataError, match="divisible by 4"):
        load_script("tutorial").Tutorial(images(64, channels=channels), side, seed=0)


@pytest.mark.slow
def test_the_command_writes_snapshots_and_times(
    load_script: Any, tutorial_snapshots: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [path.name for path in sorted(tutorial_snapshots.glob("*.npz"))] == [
        "000000000064.npz",
        "000000000128.npz",
    ]
    with np.load(tutorial_snapshots / "000000000128.npz") as arrays:
        assert arrays["images"].shape == (300, 1, 28, 28)
        assert arrays["images"].dtype == np.uint8
        assert np.bincount(arrays["labels"]).tolist() == [30] * 10
    text = (tutorial_snapshots / "timing.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["images"] for line in lines] == [64, 128]
    assert 0 < lines[0]["seconds"] < lines[1]["seconds"]
    script = load_script("tutorial")
    assert script.main(["--threads", "1", "--out", str(tutorial_snapshots)]) == 2
    assert "already contains a run" in capsys.readouterr().err
    assert script.main(["--images", "0", "--out", str(tutorial_snapshots)]) == 2
    assert "--images must be at least 1" in capsys.readouterr().err
