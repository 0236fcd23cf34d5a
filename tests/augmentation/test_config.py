"""The section ``augmentation`` as a person writes it."""

from __future__ import annotations

from typing import Any

import pytest

from acgan.augmentation.augmentation import TRANSFORMS, AugmentationConfig
from acgan.config import validate, with_overrides
from acgan.errors import UsageError
from acgan.runs.config import RunConfig

VALUES: dict[str, Any] = {
    "recipe": "tiny",
    "generator": {"family": "deconv"},
    "discriminator": {},
    "training": {"total_images": 1000},
}


def run(*overrides: str) -> RunConfig:
    return validate(RunConfig, with_overrides(VALUES, overrides), where="test")


def test_it_is_off_by_default() -> None:
    assert run().augmentation == AugmentationConfig()
    assert not AugmentationConfig().active


@pytest.mark.parametrize("policy", [[name] for name in TRANSFORMS] + [["translation", "color"]])
def test_a_policy_is_a_list_of_names(policy: list[str]) -> None:
    written = ", ".join(f'"{name}"' for name in policy)
    augmentation = run(f"augmentation={{policy=[{written}]}}").augmentation
    assert augmentation.active
    assert augmentation.policy == tuple(policy)
    assert run("augmentation.noise=0.1").augmentation.active


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["augmentation.policy=['colour']"], "augmentation.policy.0: input should be 'color', 'tr"),
        (["augmentation.policy=['color', 'color']"], "policy has color twice; name each once"),
        (["augmentation.probability=0.5"], "there is no transform for a probability; name"),
        (["augmentation.adaptive=true"], "there is no transform for a probability; name"),
        (
            ["augmentation={policy=['color'], probability=0}"],
            "a probability of 0 applies no transform; leave policy empty",
        ),
        (["augmentation={policy=['color'], probability=1.5}"], "less than or equal to 1"),
        (
            ["augmentation={policy=['color'], border='reflect'}"],
            "border applies to translation, which policy lacks",
        ),
        (["augmentation.polcy=['color']"], "unknown key 'augmentation.polcy'; did you mean 'poli"),
        (["augmentation=color"], "augmentation is a section, not a value"),
        (["augmentation.noise=-1"], "augmentation.noise: input should be greater than or equal"),
        (
            [
                "augmentation={policy=['color'], adaptive=true}",
                "objective.source_loss=least-squares",
            ],
            "augmentation.adaptive uses the sign of D's logits, and least-squares",
        ),
    ],
)
def test_a_mistake_gets_its_sentence(overrides: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        run(*overrides)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("loss", ["bce", "hinge"])
def test_signs_mean_the_same_to_the_other_losses(loss: str) -> None:
    given = ("augmentation={policy=['color'], adaptive=true}", f"objective.source_loss={loss}")
    assert run(*given).augmentation.adaptive
    fixed = ("augmentation={policy=['color']}", "objective.source_loss=least-squares")
    assert run(*fixed).augmentation.active


def test_it_shapes_the_trajectory() -> None:
    assert run("augmentation.noise=0.1").trajectory_hash("") != run().trajectory_hash("")
