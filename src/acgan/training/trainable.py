"""Whether a configuration, its data and the weights that it starts from go together."""

from __future__ import annotations

from acgan.config import difference
from acgan.data.images import DataParts
from acgan.errors import UsageError
from acgan.model import Model
from acgan.networks.build import buildable
from acgan.recipes import load_recipe, recipe_names
from acgan.run_config import RunConfig


def check_trainable(config: RunConfig, parts: DataParts, model: Model | None) -> None:
    """Refuse, before any work, what cannot be trained.

    Args:
        config: of the run.
        parts: its data.
        model: whose weights it is to start from, if from any.

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
    if model is not None:
        _check_start(config, parts, model)


def _check_start(config: RunConfig, parts: DataParts, model: Model) -> None:
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
