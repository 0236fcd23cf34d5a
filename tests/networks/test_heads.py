"""The heads against naive loops, and what they promise inside a discriminator."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from acgan.data.images import ImageShape
from acgan.networks.build import build_discriminator, build_generator
from acgan.networks.conv_stack import ConvLayerConfig, ConvStackConfig
from acgan.networks.deconv import DeconvConfig
from acgan.networks.describe import describe_networks
from acgan.networks.heads import LinearHeads, either_of_pair
from acgan.networks.interface import ClassHead, Discriminator, Heads, SourceHead

torch.set_num_threads(1)

COUNT, FEATURES, CLASSES = 7, 5, 3  # all different, so that no axis can be taken for another
LABELS = torch.tensor([2, 0, 1, 1, 2, 0, 0])
SHAPE = ImageShape(1, 8, 8)
ALL_HEADS = [Heads(s, c) for s, c in itertools.product(get_args(SourceHead), get_args(ClassHead))]


def heads_of(kind: Heads, seed: int = 0) -> LinearHeads:
    """Heads in float64 with large random weights and biases."""
    module = LinearHeads(kind, FEATURES, CLASSES).double()
    stream = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=stream, dtype=torch.float64))
    return module


def some_features(seed: int = 1) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(COUNT, FEATURES, generator=stream, dtype=torch.float64)


def discriminator_of(
    kind: Heads, *, classes: int = CLASSES, spectral: bool = False
) -> Discriminator:
    torch.manual_seed(0)
    layer = ConvLayerConfig(width=4, kernel=4, stride=2)
    config = ConvStackConfig(layers=(layer,), spectral_norm=spectral)
    return build_discriminator(config, SHAPE, classes, kind)


def dot(a: Tensor, b: Tensor) -> float:
    return float(sum(x * y for x, y in zip(a.tolist(), b.tolist(), strict=True)))


@pytest.mark.parametrize("kind", ALL_HEADS, ids=str)
def test_every_logit_is_the_naive_line(kind: Heads) -> None:
    module, features = heads_of(kind), some_features()
    answer = module(features, LABELS)
    source, projection, classes = module.source_head, module.projection_head, module.class_head
    for n, label in enumerate(LABELS.tolist()):
        expected = dot(source.weight[0], features[n]) + source.bias.item()
        if projection is not None:
            expected += dot(projection.weight[label], features[n])
        assert answer.source_logits[n].item() == pytest.approx(expected, rel=1e-12)
    assert (projection is not None) == (kind.source == "projection")
    assert answer.features is features
    made = answer.paired_logits if kind.classes == "paired" else answer.class_logits
    assert (made is None) == (classes is None) == (kind.classes == "none")
    assert (answer.paired_logits is None) == (kind.classes != "paired")
    if made is None or classes is None:
        return
    width = 2 * CLASSES if kind.classes == "paired" else CLASSES
    assert made.shape == (COUNT, width)
    for n, k in itertools.product(range(COUNT), range(width)):
        expected = dot(classes.weight[k], features[n]) + classes.bias[k].item()
        assert made[n, k].item() == pytest.approx(expected, rel=1e-12)


def test_a_label_of_another_image_gives_another_answer() -> None:
    module, features = heads_of(Heads("projection", "none")), some_features()
    right = module(features, LABELS).source_logits
    wrong = module(features, LABELS.roll(1)).source_logits
    same = LABELS.roll(1) == LABELS
    assert torch.equal(right[same], wrong[same])
    assert not torch.isclose(right[~same], wrong[~same]).any()


def test_only_a_projection_looks_at_labels_and_it_needs_them() -> None:
    features = some_features()
    for kind in ALL_HEADS:
        module = heads_of(kind)
        if kind.source == "projection":
            with pytest.raises(ValueError, match="given classes"):
                module(features, None)
            first, second = module(features, LABELS), module(features, LABELS.roll(1))
        else:
            first, second = module(features, LABELS), module(features, None)
            assert torch.equal(first.source_logits, second.source_logits)
        if kind.classes != "none":
            assert torch.equal(first.class_logits, second.class_logits)


def test_the_source_gradients_are_the_analytic_ones() -> None:
    """∂s/∂φ = w + v_y; ∂s/∂v_k = Σ φ over the images of class k, and 0 for an absent class."""
    module, features = heads_of(Heads("projection", "none")), some_features().requires_grad_()
    labels = LABELS.clamp(max=1)
    module(features, labels).source_logits.sum().backward()
    assert module.projection_head is not None
    vectors, gradient = module.projection_head.weight, module.projection_head.weight.grad
    assert features.grad is not None
    assert gradient is not None
    torch.testing.assert_close(features.grad, module.source_head.weight + vectors[labels])
    for k in range(CLASSES):
        torch.testing.assert_close(gradient[k], features.detach()[labels == k].sum(dim=0))
    assert not gradient[2].any()


def test_class_logits_of_pairs_are_the_chance_of_the_class_whichever_the_source() -> None:
    paired = 3 * some_features()[:, :4].contiguous()  # two classes
    chances = paired.softmax(dim=1)
    expected = torch.stack([chances[:, 0] + chances[:, 1], chances[:, 2] + chances[:, 3]], dim=1)
    torch.testing.assert_close(either_of_pair(paired).softmax(dim=1), expected)
    # Not what pairing the columns otherwise gives.
    wrong = torch.stack([chances[:, 0] + chances[:, 2], chances[:, 1] + chances[:, 3]], dim=1)
    assert not torch.isclose(either_of_pair(paired).softmax(dim=1), wrong).any()


def test_pairs_do_not_overflow() -> None:
    logits = torch.tensor([[200.0, -200.0, 0.0, 199.0]])
    torch.testing.assert_close(either_of_pair(logits), torch.tensor([[200.0, 199.0]]))


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(ALL_HEADS), st.sampled_from([1, 2, 10]), st.booleans())
def test_every_parameter_of_a_discriminator_learns(
    kind: Heads, classes: int, spectral: bool
) -> None:
    discriminator = discriminator_of(kind, classes=classes, spectral=spectral)
    labels = torch.arange(20) % classes
    answer = discriminator(torch.rand(20, *SHAPE) * 2 - 1, labels)
    weights = torch.linspace(-1, 2, 20)
    total = (answer.source_logits * weights).sum()
    if answer.class_logits is not None:
        assert answer.class_logits.shape == (20, classes)
        total = total + (answer.class_logits * weights[:, None]).sum()
    total.backward()
    still = [n for n, p in discriminator.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []
    heads = {id(p) for p in discriminator.head_parameters()}
    assert heads == {id(p) for n, p in discriminator.named_parameters() if n.startswith("heads.")}
    assert len(heads) == 2 + (kind.source == "projection") + 2 * (kind.classes != "none")


@pytest.mark.parametrize("kind", ALL_HEADS, ids=str)
def test_heads_start_as_the_scheme_says(kind: Heads) -> None:
    torch.manual_seed(0)
    config = ConvStackConfig(layers=(ConvLayerConfig(width=32, kernel=4, stride=2),))
    network = build_discriminator(config, ImageShape(1, 16, 16), 50, kind)
    for name, parameter in network.named_parameters():
        if name.startswith("heads.") and name.endswith("bias"):
            assert not parameter.any()
        elif name.startswith("heads."):
            assert parameter.mean().item() == pytest.approx(0, abs=2e-3)
            assert parameter.std().item() == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize("kind", ALL_HEADS, ids=str)
def test_spectral_norm_bounds_every_head(kind: Heads) -> None:
    heads = discriminator_of(kind, spectral=True).heads
    assert isinstance(heads, LinearHeads)
    for layer in (heads.source_head, heads.projection_head, heads.class_head):
        if layer is None:
            continue
        for _ in range(100):
            weight = layer.weight  # each reading in training is one power iteration
        assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("kind", ALL_HEADS, ids=str)
def test_logits_come_in_float32_also_under_autocast(kind: Heads) -> None:
    discriminator = discriminator_of(kind)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        answer = discriminator(torch.rand(4, *SHAPE), torch.tensor([0, 1, 2, 0]))
    for logits in (answer.source_logits, answer.class_logits, answer.paired_logits):
        assert logits is None or logits.dtype == torch.float32


@pytest.mark.parametrize("kind", ALL_HEADS, ids=str)
@pytest.mark.parametrize("spectral", [False, True])
def test_the_table_of_a_discriminator_lists_its_heads(kind: Heads, spectral: bool) -> None:
    generator = build_generator(DeconvConfig(latent_size=4, widths=(4, 4)), SHAPE, CLASSES)
    discriminator = discriminator_of(kind, spectral=spectral)
    table = describe_networks(generator, discriminator, SHAPE, CLASSES, 5).discriminator
    rows = {row.layer: (row.kind, row.parameters) for row in table.rows if "heads" in row.layer}
    width = {"none": 0, "plain": CLASSES, "paired": 2 * CLASSES}[kind.classes]
    expected = {"heads.source_head": ("Linear", 65)}
    if kind.source == "projection":
        expected["heads.projection_head"] = ("Linear", 64 * CLASSES)
    if width:
        expected["heads.class_head"] = ("Linear", 65 * width)
    assert rows == expected
    assert table.parameters == sum(p.numel() for p in discriminator.parameters())
