from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


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


@pytest.mark.full
def test_the_whole_benchmark_on_the_embedded_digits(tmp_path: Path) -> None:
    out = tmp_path / "step.json"
    words = ["--rounds", "1", "--seconds", "0.1", "--seconds-a-way", "0", "--threads", "1"]
    words += ["-o", "training.batch_size=8", "--json", str(out)]
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "training_step.py"), *words],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "on the same networks" in done.stdout
    report = json.loads(out.read_text())
    sides = report["sides"]
    assert sides["same networks"]["name"] == "acgan, acgan-mnist-32"
    assert (sides["tutorial"]["batch"], sides["default"]["batch"]) == (64, 8)
    for side in sides.values():
        assert side["images_per_second"] > 0
        assert 0 < side["roofline_share"] < 1
        assert side["peak_memory_gib"] > 0.1


def side(**values: Any) -> str:
    """JSON of a side as `step_worker` reads it, with small networks."""
    small = ["generator.widths=[8, 8]", "discriminator.layers=[{width=8, kernel=4, stride=4}]"]
    small += ["training.batch_size=8", "execution.precision=fp32"]
    common = {"data": "digits", "data_root": None, "image_size": 8, "seed": 0, "threads": 1}
    return json.dumps({**common, "recipe": "small-gray", "options": small, **values})


@pytest.mark.slow
@pytest.mark.parametrize(("name", "batch"), [("tutorial", 64), ("acgan", 8)])
def test_a_worker_answers_with_rates_and_bounds(
    load_script: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    batch: int,
) -> None:
    worker = load_script("step_worker")
    monkeypatch.setattr(worker, "_WARM_UP_STEPS", 1)
    monkeypatch.setattr(sys, "argv", ["step_worker.py", side(side=name)])
    monkeypatch.setattr(sys, "stdin", ['{"train": 0}\n', '{"roofline": 0}\n'])
    assert worker.main() == 0
    described, rate, bounds = map(json.loads, capsys.readouterr().out.splitlines())
    assert (described["batch"], described["threads"]) == (batch, 1)
    assert rate["images_per_second"] > 0
    assert {bound["calls"] for bound in bounds} >= {1}


def test_a_worker_without_data_prints_why(
    load_script: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    worker = load_script("step_worker")
    missing = side(side="tutorial", data=str(tmp_path / "none"))
    monkeypatch.setattr(sys, "argv", ["step_worker.py", missing])
    assert worker.main() in (2, 3)
    assert "none" in capsys.readouterr().err


def test_the_benchmark_ends_with_the_exit_code_of_a_failed_side(
    load_script: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    benchmark = load_script("training_step")
    failing = tmp_path / "worker.py"
    failing.write_text("import sys\nsys.exit(3)\n")
    monkeypatch.setattr(sys.modules["step_sides"], "WORKER", failing)
    assert benchmark.main(["--data", "digits"]) == 3
