"""What a comparison of objectives asks, and the budgets of its runs, kept in its folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from acgan.config import difference
from acgan.errors import UsageError
from acgan.evaluation.reference import PartName
from acgan.storage import disk_errors, write_atomic
from acgan.studies.entrants import Entrant

QUESTION = "comparison.json"


@final
@dataclass(frozen=True)
class Question:
    """What is compared; two comparisons of one folder must agree in it.

    Attributes:
        data: name of a set, or path of a folder or zip.
        names: of objectives; see `acgan.studies.entrants.entrants`.
        recipe: whose networks and rates all share; None for the data's default.
        images: budget of every run in images, or None.
        minutes: budget of every run in minutes of training, turned into images for each objective
            by its own speed, which is measured in turns at the first start; or None. Without
            either, the recipe's own budget in images.
        seeds: of the runs.
        per_class: samples a class that are judged.
        part: the real part that they are held against.
        data_options: fields of `acgan.data.config.DataConfig`.
        options: further ``section.key=value`` settings of every run.
    """

    data: str
    names: Sequence[str] = ()
    recipe: str | None = None
    images: int | None = None
    minutes: float | None = None
    seeds: Sequence[int] = (0, 1, 2)
    per_class: int = 1000
    part: PartName = "test"
    data_options: Mapping[str, Any] = field(default_factory=dict)
    options: Sequence[str] = ()


def check_question(question: Question) -> None:
    """Raise UsageError where the question makes no sense."""
    if question.images is not None and question.minutes is not None:
        raise UsageError("give the budget of a run as --images or as --minutes, not both")
    if question.minutes is not None and question.minutes <= 0:
        raise UsageError(f"--minutes must be above 0, not {question.minutes:g}")
    if not question.seeds or len(set(question.seeds)) < len(question.seeds):
        raise UsageError("name at least one seed, and each once")
    if question.per_class < 1:
        raise UsageError("--per-class must be at least 1; quoted figures take 1000")


def kept_budgets(
    question: Question,
    all_entrants: Sequence[Entrant],
    folder: Path,
    speeds: Callable[[Sequence[Entrant]], dict[str, float]],
) -> dict[str, int | None]:
    """Images of a run by objective; measured and kept at the first start.

    Args:
        question: what is compared.
        all_entrants: its objectives.
        folder: of the comparison; it must be there.
        speeds: images a second of each of some objectives, by name.

    Raises:
        UsageError: the folder holds another comparison.
        DiskError: they cannot be kept.
    """
    asked = {
        "data": question.data,
        "recipe": question.recipe,
        "images": question.images,
        "minutes": question.minutes,
        "per_class": question.per_class,
        "part": question.part,
        "data_options": dict(question.data_options),
        "options": list(question.options),
    }
    objectives = {each.name: dict(each.objective) for each in all_entrants}
    path = folder / QUESTION
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    if kept is not None:
        changes = difference(kept["question"], json.loads(json.dumps(asked)))
        if changes:
            raise UsageError(
                f"{folder} holds another comparison ({'; '.join(changes)}); ask the same again, "
                "or choose another folder with --out"
            )
    budgets: dict[str, int | None] = dict(kept["images"]) if kept else {}
    rates: dict[str, float] = dict(kept["rates"]) if kept else {}
    new = [each for each in all_entrants if each.name not in budgets]
    if new and question.minutes is not None:
        rates |= speeds(new)
    for each in new:
        budgets[each.name] = (
            question.images
            if question.minutes is None
            else max(1, int(rates[each.name] * 60 * question.minutes))
        )
    values = {"question": asked, "objectives": objectives, "images": budgets, "rates": rates}
    if new:
        with disk_errors(path):
            write_atomic(path, json.dumps(values, indent=2).encode())
    return budgets
