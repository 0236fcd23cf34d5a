"""Properties that every registered network has, over conditionings, sizes, channels, classes."""

from __future__ import annotations

from typing import Any, Literal, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from acgan.data.images import ImageShape
from acgan.networks.conditioning import ConditioningConfig
from acgan.networks.conv_generators import DeconvConfig, UpsampleConvConfig
from acgan.networks.conv_stack import ConvLayerConfig, ConvStackConfig
from acgan.networks.families import DiscriminatorFamily, GeneratorFamily
from acgan.networks.interface import (
    Discriminator,
    Generator,
    Heads,
    SourceHead,
)
from acgan.networks.layers import Gain
from acgan.networks.mlp import MLPDiscriminatorConfig, MLPGeneratorConfig
from acgan.networks.pretrained import PretrainedConfig
from acgan.networks.resnet import ResnetDiscriminatorConfig, ResnetGeneratorConfig

torch.set_num_threads(1)

Mode = Literal["batchnorm", "concatenate", "one-hot", "multiply", "none"]
MODES: tuple[Mode, ...] = get_args(Mode)
CONDITIONAL = tuple(mode for mode in MODES if mode != "none")
BOTH = Heads()
SHAPES = [ImageShape(c, h, w) for c in (1, 3) for h, w in ((16, 16), (8, 24), (24, 16))]


def generator_configs(mode: Mode, height: int = 16) -> list[GeneratorFamily]:
    """One small configuration of every variant of every family, for images of that height."""
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
        DeconvConfig(
            latent_size=6,
            widths=(8, 16),
            to_image="shuffle",
            refinements=1,
            attention_at=(height // 2,),
            conditioning=how,
        ),
        MLPGeneratorConfig(latent_size=6, widths=(8, 6), norm=True, conditioning=how),
        MLPGeneratorConfig(
            latent_size=6,
            widths=(8,),
            activation="relu",
            norm=mode == "batchnorm",
            spectral_norm=True,
            conditioning=how,
        ),
        *(
            family(
                latent_size=6,
                widths=(8, 6, 4),
                initialization="dcgan",
                conditioning=how.model_copy(update={"latents_in_norms": True, "layers": "first"}),
            )
            for family in (DeconvConfig, UpsampleConvConfig, ResnetGeneratorConfig)
        ),
        MLPGeneratorConfig(
            latent_size=6,
            widths=(8,),
            norm=True,
            conditioning=how.model_copy(update={"latents_in_norms": True}),
        ),
        ResnetGeneratorConfig(latent_size=6, widths=(8, 6, 4), conditioning=how),
        ResnetGeneratorConfig(
            latent_size=6,
            widths=(8, 16, 8),
            attention_at=(height // 2, height),
            spectral_norm=True,
            conditioning=how.model_copy(update={"layers": "first"}),
        ),
    ]


def discriminator_configs(height: int = 16) -> list[DiscriminatorFamily]:
    """One small configuration of every variant of every family, for images of that height."""
    stacks: list[DiscriminatorFamily] = [
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
            attention_at=(height // 2 // unshuffle,) if attentive else (),
        )
        for order, dropout, unit, noise, pool, spectral, unshuffle, attentive in (
            ("norm-first", 0.0, "elements", 0.0, "flatten", False, 1, False),
            ("norm-last", 0.25, "channels", 0.0, "flatten", False, 2, True),
            ("norm-first", 0.5, "elements", 0.1, "sum", True, 1, True),
            ("norm-last", 0.0, "elements", 0.1, "mean", True, 4, False),
        )
    ]
    return [
        *stacks,
        MLPDiscriminatorConfig(widths=(8, 6), dropout=0),
        MLPDiscriminatorConfig(widths=(8,), dropout=0.3, activation_noise=0.1, spectral_norm=True),
        ResnetDiscriminatorConfig(widths=(8, 6, 6), halvings=2, spectral_norm=False),
        ResnetDiscriminatorConfig(widths=(8, 16), halvings=1, attention_at=(height // 2,)),
    ]


STILL = (0, 4, 6, 7)  # the discriminators in which nothing is left to chance
generators = st.builds(
    lambda mode, index: generator_configs(mode)[index],
    st.sampled_from(MODES),
    st.integers(0, len(generator_configs("one-hot")) - 1),
)
generators_and_shapes = st.builds(
    lambda mode, index, shape: (generator_configs(mode, shape.height)[index], shape),
    st.sampled_from(MODES),
    st.integers(0, len(generator_configs("one-hot")) - 1),
    st.sampled_from(SHAPES),
)
discriminators_and_shapes = st.builds(
    lambda index, shape: (discriminator_configs(shape.height)[index], shape),
    st.integers(0, len(discriminator_configs()) - 1),
    st.sampled_from(SHAPES),
)


def make(config: GeneratorFamily, shape: ImageShape, classes: int, *, seed: int = 0) -> Generator:
    torch.manual_seed(seed)
    generator = config.build(shape, classes)
    attentive(generator)
    return generator


def make_discriminator(
    config: DiscriminatorFamily, shape: ImageShape, classes: int, heads: Heads, *, seed: int = 0
) -> Discriminator:
    torch.manual_seed(seed)
    discriminator = config.build(shape, classes, heads)
    attentive(discriminator)
    return discriminator


def near(rough: Tensor, exact: Tensor) -> bool:
    """Whether the difference is of the size of bf16's round-off, on the whole and at its worst."""
    difference = (rough - exact).abs()
    usual = difference.square().mean() <= 0.03**2 * exact.square().mean()
    return bool(usual and difference.max() <= 0.1 * exact.abs().max())


def attentive(network: nn.Module) -> None:
    """Self-attention starts at no strength, where nothing in it could be seen to work."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, Gain):
                module.factor.fill_(2.0)


def draw(generator: Generator, labels: Tensor, *, seed: int = 1) -> Tensor:
    torch.manual_seed(seed)
    images: Tensor = generator(torch.randn(len(labels), generator.latent_size), labels)
    return images


def test_every_registered_family_is_covered_here() -> None:
    registered = set(get_args(get_args(GeneratorFamily)[0]))
    assert registered == {type(config) for config in generator_configs("one-hot")}
    registered = set(get_args(get_args(DiscriminatorFamily)[0]))
    elsewhere = {PretrainedConfig}  # whose trunk was trained before: test_pretrained.py
    assert registered - elsewhere == {type(config) for config in discriminator_configs()}


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(generators_and_shapes, st.sampled_from([1, 2, 10]), st.booleans())
def test_a_generator_draws_images_and_every_parameter_learns(
    case: tuple[GeneratorFamily, ImageShape], classes: int, channels_last: bool
) -> None:
    config, shape = case
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


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(generators.filter(lambda each: each.conditioning.conditional), st.sampled_from([2, 10]))
def test_the_label_changes_the_image(config: Any, classes: int) -> None:
    generator = make(config, ImageShape(1, 16, 16), classes).eval()
    with torch.no_grad():
        grids = [draw(generator, torch.full((3,), label)) for label in range(classes)]
    for label in range(1, classes):
        assert not torch.allclose(grids[0], grids[label], rtol=1e-3, atol=0)


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
        with pytest.raises(ValueError, match="pass labels"):
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


@settings(max_examples=25, deadline=None)
@given(
    discriminators_and_shapes,
    st.sampled_from([1, 2, 10]),
    st.sampled_from(get_args(SourceHead)),
    st.booleans(),
    st.booleans(),
)
def test_a_discriminator_judges_and_every_parameter_learns(
    case: tuple[DiscriminatorFamily, ImageShape],
    classes: int,
    source: SourceHead,
    class_head: bool,
    channels_last: bool,
) -> None:
    config, shape = case
    discriminator = make_discriminator(
        config, shape, classes, Heads(source, "plain" if class_head else "none")
    )
    if channels_last:
        discriminator = discriminator.to(memory_format=torch.channels_last)
    labels = torch.arange(12) % classes
    output = discriminator(torch.rand(12, *shape) * 2 - 1, labels)

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
        alone = discriminator(torch.zeros(1, *shape), labels[:1])
        assert alone.source_logits.shape == (1,)


@pytest.mark.parametrize("mode", MODES)
def test_equal_seeds_give_equal_networks(mode: Mode) -> None:
    shape = ImageShape(3, 16, 16)
    for config in generator_configs(mode):
        first, same, other = (make(config, shape, 3, seed=s).state_dict() for s in (4, 4, 5))
        assert all(torch.equal(first[name], same[name]) for name in first)
        assert any(not torch.equal(first[name], other[name]) for name in first)


def test_noise_and_dropout_act_in_training_only_and_follow_the_seed() -> None:
    shape = ImageShape(1, 16, 16)
    for index, config in enumerate(discriminator_configs()):
        images = torch.rand(4, *shape)
        predictions = []
        for mode, seed in ((True, 1), (True, 1), (True, 2), (False, 1), (False, 2)):
            twin = make_discriminator(config, shape, 2, BOTH).train(mode)
            torch.manual_seed(seed)
            predictions.append(twin(images).source_logits)
        assert torch.equal(predictions[0], predictions[1])
        assert torch.equal(predictions[0], predictions[2]) == (index in STILL)
        assert torch.equal(predictions[3], predictions[4])


@pytest.mark.slow
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
        assert near(images.float(), reference)


@pytest.mark.parametrize("source", get_args(SourceHead))
def test_bf16_judges_close_to_float32_and_answers_in_it(source: SourceHead) -> None:
    torch.manual_seed(0)
    images, labels = torch.rand(32, 1, 16, 16) * 2 - 1, torch.arange(32) % 3
    for config in discriminator_configs():
        network = make_discriminator(config, ImageShape(1, 16, 16), 3, Heads(source)).eval()
        plain = network(images, labels)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            cast = network.to(memory_format=torch.channels_last)(images, labels)
        for a, b in ((plain.source_logits, cast.source_logits), (plain.features, cast.features)):
            assert b.dtype == torch.float32
            assert near(b, a)


def test_double_precision_stays_double() -> None:
    shape = ImageShape(1, 16, 16)
    for config in discriminator_configs():
        discriminator = make_discriminator(config, shape, 2, Heads("joined")).double()
        images = torch.rand(3, *shape, dtype=torch.float64)
        output = discriminator(images, torch.tensor([0, 1, 1]))
        assert output.source_logits.dtype == output.features.dtype == torch.float64
    for config_g in generator_configs("batchnorm"):
        generator = make(config_g, shape, 2).double()
        latents = torch.randn(3, 6, dtype=torch.float64)
        assert generator(latents, torch.tensor([0, 1, 1])).dtype == torch.float64


def test_what_can_be_built_is_buildable() -> None:
    for mode in MODES:
        for config in generator_configs(mode):
            config.check_shape(ImageShape(1, 16, 16))
    for config_d in discriminator_configs():
        config_d.check_shape(ImageShape(1, 16, 16))
