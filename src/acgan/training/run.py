"""Whether a configuration, its data and the weights that it starts from go together.

`train`: from what a person asks for to a finished run folder; the command line calls this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from acgan.augmentation.augmentation import AugmentationConfig
from acgan.config import difference
from acgan.data.images import DatasetSplits
from acgan.errors import UsageError
from acgan.model.model import Model, load
from acgan.networks.build import buildable
from acgan.recipes import Recipe, choose, load_recipe, recipe_names
from acgan.runs.config import RunConfig
from acgan.runs.folder import RunFolder
from acgan.training.configure import configure, given_values, load_splits, merged
from acgan.training.display import Display, SilentDisplay
from acgan.training.run_set import train_model_set
from acgan.training.start import TrainedRun, run_training


def check_trainable(config: RunConfig, splits: DatasetSplits, model: Model | None) -> None:
    """Refuse, before any work, what cannot be trained.

    Args:
        config: of the run.
        splits: its data.
        model: whose weights it is to start from, if from any.

    Raises:
        UsageError: sizes, classes or networks that do not fit.
    """
    present = int((splits.labeled.class_counts > 0).sum())
    if present < 2 and config.objective.needs_classes and not config.data.only_class:
        raise UsageError(
            f"{config.objective.title} needs images of at least two classes (one sub-folder "
            f"for each); there is only {splits.classes[0].name!r}. A model without classes is "
            f"trained without --recipe{_or_by_name()}"
        )
    if len(splits.train) < config.training.batch_size:
        raise UsageError(
            f"there are {len(splits.train)} training images, fewer than a batch of "
            f"{config.training.batch_size}; add images or set -o training.batch_size="
            f"{max(2, len(splits.train) // 2)}"
        )
    buildable(config.generator, splits.shape)
    buildable(config.discriminator, splits.shape)
    if model is not None:
        _check_start(config, splits, model)


def _check_start(config: RunConfig, splits: DatasetSplits, model: Model) -> None:
    """Whether the run can start from the model's weights."""
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
    if model.shape != splits.shape:
        differences.append(f"image size: {model.shape} → {splits.shape}")
    if [c.name for c in model.classes] != [c.name for c in splits.classes]:
        differences.append("the classes or their order")
    if differences:
        listed = "".join(f"\n  {line}" for line in differences)
        raise UsageError(f"the weights of --init-from do not fit this run; these differ:{listed}")


def _or_by_name() -> str:
    """The recipes that need no classes, for the end of a sentence."""
    objectives = {each: load_recipe(each).values["objective"]["name"] for each in recipe_names()}
    found = [recipe for recipe, objective in objectives.items() if objective == "gan"]
    return f", or with {' or '.join(found)}" if found else ""


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
        execution: fields of `acgan.runs.config.ExecutionConfig`.
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
    name = f"{splits.name}-{chosen.name}-{config.trajectory_hash()}"
    folder = RunFolder(Path(run) if run else Path("runs") / name)
    if announce:
        _announce(chosen, config, splits, folder, display)
    if config.classes_per_model is not None:
        return train_model_set(config, splits, folder, display, estimate=announce)
    return run_training(config, splits, folder, display, start_from=model, estimate=announce)


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
    """What `train` trains with the same arguments: recipe, configuration, data, and where from.

    Raises:
        AcganError: as `train` does before its first step.
    """
    chosen = load_recipe(recipe) if recipe else None
    start = given_values(data, data_options, execution, seed)
    if classes_per_model is not None:
        start["classes_per_model"] = classes_per_model
    splits = load_splits(chosen, start, options, display or SilentDisplay())
    if chosen is None:
        # a person who keeps one class of several looks at how one is learned: as among the others
        all_labeled = splits.labeled_rows is None
        one_of_several = "only_class" in merged(None, start, options)["data"]
        conditional = len(splits.classes) > 1 or one_of_several
        chosen = choose(
            splits.shape, len(splits.train), conditional=conditional, all_labeled=all_labeled
        )
    model = load(init_from) if init_from else None
    config = configure(chosen, start, options, images, max_minutes, model)
    check_trainable(config, splits, model)
    return chosen, config, splits, model


def _announce(
    recipe: Recipe, config: RunConfig, splits: DatasetSplits, folder: RunFolder, display: Display
) -> None:
    """What will be trained, on which data."""
    counts = ", ".join(
        f"{len(part):,} {name}"
        for name, part in (
            ("training", splits.train),
            ("validation", splits.validation),
            ("test", splits.test),
        )
    )
    if splits.labeled_rows is not None:
        counts += f"; {len(splits.labeled):,} training images labeled"
    count = len(splits.classes)
    what = f"{count} classes of {splits.shape}" if count > 1 else f"images of {splits.shape}"
    display.message(f"data: {splits.name}, {what} ({counts})")
    display.message(f"recipe: {recipe.name}, {recipe.summary}")
    for deviation in recipe.deviations:
        display.message(f"  deviation: {deviation}")
    if splits.shape.channels not in recipe.channels:
        meant, given = ("gray", "color") if splits.shape.channels == 3 else ("color", "gray")
        display.message(f"  note: {recipe.name} is meant for {meant} images, and these are {given}")
    for note in _augmentation_notes(config.augmentation, splits.shape.channels):
        display.message(f"augmentation: {note}")
    display.message(f"run: {folder.path} (every setting: {folder.config.name}, or `acgan show`)")


def _augmentation_notes(augmentation: AugmentationConfig, channels: int) -> Iterator[str]:
    """What D is shown in place of the images, and what to know of it."""
    policy = augmentation.policy
    ways = [*policy, *(["noise"] if augmentation.noise else [])]
    if not ways:
        return
    changes = f"what the discriminator sees is changed by {' and '.join(ways)}"
    if "translation" in policy:
        others = ",".join(each for each in policy if each != "translation")
        changes += f" (textures want none of translation: -o augmentation.policy=[{others}]"
        changes += ", or of over 96 px --recipe texture-128)"
    yield changes
    if "color" in policy and channels == 1:
        yield "of gray images, color is brightness and contrast alone"
