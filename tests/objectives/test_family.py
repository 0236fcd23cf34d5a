"""What `acgan explain` reads: every objective is told, from the one document that tells it."""

from __future__ import annotations

import pkgutil
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from acgan.errors import UsageError
from acgan.objectives.build import ObjectiveConfig, build_objective
from acgan.objectives.family import FamilyMember, document, find_member, members, symbols

ROOT = Path(__file__).parents[2]
CONFIGS = {
    config.model_fields["name"].default: config for config in get_args(get_args(ObjectiveConfig)[0])
}


def test_every_objective_is_told_and_nothing_else() -> None:
    assert {one.name for one in members()} == CONFIGS.keys()
    titles = [one.title for one in members()]
    assert titles[:4] == ["GAN", "CGAN", "SGAN", "ACGAN"]
    assert titles.count("ACGAN-Mod") == 1
    assert len(titles) == len(CONFIGS) + 1


@pytest.mark.parametrize("one", members(), ids=lambda one: str(one.title))
def test_all_of_a_member_is_read(one: FamilyMember) -> None:
    for part in (one.sees, one.predictions, one.goes_wrong):
        assert len(part) > 10
        assert "\n" not in part
        assert "**" not in part
        assert part in " ".join(one.text.split())
    assert "ℓ_" in one.discriminator or "max(" in one.discriminator
    assert "ℓ_gen" in one.generator or one.generator.startswith("−s")
    assert "G:" not in one.discriminator
    for name in one.code:
        assert pkgutil.resolve_name(name) is not None


@pytest.mark.parametrize("name", CONFIGS)
def test_it_is_of_its_objective(name: str) -> None:
    one = find_member(name)
    config = CONFIGS[name]
    assert one.name == name
    assert config.reference.split(";")[0].split(",")[0] in one.source
    code = type(build_objective(config()))
    assert one.code[0] == f"{code.__module__}.{code.__qualname__}"


def test_acgan_is_the_papers_and_acgan_mod_has_its_settings() -> None:
    assert find_member("acgan").title == "ACGAN"
    modified = find_member("acgan-MOD")
    assert modified.name == "acgan"
    assert 'source_loss = "hinge"' in modified.source
    assert modified.mends == "the ACGAN that papers compare with"
    assert find_member("tac").mends == "the same, the label still D's to find"


@pytest.mark.parametrize(("wanted", "closest"), [("tacgan", "TAC-GAN"), ("acgn", "ACGAN")])
def test_an_unknown_name_gets_the_closest(wanted: str, closest: str) -> None:
    with pytest.raises(UsageError, match=f"did you mean '{closest}'"):
        find_member(wanted)


def test_symbols_have_their_meanings() -> None:
    assert symbols()["z"] == "a latent, standard normal"
    assert symbols()["s(x)"].endswith("P(real &#124; x) = σ(s)")


def test_a_wheel_carries_the_document_where_it_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]
    carried = wheel["build"]["targets"]["wheel"]["force-include"]
    assert carried == {"docs/objective.md": "acgan/objectives/objective.md"}
    assert document() == (ROOT / "docs" / "objective.md").read_text(encoding="utf-8")

    (tmp_path / "objective.md").write_text("carried", encoding="utf-8")
    places = {"acgan.objectives": tmp_path}
    monkeypatch.setattr("acgan.objectives.family.resources.files", places.__getitem__)
    assert document.__wrapped__() == "carried"
