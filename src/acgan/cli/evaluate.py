"""`acgan evaluate`: quality of samples, overall and class by class, as a report."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from acgan.cli.options import DATA, OUTPUT, BadFiles, DataRoot, JsonFlag, option
from acgan.cli.output import Stages, result, say
from acgan.errors import UsageError, command

if TYPE_CHECKING:
    from acgan.data.images import DatasetSplits
    from acgan.evaluation.prepare import PreparedEvaluation
    from acgan.execution.progress import Stopwatch
    from acgan.model.model import Model
    from acgan.report.section import Section
    from acgan.studies.arms import UsefulnessConfig


EXAMPLE = "acgan evaluate runs/demo"


def evaluate(
    path: Annotated[
        Path,
        typer.Argument(
            help="A run, its model folder, or a folder of images with one sub-folder per class.",
            metavar="MODEL",
        ),
    ],
    data: Annotated[
        str | None,
        option(
            "Named data set, folder or zip to compare with.",
            "DATA",
            DATA,
            default="the model's training data",
        ),
    ] = None,
    data_root: DataRoot = None,
    image_size: Annotated[
        str | None, option("For a folder of images: resize the data to this.", "SIZE", DATA)
    ] = None,
    bad_files: BadFiles = None,
    samples: Annotated[int, option("Number of samples.", "N", min=1)] = 10_000,
    seed: Annotated[int, option("Seed of samples and metrics.", "N", min=0)] = 0,
    extractor: Annotated[
        list[str] | None,
        option(
            "Feature extractor besides the reference classifier: efficientnet-lite0 or "
            "inception; repeatable; or none.",
            "NAME",
            default="efficientnet-lite0",
        ),
    ] = None,
    inception_weights: Annotated[
        Path | None, option("File of Inception's weights.", "FILE")
    ] = None,
    horizontal_flip: Annotated[
        bool | None,
        option(
            "Whether a horizontally flipped image keeps its class.",
            group=DATA,
            default="by the data",
        ),
    ] = None,
    other_data: Annotated[
        bool,
        option(
            "DATA is intentionally not the model's training data.", name="--other-data", group=DATA
        ),
    ] = False,
    usefulness: Annotated[
        bool, option("Also train classifiers with and without samples (slow).", name="--usefulness")
    ] = False,
    quick: Annotated[
        bool,
        option(
            "Shorten --usefulness to minutes: shorter fits, one ratio of samples; indicative only.",
            name="--quick",
        ),
    ] = False,
    out: Annotated[
        Path | None, option("Folder of the report.", "DIR", OUTPUT, default="RUN/evaluation")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Compare samples with held-out real images, and write a report.

    Fidelity, labels, diversity within each class, memorization and latent structure, overall and
    class by class, each metric beside its real-vs-real baseline. Takes minutes on two cores.
    """
    from acgan.data.config import parse_image_size
    from acgan.evaluation.evaluate import evaluate as measure
    from acgan.evaluation.evaluate import report_of
    from acgan.evaluation.prepare import EXTRACTORS, EvaluationRequest, prepare_evaluation
    from acgan.execution.progress import Stopwatch
    from acgan.report.files import write_report
    from acgan.report.report import report_text

    folder = out or _folder(path)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a folder with --out")
    if quick and not usefulness:
        raise UsageError("--quick shortens --usefulness: add it, or use fewer --samples")
    stages = Stages(sys.stderr)
    watch = Stopwatch(stages.progress, stages.done)
    request = EvaluationRequest(
        path=path,
        data=data,
        data_root=str(data_root) if data_root else None,
        image_size=parse_image_size(image_size) if image_size else None,
        bad_files=bad_files,
        samples=samples,
        seed=seed,
        extractors=EXTRACTORS if extractor is None else _named(extractor),
        inception_weights=inception_weights,
        horizontal_flip=horizontal_flip,
        other_data=other_data,
    )
    if usefulness:

        def check(model: Model | None, splits: DatasetSplits, conditional: bool) -> None:
            from acgan.studies.usefulness import check_maker, expected_time

            check_maker(model, splits, conditional)
            flip = splits.flip_keeps_class if horizontal_flip is None else horizontal_flip
            say(expected_time(splits, _study_config(splits, flip=flip, quick=quick)))

        prepared = prepare_evaluation(request, watch, announce=say, check=check)
    else:
        prepared = prepare_evaluation(request, watch, announce=say)
    sections = measure(prepared, watch)
    if usefulness:

        def study() -> Section:
            config = _study_config(prepared.data.splits, flip=prepared.horizontal_flip, quick=quick)
            return _usefulness(prepared, config, folder, watch)

        sections += (watch.timed("usefulness", study),)
    report = report_of(
        prepared,
        sections,
        watch.seconds,
        command=command("acgan", *sys.argv[1:]),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    page, record = write_report(report, folder)
    text = [report_text(report), f"report: {page}", f"metrics: {record}"]
    result(json.loads(record.read_text("utf-8")), "\n".join(text), as_json=as_json)


def _named(extractors: list[str]) -> tuple[str, ...]:
    """Return the extractors besides the reference classifier; ``none`` means no other."""
    if "none" in extractors and len(extractors) > 1:
        raise UsageError("--extractor none cannot be combined with another --extractor")
    return () if extractors == ["none"] else tuple(extractors)


def _folder(path: Path) -> Path:
    """Return the default folder of a report: in the run, or below evaluations/ for images."""
    from acgan.model.folder import is_run_or_model, run_of

    if is_run_or_model(path):
        return run_of(path).evaluation
    return Path("evaluations") / path.resolve().name


def _study_config(splits: DatasetSplits, *, flip: bool, quick: bool) -> UsefulnessConfig:
    from acgan.studies.arms import usefulness_config

    config = usefulness_config(splits.train, flip=flip)
    return config.quick() if quick else config


def _usefulness(
    prepared: PreparedEvaluation, config: UsefulnessConfig, folder: Path, watch: Stopwatch
) -> Section:
    from acgan.data.images import LabeledImages
    from acgan.studies.arms import model_samples
    from acgan.studies.usefulness import usefulness
    from acgan.studies.usefulness_report import usefulness_section

    splits, sample_set = prepared.data.splits, prepared.data.sample_set
    study = usefulness(
        splits,
        model_samples(sample_set.model)
        if sample_set.model
        else LabeledImages(sample_set.samples, sample_set.target_labels, sample_set.classes),
        config=config,
        folder=folder / "usefulness",
        progress=watch.progress,
        announce=say,
    )
    return usefulness_section(study)
