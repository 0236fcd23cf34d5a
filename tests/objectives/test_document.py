"""docs/objective.md repeats the explanations beside the code, and its names and defaults exist."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path

import pytest
import torch

from acgan.errors import UsageError
from acgan.networks.interface import DiscriminatorOutput
from acgan.objectives.acgan import ACGANConfig
from acgan.objectives.build import explanations, find_explanation, objective_configs
from acgan.objectives.explanation import SYMBOLS, Explanation

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "objective.md").read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r"`(acgan(?:\.\w+)+)`", DOCUMENT)))
CONFIGS = objective_configs()
FAMILY, *SECTIONS = (
    DOCUMENT.split("\n## Objectives\n")[1].split("\n## What is logged")[0].split("\n### ")
)


def expected(name: str, each: Explanation) -> str:
    """The section of an objective, or of a variant with its settings."""
    code = type(CONFIGS[name](name=name).build())
    settings = "".join(f", `{key} = {value}`" for key, value in each.settings.items())
    line = f"`{name}`{settings} · {each.source} · `{code.__module__}.{code.__qualname__}`"
    return f"{each.title}\n\n{line}\n\n{each.markdown()}\n"


def test_every_objective_has_its_section_in_order() -> None:
    titles = [each.title for _, each in explanations()]
    assert [section.splitlines()[0] for section in SECTIONS] == titles
    assert titles[:4] == ["GAN", "CGAN", "SGAN", "ACGAN"]


@pytest.mark.parametrize(("name", "each"), explanations(), ids=lambda each: str(each)[:40])
def test_a_section_repeats_the_explanation(name: str, each: Explanation) -> None:
    assert expected(name, each) in [f"{section.rstrip()}\n" for section in SECTIONS]
    row = next(row for row in FAMILY.splitlines() if row.startswith(f"| {each.title} "))
    assert f"| `{name}` | {each.purpose} | {each.paper} |" in row


def test_the_table_of_symbols_is_that_of_the_code() -> None:
    for symbols, meaning in SYMBOLS.items():
        assert f"| {symbols} | {meaning.replace('|', '&#124;')} |" in DOCUMENT


@pytest.mark.parametrize(("name", "each"), explanations(), ids=lambda each: str(each)[:40])
def test_an_explanation_is_complete(name: str, each: Explanation) -> None:
    assert "ℓ_" in each.discriminator_loss or "max(" in each.discriminator_loss
    assert "ℓ_gen" in each.generator_loss or each.generator_loss.startswith("−s")
    for text in (each.discriminator_input, each.discriminator_output, each.failure_modes):
        assert text.endswith(".")
    assert find_explanation(each.title.upper()) == (name, each)
    assert each.symbols().keys() >= {"z"}


def test_a_name_finds_the_objective_and_a_title_its_variant() -> None:
    assert find_explanation("acgan")[1].title == "ACGAN"
    assert find_explanation("acgan-MOD")[1].settings["objective.source_loss"] == "hinge"
    assert find_explanation("tac")[1].title == "TAC-GAN"
    with pytest.raises(UsageError, match="did you mean 'TAC-GAN'"):
        find_explanation("tacgan")


@pytest.mark.parametrize("name", NAMES)
def test_every_name_exists(name: str) -> None:
    assert pkgutil.resolve_name(name) is not None


def test_the_document_names_code() -> None:
    assert len(NAMES) > 15


@pytest.mark.parametrize("name", CONFIGS)
def test_the_terms_are_the_logged_ones(name: str) -> None:
    objective = CONFIGS[name](name=name).build()
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
    row = " | ".join(["**acgan, by default**", *(f"**{weight:g}**" for weight in weights)])
    assert f"| {row} | {config.source_loss.upper()} |" in DOCUMENT


def test_every_test_file_that_it_names_exists() -> None:
    named = set(re.findall(r"tests/[\w/]+\.py", DOCUMENT))
    assert len(named) > 5
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
