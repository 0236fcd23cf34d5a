"""The model card: README.md of a model folder, for whoever finds the folder without its history."""

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

Everything else that shaped it is in `config.json`.

## Classes

{words.known}

{_class_table(classes)}

## Data

Three disjoint parts of `{data_name}`, cut before training; the networks learned from `train` alone.
The hash tells whether other images are the same ones.

{_split_table(split)}
{_labeled(split)}
## Drawing

```
acgan sample THIS_FOLDER {words.option}--count 16 --out pictures
```

```python
from acgan import load

model = load("THIS_FOLDER")
images = model.sample({words.argument}count=16, seed=0)  # uint8 (16, {", ".join(map(str, shape))})
```

{words.same} the same picture, alone or among others. The data set is not needed.

## Limits

- It draws what its training images look like, with their gaps and biases, and nothing else.
{words.wrong} The discriminator's opinion measures neither; only an independent
  evaluation on the test part does, and this card carries none.
- {words.rare}, and single training images may be reproduced.
- Whoever trains a classifier on these pictures should test it on real ones.
- Pictures are byte-identical on the same kind of machine with the same versions; elsewhere single
  gray levels may differ.
- The license of the training images applies to what is derived from them, as far as it reaches.
"""


@final
@dataclass(frozen=True)
class _Words:
    """What a card says differently of models that can be asked for classes and of others."""

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
        known="Each can be asked for by its name, another name, or its index.",
        option=f"--class {_quoted(first)} ",
        argument=f"label={first!r}, ",
        same="The same class and seed give",
        wrong="""\
- It can draw a wrong or unreadable picture of the class asked for, and may know fewer varieties of
  a class than there are.""",
        rare="A class with few training images is drawn worse",
    )


_OF_ALL = _Words(
    title="Images",
    what="A generator without classes",
    known="Those of its data. The generator was not told of them and cannot be asked for one.",
    option="",
    argument="",
    same="The same seed gives",
    wrong="""\
- It can draw unreadable pictures, leave out whole kinds of what its data show, or know few
  varieties of them.""",
    rare="What few training images show is drawn worse",
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
    return "\n".join(["| part | images | SHA-256 of its content |", "| --- | --- | --- |", *rows])


def _labeled(split: Mapping[str, Mapping[str, Any]]) -> str:
    """A paragraph where not all training images were labeled."""
    known = split["train"].get("labeled")
    if known is None:
        return ""
    return (
        f"\nOf the training images {known['images']:,} had a label ({_each(known['per_class'])}); "
        "the others were\nlearned from without.\n"
    )


def _each(counts: Sequence[int]) -> str:
    fewest, most = min(counts), max(counts)
    return f"{most:,} of each class" if fewest == most else f"{fewest:,} to {most:,} of each class"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _quoted(name: str) -> str:
    return name if name.replace("-", "").replace("_", "").isalnum() else f'"{name}"'
