"""Properties that every registered network has, over conditionings, sizes, channels, classes."""

from __future__ import annotations

from typing import Any, Literal, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from acgan.data.images import ImageShape
from acgan.networks.build import (
    DiscriminatorConfig,
    GeneratorConfig,
    build_discriminator,
    build_generator,
    buildable,
)
from acgan.networks.conditioning import ConditioningConfig
from acgan.networks.conv_stack import ConvLayerConfig, ConvStackConfig
from acgan.networks.deconv import DeconvConfig
from acgan.networks.interface import Generator, Heads
from acgan.networks.upsample_conv import UpsampleConvConfig

torch.set_num_threads(1)

Mode = Literal["batchnorm", "concatenate", "one-hot", "multiply", "none"]
MODES: tuple[Mode, ...] = get_args(Mode)
CONDITIONAL = tuple(mode for mode in MODES if mode != "none")
BOTH = Heads()
SHAPES = [ImageShape(c, h, w) for c in (1, 3) for h, w in ((16, 16), (8, 24), (24, 16))]


def generator_configs(mode: Mode) -> list[DeconvConfig | UpsampleConvConfig]:
    """One small configuration of every variant of every family."""
    how = ConditioningConfig(mode=mode, embedding_size=5)
    return [
        DeconvConfig(latent_size=6, widths=(8, 6, 4), conditioning=how),
        DeconvConfig(latent_size=6, widths=(8, 6, 4), to_image="deconv", conditioning=how),
        DeconvConfig(
            latent_size=6,
            widths=(8, 6),
            kernel=5,
            start_norm=False,
            to_image="deconv",
            conditioning=how,
        ),
        DeconvConfig(
            latent_size=6,
            widths=(8, 6),
            to_image="shuffle",
            refinements=2,
            conditioning=how.model_copy(update={"layers": "first"}),
        ),
        DeconvConfig(latent_size=6, widths=(8, 6, 4), spectral_norm=True, conditioning=how),
        UpsampleConvConfig(latent_size=6, widths=(8, 6, 4), conditioning=how),
        UpsampleConvConfig(latent_size=6, widths=(8, 4), spectral_norm=True, conditioning=how),
    ]


DISCRIMINATORS: list[ConvStackConfig] = [
    ConvStackConfig(
        layers=(
            ConvLayerConfig(width=6, kernel=4, stride=2, norm=False),
            ConvLayerConfig(width=8, kernel=3, stride=1),
        ),
        order=order,
        dropout=dropout,
        dropout_unit=unit,
        activation_noise=noise,
        pool=pool,
        spectral_norm=spectral,
        unshuffle=unshuffle,
    )
    for order, dropout, unit, noise, pool, spectral, unshuffle in (
        ("norm-first", 0.0, "elements", 0.0, "flatten", False, 1),
        ("norm-last", 0.25, "channels", 0.0, "flatten", False, 2),
        ("norm-first", 0.5, "elements", 0.1, "sum", True, 1),
        ("norm-last", 0.0, "elements", 0.1, "mean", True, 4),
    )
]

generators = st.builds(
    lambda mode, index: generator_configs(mode)[index],
    st.sampled_from(MODES),
    st.integers(0, len(generator_configs("one-hot")) - 1),
)


def make(config: Any, shape: ImageShape, classes: int, *, seed: int = 0) -> Generator:
    torch.manual_seed(seed)
    return build_generator(config, shape, classes)


def draw(generator: Generator, labels: Tensor, *, seed: int = 1) -> Tensor:
    torch.manual_seed(seed)
    images: Tensor = generator(torch.randn(len(labels), generator.latent_size), labels)
    return images


def test_every_registered_family_is_covered_here() -> None:
    registered = set(get_args(get_args(GeneratorConfig)[0]))
    assert registered == {type(config) for config in generator_configs("one-hot")}
    assert DiscriminatorConfig is ConvStackConfig


@settings(max_examples=60, deadline=None)
@given(generators, st.sampled_from(SHAPES), st.sampled_from([1, 2, 10]), st.booleans())
def test_a_generator_draws_images_and_every_parameter_learns(
    config: Any, shape: ImageShape, classes: int, channels_last: bool
) -> None:
    generator = make(config, shape, classes)
    if channels_last:
        generator = generator.to(memory_format=torch.channels_last)
    labels = torch.arange(20) % classes
    images = draw(generator, labels)

    assert images.shape == (20, *shape)
    assert images.dtype == torch.float32
    assert images.abs().max() <= 1
    (images * torch.linspace(-1, 1, images.numel()).view(images.shape)).sum().backward()  # type: ignore[no-untyped-call]
    still = [n for n, p in generator.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []
    generator.eval()
    with torch.no_grad():
        assert draw(generator, labels[:1]).shape == (1, *shape)


def test_every_way_the_label_may_enter_is_covered_here() -> None:
    assert get_args(ConditioningConfig.model_fields["mode"].annotation) == MODES


@settings(max_examples=40, deadline=None)
@given(generators.filter(lambda each: each.conditioning.conditional), st.sampled_from([2, 10]))
def test_the_label_changes_the_image(config: Any, classes: int) -> None:
    generator = make(config, ImageShape(1, 16, 16), classes).eval()
    with torch.no_grad():
        sheets = [draw(generator, torch.full((3,), label)) for label in range(classes)]
    for label in range(1, classes):
        assert not torch.allclose(sheets[0], sheets[label], rtol=1e-3, atol=0)


@pytest.mark.parametrize("index", range(len(generator_configs("none"))))
def test_without_conditioning_no_label_is_needed_and_none_matters(index: int) -> None:
    generator = make(generator_configs("none")[index], ImageShape(1, 16, 16), 3).eval()
    latents = torch.randn(6, 6)
    with torch.no_grad():
        without = generator(latents)
        assert not generator.conditional
        for labels in (torch.arange(6) % 3, torch.full((6,), -1)):
            assert torch.equal(generator(latents, labels), without)
    assert list(generator.conditioning_parameters()) == []


@pytest.mark.parametrize("mode", CONDITIONAL)
def test_a_conditional_generator_asks_for_labels(mode: Mode) -> None:
    for config in generator_configs(mode):
        generator = make(config, ImageShape(1, 16, 16), 3)
        assert generator.conditional
        with pytest.raises(ValueError, match="give it labels"):
            generator(torch.randn(6, 6))


@pytest.mark.parametrize("mode", MODES)
def test_one_image_in_evaluation_does_not_depend_on_its_batch(mode: Mode) -> None:
    for config in generator_configs(mode):
        generator = make(config, ImageShape(1, 16, 16), 3).eval()
        latents, labels = torch.randn(8, 6), torch.arange(8) % 3
        with torch.no_grad():
            together, alone = generator(latents, labels)[4:5], generator(latents[4:5], labels[4:5])
        torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("mode", CONDITIONAL)
def test_the_label_enters_through_the_conditioning_parameters_alone(mode: Mode) -> None:
    for config in generator_configs(mode):
        generator = make(config, ImageShape(1, 16, 16), 2).eval()
        through = list(generator.conditioning_parameters())
        assert len({id(p) for p in through}) == len(through)
        assert {id(p) for p in through} <= {id(p) for p in generator.parameters()}
        if mode == "one-hot":
            assert through == []
            continue
        assert through
        with torch.no_grad():
            for parameter in through:
                parameter.fill_(0.5)
            assert torch.equal(
                draw(generator, torch.tensor([0])), draw(generator, torch.tensor([1]))
            )


@pytest.mark.parametrize("mode", MODES)
def test_what_the_label_leaves_alone_is_the_style(mode: Mode) -> None:
    """With conditional batch norm the noise alone decides what the first layer lays out."""
    start = make(generator_configs(mode)[0], ImageShape(1, 16, 16), 2).eval()
    layouts: list[Tensor] = []
    first = next(module for module in start.modules() if isinstance(module, nn.Linear))
    first.register_forward_hook(lambda *call: layouts.append(call[2]))
    with torch.no_grad():
        draw(start, torch.tensor([0]))
        draw(start, torch.tensor([1]))
    assert torch.equal(layouts[0], layouts[1]) == (mode in ("batchnorm", "none"))


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(DISCRIMINATORS),
    st.sampled_from(SHAPES),
    st.sampled_from([1, 2, 10]),
    st.booleans(),
    st.booleans(),
)
def test_a_discriminator_judges_and_every_parameter_learns(
    config: ConvStackConfig, shape: ImageShape, classes: int, class_head: bool, channels_last: bool
) -> None:
    torch.manual_seed(0)
    discriminator = build_discriminator(
        config, shape, classes, Heads(classes="plain" if class_head else "none")
    )
    if channels_last:
        discriminator = discriminator.to(memory_format=torch.channels_last)
    output = discriminator(torch.rand(12, *shape) * 2 - 1)

    assert output.source_logits.shape == (12,)
    weights = torch.linspace(-1, 2, 12)
    total = (output.source_logits * weights).sum()
    if class_head:
        assert output.class_logits is not None
        assert output.class_logits.shape == (12, classes)
        total = total + (output.class_logits * weights[:, None]).sum()
    else:
        assert output.class_logits is None
    assert output.features.shape[0] == 12
    total.backward()
    still = [n for n, p in discriminator.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []
    heads = {id(p) for p in discriminator.head_parameters()}
    assert heads == {id(p) for n, p in discriminator.named_parameters() if "head" in n}
    discriminator.eval()
    with torch.no_grad():
        assert discriminator(torch.zeros(1, *shape)).source_logits.shape == (1,)


@pytest.mark.parametrize("mode", MODES)
def test_equal_seeds_give_equal_networks(mode: Mode) -> None:
    shape = ImageShape(3, 16, 16)
    for config in generator_configs(mode):
        first, same, other = (make(config, shape, 3, seed=s).state_dict() for s in (4, 4, 5))
        assert all(torch.equal(first[name], same[name]) for name in first)
        assert any(not torch.equal(first[name], other[name]) for name in first)


def test_noise_and_dropout_act_in_training_only_and_follow_the_seed() -> None:
    shape = ImageShape(1, 16, 16)
    for config in DISCRIMINATORS[1:]:
        images = torch.rand(4, *shape)
        answers = []
        for mode, seed in ((True, 1), (True, 1), (True, 2), (False, 1), (False, 2)):
            torch.manual_seed(0)
            twin = build_discriminator(config, shape, 2, BOTH).train(mode)
            torch.manual_seed(seed)
            answers.append(twin(images).source_logits)
        assert torch.equal(answers[0], answers[1])
        assert not torch.equal(answers[0], answers[2])
        assert torch.equal(answers[3], answers[4])


@pytest.mark.parametrize("mode", MODES)
def test_bf16_stays_close_to_float32(mode: Mode) -> None:
    shape = ImageShape(1, 16, 16)
    for config in generator_configs(mode):
        exact = make(config, shape, 3)
        rough = make(config, shape, 3).to(memory_format=torch.channels_last)
        labels = torch.arange(32) % 3
        reference = draw(exact, labels)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            images = draw(rough, labels)
        assert images.dtype == torch.bfloat16  # sampling, without autocast, stays in float32
        assert (images.float() - reference).abs().max() <= 0.05 * reference.abs().max()
        for config_d in DISCRIMINATORS[:2]:
            torch.manual_seed(0)
            discriminator = build_discriminator(config_d, shape, 3, BOTH).eval()
            plain = discriminator(reference)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                cast = discriminator(reference)
            for a, b in (
                (plain.source_logits, cast.source_logits),
                (plain.features, cast.features),
            ):
                assert b.dtype == torch.float32
                assert (a - b).abs().max() <= 0.05 * a.abs().max()


def test_double_precision_stays_double() -> None:
    shape = ImageShape(1, 16, 16)
    discriminator = build_discriminator(DISCRIMINATORS[0], shape, 2, BOTH).double()
    output = discriminator(torch.rand(3, *shape, dtype=torch.float64))
    assert output.source_logits.dtype == output.features.dtype == torch.float64


def test_what_can_be_built_is_buildable() -> None:
    for mode in MODES:
        for config in generator_configs(mode):
            buildable(config, ImageShape(1, 16, 16))
    for config_d in DISCRIMINATORS:
        buildable(config_d, ImageShape(1, 16, 16))
