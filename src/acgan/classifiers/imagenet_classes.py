"""What the 1000 classes of ImageNet's classification challenge (2012) are called."""

from __future__ import annotations


def imagenet_classes() -> tuple[str, ...]:
    """Their short English names in the usual order, all different, as torchvision has them."""
    from torchvision.models import EfficientNet_B0_Weights

    categories: list[str] = EfficientNet_B0_Weights.DEFAULT.meta["categories"]
    return tuple(categories)
