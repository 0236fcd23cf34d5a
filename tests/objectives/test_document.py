"""docs/objective.md names code: every name in it exists, every term and default is as it says."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path

import pytest
import torch

from acgan.networks.interface import DiscriminatorOutput
from acgan.objectives.acgan import ACGAN, ACGANConfig

DOCUMENT = (Path(__file__).parents[2] / "docs" / "objective.md").read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r"`(acgan(?:\.\w+)+)`", DOCUMENT)))


def test_the_document_names_code() -> None:
    assert len(NAMES) > 15


@pytest.mark.parametrize("name", NAMES)
def test_every_name_exists(name: str) -> None:
    assert pkgutil.resolve_name(name) is not None


def test_the_terms_are_the_logged_ones() -> None:
    output = DiscriminatorOutput(torch.zeros(2), torch.zeros(2, 3), torch.zeros(2, 1))
    labels = torch.tensor([0, 2])
    objective = ACGAN(ACGANConfig(class_weight_fake=1.0))
    for term in objective.discriminator(output, output, labels, labels):
        assert f".{term}`" in DOCUMENT
    for term in objective.generator(output, labels):
        assert f".{term}`" in DOCUMENT


def test_our_row_of_the_table_has_our_defaults() -> None:
    config = ACGANConfig()
    weights = (config.class_weight_real, config.class_weight_fake, config.class_weight_generator)
    row = " | ".join(["**here, by default**", *(f"**{weight:g}**" for weight in weights)])
    assert f"| {row} | {config.source_loss.upper()} |" in DOCUMENT


def test_every_test_file_that_it_names_exists() -> None:
    named = set(re.findall(r"tests/[\w/]+\.py", DOCUMENT))
    assert len(named) > 5
    root = Path(__file__).parents[2]
    assert [path for path in sorted(named) if not (root / path).exists()] == []
