"""Classes in groups: even, in order, none alone; and the data of a group are what a run of its own
would load.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acgan.data import cache
from acgan.data import load as materialize
from acgan.data.class_selection import class_groups, select_classes
from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits
from acgan.data.load import load_data
from acgan.errors import UsageError


@given(classes=st.integers(2, 1200), most=st.integers(2, 1300))
def test_groups_cover_every_class_once_in_order_and_evenly(classes: int, most: int) -> None:
    groups = class_groups(classes, most)
    assert [label for group in groups for label in group] == list(range(classes))
    sizes = [len(group) for group in groups]
    assert min(sizes) >= 2
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)
    if most > 2 or classes % 2 == 0:
        assert max(sizes) <= most
        assert len(groups) == -(-classes // most), "as few as there can be"


@pytest.mark.parametrize(
    ("classes", "most", "sizes"),
    [(1000, 10, [10] * 100), (10, 4, [4, 3, 3]), (11, 10, [6, 5]), (3, 2, [3]), (5, 2, [3, 2])],
)
def test_groups_by_hand(classes: int, most: int, sizes: list[int]) -> None:
    assert [len(group) for group in class_groups(classes, most)] == sizes


@pytest.mark.parametrize(("classes", "most"), [(10, 1), (1, 2), (10, 0)])
def test_a_class_alone_is_refused(classes: int, most: int) -> None:
    with pytest.raises(UsageError, match="at least 2"):
        class_groups(classes, most)


@pytest.mark.parametrize("subset", [{}, {"per_class": 30}, {"fraction": 0.2}])
def test_a_group_is_what_a_run_on_its_classes_loads(subset: dict[str, float]) -> None:
    whole = load_data(DataConfig.model_validate({"source": "digits", **subset}))
    cut = select_classes(whole, (6, 7), cache=None)
    names = tuple(whole.classes[label].name for label in (6, 7))
    alone = load_data(
        DataConfig.model_validate({"source": "digits", "only_class": names, **subset})
    )
    assert cut.split_record() == alone.split_record()
    assert cut.classes == alone.classes == whole.classes[6:8]
    assert np.array_equal(cut.train.images, alone.train.images)


def test_the_parts_of_a_long_tail_are_the_wholes() -> None:
    whole = load_data(DataConfig(source="digits", long_tail=20))
    cut = select_classes(whole, (8, 9), cache=None)
    assert cut.train.class_counts.tolist() == whole.train.class_counts[8:].tolist()


def test_what_is_too_large_for_memory_is_mapped(
    tiny_splits: DatasetSplits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = select_classes(tiny_splits, (2, 0), cache=None)
    assert set(small.train.labels.tolist()) == {0, 1}
    assert small.classes == (tiny_splits.classes[2], tiny_splits.classes[0])
    for module in (cache, materialize):
        monkeypatch.setattr(module, "IN_MEMORY_BYTES", 100)
    large = select_classes(tiny_splits, (2, 0), cache=str(tmp_path))
    assert isinstance(large.train.images, np.memmap)
    assert large.split_record() == small.split_record()


def test_images_without_a_label_belong_to_no_group() -> None:
    splits = load_data(DataConfig(labeled_per_class=3))
    with pytest.raises(ValueError, match="cannot be divided by class"):
        select_classes(splits, [0, 1], cache=None)
