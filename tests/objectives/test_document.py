"""docs/objective.md names code: every name in it exists, every term and default is as it says."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path
from typing import get_args

import pytest
import torch

from acgan.networks.interface import DiscriminatorOutput
from acgan.objectives.acgan import ACGANConfig
from acgan.objectives.build import ObjectiveConfig, build_objective

DOCUMENT = (Path(__file__).parents[2] / "docs" / "objective.md").read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r"`(acgan(?:\.\w+)+)`", DOCUMENT)))


def test_the_document_names_code() -> None:
    assert len(NAMES) > 15


@pytest.mark.parametrize("name", NAMES)
def test_every_name_exists(name: str) -> None:
    assert pkgutil.resolve_name(name) is not None


CONFIGS: dict[str, ObjectiveConfig] = {
    config.model_fields["name"].default: config()
    for config in get_args(get_args(ObjectiveConfig)[0])
}
SECTIONS = {
    section.split("`")[1]: section
    for section in re.split(r"^##+ ", DOCUMENT, flags=re.MULTILINE)
    if "**D sees**" in section and "ACGAN-Mod" not in section.splitlines()[0]
}


def test_every_objective_has_its_section() -> None:
    assert SECTIONS.keys() == CONFIGS.keys()


@pytest.mark.parametrize("name", CONFIGS)
def test_a_section_tells_the_same_in_the_same_order(name: str) -> None:
    """`### Title`, where it is from and its code, and five parts."""
    title, _, source, *_ = SECTIONS[name].splitlines()
    assert re.fullmatch(r"[\w-]+", title)
    config = CONFIGS[name]
    code = type(build_objective(config))
    assert source.startswith(f"`{name}` · {config.reference.split(';')[0]}")
    assert source.endswith(f"`{code.__module__}.{code.__qualname__}`")
    splits = ["**D sees**", "**D answers**", "\n    D:  ", "\n    G:  ", "**Goes wrong**"]
    places = [SECTIONS[name].index(part) for part in splits]
    assert places == sorted(places)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_terms_are_the_logged_ones(name: str) -> None:
    objective = build_objective(CONFIGS[name])
    logits, unit = torch.zeros(2, 3), torch.eye(2)
    output = DiscriminatorOutput(
        torch.zeros(2), logits, torch.zeros(2, 1), torch.zeros(2, 6), logits, unit, torch.eye(3, 2)
    )
    labels = torch.tensor([0, 2])
    terms = {"discriminator": objective.discriminator(output, output, labels, labels)}
    terms["generator"] = objective.generator(output, labels)
    rows = DOCUMENT.split("## What is logged")[1].split("## ")[0].splitlines()
    for network, named in terms.items():
        logged = [row for row in rows if row.startswith(f"| `{network}.")]
        for term in named:
            assert any(f".{term}`" in row for row in logged)


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
