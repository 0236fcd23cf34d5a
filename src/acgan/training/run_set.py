"""Sets: many classes as several models of a few classes each, trained one after the other.

Every member is an ordinary run below ``members/``, byte for byte equal to a run of `acgan train`
with its classes as ``--only-class``. This module adds the plan, a record of finished members, and a
model folder that generates every class.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from acgan.config import short_hash, validate
from acgan.data.class_selection import class_groups, select_classes
from acgan.data.images import DatasetSplits
from acgan.errors import DivergedError, UsageError, counted, listed
from acgan.model.folder import save_model_set
from acgan.model.model import load
from acgan.plots.grid import png_bytes
from acgan.runs.config import RunConfig
from acgan.runs.folder import RunFolder, run_lock
from acgan.storage.files import write_atomic
from acgan.training.budget import total_images
from acgan.training.checkpoint_manager import model_info
from acgan.training.display import Display
from acgan.training.run import TrainedRun, run_training

_MAX_NAME = 24  # characters of a class name in a member's folder name
_MAX_ROWS = 50


class ClassGroupModel(NamedTuple):
    """One member of a set: folder name, its labels in the whole data set, and its run."""

    name: str
    labels: range
    config: RunConfig


def plan(config: RunConfig, splits: DatasetSplits) -> tuple[ClassGroupModel, ...]:
    """Plan the members of a set, each with its share of the budget.

    Images and minutes are divided in proportion to the members' training images, as one model of
    all classes would do. Epochs are not divided.

    Raises:
        UsageError: the classes cannot be divided, or a member has fewer images than a batch.
    """
    assert config.classes_per_model is not None
    groups = class_groups(len(splits.classes), config.classes_per_model)
    digits = max(2, len(str(len(groups) - 1)))
    counts = splits.train.class_counts
    fewest = min(int(counts[group.start : group.stop].sum()) for group in groups)
    members = []
    for index, labels in enumerate(groups):
        names = [splits.classes[label].name for label in labels]
        images = int(counts[labels.start : labels.stop].sum())
        if images < config.training.batch_size:
            raise UsageError(
                f"there are {counted(images, 'training image')} of {listed(names)}, fewer than a "
                f"batch of {config.training.batch_size}; use more classes per model, or set "
                f"-o training.batch_size={max(2, fewest // 2)}"
            )
        values = config.model_dump(mode="json")
        values["classes_per_model"] = None
        values["data"]["only_class"] = names
        share = images / len(splits.train)
        if config.training.total_images is not None:
            total = max(1, round(config.training.total_images * share))
            values["training"]["total_images"] = total
        if config.training.max_minutes is not None:
            values["training"]["max_minutes"] = config.training.max_minutes * share
        ends = (splits.classes[label].folder for label in (labels[0], labels[-1]))
        name = "-to-".join(end[:_MAX_NAME].rstrip(".") for end in ends)
        member = validate(RunConfig, values, where=f"model {index} of the set")
        members.append(ClassGroupModel(f"{index:0{digits}}-{name}", labels, member))
    return tuple(members)


def train_model_set(
    config: RunConfig,
    splits: DatasetSplits,
    folder: RunFolder,
    display: Display,
    *,
    estimate: bool = False,
) -> TrainedRun:
    """Train the set in ``folder`` up to its budget; finished members stay unchanged.

    Arguments and errors are those of `acgan.training.run.run_training`; ``config`` has
    ``classes_per_model``.

    Returns:
        The set as one run; image counts are those of all members together.
    """
    members = plan(config, splits)
    folder.require_ours()
    with run_lock(folder.path):
        folder.check(config, splits)
        folder.clean_up()
        folder.record(config, splits)
        total = total_images(config.training, len(splits.train))

        finished: dict[str, Any] = folder.read(folder.finished_members) or {}
        seen = resumed_at = 0
        threads = None
        for index, member in enumerate(members):
            own = RunFolder(folder.members / member.name)
            config_hash = short_hash(member.config.model_dump(mode="json"))
            done = finished.get(member.name, {})
            if done.get("config") == config_hash and own.model.is_dir():
                seen += done["images_seen"]
                resumed_at += done["images_seen"]
                continue
            folder.write_status("training", seen, total)
            names = listed(splits.classes[label].name for label in member.labels)
            display.message(f"model {index + 1} of {len(members)}: {names}")
            data = select_classes(splits, member.labels, cache=config.data.cache)
            try:
                run = run_training(
                    member.config, data, own, display, estimate=estimate, threads=threads
                )
            except DivergedError as error:
                folder.write_status("diverged", seen, total)
                raise DivergedError(f"{own.path}: {error}") from None
            estimate = False  # the other members take as long, with as many threads
            threads = own.read(own.environment)["execution"]["threads"]
            seen += run.images_seen
            resumed_at += run.resumed_at
            finished[member.name] = {"config": config_hash, "images_seen": run.images_seen}
            folder.write(folder.finished_members, finished)
        if resumed_at < seen or not folder.is_finished(seen):
            models = {each.name: RunFolder(folder.members / each.name).model for each in members}
            save_model_set(folder.model, model_info(config, splits, seen), models)
            count = len(splits.classes)
            shown = list(range(0, count, -(-count // _MAX_ROWS)))  # evenly spaced if there are many
            grid = load(folder.path).grid(shown, config.reporting.grid_columns)
            write_atomic(folder.grid, png_bytes(grid))
            folder.write_status("complete", seen, total)
        summary = {"grid": folder.grid} if folder.grid.exists() else {}
        return TrainedRun(folder.path, seen, resumed_at, summary)
