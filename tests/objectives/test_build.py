"""Which objectives there are, and how a person's configuration becomes one."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from acgan.config import validate, with_overrides
from acgan.errors import UsageError
from acgan.networks.interface import DiscriminatorOutput, Heads
from acgan.objectives.acgan import ACGAN, ACGANConfig
from acgan.objectives.adc import ADC, ADCConfig
from acgan.objectives.build import ObjectiveConfig
from acgan.objectives.cgan import CGAN, CGANConfig
from acgan.objectives.gan import GAN, GANConfig
from acgan.objectives.projection import Projection, ProjectionConfig
from acgan.objectives.reacgan import ReACGAN, ReACGANConfig
from acgan.objectives.sgan import SGAN, SGANConfig
from acgan.objectives.tac import TAC, TACConfig
from acgan.runs.config import RunConfig

VALUES: dict[str, Any] = {
    "recipe": "tiny",
    "generator": {"family": "deconv"},
    "discriminator": {},
    "training": {"total_images": 1000},
}


def objective(*overrides: str) -> ObjectiveConfig:
    return validate(RunConfig, with_overrides(VALUES, overrides), where="test").objective


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("objective={}", ACGANConfig()),
        ("objective.class_weight_fake=1", ACGANConfig(class_weight_fake=1)),
        ("objective.name=acgan", ACGANConfig()),
        ("objective.source_head=projection", ACGANConfig(source_head="projection")),
        ("objective.name=projection", ProjectionConfig()),
        (
            "objective={name='projection', source_loss='hinge'}",
            ProjectionConfig(source_loss="hinge"),
        ),
        ("objective.name=adc", ADCConfig()),
        (
            "objective={name='adc', class_weight_generator=0.5}",
            ADCConfig(class_weight_generator=0.5),
        ),
        ("objective={name='cgan', source_head='projection'}", CGANConfig(source_head="projection")),
        ("objective.name=tac", TACConfig()),
        ("objective={name='reacgan', embedding_size=64}", ReACGANConfig(embedding_size=64)),
    ],
)
def test_the_name_decides_and_is_acgan_by_default(override: str, expected: ObjectiveConfig) -> None:
    assert objective(override) == expected
    assert objective() == ACGANConfig()


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        (
            "objective.name=projektion",
            "objective.name: unknown value 'projektion'; did you mean",
        ),
        ("objective.name=acgans", "objective.name: unknown value 'acgans'; did you mean 'acgan'?"),
        (
            "objective.name=wqx",
            "objective.name: unknown value 'wqx'; values: gan, cgan, sgan, acgan",
        ),
        (
            "objective={name='acgan', source_head='joined'}",
            "objective.source_head: input should be 'plain' or 'projection'",
        ),
        (
            "objective={name='cgan', source_head='plain'}",
            "objective.source_head: input should be 'joined' or 'projection'",
        ),
        (
            "objective={name='sgan', class_head='opened'}",
            "objective.class_head: input should be 'k-plus-one' or 'separate'",
        ),
        (
            "objective={name='reacgan', positive_margin=1.5}",
            "objective.positive_margin: input should be less than or equal to 1 (got 1.5)",
        ),
        (
            "objective={name='reacgan', temperature=0}",
            "objective.temperature: input should be greater than 0 (got 0)",
        ),
        (
            "objective={name='tac', twin_wieght=1}",
            "unknown key 'objective.twin_wieght'; did you mean 'twin_weight'?",
        ),
        ("objective=adc", "objective is a section, not a value (got 'adc')"),
        (
            "objective={name='projection', source_los='bce'}",
            "unknown key 'objective.source_los'; did you mean 'source_loss'?",
        ),
        (
            "objective={name='projection', class_weight_real=1}",
            "unknown key 'objective.class_weight_real'; keys: fake_target, generator_loss, name",
        ),
        (
            "objective={name='adc', source_head='projection'}",
            "unknown key 'objective.source_head'; did you mean 'source_loss'?",
        ),
        (
            "objective={name='adc', class_weight_generator=-1}",
            "objective.class_weight_generator: input should be greater than or equal to 0 (got -1)",
        ),
        ("objective.source_head=plane", "objective.source_head: input should be 'plain' or 'proje"),
        (
            "objective={name='projection', source_loss='hinge', real_target=0.9}",
            "hinge has no targets; leave real_target at 1 and fake_target at 0",
        ),
        (
            "objective={name='adc', fake_target=0.5, real_target=0.5}",
            "fake_target must be below real_target",
        ),
    ],
)
def test_a_mistake_gets_its_sentence(override: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        objective(override)
    assert str(caught.value).startswith("test: ")
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("config", "kind", "heads"),
    [
        (ACGANConfig(), ACGAN, Heads("plain", "plain")),
        (ACGANConfig(source_head="projection"), ACGAN, Heads("projection", "plain")),
        (ProjectionConfig(), Projection, Heads("projection", "none")),
        (ADCConfig(), ADC, Heads("plain", "paired")),
        (GANConfig(), GAN, Heads("plain", "none")),
        (CGANConfig(), CGAN, Heads("joined", "none")),
        (SGANConfig(), SGAN, Heads("plain", "k-plus-one")),
        (TACConfig(), TAC, Heads("plain", "twin")),
        (ReACGANConfig(), ReACGAN, Heads("plain", "proxies", 512)),
    ],
)
def test_every_configuration_has_its_objective_and_heads(
    config: ObjectiveConfig, kind: type, heads: Heads
) -> None:
    built = config.build()
    assert isinstance(built, kind)
    assert built.heads == heads


def test_projection_has_the_source_terms_alone() -> None:
    answer = DiscriminatorOutput(torch.zeros(2), None, torch.zeros(2, 1))
    labels = torch.tensor([0, 1])
    built = ProjectionConfig().build()
    assert list(built.discriminator(answer, answer, labels, labels)) == [
        "source_real",
        "source_fake",
    ]
    assert list(built.generator(answer, labels)) == ["source"]


@pytest.mark.parametrize(
    ("config", "needs"),
    [
        (ACGANConfig(), True),
        (ACGANConfig(class_weight_generator=0), False),
        (ACGANConfig(class_weight_generator=0, source_head="projection"), True),
        (ProjectionConfig(), True),
        (ADCConfig(), True),
        (ADCConfig(class_weight_generator=0), False),
    ],
)
def test_two_classes_are_needed_where_g_hears_of_them(config: ObjectiveConfig, needs: bool) -> None:
    assert config.needs_classes == needs
    assert config.explanations[0].noun.split()[0] in ("a", "an")


@pytest.mark.parametrize(
    ("config", "takes"),
    [
        (GANConfig(), True),
        (SGANConfig(), True),
        (ACGANConfig(), True),
        (ACGANConfig(source_head="projection"), False),
        (CGANConfig(), False),
        (ProjectionConfig(), False),
        (TACConfig(), False),
        (ADCConfig(), False),
        (ReACGANConfig(), False),
    ],
)
def test_who_can_do_without_some_labels(config: ObjectiveConfig, takes: bool) -> None:
    assert config.takes_unlabeled == takes
