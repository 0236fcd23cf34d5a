from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from acgan.networks.conditioning import ConditionalBatchNorm
from acgan.networks.layers import (
    BatchNormConfig,
    add_spectral_norm,
    flatten,
    full_precision,
    initialize,
    unflatten,
)

torch.set_num_threads(1)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(2, 6),
    st.integers(1, 4),
    st.integers(0, 3),
    st.integers(0, 2),
    st.sampled_from([1e-5, 0.8]),
    st.booleans(),
)
def test_conditional_batch_norm_is_the_naive_formula(
    count: int, channels: int, classes: int, latent_size: int, eps: float, channels_last: bool
) -> None:
    assume(classes or latent_size)
    torch.manual_seed(0)
    config = BatchNormConfig(eps=eps)
    norm = ConditionalBatchNorm(channels, config, classes=classes, latent_size=latent_size)
    labels = torch.arange(count) % classes if classes else None
    latents = torch.randn(count, max(latent_size, 1))
    x = torch.randn(count, channels, 3, 2) * 2 + 1
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    result = norm(x, labels, latents)

    naive = torch.empty(count, channels, 3, 2, dtype=torch.float64)
    for c in range(channels):
        values = x[:, c].double()
        normal = (values - values.mean()) / (values.var(correction=0) + eps).sqrt()
        for n in range(count):
            gain, bias = (_naive_entry(norm, labels, latents, n, row) for row in (c, channels + c))
            naive[n, c] = normal[n] * (1 + gain) + bias
    torch.testing.assert_close(result.double(), naive, atol=1e-5, rtol=1e-4)
    if channels_last and channels > 1:
        assert result.is_contiguous(memory_format=torch.channels_last)


def _naive_entry(
    norm: ConditionalBatchNorm, labels: Tensor | None, latents: Tensor, image: int, row: int
) -> float:
    """(E[y] + M z) of an image, one number of it."""
    total = 0.0
    if norm.embedding is not None and labels is not None:
        total += norm.embedding.weight[int(labels[image]), row].item()
    if norm.latent_layer is not None:
        weights = norm.latent_layer.weight[row].tolist()
        total += sum(w * z for w, z in zip(weights, latents[image].tolist(), strict=True))
    return total


@pytest.mark.parametrize("eps", [1e-5, 0.8])
@pytest.mark.parametrize("latent_size", [0, 7])
def test_conditional_batch_norm_in_evaluation_is_the_naive_formula(
    eps: float, latent_size: int
) -> None:
    torch.manual_seed(0)
    config = BatchNormConfig(eps=eps)
    norm = ConditionalBatchNorm(5, config, classes=3, latent_size=latent_size).double()
    for _ in range(3):
        many = torch.randn(16, 5, 3, 2, dtype=torch.float64) * 3 + 2
        norm(many, torch.arange(16) % 3, torch.randn(16, 7, dtype=torch.float64))
    mean, variance = (norm.get_buffer(f"batch_norm.running_{what}") for what in ("mean", "var"))
    assert mean.abs().min() > 0.4
    labels, x = torch.tensor([2, 0, 1, 1]), torch.randn(4, 5, 3, 2, dtype=torch.float64)
    latents = torch.randn(4, 7, dtype=torch.float64)
    assert norm.embedding is not None
    of_class = norm.embedding.weight[labels]
    latent_layer = latents @ norm.latent_layer.weight.T if norm.latent_layer else 0
    gain, bias = (of_class + latent_layer)[:, :, None, None].chunk(2, dim=1)
    normal = (x - mean[:, None, None]) / (variance[:, None, None] + eps).sqrt()
    expected = normal * (1 + gain) + bias
    torch.testing.assert_close(norm.eval()(x, labels, latents), expected)
    low = norm.float()(x.bfloat16(), labels, latents.float())
    assert low.dtype == torch.bfloat16
    torch.testing.assert_close(low.double(), expected, atol=0.05, rtol=0.02)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("classes", "latent_size"), [(2, 0), (2, 4), (0, 4)])
def test_conditional_batch_norm_keeps_bf16_and_layout(
    training: bool, classes: int, latent_size: int
) -> None:
    norm = ConditionalBatchNorm(8, BatchNormConfig(), classes=classes, latent_size=latent_size)
    x = torch.randn(4, 8, 3, 3).bfloat16().contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        result = norm.train(training)(x, torch.tensor([0, 1, 0, 1]), torch.randn(4, 4))
    assert result.dtype == torch.bfloat16
    assert result.stride() == x.stride()


def test_spectral_norm_bounds_every_weight_but_embeddings_and_norms() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Embedding(3, 4),
        nn.Linear(4, 6),
        nn.ConvTranspose2d(6, 5, 4),
        nn.Conv2d(5, 4, 3),
        nn.BatchNorm2d(4),
    )
    initialize(network, "dcgan")
    add_spectral_norm(network)
    for index in (1, 2, 3):
        layer: Any = network[index]
        for _ in range(50):
            weight = layer.weight  # each reading in training is one power iteration
        matrix = (weight.transpose(0, 1) if index == 2 else weight).flatten(1)
        assert torch.linalg.matrix_norm(matrix, 2).item() == pytest.approx(1, abs=1e-3)
    assert not hasattr(network[0], "parametrizations")
    assert not hasattr(network[4], "parametrizations")


def test_initialization_refuses_a_layer_without_a_rule() -> None:
    with pytest.raises(TypeError, match="GroupNorm"):
        initialize(nn.Sequential(nn.GroupNorm(1, 4)), "dcgan")


def test_torch_initialization_leaves_all_but_embeddings() -> None:
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Embedding(50, 40))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    initialize(network, "torch", embedding_std=0.3)
    after = network.state_dict()
    assert [n for n in after if not torch.equal(after[n], before[n])] == ["2.weight"]
    assert after["2.weight"].std().item() == pytest.approx(0.3, rel=0.1)


@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_start_maps_take_the_layout_of_the_next_layer(
    layout: torch.memory_format, spectral: bool
) -> None:
    first = nn.Conv2d(4, 5, 3)
    if spectral:
        add_spectral_norm(first)
    first = first.to(memory_format=layout)
    before = {name: buffer.clone() for name, buffer in first.named_buffers()}
    rows = torch.randn(2, 4 * 3 * 2)
    maps = unflatten(rows, (4, 3, 2), first)
    assert maps.is_contiguous(memory_format=layout)
    assert torch.equal(maps, rows.view(2, 3, 2, 4).permute(0, 3, 1, 2))
    assert torch.equal(flatten(maps), rows)
    assert all(torch.equal(buffer, before[n]) for n, buffer in first.named_buffers())


def test_full_precision_switches_autocast_off_and_knows_meta() -> None:
    linear = nn.Linear(2, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert linear(torch.ones(1, 2)).dtype == torch.bfloat16
        with full_precision(torch.device("cpu")):
            assert linear(torch.ones(1, 2)).dtype == torch.float32
    with full_precision(torch.device("meta")):
        assert linear.to("meta")(torch.ones(1, 2, device="meta")).device.type == "meta"
