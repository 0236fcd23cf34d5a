"""The fully connected networks against naive lines, and what they refuse."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from acgan.config import validate
from acgan.data.images import ImageShape
from acgan.errors import UsageError
from acgan.networks.conditioning import ConditioningConfig
from acgan.networks.interface import Heads
from acgan.networks.mlp import (
    MLPDiscriminator,
    MLPDiscriminatorConfig,
    MLPGenerator,
    MLPGeneratorConfig,
)

torch.set_num_threads(1)

SHAPE = ImageShape(2, 3, 5)
LABELS = torch.tensor([1, 0, 2, 2, 0])


def linears(network: nn.Module) -> list[nn.Linear]:
    return [m for n, m in network.named_modules() if isinstance(m, nn.Linear) and "head" not in n]


def naive(rows: Tensor, layer: nn.Linear) -> Tensor:
    product = rows @ layer.weight.T
    return product if layer.bias is None else product + layer.bias


def leaky(rows: Tensor, leak: float) -> Tensor:
    return torch.where(rows > 0, rows, leak * rows)


@pytest.mark.parametrize("activation", ["relu", "leaky-relu"])
def test_a_generator_is_its_naive_lines(activation: str) -> None:
    torch.manual_seed(0)
    config = MLPGeneratorConfig.model_validate(
        {"latent_size": 4, "widths": [7, 6], "activation": activation, "leak": 0.1}
    )
    network = MLPGenerator(config, SHAPE, 3).double()
    latents = torch.randn(5, 4, dtype=torch.float64)
    rows = torch.cat([latents, torch.eye(3, dtype=torch.float64)[LABELS]], dim=1)
    *hidden, last = linears(network)
    for layer in hidden:
        rows = leaky(naive(rows, layer), 0.1 if activation == "leaky-relu" else 0.0)
    pixels = naive(rows, last).tanh()
    images = network(latents, LABELS)
    for n in range(5):
        for c in range(2):
            for y in range(3):
                for x in range(5):
                    expected = pixels[n, (y * 5 + x) * 2 + c].item()
                    assert images[n, c, y, x].item() == pytest.approx(expected, rel=1e-12)


def test_norms_are_over_the_batch_for_each_number_and_may_carry_the_label() -> None:
    torch.manual_seed(0)
    config = MLPGeneratorConfig(
        latent_size=4, widths=(7,), norm=True, conditioning=ConditioningConfig(mode="batchnorm")
    )
    network = MLPGenerator(config, SHAPE, 3).double()
    latents = torch.randn(5, 4, dtype=torch.float64)
    first, last = linears(network)
    assert {name for name, _ in first.named_parameters()} == {"weight"}
    rows = naive(latents, first)
    rows = (rows - rows.mean(0)) / (rows.var(0, correction=0) + 1e-5).sqrt()
    table = next(m for m in network.modules() if isinstance(m, nn.Embedding)).weight
    gain, bias = table[LABELS].chunk(2, dim=1)
    pixels = naive(leaky(rows * (1 + gain) + bias, 0.2), last).tanh()
    expected = pixels.view(5, 3, 5, 2).permute(0, 3, 1, 2)
    torch.testing.assert_close(network(latents, LABELS), expected)


def test_a_discriminator_is_its_naive_lines_and_undoes_the_order_of_pixels() -> None:
    torch.manual_seed(0)
    config = MLPDiscriminatorConfig(widths=(7, 6), dropout=0.4, leak=0.1)
    network = MLPDiscriminator(config, SHAPE, 3, Heads("joined", "none")).double().eval()
    images = torch.randn(5, *SHAPE, dtype=torch.float64)
    rows = images.permute(0, 2, 3, 1).reshape(5, -1)
    rows = torch.cat([rows, torch.eye(3, dtype=torch.float64)[LABELS]], dim=1)
    for layer in linears(network):
        rows = leaky(naive(rows, layer), 0.1)
    answer = network(images, LABELS)
    torch.testing.assert_close(answer.features, rows)
    head = network.heads.source_head
    assert head is not None
    torch.testing.assert_close(answer.source_logits, naive(rows, head).squeeze(1))
    for layout in (torch.contiguous_format, torch.channels_last):
        again = network(images.contiguous(memory_format=layout), LABELS)
        assert torch.equal(again.features, answer.features)


def test_dropout_is_of_the_stated_share() -> None:
    torch.manual_seed(0)
    config = MLPDiscriminatorConfig(widths=(4000,), dropout=0.4)
    network = MLPDiscriminator(config, SHAPE, 3, Heads())
    features = network(torch.randn(8, *SHAPE)).features
    assert (features == 0).float().mean().item() == pytest.approx(0.4, abs=0.01)


def test_labels_by_batch_norm_without_batch_norms_are_refused_with_what_to_do() -> None:
    values = {"conditioning": {"mode": "batchnorm"}}
    with pytest.raises(UsageError, match=r"set generator\.norm=true, or choose another mode"):
        validate(MLPGeneratorConfig, values, where="test")
    assert validate(MLPGeneratorConfig, {**values, "norm": True}, where="test").norm
    without: dict[str, dict[str, object]] = {
        "conditioning": {"mode": "one-hot", "latents_in_norms": True}
    }
    with pytest.raises(UsageError, match=r"latents_in_norms needs batch norms: set"):
        validate(MLPGeneratorConfig, without, where="test")
