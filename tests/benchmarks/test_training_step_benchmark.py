from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from acgan.data.images import LabeledImages, make_classes
from acgan.errors import DataError

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def images(count: int, side: int = 16, channels: int = 1) -> LabeledImages:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (count, channels, side, side), np.uint8)
    labels = random.integers(0, 10, count).astype(np.int64)
    return LabeledImages(pixels, labels, make_classes([str(i) for i in range(10)]))


def test_the_scripts_mistakes_are_all_there(load_script: Any) -> None:
    script = load_script("tutorial_script")
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


def test_generators_of_the_script_are_those_of_system_4(load_script: Any) -> None:
    tutorial = load_script("tutorial_script").Tutorial(images(64, side=28), 32, seed=0)
    # 10·100 + (100·8192 + 8192) + 256 + (128·128·9 + 128) + 256 + (128·64·9 + 64) + 128 + 577
    assert sum(p.numel() for p in tutorial.generator.parameters()) == 1_050_985
    maps = tutorial.discriminator.blocks(torch.zeros(2, 1, 32, 32))
    assert maps.shape == (2, 128, 2, 2)
    drawn, labels = tutorial.sample(per_class=12, seed=3)
    assert drawn.shape == (120, 1, 32, 32)
    assert torch.bincount(labels).tolist() == [12] * 10
    assert tutorial.generator.training, "the script samples in train mode"


def test_the_script_repeats_itself_with_its_seed(load_script: Any) -> None:
    script = load_script("tutorial_script")
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
        load_script("tutorial_script").Tutorial(images(64, channels=channels), side, seed=0)


def test_every_convolution_and_product_of_a_step_is_counted(load_script: Any) -> None:
    kernels = load_script("kernels")
    first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
    second = nn.Conv2d(8, 16, 3, padding=1, bias=False)
    head = nn.Linear(16 * 4 * 4, 5)
    batch = torch.randn(4, 3, 8, 8)

    def step() -> None:
        head(second(first(batch)).flatten(1)).sum().backward()

    calls = kernels.recorded(step)
    convolutions = {
        (k.kind, k.input, k.output): (count, k.operations)
        for k, count in calls.items()
        if isinstance(k, kernels.Convolution)
    }
    small = 2 * 4 * 8 * 4 * 4 * 3 * 9  # N·O·H'·W'·C·h·w multiplications and additions
    large = 2 * 4 * 16 * 4 * 4 * 8 * 9
    assert convolutions == {
        ("convolution", (4, 3, 8, 8), (4, 8, 4, 4)): (1, small),
        ("weight gradient", (4, 3, 8, 8), (4, 8, 4, 4)): (1, small),
        ("convolution", (4, 8, 4, 4), (4, 16, 4, 4)): (1, large),
        ("weight gradient", (4, 8, 4, 4), (4, 16, 4, 4)): (1, large),
        ("input gradient", (4, 8, 4, 4), (4, 16, 4, 4)): (1, large),
    }, "the first layer's input takes no gradient"
    products = [k for k in calls if isinstance(k, kernels.Product)]
    assert sorted((k.rows, k.inner, k.columns, k.bias) for k in products) == [
        (4, 5, 256, False),
        (4, 256, 5, True),
        (5, 4, 256, False),
    ]


def test_what_runs_in_bf16_and_channels_last_is_recorded_so(load_script: Any) -> None:
    kernels = load_script("kernels")
    layer = nn.ConvTranspose2d(8, 4, 4, stride=2, padding=1).to(memory_format=torch.channels_last)
    batch = torch.randn(2, 8, 5, 5).to(memory_format=torch.channels_last)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            layer(batch)
            layer(batch)

    ((kernel, count),) = kernels.recorded(step).items()
    assert count == 2
    assert kernel.dtype == torch.bfloat16
    assert kernel.layouts == ("channels-last", "channels-last")
    assert kernel.transposed
    assert kernel.output == (2, 4, 10, 10)
    assert kernel.operations == 2 * 2 * 8 * 5 * 5 * 4 * 4 * 4


def convolution(load_script: Any, kind: str, transposed: bool, stride: int = 2) -> Any:
    kernel = 4 if transposed else 3
    return load_script("kernels").Convolution(
        kind=kind,
        dtype=torch.float32,
        input=(2, 6, 8, 8),
        weight=(6, 5, kernel, kernel) if transposed else (5, 6, kernel, kernel),
        bias=kind != "input gradient",
        stride=(stride, stride),
        padding=(1, 1),
        dilation=(1, 1),
        transposed=transposed,
        output_padding=(0, 0),
        groups=1,
        layouts=("contiguous", "contiguous"),
    )


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("kind", ["convolution", "input gradient", "weight gradient"])
def test_every_way_to_compute_gives_as_many_numbers(
    load_script: Any, kind: str, transposed: bool
) -> None:
    ways = load_script("kernel_times").convolution_ways(convolution(load_script, kind, transposed))
    assert set(ways) >= {"contiguous", "channels-last"}
    sizes = {name: size_of(way()) for name, way in ways.items()}
    assert len(set(sizes.values())) == 1, sizes


def size_of(result: Any) -> int:
    """Numbers of the result that was asked for: the larger part, a bias's gradient left out."""
    splits = result if isinstance(result, tuple) else (result,)
    sizes: list[int] = [part.numel() for part in splits if part is not None]
    return max(sizes)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
def test_the_input_gradient_as_a_convolution_is_the_same(
    load_script: Any, transposed: bool, stride: int
) -> None:
    wanted = convolution(load_script, "input gradient", transposed, stride)
    operands = load_script("kernel_times")._Operands(wanted, "contiguous")
    ours = operands.input_gradient_as_convolution()
    assert torch.allclose(ours, operands.input_gradient()[0], atol=1e-4)


def test_patches_are_what_the_kernel_sees(load_script: Any) -> None:
    wanted = convolution(load_script, "convolution", transposed=False)
    maps = torch.randn(2, 6, 8, 8)
    ours = load_script("kernel_times")._patches(maps.permute(0, 2, 3, 1), wanted, (4, 4))
    theirs = F.unfold(maps, 3, padding=1, stride=2).view(2, 6, 9, 16).permute(0, 3, 2, 1)
    assert torch.equal(ours, theirs.reshape(32, 54))


def test_the_roofline_adds_up_what_each_costs_alone(
    load_script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    roofline = load_script("roofline")
    monkeypatch.setattr(
        roofline, "best_time", lambda kernel, seconds_a_way: (kernel.rows * 1e-3, "a way")
    )
    small, large = torch.randn(2, 3), torch.randn(50, 3)

    def step() -> None:
        for left in (small, large, small):
            torch.mm(left, small.T)

    bounds = roofline.roofline(step)
    assert [(b.kernel.rows, b.calls, b.total_seconds) for b in bounds] == [
        (50, 1, pytest.approx(0.05)),
        (2, 2, pytest.approx(0.004)),
    ]
    assert bounds[0].gflops == pytest.approx(2 * 50 * 3 * 2 / 0.05 / 1e9)
    assert json.loads(json.dumps(bounds[0].to_json()))["calls"] == 1


def test_a_product_is_timed_in_every_layout(load_script: Any) -> None:
    kernels, times = load_script("kernels"), load_script("kernel_times")
    for batch, bias in ((None, True), (None, False), (3, True), (3, False)):
        product = kernels.Product(torch.float32, batch, 4, 5, 6, bias, ("contiguous",) * 2)
        ways = times.product_ways(product)
        assert len(ways) == 4
        assert {way().shape for way in ways.values()} == {(4, 6) if batch is None else (3, 4, 6)}
        seconds, name = times.best_time(product, seconds_a_way=0.0)
        assert seconds > 0
        assert name in ways


@pytest.mark.slow
def test_the_whole_benchmark_on_the_embedded_digits(tmp_path: Path) -> None:
    out = tmp_path / "step.json"
    words = ["--rounds", "1", "--seconds", "0.1", "--seconds-a-way", "0", "--threads", "1"]
    words += ["-o", "training.batch_size=8", "--json", str(out)]
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "training_step.py"), *words],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "ours / the tutorial's way, on the same networks" in done.stdout
    report = json.loads(out.read_text())
    sides = report["sides"]
    assert sides["same networks"]["name"] == "acgan, acgan-mnist-32"
    assert (sides["tutorial"]["batch"], sides["default"]["batch"]) == (64, 8)
    for side in sides.values():
        assert side["images_per_second"] > 0
        assert 0 < side["roofline_share"] < 1
        assert side["peak_memory_gib"] > 0.1


def test_a_side_that_cannot_start_says_why(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "training_step.py"), "--data", str(tmp_path / "none")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (2, 3)
    assert "none" in done.stderr
    assert "Traceback" not in done.stderr
