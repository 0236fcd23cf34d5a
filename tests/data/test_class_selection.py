from __future__ import annotations

import numpy as np
import pytest

from acgan.data.class_selection import class_index, class_indices
from acgan.data.images import make_classes
from acgan.errors import UsageError

CLASSES = make_classes(["cup", "jar", "lid"], [["mug"], [], ["top"]])


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        (None, (0, 1, 2)),
        ("all", (0, 1, 2)),
        ("jar", (1,)),
        (2, (2,)),
        (np.int64(2), (2,)),
        (["top", "mug", 2, "lid"], (2, 0)),
        (["lid", "all"], (2, 0, 1)),
    ],
)
def test_what_is_meant(asked: object, meant: tuple[int, ...]) -> None:
    assert class_indices(CLASSES, asked) == meant  # type: ignore[arg-type]


def test_a_class_called_all_is_that_class() -> None:
    assert class_indices(make_classes(["cup", "all"]), "all") == (1,)


def test_refusals() -> None:
    with pytest.raises(UsageError, match="name at least one"):
        class_indices(CLASSES, [])
    with pytest.raises(UsageError, match="no class 'plate'"):
        class_indices(CLASSES, ["cup", "plate"])
    for index in (-1, 3):
        with pytest.raises(
            UsageError, match=f"no class with index {index}; indices go from 0 to 2"
        ):
            class_index(CLASSES, index)
