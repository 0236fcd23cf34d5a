"""What the 1000 classes of ImageNet's classification challenge (2012) are called."""

from __future__ import annotations


def imagenet_classes() -> tuple[str, ...]:
    """Their short English names in the usual order, as torchvision has them.

    A name is for reading, an index is the class: ``crane`` (134 the bird, 517 the machine) and
    ``maillot`` (638, 639) stand for two classes each.
    """
    from torchvision.models import EfficientNet_B0_Weights

    categories: list[str] = EfficientNet_B0_Weights.DEFAULT.meta["categories"]
    return tuple(categories)
