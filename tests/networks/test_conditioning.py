"""The label given to D together with the image: what the trunk is told, and that it listens."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from acgan.data.images import ImageShape
from acgan.networks.conditioning import append_label_maps, append_one_hot, joined_inputs
from acgan.networks.conv_stack import ConvLayerConfig, ConvStackConfig
from acgan.networks.interface import DiscriminatorConfig, Heads
from acgan.networks.mlp import MLPDiscriminatorConfig
from acgan.networks.resnet import ResnetDiscriminatorConfig

torch.set_num_threads(1)

CLASSES = 3
LABELS = torch.tensor([2, 0, 1, 1])
SHAPE = ImageShape(2, 8, 12)
LAYERS = (ConvLayerConfig(width=5, kernel=4, stride=2), ConvLayerConfig(width=4, norm=False))
CONFIGS: list[DiscriminatorConfig] = [
    ConvStackConfig(layers=LAYERS),
    ConvStackConfig(layers=LAYERS, unshuffle=2, spectral_norm=True),
    MLPDiscriminatorConfig(widths=(6,), dropout=0),
    ResnetDiscriminatorConfig(widths=(6, 4)),
]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_maps_are_told_the_class_everywhere(layout: torch.memory_format) -> None:
    maps = torch.randn(4, 2, 3, 5)
    first = nn.Conv2d(5, 1, 3).to(memory_format=layout)
    both = append_label_maps(maps, LABELS, CLASSES, first)
    assert both.shape == (4, 5, 3, 5)
    assert both.is_contiguous(memory_format=layout)
    assert torch.equal(both[:, :2], maps)
    for n, label in enumerate(LABELS.tolist()):
        for k in range(CLASSES):
            assert torch.equal(both[n, 2 + k], torch.full((3, 5), float(k == label)))
    assert append_label_maps(maps.bfloat16(), LABELS, CLASSES, first).dtype == torch.bfloat16


def test_rows_are_told_the_class_at_their_end() -> None:
    rows = torch.randn(4, 7, dtype=torch.float64)
    both = append_one_hot(rows, LABELS, CLASSES)
    assert torch.equal(both[:, :7], rows)
    assert both[:, 7:].tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 1, 0]]


def test_only_joined_heads_add_inputs() -> None:
    assert joined_inputs(Heads("joined", "none"), 7) == 7
    assert joined_inputs(Heads("projection"), 7) == joined_inputs(Heads(), 7) == 0


@pytest.mark.parametrize("config", CONFIGS)
def test_the_class_changes_features_and_answer_and_is_needed(config: DiscriminatorConfig) -> None:
    torch.manual_seed(0)
    network = config.build(SHAPE, CLASSES, Heads("joined", "none")).eval()
    images = torch.rand(4, *SHAPE) * 2 - 1
    right, wrong = network(images, LABELS), network(images, LABELS.roll(1))
    same = LABELS.roll(1) == LABELS
    assert torch.equal(right.features[same], wrong.features[same])
    assert not torch.isclose(right.source_logits[~same], wrong.source_logits[~same]).any()
    with pytest.raises(ValueError, match="pass labels"):
        network(images)
    for heads in (Heads("plain", "none"), Heads("projection", "none")):
        other = config.build(SHAPE, CLASSES, heads).eval()
        features = other(images, LABELS).features
        assert torch.equal(features, other(images, LABELS.roll(1)).features)


def test_squares_are_cut_before_the_label_joins() -> None:
    """K maps more, not K for every pixel of a square; the same function of image and label."""
    network = CONFIGS[1].build(SHAPE, CLASSES, Heads("joined", "none"))
    first = next(m for m in network.modules() if isinstance(m, nn.Conv2d))
    assert first.in_channels == 2 * 4 + CLASSES
    seen: list[Tensor] = []
    block = next(m for m in network.modules() if first in m.children())
    block.register_forward_pre_hook(lambda _block, inputs: seen.append(inputs[0]))
    images = torch.rand(4, *SHAPE)
    network(images, LABELS)
    assert torch.equal(seen[0][:, :8], nn.functional.pixel_unshuffle(images, 2))
    assert seen[0].shape == (4, 11, 4, 6)
