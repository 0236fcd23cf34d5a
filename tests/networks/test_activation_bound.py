from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from acgan.data.images import ImageShape
from acgan.networks.activation_bound import activation_bound
from acgan.networks.build import build_generator
from acgan.networks.conditioning import ConditioningConfig
from acgan.networks.deconv import DeconvConfig
from acgan.networks.interface import Generator

torch.set_num_threads(1)

LARGEST = 3.0


def generator(mode: str = "batchnorm", *, latents_in_norms: bool = False) -> Generator:
    """With weights, statistics and embeddings of either sign."""
    torch.manual_seed(0)
    config = DeconvConfig(
        latent_size=8,
        widths=(8, 6, 4),
        conditioning=ConditioningConfig.model_validate(
            {"mode": mode, "embedding_std": 2.0, "latents_in_norms": latents_in_norms}
        ),
    )
    network = build_generator(config, ImageShape(1, 8, 8), 3)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.get_buffer("running_mean").normal_()
                module.get_buffer("running_var").uniform_(0.5, 2)
            elif isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
                for parameter in module.parameters():
                    parameter.normal_(0, 0.2)
    return network.eval().requires_grad_(False)


@pytest.mark.parametrize("mode", ["batchnorm", "concatenate", "multiply"])
@pytest.mark.parametrize("latents_in_norms", [False, True])
def test_nothing_inside_is_larger(mode: str, latents_in_norms: bool) -> None:
    network = generator(mode, latents_in_norms=latents_in_norms)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    bound = activation_bound(network, LARGEST)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    largest = []

    def note(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        largest.append(output.abs().max().item())

    for module in network.modules():
        if not isinstance(module, nn.ModuleList):
            module.register_forward_hook(note)
    for label in range(3):
        signs = torch.randn(500, 8).sign() * LARGEST
        network(signs, torch.full((500,), label))
    assert max(largest) <= bound < 1e4 * max(largest)


def test_one_layer_alone_attains_it() -> None:
    """By hand: the first layer's bound is its largest row sum, and later layers have none."""
    network = generator("multiply")
    assert isinstance(network.start, nn.Linear)
    for name, parameter in network.named_parameters():
        if not name.startswith(("start", "input_conditioning")):
            parameter.zero_()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.get_buffer("running_mean").zero_()
    entry = next(network.conditioning_parameters()).abs().amax(0) * LARGEST
    rows = network.start.weight.abs() @ entry + network.start.bias.abs()
    expected = max(rows.max().item(), entry.max().item())
    assert activation_bound(network, LARGEST) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_that_are_no_numbers_have_none(value: float) -> None:
    network = generator()
    next(network.parameters()).view(-1)[0] = value
    assert activation_bound(network, LARGEST) == math.inf


def test_it_is_unknown_for_layers_of_other_kinds() -> None:
    assert activation_bound(generator("one-hot"), LARGEST) == math.inf
