from __future__ import annotations

from dataclasses import replace

from acgan.training.quick_check import QuickCheck

GOOD = QuickCheck(
    images_seen=300_000,
    passes=75,
    recipe_images=300_000,
    sample_accuracy=0.96,
    held_out_accuracy=0.97,
    diversity=0.9,
    unlike=0.02,
    few_images={},
    open_alarms=(),
    continues=False,
)
LONG = "x" * 300


def test_good_figures_show_no_problem() -> None:
    assert next(GOOD.findings()).startswith("these figures show no problem")
    assert GOOD.longer_budget is None


def test_every_finding_has_its_figure_and_fits_a_line() -> None:
    few = {f"{LONG}{index}": 12 + index for index in range(9)}
    bad = replace(GOOD, images_seen=20_000, passes=5, sample_accuracy=0.5, few_images=few)
    short, images = bad.findings()
    assert "20,000 images (5 passes) are 6.7 % of the recipe's 300,000" in short
    assert images.startswith("too few images: 12 to 20 per class")
    assert bad.longer_budget == 300_000
    assert max(map(len, (bad.figures(), short, images))) <= 118
    # an open alarm is named, and a memorizing D is not trained longer
    alarmed = replace(bad, open_alarms=("overfitting",), few_images={})
    assert alarmed.longer_budget is None
    assert ["alarms that have not ended" in each for each in alarmed.findings()] == [True]
