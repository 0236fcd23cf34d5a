"""Charts and report section of a usefulness study; equal results give equal bytes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from acgan.plots.charts import COLORS, paper
from acgan.report.section import ImageBlock, Metric, Section, Table, defined
from acgan.studies.arms import REAL, REAL_AUGMENTED, SYNTHETIC
from acgan.studies.usefulness_findings import (
    MEASURE_NAMES,
    ArmComparison,
    caveats,
    comparisons,
    usefulness_findings,
)
from acgan.studies.usefulness_result import ArmResult, Usefulness, in_letters, in_words

_WIDTH, _DPI = 7.2, 150  # inches, pixels an inch
_REAL_COLOR, _MIXED_COLOR, _ALONE_COLOR = "#444444", COLORS[0], COLORS[1]
_LABEL_LETTERS = 34


def accuracy_chart(study: Usefulness) -> bytes:
    """Test accuracy of every arm: dots for seeds, a bar of ± one standard deviation, the mean.

    Dashed lines stand at the means of the two baselines, ``real`` and ``real, augmented``.
    """
    return _chart(study, [each.accuracy for each in study.results], "accuracy on real test images")


def rare_recall_chart(study: Usefulness) -> bytes:
    """The same for the mean recall of the rare classes, which a skewed study has.

    Raises:
        ValueError: there are no rare classes.
    """
    if not study.rare:
        raise ValueError("the classes are equally large; none is rare")
    names = ", ".join(study.classes[index] for index in study.rare)
    values = [each.mean_recall(study.rare) for each in study.results]
    return _chart(study, values, f"mean recall of {names}")


def _chart(study: Usefulness, values: Sequence[Sequence[float]], axis: str) -> bytes:
    height = 1.0 + 0.36 * len(values)
    with paper((_WIDTH, height), dpi=_DPI, font_size=9.5) as (metric, buffer):
        axes = metric.subplots()
        rows = zip(study.results, values, strict=True)
        for place, (result, some) in enumerate(rows):
            _row(axes, place, result, some)
        _baselines(axes, study, values)
        labels = [textwrap.fill(each.arm.title, _LABEL_LETTERS) for each in study.results]
        axes.set_yticks(range(len(labels)), [label.replace("$", r"\$") for label in labels])
        axes.tick_params(axis="y", length=0, labelsize=8)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.set_xlabel(axis.replace("$", r"\$"))
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.grid(visible=True, axis="x", color="#E4E4E4", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return buffer.getvalue()


def _row(axes: Axes, place: int, result: ArmResult, values: Sequence[float]) -> None:
    arm = result.arm
    color = _REAL_COLOR
    if arm.has_samples:
        color = _MIXED_COLOR if any(arm.real) else _ALONE_COLOR
    mean, spread = float(np.mean(values)), float(np.std(values, ddof=1))
    below = np.full(len(values), place + 0.22)  # beside the bar, which would hide them
    axes.plot(values, below, "o", color=color, ms=4.5, alpha=0.6, mew=0)
    axes.errorbar(mean, place, xerr=spread, color=color, capsize=4, lw=1.6)
    axes.plot([mean], [place], "|", color=color, ms=11, mew=2.2)


def _baselines(axes: Axes, study: Usefulness, values: Sequence[Sequence[float]]) -> None:
    for result, some in zip(study.results, values, strict=True):
        if result.arm.key in {REAL, REAL_AUGMENTED}:
            dashes = (0, (4, 3)) if result.arm.key == REAL else (0, (1, 2))
            axes.axvline(float(np.mean(some)), color=_REAL_COLOR, lw=1, linestyle=dashes)


_PROTOCOL = "usefulness"
_VERDICTS = {"gain": "gain", "cost": "cost", "none": "not shown"}

EXPLANATION = (
    "Samples that look right may still be useless. The test is to learn from them: the same small "
    "network is fitted to different training sets, for the same number of steps, and reads real "
    "test images that neither it nor the GAN has ever seen. Higher is better, everywhere here.",
    "The arm “samples only” is the Classification Accuracy Score (Ravuri & Vinyals 2019; Shmelkov, "
    "Schmid & Alahari 2018 call it GAN-train): as many samples of each class as there are real "
    "training images, and not one real image. What it lacks to the arm “real” is what the samples "
    "lost. It punishes what a Fréchet distance forgives: classes that are confused and variety "
    "that is missing.",
    "The other arms add samples to the real images, or fill small classes up with them. The honest "
    "baseline is not “real” but “real, augmented” (images shifted or mirrored as they are shown): "
    "it costs nothing, so samples have to beat it, or to add to it. Where classes differ in size, "
    "so is repeating the images of small classes (“oversampled”).",
    "Accuracy is the share of test images read right; macro-F1 is the mean over classes of the "
    "harmonic mean of precision and recall; recall is the share of a class's own images that is "
    "read right. “±” after a figure is its standard deviation over seeds (N − 1); “±” after a "
    "difference is half of its 95 % interval.",
    "What this cannot tell: whether a larger network or a longer fit would profit, and whether "
    "another GAN of the same recipe would do as well. Since all fits have as many steps, a set "
    "with many samples shows each real image less often; that is the price of adding them, and "
    "part of what is measured.",
)


def usefulness_section(study: Usefulness) -> Section:
    """The chapter: figures of every arm, tables, charts, and the verdict.

    Figures are ``usefulness.classification-accuracy-score``, and ``usefulness.accuracy.<arm>`` and
    ``usefulness.macro-f1.<arm>`` for every arm.
    """
    return Section(
        key="usefulness",
        title="Usefulness: what a classifier learns from the samples",
        explanation=EXPLANATION,
        metrics=tuple(_metrics(study)),
        blocks=tuple(_blocks(study)),
        findings=usefulness_findings(study),
        protocols={_PROTOCOL: study.protocol},
        notes=(*study.notes, *caveats(study)),
    )


def _metrics(study: Usefulness) -> Iterator[Metric]:
    if SYNTHETIC in study.by_key:
        score = "classification-accuracy-score", "Classification Accuracy Score"
        yield _metric(study.by_key[SYNTHETIC], *score, study.by_key[REAL])
    for result in study.results:
        key, title = result.arm.key, result.arm.title
        yield _metric(result, f"accuracy.{key}", f"accuracy, {title}", None)
        yield Metric(
            measure=f"usefulness.macro-f1.{key}",
            title=f"macro-F1, {title}",
            value=float(np.mean(result.macro_f1)),
            aim="high",
            protocol=_PROTOCOL,
            note=_spread_note(result.macro_f1),
        )


def _metric(result: ArmResult, key: str, name: str, real: ArmResult | None) -> Metric:
    recall = result.recall.mean(axis=0)
    return Metric(
        measure=f"usefulness.{key}",
        title=name,
        value=float(np.mean(result.accuracy)),
        aim="high",
        protocol=_PROTOCOL,
        # The "baseline" of a score is what real images reach in the samples' place.
        baseline=float(np.mean(real.accuracy)) if real else None,
        per_class=tuple(defined(float(value)) for value in recall),
        per_class_baseline=tuple(defined(float(v)) for v in real.recall.mean(axis=0))
        if real
        else (),
        note=_spread_note(result.accuracy),
    )


def _spread_note(values: Sequence[float]) -> str:
    return (
        f"Mean of {in_letters(len(values))} seeds, standard deviation "
        f"{100 * np.std(values, ddof=1):.2f} points."
    )


def _blocks(study: Usefulness) -> Iterator[Table | ImageBlock]:
    seeds = in_letters(len(study.seeds))
    yield _arms_table(study)
    yield ImageBlock(
        "Accuracy of every arm",
        accuracy_chart(study),
        f"A dot for each of {seeds} seeds, a tick at their mean, a bar of one standard deviation "
        "to either side. Dashed: the mean of “real”; dotted: of “real, augmented”. An arm with "
        "samples (blue) is of use where it lies to the right of both.",
    )
    yield _comparison_table(study)
    yield _recall_table(study)
    if study.rare:
        yield ImageBlock(
            "Recall of the rare classes in every arm",
            rare_recall_chart(study),
            "The third of the classes with the fewest real training images: "
            + ", ".join(f"{study.classes[i]} ({study.train_counts[i]})" for i in study.rare)
            + ". Read it beside the accuracy: what rare classes gain, others may lose.",
        )


def _arms_table(study: Usefulness) -> Table:
    rare = ("rare classes' recall",) if study.rare else ()
    rows: list[tuple[str | int, ...]] = []
    for result in study.results:
        arm = result.arm
        more = (mean_and_std(result.mean_recall(study.rare)),) if study.rare else ()
        cells = (mean_and_std(result.accuracy), mean_and_std(result.macro_f1), *more)
        rows.append((arm.title, sum(arm.real), sum(arm.synthetic), *cells))
    steps = ", ".join(map(str, study.protocol["steps"]))
    return Table(
        "The arms",
        ("arm", "real images", "samples", "accuracy %", "macro-F1 %", *rare),
        tuple(rows),
        f"Mean ± standard deviation over {in_letters(len(study.seeds))} seeds, in percent, on "
        f"{study.protocol['reference_images']:,} real {study.protocol['reference']} images. "
        f"Every fit: {steps} steps of {study.protocol['batch_size']} images. Repetitions count as "
        "images.",
    )


def _comparison_table(study: Usefulness) -> Table:
    titles = {key: result.arm.title for key, result in study.by_key.items()}

    def row(each: ArmComparison) -> tuple[str | float, ...]:
        difference = each.difference
        return (
            titles[each.arm],
            titles[each.baseline],
            MEASURE_NAMES[each.measure],
            round(100 * difference.mean, 2),
            round(100 * difference.half_width, 2),
            in_words(difference),
        )

    return Table(
        "Differences between arms",
        ("arm", "baseline", "measure", "difference in points", "±", "verdict"),
        tuple(row(each) for each in comparisons(study)),
        "Arm less baseline, paired by seed; “±” is half the 95 % t interval. A gain or a cost is "
        "said only where the interval leaves out 0.",
    )


def _recall_table(study: Usefulness) -> Table:
    rows: list[tuple[str | int, ...]] = []
    for index, name in enumerate(study.classes):
        cells = (mean_and_std(result.recall[:, index]) for result in study.results)
        rows.append((name, study.train_counts[index], *cells))
    return Table(
        "Recall of each class",
        ("class", "real training images", *(each.arm.title for each in study.results)),
        tuple(rows),
        "Mean ± standard deviation over seeds, in percent.",
    )


def mean_and_std(
    values: Sequence[float] | np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> str:
    """Shares as percents: ``89.1 ± 0.3``; a dash where the class has no test image."""
    mean, spread = 100 * np.mean(values), 100 * np.std(values, ddof=1)
    return f"{mean:.1f} ± {spread:.1f}" if np.isfinite(mean) else "–"
