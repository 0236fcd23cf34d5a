from __future__ import annotations

import pytest
import torch
from torch import Tensor

from acgan.backbones.layers import Whitening
from acgan.data.images import ImageShape


def smooth(channels: int, side: int) -> Tensor:
    """Images whose neighboring pixels and channels are alike, of mean 0."""
    torch.manual_seed(0)
    coarse = torch.randn(200, 1, side // 2, side // 2)
    images = torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear")
    images = images + 0.3 * torch.randn(200, channels, side, side)
    return images - images.mean(dim=(0, 2, 3), keepdim=True)


def learned(layer: Whitening, images: Tensor) -> Whitening:
    layer.learn(torch.split(images, 64))
    return layer


@pytest.mark.parametrize(("channels", "reduction", "side"), [(3, 1, 12), (1, 1, 12), (3, 2, 24)])
def test_its_outputs_are_uncorrelated_of_variance_one_and_come_with_both_signs(
    channels: int, reduction: int, side: int
) -> None:
    images = smooth(channels, side)
    layer = learned(Whitening(ImageShape(channels, side, side), 12, reduction), images)
    kept = min(12, channels * (2 * reduction) ** 2)
    maps = layer(images)
    assert maps.shape == (200, 2 * kept, *layer.sides)
    assert layer.width == 2 * kept
    assert torch.allclose(maps[:, kept:], -maps[:, :kept])
    columns = maps[:, :kept].transpose(0, 1).flatten(1)
    covariance = columns @ columns.T / columns.shape[1]
    assert (covariance - torch.eye(kept)).abs().max() < 0.05


def test_it_keeps_the_components_of_largest_variance() -> None:
    images = smooth(3, 12)
    few = learned(Whitening(ImageShape(3, 12, 12), 2, 1), images)
    all_of_them = learned(Whitening(ImageShape(3, 12, 12), 12, 1), images)
    norms = all_of_them.weight.flatten(1).norm(dim=1)[:12]  # large for a small variance
    assert torch.equal(norms.argsort(descending=True), torch.arange(12))
    assert torch.equal(few.weight[:2], all_of_them.weight[10:12])


def test_directions_without_variance_stay_finite_and_small() -> None:
    gray = smooth(1, 12).expand(-1, 3, -1, -1)  # eight of twelve directions are empty
    layer = learned(Whitening(ImageShape(3, 12, 12), 12, 1), gray)
    assert layer.weight.isfinite().all()
    assert layer(gray)[:, :8].abs().max() < 1e-3


def test_it_is_fixed_and_travels_with_the_weights() -> None:
    layer = Whitening(ImageShape(3, 12, 12), 12, 1)
    assert not list(layer.parameters())
    assert set(layer.state_dict()) == {"weight"}
