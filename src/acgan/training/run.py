"""`train`: from what a person asks for to a finished run folder; the command line calls this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from acgan.config import difference, validate, with_overrides
from acgan.data.config import DataConfig
from acgan.data.images import DataParts
from acgan.data.load import load_data
from acgan.errors import UsageError
from acgan.model import Model, load
from acgan.networks.build import buildable
from acgan.recipes import Recipe, choose, load_recipe, recipe_names
from acgan.run_config import RunConfig
from acgan.training.display import Display, SilentDisplay
from acgan.training.run_folder import RunFolder
from acgan.training.run_set import carry_out_set
from acgan.training.start import TrainedRun, carry_out

__all__ = ["TrainedRun", "prepare", "train"]

_MANY_FILES = 2_000  # from here on reading takes so long that silence looks like a fault
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
    """Train, or go on with, the run that the arguments describe.

    Args:
        data: name of a set, or path of a folder or zip of images with one sub-folder per class.
        recipe: name of a recipe; by default one is chosen from the data's size and shape.
        images: budget in real images that D sees.
        max_minutes: budget in minutes, turned into images once by a measurement.
        seed: of all randomness in training.
        run: the run's folder; by default ``runs/<data>-<recipe>-<8 hex of the trajectory>``.
        init_from: a run or model folder whose weights to start from.
        classes_per_model: several models of at most so many classes each, used as one.
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
    chosen, config, parts, model = _prepared(
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
    name = f"{parts.name}-{chosen.name}-{config.trajectory_hash()}"
    folder = RunFolder(Path(run) if run else Path("runs") / name)
    if announce:
        _announce(chosen, config, parts, folder, display)
    if config.classes_per_model is not None:
        return carry_out_set(config, parts, folder, display, estimate=announce)
    return carry_out(config, parts, folder, display, start_from=model, estimate=announce)


def prepare(
    data: str,
    *,
    recipe: str | None = None,
    images: int | None = None,
    data_options: Mapping[str, Any] | None = None,
    options: Sequence[str] = (),
    display: Display | None = None,
) -> tuple[Recipe, RunConfig, DataParts]:
    """What `train` would train with the same arguments: recipe, configuration and data.

    Raises:
        AcganError: as `train` does before its first step.
    """
    chosen, config, parts, _ = _prepared(
        data,
        recipe=recipe,
        images=images,
        data_options=data_options,
        options=options,
        display=display or SilentDisplay(),
    )
    return chosen, config, parts


def _prepared(
    data: str,
    *,
    recipe: str | None,
    images: int | None,
    data_options: Mapping[str, Any] | None,
    options: Sequence[str],
    display: Display,
    max_minutes: float | None = None,
    seed: int | None = None,
    init_from: str | Path | None = None,
    classes_per_model: int | None = None,
    execution: Mapping[str, Any] | None = None,
) -> tuple[Recipe, RunConfig, DataParts, Model | None]:
    chosen = load_recipe(recipe) if recipe else None
    start = _given(data, data_options, execution, seed)
    if classes_per_model is not None:
        start["classes_per_model"] = classes_per_model
    parts = _load(chosen, start, options, display)
    if chosen is None:
        # a person who keeps one class of several looks at how one is learned: as among the others
        all_labelled = parts.labelled_rows is None
        one_of_several = "only_class" in _merged(None, start, options)["data"]
        conditional = len(parts.classes) > 1 or one_of_several
        chosen = choose(
            parts.shape, len(parts.train), conditional=conditional, all_labelled=all_labelled
        )
    model = load(init_from) if init_from else None
    config = _configure(chosen, start, options, images, max_minutes, model)
    _check_fit(config, parts, model)
    return chosen, config, parts, model


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
    said: set[str] = set()

    def progress(stage: str, _done: int, total: int) -> None:
        if total >= _MANY_FILES and stage not in said:
            said.add(stage)
            display.message(f"{stage} {total:,} files …")

    parts = load_data(validate(DataConfig, values, where="data"), progress=progress)
    for note in parts.notes:
        display.message(note)
    return parts


def _configure(
    recipe: Recipe,
    given: Mapping[str, Any],
    options: Sequence[str],
    images: int | None,
    max_minutes: float | None,
    model: Model | None,
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
    if model is not None:
        values["init_from"] = model.record.content_hash
    return validate(RunConfig, values, where=f"recipe {recipe.name} with your options")


def _check_fit(config: RunConfig, parts: DataParts, model: Model | None) -> None:
    """Refuse, before any work, what cannot be trained.

    Raises:
        UsageError: sizes, classes or networks that do not fit.
    """
    present = int((parts.labelled.class_counts > 0).sum())
    if present < 2 and config.objective.needs_classes and not config.data.only_class:
        raise UsageError(
            f"{config.objective.title} needs images of at least two classes (one sub-folder "
            f"for each); there is only {parts.classes[0].name!r}. A model without classes is "
            f"trained without --recipe{_or_by_name()}"
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
    if config.classes_per_model is not None or model.record.members:
        raise UsageError(
            "--init-from takes one model and starts one; a set (classes_per_model) is several: "
            "leave one of the two out, or start from one of the set's members/"
        )
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


def _or_by_name() -> str:
    """The recipes that need no classes, for the end of a sentence."""
    objectives = {each: load_recipe(each).values["objective"]["name"] for each in recipe_names()}
    found = [recipe for recipe, objective in objectives.items() if objective == "gan"]
    return f", or with {' or '.join(found)}" if found else ""


def _announce(
    recipe: Recipe, config: RunConfig, parts: DataParts, folder: RunFolder, display: Display
) -> None:
    """What will be trained, on which data."""
    counts = ", ".join(
        f"{len(part):,} {name}"
        for name, part in (
            ("training", parts.train),
            ("validation", parts.validation),
            ("test", parts.test),
        )
    )
    if parts.labelled_rows is not None:
        counts += f"; {len(parts.labelled):,} training images labelled"
    count = len(parts.classes)
    what = f"{count} classes of {parts.shape}" if count > 1 else f"images of {parts.shape}"
    display.message(f"data: {parts.name}, {what} ({counts})")
    display.message(f"recipe: {recipe.name}, {recipe.summary}")
    for deviation in recipe.deviations:
        display.message(f"  deviation: {deviation}")
    if "colour" in config.augmentation.policy and parts.shape.channels == 1:
        display.message("augmentation: of grey images, colour is brightness and contrast alone")
    display.message(f"run: {folder.path} (every setting: {folder.config.name}, or `acgan show`)")
