"""Every objective in whole runs: exact resume, the logged figures, the model folder, opinions."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from acgan.config import canonical_json
from acgan.data.images import DatasetSplits
from acgan.model.inspection import inspect_images
from acgan.model.model import load
from acgan.networks.interface import DiscriminatorOutput
from acgan.objectives.build import ObjectiveConfig
from acgan.runs.config import RunConfig
from acgan.sampling.sampler import from_uint8
from acgan.training.signals import InterruptedRunError

Train = Callable[..., Any]
TinyConfig = Callable[..., RunConfig]

OBJECTIVES: dict[str, dict[str, Any]] = {
    "acgan, projection": {"name": "acgan", "source_head": "projection"},
    "projection": {"name": "projection", "source_loss": "hinge"},
    "adc": {"name": "adc"},
    "gan": {"name": "gan", "real_target": 0.98, "fake_target": 0.02},
    "cgan": {"name": "cgan"},
    "sgan": {"name": "sgan"},
    "sgan, separate": {"name": "sgan", "class_head": "separate"},
    "sgan, features": {"name": "sgan", "generator_loss": "feature-matching"},
    "tac": {"name": "tac"},
    "reacgan": {"name": "reacgan", "embedding_size": 6},
}
SOURCE, CLASS = {"source_real", "source_fake", "r1"}, {"class_real"}
TERMS = {
    "acgan, projection": (SOURCE | CLASS, {"source", "class"}),
    "projection": (SOURCE, {"source"}),
    "adc": (SOURCE | CLASS | {"class_fake"}, {"source", "class"}),
    "gan": (SOURCE, {"source"}),
    "cgan": (SOURCE, {"source"}),
    "sgan": (SOURCE | CLASS, {"source"}),
    "sgan, separate": (SOURCE | CLASS, {"source"}),
    "sgan, features": (SOURCE | CLASS, {"features"}),
    "tac": (SOURCE | CLASS | {"twin_fake"}, {"source", "class", "twin"}),
    "reacgan": (SOURCE | CLASS, {"source", "class"}),
}
GIVEN_LABELS = {"acgan, projection", "projection", "cgan"}
WITHOUT_CLASS_HEAD = {"projection", "gan", "cgan"}
CLASSLESS = {"gan", "sgan", "sgan, separate", "sgan, features"}
"""Their G is asked for no class."""

HEADS = {
    "acgan, projection": {"source", "projection", "class"},
    "projection": {"source", "projection"},
    "adc": {"source", "class"},
    "gan": {"source"},
    "cgan": {"source"},
    "sgan": {"class"},
    "sgan, separate": {"source", "class"},
    "sgan, features": {"class"},
    "tac": {"source", "class", "twin"},
    "reacgan": {"source", "embedding"},
}


@pytest.fixture(params=OBJECTIVES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def config(name: str, tiny_config: TinyConfig) -> RunConfig:
    sections: dict[str, Any] = {"discriminator": {"spectral_norm": True}}
    if name in CLASSLESS:
        sections |= {"generator": {"conditioning": {"mode": "none"}}}
    return tiny_config(everything=True, objective=OBJECTIVES[name], **sections)


def test_every_registered_objective_is_trained() -> None:
    """But for the plain ACGAN, which every other test of training has."""
    (union, *_) = get_args(ObjectiveConfig)
    registered = {each.model_fields["name"].default for each in get_args(union)}
    assert {values["name"] for values in OBJECTIVES.values()} == registered


@pytest.mark.slow
def test_stopping_and_going_on_changes_nothing(
    config: RunConfig,
    tmp_path: Path,
    train_tiny: Train,
    straight: Any,
    recording: Any,
    content: Any,
) -> None:
    display = recording().at(80, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(InterruptedRunError):
        train_tiny(tmp_path / "stopped", config, display)
    assert train_tiny(tmp_path / "stopped", config).resumed_at == 80
    assert content(tmp_path / "stopped") == content(straight(config))


@pytest.mark.slow
def test_a_run_logs_its_terms_and_its_model_says_what_it_is(
    name: str,
    config: RunConfig,
    train_tiny: Train,
    finished: Any,
    logged: Any,
) -> None:
    run = finished(config)
    train_tiny(run, config, summary=True)  # with the curves and pages of a run's end
    rows = logged(run).figures
    assert rows
    assert 0 < sum("r1" in row["discriminator"] for row in rows) < len(rows), "R1 is lazy"
    for row in rows:
        discriminator = row["discriminator"].keys() | {"r1"}
        assert (discriminator, row["generator"].keys()) == TERMS[name]
        if name in WITHOUT_CLASS_HEAD:
            assert "class_accuracy" not in row
        else:
            asked = set() if name in CLASSLESS else {"fake"}
            assert row["class_accuracy"].keys() == {"real_train", "real_held_out"} | asked
    model = load(run)
    assert model.config.objective == config.objective
    assert config.objective.explanations[0].noun in (model.record.folder / "README.md").read_text()
    kinds = {n for n, _ in model.discriminator.named_parameters() if "_head" in n}
    assert {n.split("_head")[0].split(".")[-1] for n in kinds} == HEADS[name]
    proxies = [n for n, _ in model.discriminator.named_parameters() if "proxies" in n]
    assert bool(proxies) == (name == "reacgan")
    again = RunConfig.model_validate(json.loads(canonical_json(config.model_dump(mode="json"))))
    assert again == config


@pytest.mark.slow
def test_an_opinion_is_the_highest_answer_over_the_classes(
    name: str, config: RunConfig, straight: Any, tiny_splits: DatasetSplits
) -> None:
    model, images = load(straight(config)), tiny_splits.test.images[:9]
    found = inspect_images(model, images)

    def ask(label: int) -> DiscriminatorOutput:
        with torch.no_grad():
            answer: DiscriminatorOutput = model.discriminator(
                from_uint8(images), torch.full((len(images),), label)
            )
        return answer

    predictions: list[Tensor] = [ask(label).source_logits for label in range(3)]
    best = torch.stack(predictions).max(dim=0)
    assert [each.source_logit for each in found] == pytest.approx(best.values.tolist())
    if name in GIVEN_LABELS:
        assert [each.source_class for each in found] == best.indices.tolist()
        assert len(set(best.indices.tolist())) > 1
    else:
        assert {each.source_class for each in found} == {None}
    for each in found:
        assert (each.source_probability is None) == (name == "projection")  # it has hinge
        if name in WITHOUT_CLASS_HEAD:
            assert each.class_probabilities is None
            continue
        assert each.class_probabilities is not None
        assert each.class_probabilities.shape == (3,)
        assert each.class_probabilities.sum() == pytest.approx(1)
    logits = ask(0).class_logits
    if logits is not None:
        assert found[0].class_probabilities == pytest.approx(logits.softmax(1)[0].numpy())


def test_one_label_alone_is_refused_by_the_name_of_what_cannot_be_trained(
    name: str, config: RunConfig, tiny_splits: DatasetSplits
) -> None:
    from acgan.errors import UsageError
    from acgan.training.train import check_trainable

    train = tiny_splits.train.subset(np.flatnonzero(tiny_splits.train.labels == 0))
    alone = DatasetSplits("shapes", train, tiny_splits.validation, tiny_splits.test)
    if name == "gan":  # which knows of no class
        check_trainable(config, alone, None)
        return
    with pytest.raises(
        UsageError, match=f"^the objective {config.objective.name} needs images of at least two"
    ):
        check_trainable(config, alone, None)
