"""Every objective, with its heads, against float64 references written from the formulas.

The references are plain numpy on features, weights and labels; their gradients are differences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from acgan.networks.heads import LinearHeads
from acgan.objectives.acgan import ACGANConfig
from acgan.objectives.adc import ADCConfig
from acgan.objectives.build import ObjectiveConfig
from acgan.objectives.interface import Objective, Terms
from acgan.objectives.projection import ProjectionConfig

Array = npt.NDArray[np.float64]
Arrays = Mapping[str, Array]

COUNT, FEATURES, CLASSES = 6, 3, 4
REAL_LABELS, FAKE_LABELS = np.array([0, 1, 2, 3, 1, 0]), np.array([3, 0, 0, 2, 3, 1])

OBJECTIVES: dict[str, ObjectiveConfig] = {
    "acgan": ACGANConfig(class_weight_real=0.7, class_weight_fake=0.3, class_weight_generator=1.3),
    "acgan, smoothed": ACGANConfig(real_target=0.9, fake_target=0.05),
    "acgan, hinge": ACGANConfig(source_loss="hinge"),
    "acgan, projection": ACGANConfig(source_head="projection", class_weight_generator=0.4),
    "projection": ProjectionConfig(),
    "projection, hinge": ProjectionConfig(source_loss="hinge"),
    "projection, smoothed": ProjectionConfig(source_loss="least-squares", real_target=0.9),
    "adc": ADCConfig(),
    "adc, weighted": ADCConfig(
        class_weight_real=0.7, class_weight_fake=0.3, class_weight_generator=1.3
    ),
    "adc, hinge": ADCConfig(source_loss="hinge", class_weight_generator=0.5),
}


@pytest.fixture(params=OBJECTIVES)
def config(request: pytest.FixtureRequest) -> ObjectiveConfig:
    return OBJECTIVES[request.param]


@pytest.fixture
def labels() -> tuple[Tensor, Tensor]:
    """Of the six real images and of the six fakes: four classes."""
    return torch.from_numpy(REAL_LABELS), torch.from_numpy(FAKE_LABELS)


def source_losses(config: ObjectiveConfig, real: Array, fake: Array) -> tuple[float, float]:
    """D's and G's source loss, by docs/objective.md's table."""
    t_r, t_f = config.real_target, config.fake_target
    if config.source_loss == "hinge":
        d = np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean()
        return float(d), float(-fake.mean())
    if config.source_loss == "least-squares":
        d = ((real - t_r) ** 2).mean() / 2 + ((fake - t_f) ** 2).mean() / 2
        return float(d), float(((fake - 1) ** 2).mean() / 2)
    p_r, p_f = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
    d = -(t_r * np.log(p_r) + (1 - t_r) * np.log(1 - p_r)).mean()
    d -= (t_f * np.log(p_f) + (1 - t_f) * np.log(1 - p_f)).mean()
    return float(d), float(-np.log(p_f).mean())


def cross_entropy(logits: Array, columns: npt.NDArray[np.int64]) -> float:
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return float(-np.log(chances[np.arange(len(columns)), columns]).mean())


def reference(config: ObjectiveConfig, world: Arrays) -> tuple[float, float]:
    """What D and what G minimises, by the formulas of the papers."""
    real, fake, y, fake_y = world["real"], world["fake"], REAL_LABELS, FAKE_LABELS
    s_real = real @ world["source_head.weight"][0] + world["source_head.bias"]
    s_fake = fake @ world["source_head.weight"][0] + world["source_head.bias"]
    if isinstance(config, ProjectionConfig) or (
        isinstance(config, ACGANConfig) and config.source_head == "projection"
    ):  # Miyato & Koyama 2018, eq. 3
        s_real = s_real + np.einsum("nf,nf->n", world["projection_head.weight"][y], real)
        s_fake = s_fake + np.einsum("nf,nf->n", world["projection_head.weight"][fake_y], fake)
    d, g = source_losses(config, s_real, s_fake)
    if isinstance(config, ProjectionConfig):
        return d, g
    c_real = real @ world["class_head.weight"].T + world["class_head.bias"]
    c_fake = fake @ world["class_head.weight"].T + world["class_head.bias"]
    if isinstance(config, ACGANConfig):  # Odena et al. 2017, eq. 3
        d += config.class_weight_real * cross_entropy(c_real, y)
        d += config.class_weight_fake * cross_entropy(c_fake, fake_y)
        g += config.class_weight_generator * cross_entropy(c_fake, fake_y)
    else:  # Hou et al. 2022
        d += config.class_weight_real * cross_entropy(c_real, 2 * y)
        d += config.class_weight_fake * cross_entropy(c_fake, 2 * fake_y + 1)
        g += config.class_weight_generator * cross_entropy(c_fake, 2 * fake_y)
        g -= config.class_weight_generator * cross_entropy(c_fake, 2 * fake_y + 1)
    return d, g


def differences(config: ObjectiveConfig, world: Arrays) -> dict[str, tuple[Array, Array]]:
    """Gradients of the reference's D and G losses by each array of the world."""
    found, h = {}, 1e-6
    for name, array in world.items():
        gradients = (np.zeros_like(array), np.zeros_like(array))
        for index in np.ndindex(*array.shape):
            values = []
            for sign in (1, -1):
                moved = array.copy()
                moved[index] += sign * h
                values.append(reference(config, {**world, name: moved}))
            for which, gradient in enumerate(gradients):
                gradient[index] = (values[0][which] - values[1][which]) / (2 * h)
        found[name] = gradients
    return found


def a_world(objective: Objective, seed: int) -> tuple[LinearHeads, dict[str, Array]]:
    """Heads with large random weights, features of reals and of fakes, as arrays too."""
    random = np.random.default_rng(seed)
    heads = LinearHeads(objective.heads, FEATURES, CLASSES).double()
    with torch.no_grad():
        for parameter in heads.parameters():
            parameter.copy_(torch.from_numpy(random.normal(size=parameter.shape)))
    world = {name: p.detach().numpy().copy() for name, p in heads.named_parameters()}
    for name in ("real", "fake"):
        world[name] = random.normal(size=(COUNT, FEATURES))
    return heads, world


Losses = Callable[..., tuple[Tensor, Tensor]]
"""(objective, heads, features of reals and of fakes, labels of both) -> (D's loss, G's loss)."""


def losses(
    objective: Objective, heads: LinearHeads, real: Tensor, fake: Tensor, y: Tensor, fake_y: Tensor
) -> tuple[Tensor, Tensor]:
    """As the training step calls an objective."""
    return (
        total(objective.discriminator(heads(real, y), heads(fake, fake_y), y, fake_y)),
        total(objective.generator(heads(fake, fake_y), fake_y)),
    )


def total(terms: Terms) -> Tensor:
    return torch.stack(list(terms.values())).sum()


def agrees(
    config: ObjectiveConfig, objective: Objective, losses: Losses = losses, seed: int = 0
) -> None:
    """Values and every gradient of ``losses`` are the reference's."""
    heads, world = a_world(objective, seed)
    leaves = dict(heads.named_parameters())
    for name in ("real", "fake"):
        leaves[name] = nn.Parameter(torch.from_numpy(world[name]))
    labels = (torch.from_numpy(REAL_LABELS), torch.from_numpy(FAKE_LABELS))
    ours = losses(objective, heads, leaves["real"], leaves["fake"], *labels)
    assert [loss.item() for loss in ours] == pytest.approx(reference(config, world), rel=1e-12)
    expected = differences(config, world)
    for which, loss in enumerate(ours):
        gradients = torch.autograd.grad(
            loss, list(leaves.values()), allow_unused=True, materialize_grads=True
        )
        for name, gradient in zip(leaves, gradients, strict=True):
            np.testing.assert_allclose(gradient, expected[name][which], rtol=1e-6, atol=1e-8)


@pytest.fixture
def world() -> Callable[[Objective, int], tuple[LinearHeads, dict[str, Array]]]:
    return a_world


@pytest.fixture
def right() -> Losses:
    return losses


@pytest.fixture
def compare() -> Callable[..., None]:
    return agrees
