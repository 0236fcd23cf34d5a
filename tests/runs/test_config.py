"""A run as a value: one budget, what shapes its trajectory, mistakes in the real sections."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acgan.config import Config, flatten, validate, with_overrides
from acgan.errors import UsageError
from acgan.networks.conv_generators import DeconvConfig, UpsampleConvConfig
from acgan.networks.conv_stack import ConvStackConfig
from acgan.objectives.acgan import ACGANConfig
from acgan.objectives.r1 import R1Config
from acgan.runs.config import OptimizerConfig, RunConfig, TrainingConfig

BUDGET = ("training.total_images", "training.total_epochs", "training.max_minutes")
# Everything else shapes the trajectory, a field that is added tomorrow too, until it is listed.
SHAPES_NOTHING = (
    *("data.source", "data.root", "data.only_class", "data.cache", "data.bad_files"),
    "execution.threads",
)


def minimal(**sections: Any) -> dict[str, Any]:
    return {
        "recipe": "small",
        "generator": {"family": "upsample-conv"},
        "discriminator": {"family": "conv-stack"},
        "training": {"total_images": 1000},
        **sections,
    }


def run(*overrides: str) -> RunConfig:
    return validate(RunConfig, with_overrides(minimal(), overrides), where="test")


def all_leaves(config: RunConfig) -> dict[str, Any]:
    return dict(flatten(config.model_dump(mode="json")))


@pytest.mark.parametrize("schedule", ["constant", "linear"])
def test_the_trajectory_is_everything_but_what_is_listed(schedule: str) -> None:
    config = run(f"optimizer.schedule={schedule}")
    left_out = {*SHAPES_NOTHING, *(BUDGET if schedule == "constant" else ())}
    expected = {
        key: value
        for key, value in all_leaves(config).items()
        if key not in left_out and not key.startswith("reporting.")
    }
    assert dict(flatten(config.trajectory())) == expected


def test_what_is_listed_exists() -> None:
    leaves = all_leaves(run())
    assert {*SHAPES_NOTHING, *BUDGET} <= leaves.keys()
    assert any(key.startswith("reporting.") for key in leaves)


def test_the_whole_tree_is_in_the_dump() -> None:
    """Every field of every section is among the leaves, so that the test above sees it."""

    def names(config: Config, prefix: str = "") -> set[str]:
        found: set[str] = set()
        for name in type(config).model_fields:
            value = getattr(config, name)
            found |= (
                names(value, f"{prefix}{name}.") if isinstance(value, Config) else {prefix + name}
            )
        return found

    config = run()
    assert names(config) == all_leaves(config).keys()


@pytest.mark.parametrize(
    "override",
    [
        "data.source=/elsewhere/pets",
        "data.only_class=[cat]",
        "data.root=/elsewhere",
        "data.cache=/elsewhere",
        "data.bad_files=skip",
        "reporting.log_every_images=1",
        "reporting.checkpoint_every_images=1",
        "reporting.grid_columns=3",
        "training.total_images=2000",
    ],
)
def test_what_shapes_nothing_keeps_the_name(override: str) -> None:
    assert run(override).trajectory_hash("data") == run().trajectory_hash("data")


@pytest.mark.parametrize(
    "override",
    [
        "recipe=other",
        "seed=1",
        "init_from=abc",
        "data.fraction=0.5",
        "data.split_seed=1",
        "generator.family=deconv",
        "generator.latent_size=7",
        "generator.conditioning.mode=multiply",
        "discriminator.dropout=0.3",
        "objective.class_weight_fake=1",
        "regularizers=[{name = 'r1'}]",
        "optimizer.beta1=0.9",
        "training.batch_size=32",
        "training.ema_ramp=none",
        "execution.device=cpu",
        "execution.precision=bf16",
    ],
)
def test_what_shapes_the_trajectory_changes_the_name(override: str) -> None:
    assert run(override).trajectory_hash("data") != run().trajectory_hash("data")


def test_other_data_change_the_name() -> None:
    assert run().trajectory_hash("data") != run().trajectory_hash("other data")


def test_the_budget_shapes_the_trajectory_where_the_schedule_needs_it() -> None:
    falling = "optimizer.schedule=linear"
    assert run(falling).trajectory_hash("data") != run(falling, BUDGET[0] + "=9").trajectory_hash(
        "data"
    )


def test_asking_for_the_trajectory_changes_nothing() -> None:
    config = run()
    before = all_leaves(config)
    config.trajectory()
    config.trajectory_hash("data")
    assert all_leaves(config) == before


@pytest.mark.parametrize(
    "training",
    [
        {},
        {"total_images": 10, "total_epochs": 1},
        {"total_images": 10, "max_minutes": 1.0},
        {"total_images": 10, "total_epochs": 1, "max_minutes": 1.0},
    ],
)
def test_exactly_one_budget(training: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"^test: give one budget: training\.total_images"):
        validate(RunConfig, minimal(training=training), where="test")


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("objective.class_wieght_fake=1", "did you mean 'class_weight_fake'"),
        ("generator.latent_sise=1", "unknown key 'generator.latent_sise'; did you mean 'latent_"),
        ("generator.conditioning.mod=x", "unknown key 'generator.conditioning.mod'; did you mean"),
        ("generator.family=deconvv", "generator.family: unknown value 'deconvv'; did you mean"),
        ("discriminator.layers=[{wdth = 3}]", "unknown key 'discriminator.layers.0.wdth'; did you"),
        (
            'regularizers=[{name = "r1"}, {name = "r1", gamma = 3}]',
            "regularizers has r1 twice; name each once",
        ),
        (
            'regularizers=[{name = "r1", gama = 3}]',
            "unknown key 'regularizers.0.gama'; did you mean 'gamma'",
        ),
        ("training.batch_size=1", "training.batch_size: input should be greater than or equal"),
        ("objective=acgan", "objective is a section, not a value"),
        ("trainning.batch_size=3", "unknown key 'trainning'; did you mean 'training'"),
    ],
)
def test_a_mistake_gets_its_sentence(override: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        run(override)
    assert str(caught.value).startswith("test: ")
    assert sentence in str(caught.value)


rates = st.floats(1e-6, 1.0)
run_configs = st.builds(
    RunConfig,
    recipe=st.text(st.characters(exclude_categories=["Cs"])),
    seed=st.integers(0, 2**63 - 1),
    generator=st.one_of(
        st.builds(UpsampleConvConfig, latent_size=st.integers(1, 512)),
        st.builds(DeconvConfig, latent_size=st.integers(1, 512)),
    ),
    discriminator=st.builds(ConvStackConfig, dropout=st.floats(0, 0.9)),
    objective=st.builds(
        ACGANConfig,
        source_loss=st.sampled_from(["bce", "hinge", "least-squares"]),
        class_weight_fake=rates,
    ),
    regularizers=st.lists(st.builds(R1Config, gamma=rates), max_size=1).map(tuple),
    optimizer=st.builds(
        OptimizerConfig,
        generator_lr=rates,
        schedule=st.sampled_from(["constant", "linear"]),
    ),
    training=st.one_of(
        st.builds(TrainingConfig, total_images=st.integers(1, 10**9)),
        st.builds(TrainingConfig, total_epochs=st.integers(1, 10**4)),
        st.builds(TrainingConfig, max_minutes=rates),
    ),
)


@settings(deadline=None)
@given(run_configs)
def test_a_run_survives_its_config_json(config: RunConfig) -> None:
    again = validate(RunConfig, json.loads(json.dumps(config.model_dump(mode="json"))), where="run")
    assert again == config
    assert again.trajectory_hash("data") == config.trajectory_hash("data")


@pytest.mark.parametrize("name", ["gan", "sgan"])
@pytest.mark.parametrize("mode", ["batchnorm", "concatenate", "one-hot", "multiply"])
def test_an_objective_without_classes_wants_a_generator_without(name: str, mode: str) -> None:
    objective = f'objective={{name = "{name}"}}'
    with pytest.raises(UsageError, match=f'{name} needs an uncond.*set it to "none"'):
        run(objective, f"generator.conditioning.mode={mode}")
    config = run(objective, "generator.conditioning.mode=none")
    assert not config.generator.conditioning.conditional


@pytest.mark.parametrize("name", ["acgan", "projection", "adc", "cgan", "tac", "reacgan"])
def test_an_objective_with_classes_wants_a_generator_that_is_told_them(name: str) -> None:
    objective = f'objective={{name = "{name}"}}'
    with pytest.raises(UsageError, match=f'{name} needs a conditional generator.*"batchnorm"'):
        run(objective, "generator.conditioning.mode=none")
    assert run(objective).generator.conditioning.conditional


SGAN = ("objective.name=sgan", "generator.conditioning.mode=none")


@pytest.mark.parametrize("overrides", [(), SGAN], ids=["acgan", "sgan"])
def test_labels_may_be_few_where_the_objective_takes_unlabeled_images(
    overrides: tuple[str, ...],
) -> None:
    assert run("data.labeled_per_class=10", *overrides).training.labeled_share == 0.5


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            ["objective.source_head=projection"],
            "acgan with these settings needs a label for each real image",
        ),
        (["objective.name=projection"], "projection with these settings needs a label for"),
        (["objective.name=adc"], "use sgan, or acgan with objective.source_head=plain"),
        (["objective.name=tac"], "tac with these settings needs a label for"),
        (["objective.name=cgan"], "cgan with these settings needs a label for"),
        (["objective.name=reacgan"], "reacgan with these settings needs a label for"),
        (["training.fake_labels=batch"], 'set it to "frequency"'),
        (["classes_per_model=2"], "divides training images by class"),
        (
            [
                "discriminator.family=pretrained",
                "discriminator.feature_network.network=reference-classifier",
            ],
            "is fitted to the labels of all training images: use",
        ),
    ],
)
def test_labels_are_not_hidden_where_they_would_be_missed(overrides: list[str], words: str) -> None:
    run(*overrides)
    with pytest.raises(UsageError, match=words):
        run("data.labeled_per_class=10", *overrides)
