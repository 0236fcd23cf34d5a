"""The heads against naive loops, and what they promise inside a discriminator."""

from __future__ import annotations

import itertools
import math
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from acgan.data.images import ImageShape
from acgan.networks.conv_generators import DeconvConfig
from acgan.networks.conv_stack import ConvLayerConfig, ConvStackConfig
from acgan.networks.describe import describe_networks
from acgan.networks.heads import LinearHeads, class_logits_of_pairs, source_of_k_plus_one
from acgan.networks.interface import ClassHead, Discriminator, Heads, SourceHead

torch.set_num_threads(1)

COUNT, FEATURES, CLASSES = 7, 5, 3  # all different, so that no axis can be taken for another
LABELS = torch.tensor([2, 0, 1, 1, 2, 0, 0])
SHAPE = ImageShape(1, 8, 8)
EMBEDDED = 4
ALL_HEADS = [
    Heads(source, classes, EMBEDDED)
    for source, classes in itertools.product(get_args(SourceHead), get_args(ClassHead))
    if classes != "k-plus-one" or source == "plain"
]
# Every kind of source head and of class head at least once.
PAIRWISE_HEADS = [
    Heads(
        ("plain", "projection", "joined")[index % 3] if kind != "k-plus-one" else "plain", kind, 4
    )
    for index, kind in enumerate(get_args(ClassHead))
]
WIDTHS = {"plain": CLASSES, "paired": 2 * CLASSES, "twin": CLASSES, "k-plus-one": CLASSES + 1}


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
    return config.build(SHAPE, classes, kind)


def dot(a: Tensor, b: Tensor) -> float:
    return float(sum(x * y for x, y in zip(a.tolist(), b.tolist(), strict=True)))


def affine(head: nn.Linear | None, features: Tensor) -> list[list[float]]:
    """Every output of a head for every image, product by product."""
    assert head is not None
    return [
        [
            dot(weight, row) + (0 if head.bias is None else head.bias[k].item())
            for k, weight in enumerate(head.weight)
        ]
        for row in features
    ]


def check(made: Tensor | None, expected: list[list[float]]) -> None:
    assert made is not None
    np.testing.assert_allclose(made.detach().numpy(), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", ALL_HEADS, ids=str)
def test_every_answer_is_the_naive_line(kind: Heads) -> None:
    module, features = heads_of(kind), some_features()
    answer = module(features, LABELS)
    made = None if module.class_head is None else affine(module.class_head, features)
    if kind.classes == "k-plus-one":
        assert made is not None
        source = [math.log(sum(map(math.exp, row[:-1]))) - row[-1] for row in made]
    else:
        source = [row[0] for row in affine(module.source_head, features)]
    if kind.source == "projection":
        products = affine(module.projection_head, features)
        source = [s + products[n][LABELS[n]] for n, s in enumerate(source)]
    assert answer.source_logits.shape == (COUNT,)
    check(answer.source_logits[:, None], [[s] for s in source])
    assert answer.features is features
    match kind.classes:
        case "none":
            assert made is answer.class_logits is None
        case "plain" | "twin":
            assert made is not None
            check(answer.class_logits, made)
        case "k-plus-one":
            assert made is not None
            check(answer.class_logits, [row[:-1] for row in made])
        case "paired":
            assert made is not None
            check(answer.paired_logits, made)
        case "proxies":
            assert module.proxies is not None
            embeddings = unit(affine(module.embedding_head, features))
            proxies = unit(module.proxies.weight.tolist())
            check(answer.embeddings, embeddings)
            check(answer.proxies, proxies)
            cosines = [[dot(tensor(f), tensor(v)) for v in proxies] for f in embeddings]
            check(answer.class_logits, cosines)
    if kind.classes == "twin":
        check(answer.twin_logits, affine(module.twin_head, features))
        assert not torch.isclose(answer.twin_logits, answer.class_logits).any()


def unit(rows: list[list[float]]) -> list[list[float]]:
    return [[x / math.sqrt(sum(y * y for y in row)) for x in row] for row in rows]


def tensor(row: list[float]) -> Tensor:
    return torch.tensor(row, dtype=torch.float64)


@pytest.mark.parametrize("kind", ALL_HEADS, ids=str)
def test_there_is_what_was_asked_for_and_nothing_else(kind: Heads) -> None:
    module = heads_of(kind)
    answer = module(some_features(), LABELS)
    assert (module.source_head is None) == (kind.classes == "k-plus-one")
    assert (module.projection_head is None) == (kind.source != "projection")
    assert (module.class_head is None) == (kind.classes in ("none", "proxies"))
    assert (answer.class_logits is None) == (kind.classes == "none")
    assert (answer.paired_logits is None) == (kind.classes != "paired")
    assert (module.twin_head is None) == (answer.twin_logits is None) == (kind.classes != "twin")
    for made in (module.proxies, module.embedding_head, answer.proxies, answer.embeddings):
        assert (made is None) == (kind.classes != "proxies")


def test_a_k_plus_one_head_receives_no_label() -> None:
    for source in ("projection", "joined"):
        with pytest.raises(ValueError, match="receives no label"):
            Heads(source, "k-plus-one")
    assert [kind.uses_labels for kind in (Heads(), Heads("projection"), Heads("joined"))] == [
        False,
        True,
        True,
    ]


def test_the_source_of_an_open_head_is_one_minus_the_chance_of_fake() -> None:
    logits = 3 * some_features()
    classes, source = source_of_k_plus_one(logits)
    chances = logits.softmax(dim=1)
    torch.testing.assert_close(source.sigmoid(), 1 - chances[:, -1])
    torch.testing.assert_close(  # P(y | x, real)
        classes.softmax(dim=1), chances[:, :-1] / chances[:, :-1].sum(dim=1, keepdim=True)
    )
    # With the fake class first, which is another convention, it says something else.
    assert not torch.isclose(source.sigmoid(), 1 - chances[:, 0]).any()
    extreme, known = source_of_k_plus_one(torch.tensor([[200.0, -200.0, -100.0]]))
    assert known.item() == 300
    assert extreme.tolist() == [[200, -200]]


def test_embeddings_know_no_length_and_neither_do_proxies() -> None:
    kind = Heads("plain", "proxies", EMBEDDED)
    module, features = heads_of(kind), some_features()
    first = module(features, None)
    assert module.proxies is not None
    assert module.embedding_head is not None
    with torch.no_grad():
        module.proxies.weight.mul_(7)
        for parameter in module.embedding_head.parameters():
            parameter.mul_(3)
    second = module(features, None)
    for made in (first, second):
        torch.testing.assert_close(made.embeddings.norm(dim=1), torch.ones(COUNT).double())
        torch.testing.assert_close(made.proxies.norm(dim=1), torch.ones(CLASSES).double())
    torch.testing.assert_close(first.class_logits, second.class_logits)


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
            with pytest.raises(ValueError, match="pass labels"):
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
    assert module.source_head is not None
    torch.testing.assert_close(features.grad, module.source_head.weight + vectors[labels])
    for k in range(CLASSES):
        torch.testing.assert_close(gradient[k], features.detach()[labels == k].sum(dim=0))
    assert not gradient[2].any()


def test_class_logits_of_pairs_are_the_chance_of_the_class_whichever_the_source() -> None:
    paired = 3 * some_features()[:, :4].contiguous()  # two classes
    chances = paired.softmax(dim=1)
    expected = torch.stack([chances[:, 0] + chances[:, 1], chances[:, 2] + chances[:, 3]], dim=1)
    torch.testing.assert_close(class_logits_of_pairs(paired).softmax(dim=1), expected)
    # Not what pairing the columns otherwise gives.
    wrong = torch.stack([chances[:, 0] + chances[:, 2], chances[:, 1] + chances[:, 3]], dim=1)
    assert not torch.isclose(class_logits_of_pairs(paired).softmax(dim=1), wrong).any()


def test_pairs_do_not_overflow() -> None:
    logits = torch.tensor([[200.0, -200.0, 0.0, 199.0]])
    torch.testing.assert_close(class_logits_of_pairs(logits), torch.tensor([[200.0, 199.0]]))


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
    if answer.twin_logits is not None:
        total = total + (answer.twin_logits * weights[:, None]).sum()
    total.backward()
    still = [n for n, p in discriminator.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []
    heads = {id(p) for p in discriminator.head_parameters()}
    assert heads == {id(p) for n, p in discriminator.named_parameters() if n.startswith("heads.")}
    classed = {"none": 0, "plain": 2, "paired": 2, "twin": 4, "k-plus-one": 0, "proxies": 3}
    assert len(heads) == 2 + (kind.source == "projection") + classed[kind.classes]


@pytest.mark.parametrize("kind", ALL_HEADS, ids=str)
def test_heads_start_as_the_scheme_says(kind: Heads) -> None:
    torch.manual_seed(0)
    config = ConvStackConfig(layers=(ConvLayerConfig(width=32, kernel=4, stride=2),))
    network = config.build(ImageShape(1, 16, 16), 50, kind)
    for name, parameter in network.named_parameters():
        if name.startswith("heads.") and name.endswith("bias"):
            assert not parameter.any()
        elif name == "heads.proxies.weight":  # of any length: only their directions count
            assert parameter.std().item() == pytest.approx(1, rel=0.2)
        elif name.startswith("heads."):
            assert parameter.mean().item() == pytest.approx(0, abs=2e-3)
            assert parameter.std().item() == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize("kind", PAIRWISE_HEADS, ids=str)
def test_spectral_norm_bounds_every_head(kind: Heads) -> None:
    heads = discriminator_of(kind, spectral=True).heads
    assert isinstance(heads, LinearHeads)
    for layer in heads.children():
        if not isinstance(layer, nn.Linear):
            assert layer is heads.proxies
            continue
        for _ in range(100):
            weight = layer.weight  # each reading in training is one power iteration
        assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("kind", PAIRWISE_HEADS, ids=str)
def test_logits_come_in_float32_also_under_autocast(kind: Heads) -> None:
    discriminator = discriminator_of(kind)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        answer = discriminator(torch.rand(4, *SHAPE), torch.tensor([0, 1, 2, 0]))
    for made in vars(answer).values():
        assert made is None or made.dtype == torch.float32


@pytest.mark.parametrize("kind", PAIRWISE_HEADS, ids=str)
@pytest.mark.parametrize("spectral", [False, True])
def test_the_table_of_a_discriminator_lists_its_heads(kind: Heads, spectral: bool) -> None:
    generator = DeconvConfig(latent_size=4, widths=(4, 4)).build(SHAPE, CLASSES)
    discriminator = discriminator_of(kind, spectral=spectral)
    table = describe_networks(generator, discriminator, SHAPE, CLASSES, 5).discriminator
    rows = {row.layer: (row.kind, row.parameters) for row in table.rows if "heads" in row.layer}
    expected = {} if kind.classes == "k-plus-one" else {"heads.source_head": ("Linear", 65)}
    if kind.source == "projection":
        expected["heads.projection_head"] = ("Linear", 64 * CLASSES)
    if width := WIDTHS.get(kind.classes):
        expected["heads.class_head"] = ("Linear", 65 * width)
    if kind.classes == "twin":
        expected["heads.twin_head"] = ("Linear", 65 * CLASSES)
    if kind.classes == "proxies":
        expected["heads.embedding_head"] = ("Linear", 65 * EMBEDDED)
        expected["heads.proxies"] = ("Embedding", EMBEDDED * CLASSES)
    assert rows == expected
    assert table.parameters == sum(p.numel() for p in discriminator.parameters())
