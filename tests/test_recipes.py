from __future__ import annotations

import numpy as np
import pytest
import torch

from acgan.config import with_overrides
from acgan.data.images import ImageShape
from acgan.errors import UsageError
from acgan.networks.conv_generators import DeconvConfig, UpsampleConvConfig
from acgan.networks.conv_stack import ConvStackConfig
from acgan.networks.mlp import MLPDiscriminatorConfig, MLPGeneratorConfig
from acgan.networks.resnet import ResnetDiscriminatorConfig, ResnetGeneratorConfig
from acgan.objectives.acgan import ACGANConfig
from acgan.recipes.recipe import DEFAULTS, Recipe, choose, load_recipe, recipe_names
from acgan.runs.config import RunConfig

SYSTEMS = (
    "acgan-mnist-32",
    "acgan-mnist-28",
    "acgan-folder-64",
    "acgan-cifar10",
    "acgan-paper-cifar10",
    "acgan-paper-128",
)
GRAY, COLOR = ImageShape(1, 28, 28), ImageShape(3, 32, 32)
FAMILY = {
    "adc-gray": GRAY,
    "cgan-gray": GRAY,
    "gan-gray": GRAY,
    "projection-gray": GRAY,
    "reacgan-gray": GRAY,
    "tac-gray": GRAY,
    "adc-color": COLOR,
    "cgan-color": COLOR,
    "gan-color": COLOR,
    "projection-color": COLOR,
    "reacgan-color": COLOR,
    "tac-color": COLOR,
}
"""Another objective on a default's networks, at the default's rates."""
BROKEN = (
    "broken-double-softmax",
    "broken-fast-discriminator",
    "broken-no-class-term",
    "broken-uniform-fakes",
)
SHAPES = {
    **dict.fromkeys(BROKEN, GRAY),
    "small-gray": ImageShape(1, 28, 28),
    "small-color": ImageShape(3, 32, 32),
    "medium": ImageShape(3, 64, 64),
    "large": ImageShape(3, 128, 128),
    "texture-128": ImageShape(3, 128, 128),
    **FAMILY,
    "acgan-mod-color": COLOR,
    "gan-mnist": ImageShape(1, 28, 28),
    "cgan-mnist": ImageShape(1, 28, 28),
    "sgan-mnist": ImageShape(1, 28, 28),
    "resnet-32": ImageShape(3, 32, 32),
    "resnet-64": ImageShape(3, 64, 64),
    "resnet-128": ImageShape(3, 128, 128),
    "pretrained-color": ImageShape(3, 32, 32),
    "acgan-mnist-32": ImageShape(1, 32, 32),
    "acgan-mnist-28": ImageShape(1, 28, 28),
    "acgan-folder-64": ImageShape(3, 64, 64),
    "acgan-cifar10": ImageShape(3, 32, 32),
    "acgan-paper-cifar10": ImageShape(3, 32, 32),
    "acgan-paper-128": ImageShape(3, 128, 128),
}


def config_of(recipe: Recipe) -> RunConfig:
    return RunConfig.model_validate({"recipe": recipe.name, **recipe.values})


def test_every_recipe_is_known_here() -> None:
    """So that a new recipe is tested."""
    assert set(recipe_names()) == set(SHAPES)
    assert recipe_names()[: len(DEFAULTS)] == DEFAULTS
    assert recipe_names()[-len(BROKEN) :] == BROKEN


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_recipe_is_complete_and_builds_networks_with_its_heads(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.summary
    assert recipe.expectation
    assert len(recipe.header.splitlines()) >= 3
    config, shape = config_of(recipe), SHAPES[name]
    torch.manual_seed(0)
    generator = config.generator.build(shape, 4)
    heads = config.objective.build().heads
    discriminator = config.discriminator.build(shape, 4, heads)
    latents = torch.zeros(2, generator.latent_size)
    with torch.no_grad():
        images = generator.eval()(latents, torch.tensor([0, 3]))
        answer = discriminator.eval()(images, torch.tensor([0, 3]))
    assert images.shape == (2, *shape)
    assert answer.source_logits.shape == (2,)
    if answer.class_logits is not None:
        assert answer.class_logits.shape == (2, 4)
    assert config.data.image_size in (None, (shape.height, shape.width))


@pytest.mark.parametrize("name", SYSTEMS)
def test_systems_list_their_deviations_and_class_both_real_and_fake(name: str) -> None:
    recipe = load_recipe(name)
    assert any("softmax" in deviation for deviation in recipe.deviations)
    objective = config_of(recipe).objective
    assert isinstance(objective, ACGANConfig)
    weights = (
        objective.class_weight_real,
        objective.class_weight_fake,
        objective.class_weight_generator,
    )
    assert weights == (1.0, 1.0, 1.0)
    assert objective.source_loss == "bce"


@pytest.mark.parametrize(
    ("name", "generator", "discriminator"),
    [
        # layer by layer, ten classes; biases that a norm subtracts, or that come twice, left out
        (
            "gan-mnist",
            129 * 256 + 257 * 512 + 513 * 1024 + 1025 * 784,
            785 * 512 + 513 * 256 + 257,
        ),
        (
            "cgan-mnist",
            139 * 256 + 257 * 512 + 513 * 1024 + 1025 * 784,
            795 * 512 + 513 * 256 + 257,
        ),
        (
            "sgan-mnist",
            (65 * 6272 + 256) + (128 * 64 * 16 + 128) + (64 * 64 * 9 + 128) + 4 * (64 * 9 + 1),
            (4 * 32 * 9 + 32) + (32 * 64 * 16 + 128) + (64 * 128 * 9 + 128) + 11 * 6273,
        ),
        (
            "acgan-paper-128",
            111 * 12_288
            + 25 * (768 * 384 + 384 * 256 + 256 * 192 + 192 * 96)
            + 2 * (384 + 256 + 192 + 96)
            + (25 * 96 * 3 + 3),
            448 + 4_608 + 18_432 + 73_728 + 294_912 + 1_179_648 + 1_984 + 11 * 131_073,
        ),
        (  # G's blocks: convolutions, shortcut, a bias, two tables; D's: the first, one that
            # halves and two that do not; its heads
            "resnet-32",
            129 * 2_048 + 3 * (19 * 128**2 + 128 + 2 * 10 * 256) + 256 + (9 * 128 * 3 + 3),
            (9 * (3 * 64 + 64 * 64) + 2 * 64 + 3 * 64)
            + (9 * (64 * 64 + 64 * 128) + 64 + 128 + 64 * 128)
            + 2 * (18 * 128**2 + 2 * 128)
            + 11 * 128
            + 1,
        ),
    ],
)
def test_parameters_counted_by_hand(name: str, generator: int, discriminator: int) -> None:
    config, shape = config_of(load_recipe(name)), SHAPES[name]
    heads = config.objective.build().heads
    networks = (
        config.generator.build(shape, 10),
        config.discriminator.build(shape, 10, heads),
    )
    counts = [sum(p.numel() for p in network.parameters()) for network in networks]
    assert counts == [generator, discriminator]


@pytest.mark.parametrize("name", SYSTEMS)
def test_systems_have_the_recorded_optimizer(name: str) -> None:
    optimizer = config_of(load_recipe(name)).optimizer
    assert optimizer.generator_lr == optimizer.discriminator_lr == 2e-4
    assert (optimizer.beta1, optimizer.beta2) == (0.5, 0.999)
    assert optimizer.schedule == "constant"


@pytest.mark.parametrize(("name", "size"), [("acgan-mnist-32", 32), ("acgan-mnist-28", 28)])
def test_tutorial_systems(name: str, size: int) -> None:
    config = config_of(load_recipe(name))
    assert isinstance(config.generator, UpsampleConvConfig)
    assert config.generator.widths == (128, 128, 64)
    assert config.generator.conditioning.mode == "multiply"
    assert isinstance(config.discriminator, ConvStackConfig)
    assert [layer.width for layer in config.discriminator.layers] == [16, 32, 64, 128]
    assert config.discriminator.dropout == 0.25
    assert config.discriminator.dropout_unit == "channels"
    assert config.data.image_size == (size, size)
    assert config.training.batch_size == 64
    assert config.training.generator_batch == "shared"
    assert config.generator.batch_norm.gain_std == (0.02 if size == 28 else 0.0)
    assert config.generator.batch_norm.eps == 1e-5


def test_folder_system() -> None:
    config = config_of(load_recipe("acgan-folder-64"))
    assert isinstance(config.generator, DeconvConfig)
    assert config.generator.widths == (1024, 512, 256, 128)
    assert (config.generator.kernel, config.generator.to_image) == (4, "deconv")
    assert isinstance(config.discriminator, ConvStackConfig)
    layers = config.discriminator.layers
    assert [(layer.width, layer.kernel, layer.stride) for layer in layers] == [
        (width, 4, 2) for width in (128, 256, 512, 1024)
    ]
    assert [layer.norm for layer in layers] == [False, True, True, True]
    assert config.discriminator.dropout == 0
    assert config.training.fake_labels == "batch"
    assert config.training.batch_size == 64


@pytest.mark.parametrize("name", ["acgan-cifar10", "acgan-paper-cifar10", "acgan-paper-128"])
def test_the_papers_systems_have_its_tables(name: str) -> None:
    config = config_of(load_recipe(name))
    assert isinstance(config.generator, DeconvConfig)
    assert isinstance(config.discriminator, ConvStackConfig)
    tables = {"acgan-paper-128": (768, 384, 256, 192, 96)}  # the last of them is ours
    assert config.generator.widths == tables.get(name, (384, 192, 96))
    assert config.generator.kernel == 5
    assert not config.generator.start_norm
    assert config.generator.conditioning.mode == "one-hot"
    layers = config.discriminator.layers
    assert [layer.width for layer in layers] == [16, 32, 64, 128, 256, 512]
    assert [layer.stride for layer in layers] == [2, 1, 2, 1, 2, 1]
    assert config.discriminator.dropout == 0.5
    assert config.training.batch_size == 100
    if name == "acgan-cifar10":
        assert config.training.total_epochs == 100
        assert config.discriminator.activation_noise == 0
    else:
        assert config.training.total_images == 50_000 * 100
        assert config.discriminator.activation_noise == 0.1


def test_systems_1_and_2_are_fully_connected_with_soft_targets() -> None:
    gan, cgan = (config_of(load_recipe(f"{name}-mnist")) for name in ("gan", "cgan"))
    for config in (gan, cgan):
        assert isinstance(config.generator, MLPGeneratorConfig)
        assert isinstance(config.discriminator, MLPDiscriminatorConfig)
        assert config.generator.latent_size == 128
        assert config.discriminator.dropout > 0
        assert (config.objective.real_target, config.objective.fake_target) == (0.98, 0.02)
        optimizer = config.optimizer
        assert (optimizer.generator_lr, optimizer.discriminator_lr) == (2e-4, 2e-4)
        assert (optimizer.beta1, optimizer.beta2) == (0.9, 0.999)
        assert config.training.generator_batch == "fresh"
    assert (gan.objective.name, gan.generator.conditioning.mode) == ("gan", "none")
    assert (cgan.objective.name, cgan.generator.conditioning.mode) == ("cgan", "one-hot")
    assert cgan.objective.build().heads.source == "joined"


def test_system_3_knows_one_class_more_and_its_generator_none() -> None:
    config = config_of(load_recipe("sgan-mnist"))
    assert config.generator.conditioning.mode == "none"
    assert config.objective.build().heads.classes == "k-plus-one"


@pytest.mark.parametrize("size", [32, 64, 128])
def test_residual_recipes_are_sngans_with_a_projection(size: int) -> None:
    config = config_of(load_recipe(f"resnet-{size}"))
    assert isinstance(config.generator, ResnetGeneratorConfig)
    assert isinstance(config.discriminator, ResnetDiscriminatorConfig)
    assert size // 2**config.generator.doublings == 4
    assert size // 2**config.discriminator.halvings == (8 if size == 32 else 4)
    assert config.discriminator.spectral_norm
    assert not config.generator.spectral_norm
    assert (config.objective.name, config.objective.source_loss) == ("projection", "hinge")
    assert (config.optimizer.beta1, config.optimizer.beta2) == (0.0, 0.9)
    assert config.training.discriminator_steps == 5
    attention = (32,) if size == 128 else ()
    assert config.generator.attention_at == config.discriminator.attention_at == attention


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults_are_acgans_with_an_honest_class_head(name: str) -> None:
    config = config_of(load_recipe(name))
    assert isinstance(config.objective, ACGANConfig)
    assert config.objective.class_weight_real > 0
    assert config.objective.class_weight_generator > 0
    assert config.objective.class_weight_fake == 0
    assert config.training.fake_labels == "frequency"


@pytest.mark.parametrize("name", FAMILY)
def test_a_recipe_of_another_objective_differs_in_the_objective_alone(name: str) -> None:
    objective, kind = name.split("-")
    default, other = load_recipe(f"small-{kind}").values, load_recipe(name).values
    differing = {key for key in default if default[key] != other[key]}
    if objective == "gan":  # and G is asked for no class
        assert differing == {"objective", "generator"}
        asked = {**other["generator"], "conditioning": default["generator"]["conditioning"]}
        assert asked == default["generator"]
    else:
        assert differing == {"objective"}
    assert default.keys() == other.keys()
    assert config_of(load_recipe(name)).objective.name == objective


def test_acgan_mod_is_the_default_with_hinge_and_spectral_norm() -> None:
    default, other = load_recipe("small-color").values, load_recipe("acgan-mod-color").values
    differing = {key for key in default if default[key] != other[key]}
    assert differing == {"objective", "discriminator"}
    config = config_of(load_recipe("acgan-mod-color"))
    assert isinstance(config.objective, ACGANConfig)
    assert (config.objective.source_loss, config.objective.class_weight_fake) == ("hinge", 0)
    discriminator = dict(other["discriminator"])
    assert discriminator.pop("spectral_norm")
    for layer, before in zip(
        discriminator["layers"], default["discriminator"]["layers"], strict=True
    ):
        assert layer == {**before, "norm": False}
    assert discriminator == {**default["discriminator"], "layers": discriminator["layers"]}
    assert config.training.ema_half_life_images > 0


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_broken_on_purpose_says_so_and_how_to_mend_it(name: str) -> None:
    recipe = load_recipe(name)
    assert (recipe.alarm is not None) == (recipe.fix is not None) == (name in BROKEN)
    if recipe.fix is not None:
        assert recipe.header.startswith("Broken on purpose: ")
        broken = {"recipe": name, **recipe.values}
        fixed = with_overrides(broken, [recipe.fix])
        assert RunConfig.model_validate(fixed) != RunConfig.model_validate(broken)


def test_texture_128_has_larges_networks_and_rates() -> None:
    texture, large = (load_recipe(name).values for name in ("texture-128", "large"))
    for section in ("generator", "discriminator", "objective", "optimizer"):
        assert texture[section] == large[section]


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        (ImageShape(1, 28, 28), "small-gray"),
        (ImageShape(1, 32, 32), "small-gray"),
        (ImageShape(1, 28, 56), "small-gray"),  # mnist-pairs: no larger than 40×40
        (ImageShape(1, 32, 64), "medium"),
        (ImageShape(3, 32, 32), "small-color"),
        (ImageShape(3, 28, 28), "small-color"),
        (ImageShape(3, 48, 64), "medium"),
        (ImageShape(1, 64, 64), "medium"),
        (ImageShape(3, 128, 128), "large"),
    ],
)
def test_the_default_follows_the_shape(shape: ImageShape, name: str) -> None:
    assert choose(shape, 10_000).name == name


def test_an_impossible_size_is_refused_with_sizes_that_work() -> None:
    with pytest.raises(UsageError, match="28×28"):
        choose(ImageShape(1, 30, 30), 10_000)


def test_small_sets_are_not_gone_over_without_end() -> None:
    shape = ImageShape(1, 28, 28)
    budgets = [choose(shape, count).values["training"]["total_images"] for count in (3_000, 4_000)]
    assert budgets == [100_000, 120_000]
    full = load_recipe("small-gray").values["training"]["total_images"]
    assert choose(shape, 54_000).values["training"]["total_images"] == full
    assert np.all(np.diff([*budgets, full]) > 0)


@pytest.mark.parametrize("conditional", [True, False])
def test_few_images_are_shown_to_d_shifted_and_may_be_gone_over_often(conditional: bool) -> None:
    shape, full = ImageShape(1, 28, 28), load_recipe("small-gray").values
    few = choose(shape, 1_999, conditional=conditional)
    assert few.values["augmentation"] == {"policy": ["translation"]}
    assert few.values["training"] == full["training"]
    assert "augmentation" not in choose(shape, 2_000, conditional=conditional).values
    assert "augmentation" not in full, "of the recipe by its name nothing has changed"


def test_a_recipe_that_changes_images_anyway_keeps_its_ways() -> None:
    few = choose(ImageShape(3, 32, 32), 500)
    assert few.values["augmentation"] == load_recipe("small-color").values["augmentation"]
    assert few.values["training"]["total_images"] == 100_000


def test_an_unknown_recipe_gets_a_hint() -> None:
    with pytest.raises(UsageError, match="did you mean 'small-gray'"):
        load_recipe("smal-gray")


@pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 32), (3, 64), (3, 128)])
def test_every_default_has_a_form_without_classes(channels: int, side: int) -> None:
    shape = ImageShape(channels, side, side)
    told, alone = (choose(shape, 10_000, conditional=each) for each in (True, False))
    assert alone.name == told.name
    assert "without classes" in alone.summary
    with_classes, config = config_of(told), config_of(alone)
    assert with_classes.objective.conditional
    assert (config.objective.name, config.generator.conditioning.mode) == ("gan", "none")
    assert config.discriminator == with_classes.discriminator
    assert (config.optimizer, config.training) == (with_classes.optimizer, with_classes.training)
    generators = (config.generator, with_classes.generator)
    first, second = (each.model_dump(exclude={"conditioning"}) for each in generators)
    assert first == second


@pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 32), (3, 64), (3, 128)])
def test_every_default_can_learn_with_part_of_the_labels(channels: int, side: int) -> None:
    """D is then not given the label; whatever else there is stays."""
    shape = ImageShape(channels, side, side)
    all_of_them, some = (choose(shape, 10_000, all_labeled=each) for each in (True, False))
    usual = config_of(all_of_them)
    values = {**some.values, "recipe": some.name, "data": {"labeled_per_class": 10}}
    config = RunConfig.model_validate(values)
    assert config.objective.takes_unlabeled
    changed = config.model_dump(exclude={"objective", "data"})
    assert changed == usual.model_dump(exclude={"objective", "data"})
    if usual.objective.takes_unlabeled:
        assert some == all_of_them
