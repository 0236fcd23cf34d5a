"""`train`: from what a person asks for to a finished run folder; the command line calls this."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from acgan.config import difference, validate, with_overrides
from acgan.data.config import DataConfig
from acgan.data.images import DataParts
from acgan.data.load import load_data
from acgan.errors import UsageError
from acgan.model import Model, load
from acgan.networks.build import buildable
from acgan.recipes import Recipe, choose, load_recipe
from acgan.run_config import RunConfig
from acgan.storage import file_sha256, recover_folder, remove_leftovers
from acgan.training.budget import (
    Rate,
    measure_images_per_second,
    measuring_seconds,
    total_images,
)
from acgan.training.device import Choices, check_present, describe_environment
from acgan.training.device import choose as choose_execution
from acgan.training.display import Display, SilentDisplay
from acgan.training.finish import draw_summary
from acgan.training.lock import run_lock
from acgan.training.loop import Loop
from acgan.training.progress import duration
from acgan.training.run_folder import RunFolder

_ESTIMATE_SECONDS = 1.5
_BUDGETS = ("total_images", "total_epochs", "max_minutes")


@final
@dataclass(frozen=True)
class TrainedRun:
    """A finished run.

    Attributes:
        folder: where it lies.
        images_seen: real images that D has seen.
        resumed_at: images seen when this call began; the budget if it was complete already.
        pictures: paths of the end-of-run pictures by what they show.
    """

    folder: Path
    images_seen: int
    resumed_at: int
    pictures: dict[str, Path]

    @property
    def model(self) -> Model:
        """The trained model."""
        return load(self.folder)


def train(
    data: str = "digits",
    *,
    recipe: str | None = None,
    images: int | None = None,
    max_minutes: float | None = None,
    seed: int | None = None,
    run: str | Path | None = None,
    init_from: str | Path | None = None,
    data_options: Mapping[str, Any] | None = None,
    execution: Mapping[str, Any] | None = None,
    options: Sequence[str] = (),
    display: Display | None = None,
    announce: bool = False,
) -> TrainedRun:
    """Train, or go on with, the run that the arguments describe.

    Args:
        data: name of a set, or path of a folder or zip of images with one sub-folder per class.
        recipe: name of a recipe; by default one is chosen from the data's size and shape.
        images: budget in real images that D sees.
        max_minutes: budget in minutes, turned into images once by a measurement.
        seed: of all randomness in training.
        run: the run's folder; by default ``runs/<data>-<recipe>-<8 hex of the trajectory>``.
        init_from: a run or model folder whose weights to start from.
        data_options: fields of `acgan.data.config.DataConfig`.
        execution: fields of `acgan.run_config.ExecutionConfig`.
        options: further ``section.key=value`` settings.
        display: shows progress; by default nothing is shown.
        announce: say first what will be trained, and how long it will take by a short measurement.

    Returns:
        The finished run.

    Raises:
        AcganError: with a sentence that says what to do; see `acgan.errors` for the kinds.

    Example:
        >>> run = train("digits", images=100_000)   # doctest: +SKIP
        >>> run.model.sample(label="seven", count=16, seed=0).shape   # doctest: +SKIP
        (16, 1, 28, 28)
    """
    display = display or SilentDisplay()
    chosen = load_recipe(recipe) if recipe else None
    start = _given(data, data_options, execution, seed)
    parts = _load(chosen, start, options, display)
    chosen = chosen or choose(parts.shape, len(parts.train))
    model = load(init_from) if init_from else None
    config = _configure(chosen, start, options, images, max_minutes, init_from)
    _check_fit(config, parts, model)
    name = f"{parts.name}-{chosen.name}-{config.trajectory_hash()}"
    folder = RunFolder(Path(run) if run else Path("runs") / name)
    if announce:
        _announce(config, parts, folder, display)
    return _run(config, parts, folder, display, model, estimate=announce)


def _given(
    data: str,
    data_options: Mapping[str, Any] | None,
    execution: Mapping[str, Any] | None,
    seed: int | None,
) -> dict[str, Any]:
    """What the arguments set, as sections to lay over the recipe's."""
    given: dict[str, Any] = {
        "data": {"source": data, **_set(data_options)},
        "execution": _set(execution),
    }
    if seed is not None:
        given["seed"] = seed
    return given


def _set(values: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (values or {}).items() if value is not None}


def _merged(
    recipe: Recipe | None, given: Mapping[str, Any], options: Sequence[str]
) -> dict[str, Any]:
    values: dict[str, Any] = dict(recipe.values) if recipe else {}
    for section, inner in given.items():
        values[section] = {**values.get(section, {}), **inner} if isinstance(inner, dict) else inner
    return with_overrides(values, options)


def _load(
    recipe: Recipe | None, given: Mapping[str, Any], options: Sequence[str], display: Display
) -> DataParts:
    own = [option for option in options if option.split(".")[0].strip() == "data"]
    values = _merged(recipe, given, own).get("data", {})
    parts = load_data(validate(DataConfig, values, where="data"))
    for note in parts.notes:
        display.message(note)
    return parts


def _configure(
    recipe: Recipe,
    given: Mapping[str, Any],
    options: Sequence[str],
    images: int | None,
    max_minutes: float | None,
    init_from: str | Path | None,
) -> RunConfig:
    if images is not None and max_minutes is not None:
        raise UsageError("give the budget as --images or as --max-minutes, not both")
    values = {**_merged(recipe, given, options), "recipe": recipe.name}
    asked = {"total_images": images, "max_minutes": max_minutes}
    asked |= {
        key: values["training"][key]
        for option in options
        for key in _BUDGETS
        if option.replace(" ", "").startswith(f"training.{key}=")
    }
    if any(value is not None for value in asked.values()):
        training = {k: v for k, v in values["training"].items() if k not in _BUDGETS}
        values["training"] = {**training, **_set(asked)}
    if init_from:
        values["init_from"] = _model_hash(Path(init_from))
    return validate(RunConfig, values, where=f"recipe {recipe.name} with your options")


def _model_hash(path: Path) -> str:
    from acgan.model import find_model

    return file_sha256(find_model(path) / "manifest.json")


def _check_fit(config: RunConfig, parts: DataParts, model: Model | None) -> None:
    """Refuse, before any work, what cannot be trained.

    Raises:
        UsageError: sizes, classes or networks that do not fit.
    """
    present = int((parts.train.class_counts > 0).sum())
    if present < 2 and config.objective.class_weight_generator > 0 and not config.data.only_class:
        raise UsageError(
            "an ACGAN needs images of at least two classes (one sub-folder for each); "
            f"there is only {parts.classes[0].name!r}"
        )
    if len(parts.train) < config.training.batch_size:
        raise UsageError(
            f"there are {len(parts.train)} training images, fewer than a batch of "
            f"{config.training.batch_size}; add images or set -o training.batch_size="
            f"{max(2, len(parts.train) // 2)}"
        )
    buildable(config.generator, parts.shape)
    buildable(config.discriminator, parts.shape)
    if model is None:
        return
    differences = difference(
        {
            "generator": model.config.generator.model_dump(),
            "discriminator": model.config.discriminator.model_dump(),
        },
        {
            "generator": config.generator.model_dump(),
            "discriminator": config.discriminator.model_dump(),
        },
    )
    if model.shape != parts.shape:
        differences.append(f"image size: {model.shape} → {parts.shape}")
    if [c.name for c in model.classes] != [c.name for c in parts.classes]:
        differences.append("the classes or their order")
    if differences:
        listed = "".join(f"\n  {line}" for line in differences)
        raise UsageError(f"the weights of --init-from do not fit this run; these differ:{listed}")


def _run(
    config: RunConfig,
    parts: DataParts,
    folder: RunFolder,
    display: Display,
    model: Model | None,
    *,
    estimate: bool,
) -> TrainedRun:
    with run_lock(folder.path):
        remove_leftovers(folder.path)
        recover_folder(folder.model)
        folder.open(config, parts)
        choices = _choices(config, folder, display)
        choices.apply_threads()
        total = _total(config, parts, choices, folder, display)
        if estimate and not folder.metrics.exists():
            _say_time(config, parts, choices, folder, display, total)
        loop = Loop(config, parts, choices, folder, display, total_images=total, start_from=model)
        with closing(loop):
            resumed_at = loop.images_seen
            if resumed_at < total:
                with display:
                    loop.run()
        pictures = draw_summary(folder)
        return TrainedRun(folder.path, loop.images_seen, resumed_at, pictures)


def _choices(config: RunConfig, folder: RunFolder, display: Display) -> Choices:
    """Decide at the first start; keep afterwards, and say aloud what has changed around it."""
    now = describe_environment()
    known = folder.read(folder.environment)
    if known is None:
        choices = choose_execution(config.execution)
        folder.write(folder.environment, {"choices": choices.to_json(), "environment": now})
        return choices
    choices = Choices(**known["choices"])
    check_present(choices.device)
    changes = difference(known["environment"], now)
    if changes:
        display.message(
            "this is not the environment that the run was started in, so it may not go on bit for "
            f"bit: {'; '.join(changes)}",
            "warning",
        )
    return choices


def _total(
    config: RunConfig, parts: DataParts, choices: Choices, folder: RunFolder, display: Display
) -> int:
    """The budget in images; minutes are turned into images once, and kept in budget.json."""
    training = config.training
    total = total_images(training, len(parts.train))
    if total is not None:
        return total
    minutes = training.max_minutes
    assert minutes is not None  # RunConfig has exactly one budget
    known = folder.read(folder.budget)
    if known is None:
        rate = _measure(config, parts, choices, folder, measuring_seconds(minutes))
        folder.write(folder.budget, rate.to_json())
    else:
        rate = Rate.from_json(known)
    total = rate.images_in(60 * minutes - rate.measuring_seconds, _event_intervals(config))
    display.message(
        f"{minutes:g} minutes are {total:,} images at the {rate.images_per_second:,.0f} images/s "
        "measured at the first start"
    )
    return total


def _event_intervals(config: RunConfig) -> tuple[int, int, int]:
    reporting = config.reporting
    return (
        reporting.log_every_images,
        reporting.sheet_every_images,
        reporting.checkpoint_every_images,
    )


def _measure(
    config: RunConfig, parts: DataParts, choices: Choices, folder: RunFolder, seconds: float
) -> Rate:
    """Train a throw-away learner for some seconds in a throw-away folder."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix=".tmp-measure-", dir=folder.path) as scratch:
        place = RunFolder(Path(scratch))
        loop = Loop(config, parts, choices, place, SilentDisplay(), total_images=0)
        with closing(loop):

            def iterate() -> int:
                before = loop.images_seen
                loop.train_once()
                return loop.images_seen - before

            speed = measure_images_per_second(iterate, seconds)
            events = loop.rehearse()
    return Rate(speed, events, time.perf_counter() - start)


def _announce(config: RunConfig, parts: DataParts, folder: RunFolder, display: Display) -> None:
    """What will be trained, on which data."""
    counts = ", ".join(
        f"{len(part):,} {name}"
        for name, part in (
            ("training", parts.train),
            ("validation", parts.validation),
            ("test", parts.test),
        )
    )
    recipe = load_recipe(config.recipe)
    display.message(f"data: {parts.name}, {len(parts.classes)} classes of {parts.shape} ({counts})")
    display.message(f"recipe: {recipe.name}, {recipe.summary}")
    for deviation in recipe.deviations:
        display.message(f"  deviation: {deviation}")
    display.message(f"run: {folder.path} (every setting: {folder.config.name}, or `acgan show`)")


def _say_time(
    config: RunConfig,
    parts: DataParts,
    choices: Choices,
    folder: RunFolder,
    display: Display,
    total: int,
) -> None:
    """How long the budget will take, by a measurement of a few seconds."""
    rate = _measure(config, parts, choices, folder, _ESTIMATE_SECONDS)
    seconds = rate.seconds_for(total, _event_intervals(config))
    display.message(
        f"{total:,} images will take about {duration(seconds)} on this {choices.device} in "
        f"{choices.precision} ({rate.images_per_second:,.0f} images/s, measured just now; "
        "--images or --max-minutes sets another budget)"
    )
