"""`acgan evaluate`: how good samples are, class by class, and whether they may be trusted."""

from __future__ import annotations

import json
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from acgan.cli.output import JsonFlag, Stages, result
from acgan.errors import UsageError

if TYPE_CHECKING:
    from acgan.evaluation.prepare import PreparedEvaluation
    from acgan.execution.progress import Stopwatch
    from acgan.report.section import Section


def evaluate(
    path: Annotated[
        Path,
        typer.Argument(
            help="A run, its model folder, or a folder of pictures, one sub-folder a class.",
            metavar="MODEL",
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            help="Named set, folder or zip to hold it against.",
            metavar="DATA",
            show_default="what the model learned from",
        ),
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option(help="Local copies of named sets [ACGAN_DATA].", metavar="DIR")
    ] = None,
    image_size: Annotated[
        str | None,
        typer.Option(help="For a folder of pictures: bring the data to this.", metavar="SIZE"),
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Images to examine.", metavar="N")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Of samples and measures.", metavar="N")] = 0,
    extractor: Annotated[
        list[str] | None,
        typer.Option(
            help="efficientnet-lite0 or inception, besides the judge; repeatable; or none.",
            metavar="NAME",
            show_default="efficientnet-lite0",
        ),
    ] = None,
    inception_weights: Annotated[
        Path | None, typer.Option(help="Inception's weights, if on disk.", metavar="FILE")
    ] = None,
    horizontal_flip: Annotated[
        bool | None,
        typer.Option(
            "--mirror/--no-mirror",
            help="A mirrored image is of the same class.",
            show_default="by the data",
        ),
    ] = None,
    other_data: Annotated[
        bool, typer.Option("--other-data", help="DATA is known not to be what MODEL learned from.")
    ] = False,
    usefulness: Annotated[
        bool,
        typer.Option(
            "--usefulness", help="Also train classifiers with and without samples (long)."
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the report.", metavar="DIR", show_default="RUN/evaluation"),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Measure samples against held-out real images, and write a report.

    Fidelity, labels, diversity inside each class, copies of training images, latent structure:
    overall and class by class, each figure beside what real images reach. Minutes on two cores.
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
    stages = Stages(sys.stderr)
    watch = Stopwatch(stages.progress, stages.done)
    request = EvaluationRequest(
        path=path,
        data=data,
        data_root=str(data_root) if data_root else None,
        image_size=parse_image_size(image_size) if image_size else None,
        samples=samples,
        seed=seed,
        extractors=EXTRACTORS if extractor is None else _named(extractor),
        inception_weights=inception_weights,
        horizontal_flip=horizontal_flip,
        other_data=other_data,
    )
    if usefulness:
        from acgan.studies.usefulness import check_maker

        prepared = prepare_evaluation(request, watch, check=check_maker)
    else:
        prepared = prepare_evaluation(request, watch)
    sections = measure(prepared, watch)
    if usefulness:
        sections += (watch.timed("usefulness", lambda: _usefulness(prepared, folder, watch)),)
    report = report_of(
        prepared,
        sections,
        watch.seconds,
        command=shlex.join(["acgan", *sys.argv[1:]]),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    page, record = write_report(report, folder)
    text = [report_text(report), f"report: {page}", f"figures: {record}"]
    result(json.loads(record.read_text("utf-8")), "\n".join(text), as_json=as_json)


def _named(extractors: list[str]) -> tuple[str, ...]:
    """The extractors besides the judge; ``none`` for none."""
    if "none" in extractors and len(extractors) > 1:
        raise UsageError("--extractor none goes with no other --extractor")
    return () if extractors == ["none"] else tuple(extractors)


def _folder(path: Path) -> Path:
    """Return the default folder of a report: in the run, or below evaluations/ for images."""
    from acgan.model.folder import is_run_or_model, run_of

    if is_run_or_model(path):
        return run_of(path).evaluation
    return Path("evaluations") / path.resolve().name


def _usefulness(prepared: PreparedEvaluation, folder: Path, watch: Stopwatch) -> Section:
    from acgan.data.images import LabeledImages
    from acgan.studies.arms import model_samples
    from acgan.studies.usefulness import usefulness
    from acgan.studies.usefulness_config import usefulness_config
    from acgan.studies.usefulness_report import usefulness_section

    evidence = prepared.data
    splits, sample_set = evidence.splits, evidence.sample_set
    study = usefulness(
        splits,
        model_samples(sample_set.model)
        if sample_set.model
        else LabeledImages(sample_set.samples, sample_set.target_labels, sample_set.classes),
        config=usefulness_config(splits.train, flip=prepared.horizontal_flip),
        folder=folder / "usefulness",
        progress=watch.progress,
    )
    return usefulness_section(study)
