"""Charts and report section of a usefulness study; equal results give equal bytes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from matplotlib.ticker import PercentFormatter

from acgan.metrics.arrays import Float64Array
from acgan.plots.charts import COLORS, paper, style_rows
from acgan.plots.text import class_labels
from acgan.report.section import Finding, ImageBlock, Metric, Section, Table, defined
from acgan.studies.arms import FIT_IMAGES, REAL, REAL_AUGMENTED, SYNTHETIC
from acgan.studies.usefulness_findings import (
    MEASURE_NAMES,
    caveats,
    comparisons,
    usefulness_findings,
)
from acgan.studies.usefulness_result import ArmResult, Usefulness

_WIDTH, _DPI = 7.2, 150  # inches, pixels per inch
_REAL_COLOR, _MIXED_COLOR, _SAMPLES_COLOR = "#444444", COLORS[0], COLORS[1]
_BASELINE_STYLES = {REAL: (0, (4, 3)), REAL_AUGMENTED: (0, (1, 2))}
_LABEL_LETTERS = 34


def accuracy_chart(study: Usefulness) -> bytes:
    """Return a PNG of the test accuracy of every arm: a dot per seed, mean and ± one deviation.

    Dashed lines mark the means of the two baselines, ``real`` and ``real, augmented``.
    """
    return _chart(study, [each.accuracy for each in study.results], "accuracy on real test images")


def rare_recall_chart(study: Usefulness) -> bytes:
    """Return the same chart for the mean recall of the rare classes.

    Raises:
        ValueError: there are no rare classes.
    """
    if not study.rare:
        raise ValueError("the classes are equally large; none is rare")
    labels = class_labels(study.classes)
    names = ", ".join(labels[index] for index in study.rare)
    values = [each.mean_recall(study.rare) for each in study.results]
    return _chart(study, values, f"mean recall of {names}")


def _chart(study: Usefulness, values: Sequence[Sequence[float]], axis: str) -> bytes:
    height = 1.0 + 0.36 * len(values)
    with paper((_WIDTH, height), dpi=_DPI, font_size=9.5, texts=[axis]) as (figure, buffer):
        axes = figure.subplots()
        for row, (arm, some) in enumerate(
            zip((each.arm for each in study.results), values, strict=True)
        ):
            color = _REAL_COLOR
            if arm.has_samples:
                color = _MIXED_COLOR if any(arm.real) else _SAMPLES_COLOR
            mean = float(np.mean(some))
            below = [row + 0.22] * len(some)  # beside the bar, which would hide them
            axes.plot(some, below, "o", color=color, ms=4.5, alpha=0.6, mew=0)
            spread = float(np.std(some, ddof=1))
            axes.errorbar(mean, row, xerr=spread, color=color, capsize=4, lw=1.6)
            axes.plot([mean], [row], "|", color=color, ms=11, mew=2.2)
            if style := _BASELINE_STYLES.get(arm.key):
                axes.axvline(mean, color=_REAL_COLOR, lw=1, linestyle=style)
        titles = [textwrap.fill(each.arm.title, _LABEL_LETTERS) for each in study.results]
        style_rows(axes, titles, axis)
        axes.tick_params(axis="y", labelsize=8)
        axes.xaxis.set_major_formatter(PercentFormatter(1))
    return buffer.getvalue()


_PROTOCOL = "usefulness"

EXPLANATION = (
    "Samples that look right may still be useless for training. The test: the same small network "
    "is fitted to different training sets, for the same number of steps, and evaluated on real "
    "test images that neither it nor the GAN was trained on. Higher is better everywhere.",
    "The arm “samples only” is the Classification Accuracy Score (Ravuri & Vinyals 2019; GAN-train "
    "in Shmelkov, Schmid & Alahari 2018): as many samples of each class as there are real training "
    "images, and no real image. The gap to the arm “real” is what the samples lack. It includes "
    "faults that a Fréchet distance tolerates: confused classes and missing diversity.",
    "The other arms add samples to the real images, or fill up small classes with them. The fair "
    "baseline is not “real” but “real, augmented” (images are shifted or flipped at random): it "
    "costs nothing, so samples must be better than it, or add to it. If classes differ in size, "
    "repeating the images of small classes (“oversampled”) is a fair baseline too.",
    "Accuracy is the share of test images with the right prediction; macro-F1 is the mean over "
    "classes of the harmonic mean of precision and recall; recall is the share of a class's own "
    "images with the right prediction. “±” after a metric is its standard deviation over seeds "
    "(N − 1); “±” after a difference is half of its 95 % interval.",
    "Limits: a larger network or a longer fit, or another GAN of the same recipe, may give other "
    "results. Since all fits have the same number of steps, a set with many samples shows each "
    "real image less often; that is the price of adding samples, and part of the measurement.",
)


def usefulness_section(study: Usefulness) -> Section:
    """Return the chapter: metrics of every arm, tables, charts and findings.

    Metrics are ``usefulness.classification-accuracy-score``, and ``usefulness.accuracy.<arm>`` and
    ``usefulness.macro-f1.<arm>`` for every arm.
    """
    return Section(
        key="usefulness",
        title="Usefulness: accuracy of classifiers trained on the samples",
        explanation=EXPLANATION,
        metrics=tuple(_metrics(study)),
        blocks=tuple(_blocks(study)),
        findings=(*_short_fits(study.config.fit.images), *usefulness_findings(study)),
        protocols={_PROTOCOL: study.protocol},
        notes=(*study.notes, *caveats(study)),
    )


def _short_fits(images: int) -> Iterator[Finding]:
    if images < FIT_IMAGES:
        yield Finding(
            "short-fits",
            "warning",
            f"Indicative only: each fit uses {images:,} images, that of the full study "
            f"{FIT_IMAGES:,}; longer fits may give other differences.",
        )


def _metrics(study: Usefulness) -> Iterator[Metric]:
    metric = partial(Metric, aim="high", protocol=_PROTOCOL)
    if SYNTHETIC in study.by_key:
        synthetic, real = study.by_key[SYNTHETIC], study.by_key[REAL]
        yield metric(
            measure="usefulness.classification-accuracy-score",
            title="Classification Accuracy Score",
            value=float(np.mean(synthetic.accuracy)),
            # The baseline is the result of real images in place of the samples.
            baseline=float(np.mean(real.accuracy)),
            per_class=_class_recall(synthetic),
            per_class_baseline=_class_recall(real),
            note=_spread_note(synthetic.accuracy),
        )
    for result in study.results:
        key, title = result.arm.key, result.arm.title
        yield metric(
            measure=f"usefulness.accuracy.{key}",
            title=f"accuracy, {title}",
            value=float(np.mean(result.accuracy)),
            per_class=_class_recall(result),
            note=_spread_note(result.accuracy),
        )
        yield metric(
            measure=f"usefulness.macro-f1.{key}",
            title=f"macro-F1, {title}",
            value=float(np.mean(result.macro_f1)),
            note=_spread_note(result.macro_f1),
        )


def _spread_note(values: Sequence[float]) -> str:
    deviation = 100 * np.std(values, ddof=1)
    return f"Mean of {len(values)} seeds, standard deviation {deviation:.2f} points."


def _class_recall(result: ArmResult) -> tuple[float | None, ...]:
    return tuple(map(defined, result.recall.mean(axis=0)))


def _blocks(study: Usefulness) -> Iterator[Table | ImageBlock]:
    yield _arms_table(study)
    yield ImageBlock(
        "Accuracy of every arm",
        accuracy_chart(study),
        f"A dot for each of {len(study.seeds)} seeds, a tick at their mean, a bar of one standard "
        "deviation to either side. Dashed: the mean of “real”; dotted: of “real, augmented”. An "
        "arm with samples (blue) is useful if it is to the right of both.",
    )
    yield Table(
        "Differences between arms",
        ("arm", "baseline", "measure", "difference in points", "±", "verdict"),
        tuple(
            (
                study.by_key[each.arm].arm.title,
                study.by_key[each.baseline].arm.title,
                MEASURE_NAMES[each.measure],
                round(100 * each.difference.mean, 2),
                round(100 * each.difference.half_width, 2),
                each.difference.words,
            )
            for each in comparisons(study)
        ),
        "Arm minus baseline, paired by seed; “±” is half the 95 % t interval. The verdict is a "
        "gain or a cost only if the interval excludes 0.",
    )
    yield Table(
        "Recall of each class",
        ("class", "real training images", *(each.arm.title for each in study.results)),
        tuple(
            (name, count, *(mean_and_std(each.recall[:, index]) for each in study.results))
            for index, (name, count) in enumerate(
                zip(study.classes, study.train_counts, strict=True)
            )
        ),
        "Mean ± standard deviation over seeds, in percent.",
    )
    if study.rare:
        yield ImageBlock(
            "Recall of the rare classes in every arm",
            rare_recall_chart(study),
            "The third of the classes with the fewest real training images: "
            + ", ".join(f"{study.classes[i]} ({study.train_counts[i]})" for i in study.rare)
            + ". Compare it with the accuracy: a gain of rare classes may be a loss of others.",
        )


def _arms_table(study: Usefulness) -> Table:
    rare = ("rare classes' recall",) if study.rare else ()
    protocol = study.protocol
    return Table(
        "The arms",
        ("arm", "real images", "samples", "accuracy %", "macro-F1 %", *rare),
        tuple(
            (
                each.arm.title,
                sum(each.arm.real),
                sum(each.arm.synthetic),
                mean_and_std(each.accuracy),
                mean_and_std(each.macro_f1),
                *(mean_and_std(each.mean_recall(study.rare)) for _ in rare),
            )
            for each in study.results
        ),
        f"Mean ± standard deviation over {len(study.seeds)} seeds, in percent, on "
        f"{protocol['reference_images']:,} real {protocol['reference']} images. Every fit: "
        f"{', '.join(map(str, protocol['steps']))} steps of {protocol['batch_size']} images. "
        "Repetitions count as images.",
    )


def mean_and_std(values: Sequence[float] | Float64Array) -> str:
    """Format shares as percentages: ``89.1 ± 0.3``; a dash if the class has no test image."""
    mean, spread = 100 * np.mean(values), 100 * np.std(values, ddof=1)
    return f"{mean:.1f} ± {spread:.1f}" if np.isfinite(mean) else "–"
