"""The model card: README.md of a model folder, readable without the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from acgan.data.class_selection import class_groups
from acgan.data.images import ClassName, ImageShape
from acgan.objectives.build import ObjectiveConfig
from acgan.runs.config import RunConfig
from acgan.version import __version__


@final
@dataclass(frozen=True)
class ModelInfo:
    """Facts about a model besides its weights.

    Attributes:
        config: the run that made it, with every choice resolved.
        shape: of its images.
        classes: in label order.
        split: content hash, size and count per class of each split of its data
            (`DatasetSplits.split_record`).
        data_name: short name of its data.
        images_seen: real images that the discriminator had seen.
    """

    config: RunConfig
    shape: ImageShape
    classes: tuple[ClassName, ...]
    split: Mapping[str, Any]
    data_name: str
    images_seen: int


def model_card(info: ModelInfo) -> str:
    """Return the card as Markdown: what the model is, its data, how to use it, its limits."""
    config, shape, classes, split = info.config, info.shape, info.classes, info.split
    data_name, images_seen = info.data_name, info.images_seen
    objective = config.objective
    words = _of_classes(classes) if objective.conditional else _OF_ALL
    title = f"{words.title} of {shape} pixels, drawn by {objective.explanations[0].noun}"
    return f"""# {title} trained on {data_name}

{words.what} and its discriminator ({objective.explanations[0].paper}), trained by acgan
{__version__} with the recipe `{config.recipe}` and the seed {config.seed}.
{_who_saw(config, len(classes))} saw {images_seen:,} real images ({_epochs(images_seen, split)}).

| | |
| --- | --- |
| generator | {config.generator.family}, averaged weights (EMA) |
| discriminator | {config.discriminator.family}, with {objective.build().heads.description} |
{_objective_rows(objective)}
| images | {shape.height} × {shape.width} pixels, {"gray" if shape.channels == 1 else "color"} |

`config.json` has every other setting.

## Classes

{words.known}

{_class_table(classes)}

## Data

Three disjoint splits of `{data_name}`, made before training; the networks were trained on `train`
only. Equal hashes mean equal images.

{_split_table(split)}
{_labeled(split)}
## Use

```
acgan sample THIS_FOLDER {words.option}--count 16 --out samples
```

```python
from acgan import load

model = load("THIS_FOLDER")
images = model.sample({words.argument}count=16, seed=0)  # uint8 (16, {", ".join(map(str, shape))})
```

{words.same} the same image, alone or in a batch. The data set is not needed.

## Limits

- Its images look like its training images, with their gaps and biases.
{words.wrong}
  The discriminator cannot measure that; `acgan evaluate` can.
- {words.rare}, and single training images may be memorized.
- Test classifiers that are trained on these images on real images.
- Images are byte-identical on the same kind of machine with the same versions; elsewhere single
  gray levels may differ.
- The license of the training images may apply to what is derived from them.
"""


@final
@dataclass(frozen=True)
class _Words:
    """Sentences of a card that differ between conditional and unconditional models."""

    title: str
    what: str
    known: str
    option: str
    argument: str
    same: str
    wrong: str
    rare: str


def _of_classes(classes: Sequence[ClassName]) -> _Words:
    first = classes[0].name
    return _Words(
        title=f"{len(classes)} classes",
        what="A class-conditional generator",
        known="Select a class by its name, another name, or its index.",
        option=f"--class {_quoted(first)} ",
        argument=f"label={first!r}, ",
        same="The same class and seed give",
        wrong="""\
- An image may show another class than the requested one, or none, and the diversity within a class
  may be lower than in the training images.""",
        rare="Classes with few training images have worse images",
    )


_OF_ALL = _Words(
    title="Images",
    what="A generator without classes",
    known="Classes of its data. The generator does not use them, so none can be selected.",
    option="",
    argument="",
    same="The same seed gives",
    wrong="""\
- An image may show nothing recognizable, and whole kinds of training images may be missing from
  the samples.""",
    rare="What few training images show has worse images",
)


def _objective_rows(objective: ObjectiveConfig) -> str:
    """One row for each hyper-parameter."""
    rows = [
        f"| {name.replace('_', ' ')} | {value:g} |"
        if isinstance(value, float)
        else f"| {name.replace('_', ' ')} | {value} |"
        for name, value in objective.model_dump(mode="json", exclude={"name"}).items()
    ]
    return "\n".join([f"| objective | {objective.name} |", *rows])


def _who_saw(config: RunConfig, classes: int) -> str:
    if config.classes_per_model is None:
        return "The discriminator"
    groups = class_groups(classes, config.classes_per_model)
    sizes = " or ".join(str(size) for size in sorted({len(group) for group in groups}))
    return (
        f"It is a set of {len(groups)} models of {sizes} classes each, below `members/`, any of\n"
        "which can be used alone; their discriminators together"
    )


def _epochs(images_seen: int, split: Mapping[str, Mapping[str, Any]]) -> str:
    count = int(split["train"]["images"])
    return f"{images_seen / count:.1f} times each of its {count:,}" if count else "of none"


def _class_table(classes: Sequence[ClassName]) -> str:
    rows = [
        f"| {index} | {_cell(each.name)} | {_cell(', '.join(each.aliases))} |"
        for index, each in enumerate(classes)
    ]
    return "\n".join(["| index | name | also |", "| --- | --- | --- |", *rows])


def _split_table(split: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        f"| {name} | {part['images']:,} | `{part['content_hash']}` |"
        for name, part in split.items()
    ]
    return "\n".join(["| split | images | SHA-256 of its content |", "| --- | --- | --- |", *rows])


def _labeled(split: Mapping[str, Mapping[str, Any]]) -> str:
    """A paragraph where not all training images were labeled."""
    known = split["train"].get("labeled")
    if known is None:
        return ""
    return (
        f"\nOf the training images {known['images']:,} had a label ({_each(known['per_class'])}); "
        "the others were\nused without labels.\n"
    )


def _each(counts: Sequence[int]) -> str:
    fewest, most = min(counts), max(counts)
    return f"{most:,} of each class" if fewest == most else f"{fewest:,} to {most:,} of each class"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _quoted(name: str) -> str:
    return name if name.replace("-", "").replace("_", "").isalnum() else f'"{name}"'
