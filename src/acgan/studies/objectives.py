"""Objectives side by side: the same networks, data and budget, several seeds, judged alike.

Everything is kept in one folder: the question, each run, each run's figures. The same call goes on
where it was killed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from acgan.classifiers.cache import judge_of, judges_folder
from acgan.config import validate, with_overrides
from acgan.data.images import DataParts
from acgan.data.mirror import mirror_keeps_class
from acgan.errors import DataError
from acgan.evaluation.fidelity import frechet_distance
from acgan.evaluation.judged import judge_samples
from acgan.evaluation.reference import Reference, reference
from acgan.model import Model, load
from acgan.run_config import RunConfig
from acgan.storage import LineLog, disk_errors, make_folder
from acgan.studies.entrants import Entrant, entrants
from acgan.studies.objectives_picture import objectives_picture
from acgan.studies.objectives_question import Question, check_question, kept_budgets
from acgan.studies.objectives_result import MEASURES, ObjectiveComparison, Row
from acgan.studies.rates import rates_in_turns
from acgan.training.display import Display, SilentDisplay
from acgan.training.run import prepare, train

FIGURES = "figures.jsonl"
_PICTURED = 12  # classes, of more the picture shows the first


def compare_objectives(
    question: Question,
    folder: Path,
    *,
    display: Display | None = None,
    told: Callable[[ObjectiveComparison], None] | None = None,
) -> ObjectiveComparison:
    """Train every objective with every seed, and judge what it draws.

    Args:
        question: what is compared.
        folder: where everything is kept; made if it is not there.
        display: of the training runs.
        told: called with what is known after every run.

    Returns:
        All figures.

    Raises:
        UsageError: the folder holds another comparison, or the question makes no sense.
        DataError: the data cannot be used, or have fewer than two classes.
        DivergedError: a run diverged beyond its retries.
        DiskError: something cannot be written; what is done is kept.
    """
    display = display or SilentDisplay()
    check_question(question)
    recipe, config, parts, _ = prepare(
        question.data,
        recipe=question.recipe,
        images=question.images,
        data_options=question.data_options,
        options=question.options,
        display=display,
    )
    if len(parts.classes) < 2:
        raise DataError(f"{parts.name} has one class; objectives differ in what they do with more")
    all_entrants = entrants(recipe, question.names)
    with disk_errors(folder):
        make_folder(folder)

    def speeds(some: Sequence[Entrant]) -> dict[str, float]:
        display.message("measuring how fast each objective trains …")
        values = config.model_dump(mode="json")
        runs = {each.name: with_overrides(values, each.options) for each in some}
        return rates_in_turns(
            {name: validate(RunConfig, run, where=name) for name, run in runs.items()}, parts
        )

    budgets = kept_budgets(question, all_entrants, folder, speeds)
    judge = judge_of(parts, flip=mirror_keeps_class(question.data, parts.shape))
    against = reference(judge, parts, part=question.part, folder=judges_folder())
    known = {(row.name, row.seed): row for row in _kept(folder)}
    log = LineLog(folder / FIGURES)
    with log:
        for seed in question.seeds:
            for entrant in all_entrants:
                trained = train(
                    question.data,
                    recipe=question.recipe,
                    images=budgets[entrant.name],
                    seed=seed,
                    run=folder / f"{entrant.name}-s{seed}",
                    data_options=question.data_options,
                    options=(*question.options, *entrant.options),
                    display=display,
                )
                row = known.get((entrant.name, seed))
                if row is None or row.model != trained.model.record.content_hash:
                    row = _judged(
                        entrant, seed, trained.images_seen, trained.model, question, against
                    )
                    log.append(row.to_json())
                    log.sync()
                known[entrant.name, seed] = row
                if told:
                    told(_comparison(parts, all_entrants, known, against, question))
    return _comparison(parts, all_entrants, known, against, question)


def picture_of(comparison: ObjectiveComparison, folder: Path) -> bytes:
    """The PNG of a comparison that lies in ``folder``: figures, and what the first seed draws."""
    samples = {}
    shown = min(_PICTURED, len(comparison.classes))
    for name, rows in comparison.rows.items():
        model = load(folder / f"{name}-s{rows[0].seed}")
        labels = [each.name for each in model.classes[:shown]]
        samples[name] = model.sample(labels) if model.conditional else model.sample(count=shown)
    return objectives_picture(comparison, samples)


def _kept(folder: Path) -> list[Row]:
    path = folder / FIGURES
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [Row.from_json(json.loads(line)) for line in lines if line.endswith("\n")]


def _judged(
    entrant: Entrant, seed: int, images: int, model: Model, question: Question, against: Reference
) -> Row:
    classes = len(against.real.classes)
    quality: dict[str, Any]
    if model.conditional:
        samples = model.sample(label="all", count=question.per_class)
        asked = np.repeat(np.arange(classes, dtype=np.int64), question.per_class)
        quality = judge_samples(samples, asked, against).to_json()
    else:
        samples = model.sample(count=question.per_class * classes)
        distance = frechet_distance(against.judge.answers(samples).features, against.features)
        quality = {"floors": distance / against.floor}
    return Row(
        name=entrant.name,
        seed=seed,
        images=images,
        model=model.record.content_hash,
        figures={measure: quality.get(measure) for measure in MEASURES},
        class_accuracy=quality.get("class_accuracy", {}),
        class_frechet=quality.get("class_frechet", {}),
    )


def _comparison(
    parts: DataParts,
    all_entrants: Sequence[Entrant],
    known: Mapping[tuple[str, int], Row],
    against: Reference,
    question: Question,
) -> ObjectiveComparison:
    rows = {
        each.name: tuple(
            known[each.name, seed] for seed in question.seeds if (each.name, seed) in known
        )
        for each in all_entrants
    }
    return ObjectiveComparison(
        data=parts.name,
        classes=tuple(each.name for each in parts.classes),
        rows={name: some for name, some in rows.items() if some},
        floor=against.floor,
        judge_accuracy=against.accuracy[question.part],
        part=question.part,
        per_class=question.per_class,
    )
