"""Compare objectives: the same networks, data and budget, several seeds, the same evaluation.

A folder holds the question, the measured budgets, each run and its metrics. The same call continues
an interrupted comparison.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any, final

import numpy as np

from acgan.classifiers.cache import (
    FitEstimate,
    cached_reference_classifier,
    estimate_fit,
    reference_classifiers_folder,
)
from acgan.classifiers.reference_classifier import reference_classifier_config
from acgan.config import difference, validate, with_overrides
from acgan.data.images import DatasetSplits
from acgan.errors import DataError, UsageError, counted, find_name, unknown_name
from acgan.evaluation.evaluation_data import EvaluationData, HeldOutSplit, real_data
from acgan.evaluation.reference_quality import measure_quality
from acgan.execution.execution import choose_execution
from acgan.execution.progress import Stopwatch
from acgan.metrics.frechet import frechet_distance
from acgan.model.model import load
from acgan.objectives.build import objective_configs
from acgan.recipes.recipe import Recipe
from acgan.report.report import duration
from acgan.runs.config import RunConfig
from acgan.storage.disk import disk_errors
from acgan.storage.files import make_folder, write_atomic
from acgan.storage.json_reader import read_json
from acgan.storage.line_log import LineLog, read_rows
from acgan.studies.objectives_result import (
    MEASURES,
    ObjectiveComparison,
    ObjectiveRow,
    draw_comparison,
)
from acgan.training.budget import rates_by_threads, throwaway_loop, total_images
from acgan.training.display import Display, SilentDisplay
from acgan.training.loop import Loop
from acgan.training.run import TrainedRun
from acgan.training.train import prepare_run, train

_TURNS, _SECONDS = 3, 2.0
_ESTIMATE_SECONDS = 0.5  # of each objective, for a budget in images


def measure_rates(
    runs: Mapping[str, RunConfig],
    splits: DatasetSplits,
    *,
    turns: int = _TURNS,
    seconds: float = _SECONDS,
) -> dict[str, float]:
    """Return training images/s by name: the median of measurements that are taken in turns.

    Raises:
        DiskError: the system's folder for temporary files cannot be written.
    """
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(turns):
        for name, config in runs.items():
            execution = choose_execution(config.execution)
            execution.apply()
            threads = execution.threads
            with throwaway_loop(config, splits, execution) as loop:

                def iterate(loop: Loop = loop) -> int:
                    before = loop.images_seen
                    loop.train_once()
                    return loop.images_seen - before

                rates[name].append(rates_by_threads(iterate, [threads], seconds)[threads])
    return {name: median(values) for name, values in rates.items()}


@final
@dataclass(frozen=True)
class ObjectiveArm:
    """One objective with the common networks and rates.

    Attributes:
        name: of the objective, or of the recipe for the recipe's own settings.
        objective: section ``objective`` of a run.
        conditional: whether the generator receives a target class.
    """

    name: str
    objective: Mapping[str, Any]
    conditional: bool

    @property
    def options(self) -> tuple[str, ...]:
        """Settings of `acgan train -o` that select it."""
        values = ", ".join(f"{key} = {json.dumps(value)}" for key, value in self.objective.items())
        own = (f"objective={{{values}}}",)
        return own if self.conditional else (*own, 'generator.conditioning={mode = "none"}')


def objective_arms(recipe: Recipe, names: Sequence[str] = ()) -> tuple[ObjectiveArm, ...]:
    """Return the arms of a comparison.

    Each objective has its defaults and the recipe's source loss. The recipe's own section is an arm
    with the recipe's name.

    Args:
        recipe: common recipe.
        names: of objectives and of the recipe, in the order of the table; by default all
            objectives, and the recipe if its section differs from them.

    Raises:
        UsageError: unknown objective, a repeated name, or fewer than two names.
    """
    configs = objective_configs()
    own = recipe.values["objective"]
    shared = {key: own[key] for key in ("source_loss",) if key in own}
    known = {
        name: ObjectiveArm(name, {"name": name, **shared}, config.conditional)
        for name, config in configs.items()
    }
    known[recipe.name] = ObjectiveArm(recipe.name, own, configs[own["name"]].conditional)
    if not names:
        as_default, as_recipe = (
            validate(RunConfig, {**recipe.values, "recipe": recipe.name, "objective": o}, where="")
            for o in (known[own["name"]].objective, own)
        )
        names = [n for n in known if n != recipe.name or as_default != as_recipe]
    found = [find_name(name, known) for name in names]
    if None in found:
        raise unknown_name("objective", names[found.index(None)], known)
    names = [name for name in found if name is not None]
    if len(set(names)) < max(2, len(names)):
        raise UsageError("a comparison needs at least two objectives, each named once")
    return tuple(known[name] for name in names)


_QUESTION = "comparison.json"
_METRICS = "metrics.jsonl"
_CHART_CLASSES = 12


@final
@dataclass(frozen=True)
class Question:
    """What a comparison compares; all calls for one folder must agree in it.

    Attributes:
        data: name of a set, or path of a folder or zip.
        names: of objectives; see `objective_arms`.
        recipe: of the common networks and rates; None for the data's default.
        images: budget of each run in images, or None.
        minutes: budget of each run in minutes of training, converted to images by the rate of each
            objective, which is measured at the first start; or None. Without either, the recipe's
            budget in images.
        seeds: of the runs.
        per_class: evaluated samples per class.
        split: the real split of the evaluation.
        data_options: fields of `acgan.data.config.DataConfig`.
        options: further ``section.key=value`` settings of every run.
        quick: fit the reference classifier to `QUICK_FIT_IMAGES` only; the results are indicative.
    """

    data: str
    names: Sequence[str] = ()
    recipe: str | None = None
    images: int | None = None
    minutes: float | None = None
    seeds: Sequence[int] = (0, 1, 2)
    per_class: int = 1000
    split: HeldOutSplit = "test"
    data_options: Mapping[str, Any] = field(default_factory=dict)
    options: Sequence[str] = ()
    quick: bool = False


QUICK_FIT_IMAGES = 20_000


def _check(question: Question) -> None:
    if question.images is not None and question.minutes is not None:
        raise UsageError("give the budget of a run as --images or as --minutes, not both")
    if question.minutes is not None and question.minutes <= 0:
        raise UsageError(f"--minutes must be above 0, not {question.minutes:g}")
    if not question.seeds or len(set(question.seeds)) < len(question.seeds):
        raise UsageError("name at least one seed, and each once")
    if question.per_class < 1:
        raise UsageError("--per-class must be at least 1; published metrics use 1000")


def _cached_budgets(
    question: Question,
    arms: Sequence[ObjectiveArm],
    folder: Path,
    rates_of: Callable[[Sequence[ObjectiveArm]], dict[str, float]],
) -> tuple[dict[str, int | None], dict[str, float]]:
    """Return budgets in images and images/s by arm; measured and cached at the first start."""
    fixed = {key: value for key, value in asdict(question).items() if key not in ("names", "seeds")}
    path = folder / _QUESTION
    cached: dict[str, Any] = {"images": {}, "rates": {}}
    if path.exists():
        try:
            cached = read_json(path)
            before = {"quick": False, **cached["question"]}  # folders of older versions
            changes = difference(before, json.loads(json.dumps(fixed)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise DataError(
                f"{path} is damaged: remove it, or choose another folder with --out"
            ) from None
        if changes:
            raise UsageError(
                f"{folder} holds another comparison ({'; '.join(changes)}); repeat the same "
                "question, or choose another folder with --out"
            )
    budgets: dict[str, int | None] = cached["images"]
    new = [each for each in arms if each.name not in budgets]
    unmeasured = [each for each in arms if each.name not in cached["rates"]]
    if not new and not unmeasured:
        return budgets, cached["rates"]
    rates = cached["rates"] | rates_of(unmeasured)
    for each in new:
        budgets[each.name] = (
            question.images
            if question.minutes is None
            else max(1, int(rates[each.name] * 60 * question.minutes))
        )
    objectives = {each.name: dict(each.objective) for each in arms}
    values = {"question": fixed, "objectives": objectives, "images": budgets, "rates": rates}
    with disk_errors(path, option="--out"):
        write_atomic(path, json.dumps(values, indent=2).encode())
    return budgets, rates


@final
class TimeLeft:
    """Estimates the remaining time of a comparison from its measured rates and finished runs.

    Args:
        expected: seconds of each run that is still to do, by arm and seed.
        clock: in seconds.
    """

    def __init__(
        self, expected: Mapping[tuple[str, int], float], clock: Callable[[], float] = monotonic
    ) -> None:
        self._left, self._clock, self._started = dict(expected), clock, clock()
        self._done = 0.0

    @property
    def seconds(self) -> float:
        """Expected seconds, scaled by how long the finished runs took."""
        left = sum(self._left.values())
        return left * (self._clock() - self._started) / self._done if self._done else left

    def finish(self, run: tuple[str, int]) -> None:
        """Count a run as finished."""
        self._done += self._left.pop(run, 0.0)


def compare_objectives(
    question: Question,
    folder: Path,
    *,
    display: Display | None = None,
    watch: Stopwatch | None = None,
    on_result: Callable[[ObjectiveComparison], None] | None = None,
) -> ObjectiveComparison:
    """Train every objective with every seed and evaluate its samples.

    Args:
        question: what is compared.
        folder: of the comparison; created if missing.
        display: of the training runs, and of the expected times.
        watch: of the reference classifier's fit and of the evaluations.
        on_result: called with the results so far after every run.

    Returns:
        All results.

    Raises:
        UsageError: the folder holds another comparison, or the question is invalid.
        DataError: the data cannot be used, or have fewer than two classes.
        DivergedError: a run diverged beyond its retries.
        DiskError: a file cannot be written; finished runs stay.
    """
    display, watch = display or SilentDisplay(), watch or Stopwatch()
    _check(question)
    recipe, config, splits, _ = prepare_run(
        question.data,
        recipe=question.recipe,
        images=question.images,
        data_options=question.data_options,
        options=question.options,
        display=display,
    )
    if len(splits.classes) < 2:
        raise DataError(
            f"{splits.name} has one class; a comparison of objectives needs data with at least two"
        )
    arms = objective_arms(recipe, question.names)
    with disk_errors(folder, option="--out"):
        make_folder(folder)

    def rates_of(some: Sequence[ObjectiveArm]) -> dict[str, float]:
        display.message("measuring how fast each objective trains …")
        values = config.model_dump(mode="json")
        runs = {each.name: with_overrides(values, each.options) for each in some}
        configs = {name: validate(RunConfig, run, where=name) for name, run in runs.items()}
        if question.minutes is not None:
            return measure_rates(configs, splits, turns=1 if question.quick else _TURNS)
        return measure_rates(configs, splits, turns=1, seconds=_ESTIMATE_SECONDS)

    budgets, rates = _cached_budgets(question, arms, folder, rates_of)
    flip = splits.flip_keeps_class
    classifier_config = (
        reference_classifier_config(splits.train, flip=flip, images=QUICK_FIT_IMAGES)
        if question.quick
        else None
    )
    path = folder / _METRICS
    with LineLog(path) as log:
        saved = read_rows(path, lambda values: ObjectiveRow(**values))
        known = {(row.name, row.seed): row for row in saved}

        def result() -> ObjectiveComparison:
            """Return the results so far."""
            rows = {
                arm.name: tuple(
                    known[arm.name, seed] for seed in question.seeds if (arm.name, seed) in known
                )
                for arm in arms
            }
            return ObjectiveComparison(
                data=splits.name,
                classes=tuple(each.name for each in splits.classes),
                rows={name: some for name, some in rows.items() if some},
                baseline=real.frechet_baseline(real.required_reference_classifier).distance,
                reference_accuracy=real.reference_accuracy(question.split),
                split=question.split,
                per_class=question.per_class,
                indicative=question.quick,
            )

        usual = total_images(config.training, len(splits.train)) or 0
        samples = question.per_class * len(splits.classes)
        runs = [(arm.name, seed) for seed in question.seeds for arm in arms]
        # A sample, generated and classified, takes less time than a training image.
        expected = {
            (name, seed): ((budgets[name] or usual) + samples) / rates[name]
            for name, seed in runs
            if (name, seed) not in known
        }
        fit = estimate_fit(splits, config=classifier_config, flip=flip)
        display.message(
            f"{len(runs)} runs ({len(arms)} objectives × {counted(len(question.seeds), 'seed')}), "
            f"{len(runs) - len(expected)} done{_time_in_words(sum(expected.values()), fit)}"
        )
        stage = "fitting the reference classifier: images"
        reference_classifier = watch.timed(
            "reference classifier",
            lambda: cached_reference_classifier(
                splits,
                config=classifier_config,
                flip=flip,
                progress=lambda done, total, _loss: watch.progress(stage, done, total),
            ),
        )
        real = replace(
            real_data(reference_classifier, splits, folder=reference_classifiers_folder()),
            progress=watch.progress,
        )
        time_left = TimeLeft(expected)
        for seed in question.seeds:
            for arm in arms:
                position, run = runs.index((arm.name, seed)) + 1, (arm.name, seed)
                if run not in known:
                    display.message(
                        f"run {position} of {len(runs)}: {arm.name}, seed {seed}; "
                        f"about {duration(time_left.seconds)} left"
                    )
                trained = train(
                    question.data,
                    recipe=question.recipe,
                    images=budgets[arm.name],
                    seed=seed,
                    run=folder / f"{arm.name}-s{seed}",
                    data_options=question.data_options,
                    options=(*question.options, *arm.options),
                    display=display,
                )
                row = known.get((arm.name, seed))
                if row is None or row.model != trained.model.record.content_hash:
                    evaluate = partial(_evaluate, arm, seed, trained, question, real)
                    row = watch.timed(f"evaluation of {arm.name}, seed {seed}", evaluate)
                    log.append(asdict(row))
                    log.sync()
                known[run] = row
                time_left.finish(run)
                if on_result:
                    on_result(result())
    return result()


def _time_in_words(runs_seconds: float, fit: FitEstimate | None) -> str:
    if fit is None:
        return f": about {duration(runs_seconds)} left" if runs_seconds else ""
    total = duration(runs_seconds + fit.seconds)
    return (
        f": {fit.at_most}{total} left, {duration(fit.seconds)} of it to fit the reference "
        "classifier, which is cached for the next time"
    )


def comparison_chart(comparison: ObjectiveComparison, folder: Path) -> bytes:
    """Return the chart of a comparison in ``folder``, with samples of the first seed, as PNG."""
    samples = {}
    shown = min(_CHART_CLASSES, len(comparison.classes))
    for name, rows in comparison.rows.items():
        model = load(folder / f"{name}-s{rows[0].seed}")
        labels = [each.name for each in model.classes[:shown]]
        samples[name] = model.sample(labels) if model.conditional else model.sample(count=shown)
    return draw_comparison(comparison, samples)


def _evaluate(
    arm: ObjectiveArm, seed: int, trained: TrainedRun, question: Question, real: EvaluationData
) -> ObjectiveRow:
    model, classes = trained.model, len(real.splits.classes)
    quality: dict[str, Any]
    if model.conditional:
        samples = model.sample(label="all", count=question.per_class)
        target_labels = np.repeat(np.arange(classes, dtype=np.int64), question.per_class)
        quality = measure_quality(
            real.with_samples(samples, target_labels), question.split
        ).to_json()
    else:
        samples = model.sample(count=question.per_class * classes)
        classifier = real.required_reference_classifier
        distance = frechet_distance(
            classifier.predict(samples).features,
            real.split_predictions(classifier, question.split).features,
        )
        quality = {"frechet_ratio": distance / real.frechet_baseline(classifier).distance}
    return ObjectiveRow(
        name=arm.name,
        seed=seed,
        images=trained.images_seen,
        model=model.record.content_hash,
        metrics={measure: quality.get(measure) for measure in MEASURES},
        class_accuracy=quality.get("class_accuracy", {}),
        class_frechet=quality.get("class_frechet", {}),
    )
