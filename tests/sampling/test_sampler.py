from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import get_ident, main_thread

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest
from torch import Tensor

from acgan.data.images import ImageShape
from acgan.errors import DataError, UsageError
from acgan.networks.conditioning import ConditioningConfig
from acgan.networks.conv_generators import DeconvConfig, UpsampleConvConfig
from acgan.networks.interface import Generator, GeneratorConfig
from acgan.networks.mlp import MLPGeneratorConfig
from acgan.networks.resnet import ResnetGeneratorConfig
from acgan.sampling.forward import BATCH, Precision, _prepared, precision_on, to_uint8
from acgan.sampling.latents import SEEDS, check_seeds, latents
from acgan.sampling.sampler import from_uint8, iterate_images, sample_images

CLASSES = 4
SHAPE = ImageShape(3, 16, 12)
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
MARKED_PRECISIONS = ("fp32", pytest.param("bf16", marks=pytest.mark.slow))  # over 1 s


def lively(config: GeneratorConfig) -> Generator:
    """A generator whose images use the whole range, so that small errors would show."""
    torch.manual_seed(1)
    generator = config.build(SHAPE, CLASSES)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.mul_(4)
    return generator


GENERATORS: dict[str, GeneratorConfig] = {
    "deconv, conditional batch norm": DeconvConfig(latent_size=32, widths=(64, 32, 16)),
    "deconv, one-hot": DeconvConfig(
        latent_size=32, widths=(64, 32, 16), conditioning=ConditioningConfig(mode="one-hot")
    ),
    "upsample, multiplied": UpsampleConvConfig(
        latent_size=32, widths=(32, 32, 16), conditioning=ConditioningConfig(mode="multiply")
    ),
    "upsample, concatenated, spectral norm": UpsampleConvConfig(
        latent_size=32,
        widths=(32, 32, 16),
        conditioning=ConditioningConfig(mode="concatenate"),
        spectral_norm=True,
    ),
    "residual, attention": ResnetGeneratorConfig(
        latent_size=32, widths=(32, 32, 16), attention_at=(SHAPE.height // 2,)
    ),
    "fully connected": MLPGeneratorConfig(latent_size=32, widths=(64, 64), norm=True),
}


@pytest.fixture(params=GENERATORS)
def generator(request: pytest.FixtureRequest) -> Generator:
    return lively(GENERATORS[request.param])


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("precision", MARKED_PRECISIONS)
def test_an_image_is_the_same_alone_and_in_any_batch_and_place(
    generator: Generator, precision: Precision
) -> None:
    labels = [index % CLASSES for index in range(BATCH + 9)]
    seeds = [7 * index for index in range(BATCH + 9)]
    together = sample_images(generator, labels, seeds, precision=precision)
    assert together.shape == (BATCH + 9, *SHAPE)
    for index in (0, BATCH - 1, BATCH + 8):
        alone = sample_images(generator, [labels[index]], [seeds[index]], precision=precision)
        assert alone[0].tobytes() == together[index].tobytes()
    order = np.random.default_rng(0).permutation(BATCH + 9)
    mixed = np.array(labels)[order], np.array(seeds)[order]
    shuffled = sample_images(generator, *mixed, precision=precision)
    np.testing.assert_array_equal(shuffled, together[order])
    some = sample_images(generator, labels[5:18], seeds[5:18], precision=precision)
    np.testing.assert_array_equal(some, together[5:18])


@pytest.mark.parametrize("precision", MARKED_PRECISIONS)
def test_the_number_of_threads_does_not_matter(
    generator: Generator, threads: None, precision: Precision
) -> None:
    drawn = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        labels = [0, 1, 2, 3] * 50
        drawn.append(sample_images(generator, labels, range(200), precision=precision))
        assert torch.get_num_threads() == count
        with ThreadPoolExecutor(1) as pool:  # a thread born later has as many
            assert pool.submit(torch.get_num_threads).result() == count
    assert drawn[0].tobytes() == drawn[1].tobytes() == drawn[2].tobytes()


def test_bf16_is_fp32_but_for_a_little(generator: Generator) -> None:
    asked = [0, 1, 2, 3] * 8, range(32)
    low = sample_images(generator, *asked, precision="bf16").astype(int)
    full = sample_images(generator, *asked, precision="fp32").astype(int)
    difference = np.abs(low - full)
    assert 0 < difference.mean() < 3  # weights are made four times too large, see `lively`
    by_hand = copy.deepcopy(generator).eval()
    with torch.no_grad():
        images = by_hand(latents(asked[1], 32), torch.tensor(asked[0]))
    assert np.abs(to_uint8(images).numpy().astype(int) - full).max() <= 1


def test_weights_held_in_bf16_are_what_autocast_makes_of_them(generator: Generator) -> None:
    labels, seeds = torch.arange(BATCH) % CLASSES, range(BATCH)
    by_hand = _prepared(generator, low=False)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        expected = to_uint8(by_hand(latents(seeds, 32), labels)).numpy()
    torch.set_num_threads(before)
    drawn = sample_images(generator, labels.tolist(), seeds, precision="bf16")
    np.testing.assert_array_equal(drawn, expected)


def test_auto_is_bf16_where_that_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = lively(GENERATORS["deconv, conditional batch norm"])
    for fast, meant in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr("acgan.sampling.forward.fast_bfloat16", lambda _device, fast=fast: fast)
        assert precision_on("cpu") == meant
        assert [precision_on("cpu", one) for one in PRECISIONS] == list(PRECISIONS)
        drawn = sample_images(generator, [0], [0])
        expected = sample_images(generator, [0], [0], precision=precision_on("cpu"))
        assert drawn.tobytes() == expected.tobytes()


def test_images_not_asked_for_any_more_are_not_drawn(threads: None) -> None:
    torch.set_num_threads(2)
    generator = lively(GENERATORS["deconv, conditional batch norm"])
    passes = []
    generator.register_forward_hook(lambda *_: passes.append(get_ident()))
    batches = iterate_images(generator, np.broadcast_to(1, 100 * BATCH), range(100 * BATCH))
    for _ in range(3):
        next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert 3 <= len(passes) < 20
    assert main_thread().ident not in passes


def test_a_batch_in_training_mode_would_have_shown() -> None:
    """The bug of the popular scripts (systems §3, 6): it must be one that these tests can see."""
    generator = lively(GENERATORS["deconv, conditional batch norm"]).train()
    noise, labels = latents(range(8), 32), torch.zeros(8, dtype=torch.int64)
    with torch.no_grad():
        together, fewer = generator(noise, labels), generator(noise[:4], labels[:4])
    assert not torch.equal(to_uint8(together[:4]), to_uint8(fewer))


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, SEEDS - 1)), min_size=1, max_size=6))
def test_any_request_is_the_sum_of_its_parts(asked: list[tuple[int, int]]) -> None:
    generator = lively(GENERATORS["deconv, conditional batch norm"])
    labels, seeds = [a for a, _ in asked], [b for _, b in asked]
    together = sample_images(generator, labels, seeds)
    for image, label, seed in zip(together, labels, seeds, strict=True):
        np.testing.assert_array_equal(image, sample_images(generator, [label], [seed])[0])


def test_seeds_and_classes_make_different_images(generator: Generator) -> None:
    images = sample_images(generator, [0, 0, 1], [0, 1, 0]).astype(int)
    assert np.abs(images[0] - images[1]).max() > 10
    assert np.abs(images[0] - images[2]).max() > 10


def test_the_generator_is_left_as_it_was(generator: Generator) -> None:
    generator.train()
    next(generator.children()).eval()
    modes = [module.training for module in generator.modules()]
    state = {name: value.clone() for name, value in generator.state_dict().items()}
    random = torch.random.get_rng_state()
    first = sample_images(generator, [0, 1], [0, 1])
    assert [module.training for module in generator.modules()] == modes
    assert all(torch.equal(state[name], value) for name, value in generator.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), random)
    assert all(p.requires_grad and p.grad is None for p in generator.parameters())
    np.testing.assert_array_equal(first, sample_images(generator.eval(), [0, 1], [0, 1]))


def test_autocast_around_it_does_not_matter(generator: Generator) -> None:
    plain = sample_images(generator, [0, 1], [0, 1], precision="fp32")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        drawn = sample_images(generator, [0, 1], [0, 1], precision="fp32")
    np.testing.assert_array_equal(plain, drawn)


def test_memory_is_bounded() -> None:
    generator = lively(GENERATORS["deconv, conditional batch norm"])
    count = 10**12  # nothing may grow with it before it is drawn
    batches = iterate_images(generator, np.broadcast_to(1, 1000), range(count, count + 1000))
    sizes = [len(batch) for batch in batches]
    assert sum(sizes) == 1000
    assert max(sizes) == BATCH


def test_latents_are_those_of_ever() -> None:
    """Written down, since every picture's identity hangs on them."""
    expected = [-0.231659, -0.488544]
    assert latents([0], 2)[0].tolist() == pytest.approx(expected, abs=1e-6)
    assert torch.equal(latents([0], 7)[0], latents([0], 64)[0, :7])


def test_a_latent_depends_on_its_seed_alone() -> None:
    rows = latents([5, 3, 5, 2**32 + 5], 16)
    assert torch.equal(rows[0], rows[2])
    assert torch.equal(rows[1], latents([3], 16)[0])
    assert not torch.equal(rows[0], rows[3])  # 32 bits of a seed would not tell these two apart


def test_latents_are_standard_normal() -> None:
    drawn = latents(range(4000), 25).double()
    assert_normal(drawn)
    assert_normal(latents([SEEDS - 1 - 2**40 * index for index in range(4000)], 25).double())
    assert kstest(drawn.flatten().numpy(), "norm").pvalue > 1e-3


def assert_normal(drawn: Tensor) -> None:
    """Moments; and no correlation between neighbors of either kind, or of squares."""
    assert drawn.mean().item() == pytest.approx(0, abs=0.015)
    assert drawn.var().item() == pytest.approx(1, abs=0.02)
    assert drawn.pow(4).mean().item() == pytest.approx(3, abs=0.15)
    squares = (drawn**2 - 1) / math.sqrt(2)
    for values in (drawn, squares):
        assert (values[1:] * values[:-1]).mean().item() == pytest.approx(0, abs=0.015)
        assert (values[:, 1:] * values[:, :-1]).mean().item() == pytest.approx(0, abs=0.015)


def test_truncation_draws_again_what_lies_outside() -> None:
    whole, cut = latents(range(2000), 25), latents(range(2000), 25, truncation=1.0)
    assert cut.abs().max() <= 1
    inside = whole.abs() <= 1
    assert torch.equal(whole[inside], cut[inside])
    density = math.exp(-0.5) / math.sqrt(2 * math.pi)
    variance = 1 - 2 * density / math.erf(1 / math.sqrt(2))  # of a normal cut at ±1
    assert cut.double().var().item() == pytest.approx(variance, abs=0.01)
    assert torch.equal(latents([9, 4], 25, truncation=1.0)[1], cut[4])
    ranks = (cut.double() / math.sqrt(2)).erf().flatten() / math.erf(1 / math.sqrt(2))
    assert kstest(ranks.numpy(), "uniform", (-1, 2)).pvalue > 1e-3


def test_the_smallest_truncation_ends() -> None:
    assert latents([0], 100, truncation=0.01).abs().max() <= 0.01


@pytest.mark.parametrize("truncation", [0.0, -1.0, 0.001, math.nan, math.inf])
def test_wrong_truncations_are_refused(truncation: float) -> None:
    with pytest.raises(UsageError, match="truncation must be at least"):
        latents([0], 4, truncation=truncation)


@pytest.mark.parametrize("seed", [-1, SEEDS])
def test_seeds_outside_their_range_are_refused(seed: int) -> None:
    with pytest.raises(UsageError, match="seed must be a whole number"):
        latents([seed], 4)


def test_check_seeds() -> None:
    assert check_seeds(3, 2) == range(3, 5)
    assert len(check_seeds(SEEDS - 1, 1)) == 1
    for first, count in ((0, 0), (-1, 1), (SEEDS - 1, 2)):
        with pytest.raises(UsageError):
            check_seeds(first, count)


def test_wrong_requests_are_refused(generator: Generator) -> None:
    for labels in ([CLASSES], [-1]):
        with pytest.raises(UsageError, match="class indices must lie in 0 to 3"):
            sample_images(generator, labels, [0])
    with pytest.raises(UsageError, match="no image was requested"):
        sample_images(generator, [], [])
    with pytest.raises(ValueError, match="2 labels and 1 seeds"):
        sample_images(generator, [0, 0], [0])


def test_pixels_are_rounded_and_clipped() -> None:
    values = torch.tensor([-2.0, -1.0, -0.999, 0.0, 0.003, 1.0, 7.0])
    assert to_uint8(values).tolist() == [0, 0, 0, 128, 128, 255, 255]


def test_every_pixel_value_survives_the_way_there_and_back() -> None:
    every = np.arange(256, dtype=np.uint8)
    scaled = from_uint8(every)
    assert (scaled.min().item(), scaled.max().item()) == (-1.0, 1.0)
    np.testing.assert_array_equal(to_uint8(scaled).numpy(), every)


def test_a_generator_of_nonsense_is_refused(generator: Generator) -> None:
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.fill_(math.nan)
    with pytest.raises(DataError, match="non-finite"):
        sample_images(generator, [0], [0])
