from __future__ import annotations

import numpy as np
import pytest
import torch

from acgan.data.images import ImageShape
from acgan.errors import UsageError
from acgan.networks.build import build_discriminator, build_generator
from acgan.networks.deconv import DeconvConfig
from acgan.networks.interface import Heads
from acgan.networks.upsample_conv import UpsampleConvConfig
from acgan.objectives.acgan import ACGANConfig
from acgan.recipes import DEFAULTS, Recipe, choose, load_recipe, recipe_names
from acgan.run_config import RunConfig

SYSTEMS = ("acgan-mnist-32", "acgan-mnist-28", "acgan-folder-64", "acgan-cifar10")
SHAPES = {
    "small-grey": ImageShape(1, 28, 28),
    "small-colour": ImageShape(3, 32, 32),
    "medium": ImageShape(3, 64, 64),
    "large": ImageShape(3, 128, 128),
    "adc-grey": ImageShape(1, 28, 28),
    "projection-grey": ImageShape(1, 28, 28),
    "pretrained-colour": ImageShape(3, 32, 32),
    "acgan-mnist-32": ImageShape(1, 32, 32),
    "acgan-mnist-28": ImageShape(1, 28, 28),
    "acgan-folder-64": ImageShape(3, 64, 64),
    "acgan-cifar10": ImageShape(3, 32, 32),
}


def config_of(recipe: Recipe) -> RunConfig:
    return RunConfig.model_validate({"recipe": recipe.name, **recipe.values})


def test_every_recipe_is_known_here() -> None:
    """So that a new recipe is tested."""
    assert set(recipe_names()) == set(SHAPES)
    assert recipe_names()[: len(DEFAULTS)] == DEFAULTS


@pytest.mark.parametrize("name", SHAPES)
def test_recipe_is_complete_and_builds_networks_with_both_heads(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.summary
    assert recipe.expectation
    assert len(recipe.header.splitlines()) >= 3
    config, shape = config_of(recipe), SHAPES[name]
    torch.manual_seed(0)
    generator = build_generator(config.generator, shape, 4)
    discriminator = build_discriminator(config.discriminator, shape, 4, Heads())
    latents = torch.zeros(2, generator.latent_size)
    with torch.no_grad():
        images = generator.eval()(latents, torch.tensor([0, 3]))
        answer = discriminator.eval()(images)
    assert images.shape == (2, *shape)
    assert answer.class_logits is not None
    assert answer.class_logits.shape == (2, 4)


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


@pytest.mark.parametrize("name", SYSTEMS)
def test_systems_have_the_recorded_optimizer(name: str) -> None:
    optimizer = config_of(load_recipe(name)).optimizer
    assert optimizer.generator_rate == optimizer.discriminator_rate == 2e-4
    assert (optimizer.beta1, optimizer.beta2) == (0.5, 0.999)
    assert optimizer.schedule == "constant"


@pytest.mark.parametrize(("name", "size"), [("acgan-mnist-32", 32), ("acgan-mnist-28", 28)])
def test_tutorial_systems(name: str, size: int) -> None:
    config = config_of(load_recipe(name))
    assert isinstance(config.generator, UpsampleConvConfig)
    assert config.generator.widths == (128, 128, 64)
    assert config.generator.conditioning.mode == "multiply"
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
    layers = config.discriminator.layers
    assert [(layer.width, layer.kernel, layer.stride) for layer in layers] == [
        (width, 4, 2) for width in (128, 256, 512, 1024)
    ]
    assert [layer.norm for layer in layers] == [False, True, True, True]
    assert config.discriminator.dropout == 0
    assert config.training.fake_labels == "batch"
    assert config.training.batch_size == 64


def test_cifar_system_has_the_papers_tables() -> None:
    config = config_of(load_recipe("acgan-cifar10"))
    assert isinstance(config.generator, DeconvConfig)
    assert config.generator.widths == (384, 192, 96)
    assert config.generator.kernel == 5
    assert not config.generator.start_norm
    assert config.generator.conditioning.mode == "one-hot"
    layers = config.discriminator.layers
    assert [layer.width for layer in layers] == [16, 32, 64, 128, 256, 512]
    assert [layer.stride for layer in layers] == [2, 1, 2, 1, 2, 1]
    assert config.discriminator.dropout == 0.5
    assert config.training.batch_size == 100
    assert config.training.total_epochs == 100


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults_are_acgans_with_an_honest_class_head(name: str) -> None:
    config = config_of(load_recipe(name))
    assert isinstance(config.objective, ACGANConfig)
    assert config.objective.class_weight_real > 0
    assert config.objective.class_weight_generator > 0
    assert config.objective.class_weight_fake == 0
    assert config.training.fake_labels == "frequency"


@pytest.mark.parametrize("name", ["adc", "projection"])
def test_a_grey_recipe_of_another_objective_differs_in_the_objective_alone(name: str) -> None:
    default, other = load_recipe("small-grey").values, load_recipe(f"{name}-grey").values
    assert {key for key in default if default[key] != other[key]} == {"objective"}
    assert default.keys() == other.keys()
    assert config_of(load_recipe(f"{name}-grey")).objective.name == name


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        (ImageShape(1, 28, 28), "small-grey"),
        (ImageShape(1, 32, 32), "small-grey"),
        (ImageShape(3, 32, 32), "small-colour"),
        (ImageShape(3, 28, 28), "small-colour"),
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
    budgets = [choose(shape, count).values["training"]["total_images"] for count in (500, 4_000)]
    assert budgets == [100_000, 120_000]
    full = load_recipe("small-grey").values["training"]["total_images"]
    assert choose(shape, 54_000).values["training"]["total_images"] == full
    assert np.all(np.diff([*budgets, full]) > 0)


def test_an_unknown_recipe_gets_a_hint() -> None:
    with pytest.raises(UsageError, match="did you mean 'small-grey'"):
        load_recipe("smal-grey")
