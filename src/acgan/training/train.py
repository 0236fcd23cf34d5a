"""`train`: from arguments, options and a recipe to a finished run; the command line calls this."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from acgan.augmentation.augmentation import AugmentationConfig
from acgan.config import difference, validate, with_overrides
from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits
from acgan.data.layout import SINGLE_CLASS
from acgan.data.load import load_data
from acgan.errors import DataError, UsageError, counted, shown
from acgan.execution.execution import ExecutionConfig, choose_execution
from acgan.model.model import Model, load
from acgan.recipes.recipe import Recipe, choose, load_recipe, recipe_names
from acgan.runs.config import RunConfig
from acgan.runs.folder import RunFolder
from acgan.storage.files import spelled_on_disk
from acgan.storage.line_log import read_rows
from acgan.training.display import Display, SilentDisplay
from acgan.training.quick_check import quick_check
from acgan.training.run import TrainedRun, run_training
from acgan.training.run_set import train_model_set

_MANY_FILES = 2_000  # from here on reading takes so long that silence looks like a fault
_SMALLEST_BATCH = 2  # batch statistics need two images
_BUDGETS = ("total_images", "total_epochs", "max_minutes")


def train(
    data: str = "digits",
    *,
    recipe: str | None = None,
    images: int | None = None,
    max_minutes: float | None = None,
    seed: int | None = None,
    run: str | Path | None = None,
    init_from: str | Path | None = None,
    classes_per_model: int | None = None,
    data_options: Mapping[str, Any] | None = None,
    execution: Mapping[str, Any] | None = None,
    options: Sequence[str] = (),
    display: Display | None = None,
    announce: bool = False,
) -> TrainedRun:
    """Train the run that the arguments describe, or resume it.

    Args:
        data: name of a data set, or path of a folder or zip with one sub-folder per class.
        recipe: name of a recipe; the default depends on the data's size and shape.
        images: budget in real images.
        max_minutes: budget in minutes, converted into images once by a measurement.
        seed: seed of all random numbers in training.
        run: run folder; by default ``runs/<data>-<recipe>-<8 hex>``, a hash of trajectory and data.
        init_from: run or model folder with the initial weights.
        classes_per_model: train a set of models with at most this many classes each, used as one.
        data_options: fields of `acgan.data.config.DataConfig`.
        execution: fields of `acgan.runs.config.ExecutionConfig`.
        options: further ``section.key=value`` settings.
        display: shows progress; the default shows nothing.
        announce: first show data, recipe and, from a short measurement, the duration; after the
            run, measure ``check`` of the result, which takes seconds.

    Returns:
        The finished run.

    Raises:
        AcganError: the message says what to do; see `acgan.errors` for the kinds.

    Example:
        >>> run = train("digits", images=100_000)   # doctest: +SKIP
        >>> run.model.sample(label="seven", count=16, seed=0).shape   # doctest: +SKIP
        (16, 1, 28, 28)
    """
    display = display or SilentDisplay()
    if run is not None:
        RunFolder(Path(run)).require_ours()
    chosen, config, splits, model = prepare_run(
        data,
        recipe=recipe,
        images=images,
        max_minutes=max_minutes,
        seed=seed,
        init_from=init_from,
        classes_per_model=classes_per_model,
        data_options=data_options,
        execution=execution,
        options=options,
        display=display,
    )
    folder = RunFolder(spelled_on_disk(Path(run)) if run else _default_folder(config, splits))
    if announce:
        _announce(chosen, config, splits, folder, display)
    if config.classes_per_model is not None:
        trained = train_model_set(config, splits, folder, display, estimate=announce)
        members = sorted(folder.members.iterdir())
        logs = [RunFolder(member).metrics for member in members]
    else:
        trained = run_training(config, splits, folder, display, init_from=model, estimate=announce)
        logs = [folder.metrics]
    if not announce:
        return trained
    rows = (read_rows(log, dict) for log in logs)
    return replace(trained, check=quick_check(trained.model, splits, config, chosen, rows))


def _default_folder(config: RunConfig, splits: DatasetSplits) -> Path:
    """Return the folder of a run by its data's name, recipe and hash.

    A run of the same hash continues where it is, under the name that its data had at the start.
    """
    runs = Path("runs")
    ending = f"-{config.recipe}-{config.trajectory_hash(splits.content_hash)}"
    chosen = runs / f"{splits.name}{ending}"
    started = [path for path in sorted(runs.glob(f"*{ending}")) if RunFolder(path).has_run()]
    return started[0] if started and chosen not in started else chosen


def prepare_run(
    data: str,
    *,
    recipe: str | None = None,
    images: int | None = None,
    max_minutes: float | None = None,
    seed: int | None = None,
    init_from: str | Path | None = None,
    classes_per_model: int | None = None,
    data_options: Mapping[str, Any] | None = None,
    execution: Mapping[str, Any] | None = None,
    options: Sequence[str] = (),
    display: Display | None = None,
) -> tuple[Recipe, RunConfig, DatasetSplits, Model | None]:
    """Return recipe, configuration, data and initial model for the arguments of `train`.

    Raises:
        AcganError: as `train` before its first step.
    """
    if images is not None and max_minutes is not None:
        raise UsageError("give the budget as --images or as --max-minutes, not both")
    chosen = load_recipe(recipe) if recipe else None
    model = load(init_from) if init_from else None
    given: dict[str, Any] = {
        "data": {"source": data, **_without_none(data_options or {})},
        "execution": _without_none(execution or {}),
        **_without_none({"seed": seed, "classes_per_model": classes_per_model}),
    }
    # Before the data is read, which may take minutes:
    execution_values = _section("execution", chosen, given, options)
    choose_execution(validate(ExecutionConfig, execution_values, where="execution"))
    splits = _load_splits(chosen, given, options, display or SilentDisplay())
    if chosen is None:
        # --only-class selects one class of a labeled data set: a conditional recipe still fits
        one_of_several = "only_class" in _merge(None, given, options)["data"]
        chosen = choose(
            splits.shape,
            len(splits.train),
            conditional=len(splits.classes) > 1 or one_of_several,
            all_labeled=splits.labeled_rows is None,
        )
    config = _configure(chosen, given, options, images, max_minutes, model)
    check_trainable(config, splits, model)
    return chosen, config, splits, model


def _merge(
    recipe: Recipe | None, given: Mapping[str, Any], options: Sequence[str]
) -> dict[str, Any]:
    """Merge a recipe's values, the arguments and the options; later ones win."""
    values: dict[str, Any] = dict(recipe.values) if recipe else {}
    for section, inner in given.items():
        values[section] = {**values.get(section, {}), **inner} if isinstance(inner, dict) else inner
    return with_overrides(values, options)


def _section(
    name: str, recipe: Recipe | None, given: Mapping[str, Any], options: Sequence[str]
) -> dict[str, Any]:
    """Return one section of the merged values; the recipe may not be chosen yet."""
    own = [option for option in options if option.split(".")[0].strip() == name]
    return dict(_merge(recipe, given, own).get(name, {}))


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _load_splits(
    recipe: Recipe | None, given: Mapping[str, Any], options: Sequence[str], display: Display
) -> DatasetSplits:
    """Load the data and show its classes and notes."""
    values = _section("data", recipe, given, options)
    shown: set[str] = set()

    def progress(stage: str, _done: int, total: int) -> None:
        if total >= _MANY_FILES and stage not in shown:
            shown.add(stage)
            display.message(f"{stage} {total:,} files …")

    splits = load_data(validate(DataConfig, values, where="data"), progress=progress)
    if [each.name for each in splits.classes] != [SINGLE_CLASS]:
        display.message(splits.class_line())
    for note in splits.notes:
        display.message(note)
    return splits


def _configure(
    recipe: Recipe,
    given: Mapping[str, Any],
    options: Sequence[str],
    images: int | None,
    max_minutes: float | None,
    model: Model | None,
) -> RunConfig:
    """Build the complete configuration; budgets of arguments and options replace the recipe's."""
    values = {**_merge(recipe, given, options), "recipe": recipe.name}
    budget = {"total_images": images, "max_minutes": max_minutes}
    names = {option.split("=")[0].replace(" ", "") for option in options}
    budget |= {key: values["training"][key] for key in _BUDGETS if f"training.{key}" in names}
    if budget := _without_none(budget):
        training = {k: v for k, v in values["training"].items() if k not in _BUDGETS}
        values["training"] = training | budget
    if model is not None:
        values["init_from"] = model.record.content_hash
    return validate(RunConfig, values, where=f"recipe {recipe.name} with your options")


def check_trainable(config: RunConfig, splits: DatasetSplits, model: Model | None) -> None:
    """Refuse combinations of configuration, data and initial model that cannot be trained.

    Raises:
        DataError: there are too few training images for the smallest batch.
        UsageError: sizes, classes or networks do not fit together.
    """
    present = int((splits.labeled.class_counts > 0).sum())
    if present < 2 and config.objective.needs_classes and not config.data.only_class:
        raise UsageError(
            f"the objective {config.objective.name} needs images of at least two classes, "
            f"one sub-folder each; the data has only {shown(splits.classes[0].name)}. For a model "
            f"without classes, leave --recipe out{_unconditional_recipes()}"
        )
    images = len(splits.train)
    if images < _SMALLEST_BATCH:
        total = images + len(splits.validation) + len(splits.test)
        raise DataError(
            f"{counted(total, 'image')} are too few to train: the training split has only "
            f"{images} of them and needs at least {_SMALLEST_BATCH}; add images"
        )
    if images < config.training.batch_size:
        raise UsageError(
            f"the training split has {counted(images, 'image')}, fewer than a batch of "
            f"{config.training.batch_size}; add images or set -o training.batch_size="
            f"{max(_SMALLEST_BATCH, images // 2)}"
        )
    config.generator.check_shape(splits.shape)
    config.discriminator.check_shape(splits.shape)
    if model is not None:
        _check_initial_model(config, splits, model)


def _check_initial_model(config: RunConfig, splits: DatasetSplits, model: Model) -> None:
    """Refuse an initial model whose networks, image size or classes differ."""
    if config.classes_per_model is not None or model.record.members:
        raise UsageError(
            "--init-from starts one model from one model, and classes_per_model makes a set of "
            "several; leave one of the two out, or start from one of the set's members/"
        )
    networks = {"generator", "discriminator"}
    differences = difference(
        model.config.model_dump(include=networks), config.model_dump(include=networks)
    )
    if model.shape != splits.shape:
        differences.append(f"image size: {model.shape} → {splits.shape}")
    if [c.name for c in model.classes] != [c.name for c in splits.classes]:
        differences.append("the classes or their order")
    if differences:
        listed = "".join(f"\n  {line}" for line in differences)
        raise UsageError(f"the weights of --init-from do not fit this run; differences:{listed}")


def _unconditional_recipes() -> str:
    """Return the recipes that need no classes, as the end of a sentence."""
    objectives = {each: load_recipe(each).values["objective"]["name"] for each in recipe_names()}
    found = [recipe for recipe, objective in objectives.items() if objective == "gan"]
    return f", or with {' or '.join(found)}" if found else ""


def _announce(
    recipe: Recipe, config: RunConfig, splits: DatasetSplits, folder: RunFolder, display: Display
) -> None:
    """Show which data, recipe and folder a run uses."""
    named = {"training": splits.train, "validation": splits.validation, "test": splits.test}
    counts = ", ".join(f"{len(split):,} {name}" for name, split in named.items())
    if splits.labeled_rows is not None:
        counts += f"; {len(splits.labeled):,} training images labeled"
    count = len(splits.classes)
    what = f"{count} classes of {splits.shape}" if count > 1 else f"images of {splits.shape}"
    display.message(f"data: {splits.name}, {what} ({counts})")
    display.message(f"recipe: {recipe.name}, {recipe.summary}")
    if count == 1 and not config.data.only_class:
        display.message(
            f"  note: there is one class, {shown(splits.classes[0].name)}, so `acgan sample` has "
            "no class to choose; to train with classes, give each a sub-folder of images"
        )
    for deviation in recipe.deviations:
        display.message(f"  deviation: {deviation}")
    if mismatch := recipe.mismatch(splits.shape):
        display.message(f"  note: {mismatch}")
    for note in _augmentation_notes(config.augmentation, splits.shape.channels):
        display.message(f"augmentation: {note}")
    display.message(f"run: {folder.path} (every setting: {folder.config.name}, or `acgan show`)")


def _augmentation_notes(augmentation: AugmentationConfig, channels: int) -> Iterator[str]:
    """Yield notes on the augmentation of D's input."""
    policy = augmentation.policy
    if not (kinds := [*policy, *(["noise"] if augmentation.noise else [])]):
        return
    changes = f"the discriminator's input is changed by {' and '.join(kinds)}"
    if "translation" in policy:
        others = ",".join(each for each in policy if each != "translation")
        changes += (
            f" (for textures, leave translation out: -o augmentation.policy=[{others}], "
            "or, above 96 px, --recipe texture-128)"
        )
    yield changes
    if "color" in policy and channels == 1:
        yield "for gray images, color means brightness and contrast only"
