"""Feature matching against its formula in float64, through a D and a G, and wrong versions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from acgan.networks.interface import DiscriminatorOutput
from acgan.objectives.build import objective_configs
from acgan.objectives.feature_matching import feature_matching, squared_distance_of_means
from acgan.objectives.gan import GANConfig
from acgan.objectives.sgan import SGANConfig

Array = npt.NDArray[np.float64]
Term = Callable[[Tensor, Tensor], Tensor]
"""Of the features of reals and of fakes."""

REALS, FAKES, PIXELS, LATENTS, FEATURES = 7, 5, 3, 2, 4


def features(pixels: Any, feature_network: Any) -> Any:
    """φ(x) = tanh(W x), of numpy arrays as of tensors."""
    product = pixels @ feature_network.T
    return torch.tanh(product) if isinstance(product, Tensor) else np.tanh(product)


def reference(real: Array, latents: Array, feature_network: Array, generator: Array) -> float:
    """‖E φ(x) − E φ(G(z))‖² (Salimans et al. 2016, §3.1), as it stands there, for a linear G."""
    total = 0.0
    for feature in range(FEATURES):
        row = feature_network[feature : feature + 1]
        mean_real = sum(features(real, row)[:, 0]) / REALS
        mean_fake = sum(features(latents @ generator.T, row)[:, 0]) / FAKES
        total += (mean_real - mean_fake) ** 2
    return total


def slope(values: Callable[[Array], float], at: Array) -> Array:
    """By central differences."""
    found = np.zeros_like(at)
    for index in np.ndindex(*at.shape):
        moved = [at.copy(), at.copy()]
        for array, sign in zip(moved, (1, -1), strict=True):
            array[index] += sign * 1e-6
        found[index] = (values(moved[0]) - values(moved[1])) / 2e-6
    return found


def agrees(term: Term, seed: int = 0) -> None:
    """Value and the gradient by G are the formula's; the trunk's is that of the fakes' side alone.

    The real side is what G is to reach, and gets no gradient.
    """
    random = np.random.default_rng(seed)
    real, latents, feature_network, generator = (
        random.normal(size=shape)
        for shape in ((REALS, PIXELS), (FAKES, LATENTS), (FEATURES, PIXELS), (PIXELS, LATENTS))
    )
    x, w, g = (
        torch.from_numpy(each).requires_grad_() for each in (real, feature_network, generator)
    )
    loss = term(features(x, w), features(torch.from_numpy(latents) @ g.T, w))
    assert loss.shape == ()
    assert loss.item() == pytest.approx(
        reference(real, latents, feature_network, generator), rel=1e-12
    )
    by_x, by_w, by_g = torch.autograd.grad(
        loss, [x, w, g], allow_unused=True, materialize_grads=True
    )
    expected = slope(lambda moved: reference(real, latents, feature_network, moved), generator)
    np.testing.assert_allclose(by_g, expected, rtol=1e-6, atol=1e-9)
    assert not by_x.any()
    goal = features(real, feature_network).mean(axis=0)
    expected = slope(
        lambda moved: float(((goal - features(latents @ generator.T, moved).mean(0)) ** 2).sum()),
        feature_network,
    )
    np.testing.assert_allclose(by_w, expected, rtol=1e-6, atol=1e-9)


def answer(rows: Tensor) -> DiscriminatorOutput:
    return DiscriminatorOutput(rows[:, 0], None, rows)


def ours(real: Tensor, fake: Tensor) -> Tensor:
    return feature_matching(answer(real), answer(fake))["features"]


@pytest.mark.parametrize("seed", range(3))
def test_value_and_gradient_are_the_formula_s(seed: int) -> None:
    agrees(ours, seed)


WRONG: dict[str, Term] = {
    "detach forgotten on the real side": squared_distance_of_means,
    "mean of squares in place of square of means": lambda r, f: (
        (r.detach()[:, None] - f[None]).square().sum(dim=2).mean()
    ),
    "squares of images in the order of the batch": lambda r, f: (
        (r.detach()[: len(f)] - f).square().sum(dim=1).mean()
    ),
    "distance, not its square": lambda r, f: (r.detach().mean(0) - f.mean(0)).norm(),
    "mean over features": lambda r, f: (r.detach().mean(0) - f.mean(0)).square().mean(),
    "sums over the batch": lambda r, f: (r.detach().sum(0) - f.sum(0)).square().sum(),
    "one mean over everything": lambda r, f: (r.detach().mean() - f.mean()).square(),
    "fakes detached": lambda r, f: squared_distance_of_means(r.detach(), f.detach() + 0 * f),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_version_is_caught(wrong: Term) -> None:
    with pytest.raises(AssertionError):
        agrees(wrong)


def test_numbers_worked_out_by_hand() -> None:
    real = torch.tensor([[0.0, 2.0], [4.0, 2.0]], dtype=torch.bfloat16)
    fake = torch.tensor([[1.0, 1.0], [0.0, 0.0], [2.0, 5.0]], dtype=torch.bfloat16)
    found = squared_distance_of_means(real, fake)  # means (2, 2) and (1, 2)
    assert found.item() == 1
    assert found.dtype == torch.float32
    assert squared_distance_of_means(real, real.flip(0)).item() == 0


@pytest.mark.parametrize("config", [GANConfig, SGANConfig])
def test_it_takes_the_place_of_g_s_source_term_alone(config: Any) -> None:
    matching = config(generator_loss="feature-matching")
    logits = torch.randn(4, 3, dtype=torch.float64)
    output = DiscriminatorOutput(torch.randn(4), logits, torch.randn(4, 2))
    labels = torch.tensor([0, 1, 2, 0])
    assert matching.build().generator(output, labels) == {}
    ours, plain = (
        each.build().discriminator(output, output, labels, labels) for each in (matching, config())
    )
    assert ours == plain
    assert matching.matches_features
    assert not config().matches_features


@pytest.mark.parametrize("name", objective_configs())
def test_who_asks_for_classes_refuses_it(name: str) -> None:
    config = objective_configs()[name]
    if not config.conditional:
        assert config.model_validate({"generator_loss": "feature-matching"}).matches_features
        return
    with pytest.raises(ValidationError, match=rf"{name} has a conditional generator.*sgan or gan"):
        config.model_validate({"generator_loss": "feature-matching"})
