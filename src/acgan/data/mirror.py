"""Whether a mirrored image is of the same class, which decides how classifiers may be trained."""

from __future__ import annotations

from acgan.data.images import ImageShape
from acgan.data.sources import NAMED_SETS

_KEEP_CLASS = {"cifar10", "cifar100", "fashion-mnist", "stl10"}


def mirror_keeps_class(source: str, shape: ImageShape) -> bool:
    """Yes for photographs and clothes, no for digits and letters.

    Of named sets it is known. A person's own colour pictures are taken for photographs and grey
    ones for something that may be text; who knows better should be able to say so.

    Args:
        source: `DataConfig.source`.
        shape: of the images.
    """
    return source in _KEEP_CLASS if source in NAMED_SETS else shape.channels == 3
