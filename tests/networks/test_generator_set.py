"""A set of generators: every image is, bit for bit, the one its own member draws."""

from __future__ import annotations

import pytest
import torch

from acgan.data.images import ImageShape
from acgan.networks.conditioning import ConditioningConfig
from acgan.networks.conv_generators import DeconvConfig
from acgan.networks.generator_set import GeneratorSet
from acgan.networks.interface import Generator
from acgan.sampling.forward import BATCH
from acgan.sampling.sampler import sample_images

SHAPE = ImageShape(1, 8, 8)


def member(classes: int, seed: int, latent_size: int = 5, mode: str = "batchnorm") -> Generator:
    torch.manual_seed(seed)
    conditioning = ConditioningConfig.model_validate({"mode": mode})
    config = DeconvConfig(
        family="deconv", latent_size=latent_size, widths=(6, 4), conditioning=conditioning
    )
    return config.build(SHAPE, classes).eval()


@pytest.fixture
def members() -> list[Generator]:
    return [member(3, 0), member(2, 1), member(2, 2)]


def test_labels_go_to_the_member_that_knows_them(members: list[Generator]) -> None:
    both = GeneratorSet(members)
    assert (both.classes, both.latent_size, both.conditional) == (7, 5, True)
    known = [both.member_of(label) for label in range(7)]
    assert [each for _, each in known] == [0, 1, 2, 0, 1, 0, 1]
    assert [members.index(each) for each, _ in known] == [0, 0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("order", [range(7), [6, 0, 3, 6, 2, 5, 4, 1, 0]])
def test_images_are_those_of_the_members(members: list[Generator], order: list[int]) -> None:
    labels, latents = torch.tensor(list(order)), torch.randn(len(order), 5)
    both = GeneratorSet(members)
    with torch.inference_mode():
        drawn = both(latents, labels)
        for row, label in enumerate(order):
            its, local = both.member_of(label)
            alone = torch.where(torch.arange(len(order)) == row, local, 0)
            assert torch.equal(drawn[row], its(latents, alone)[row])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_picture_is_the_same_alone_in_any_batch_and_from_its_member(
    members: list[Generator], precision: str
) -> None:
    both = GeneratorSet(members)
    labels = [label % 7 for label in range(BATCH + 20)]
    seeds = list(range(len(labels)))
    options = {"precision": precision}
    together = sample_images(both, labels, seeds, **options)  # type: ignore[arg-type]
    for index in (0, 5, BATCH - 1, BATCH, BATCH + 19):
        label, seed = labels[index], seeds[index]
        alone = sample_images(both, [label], [seed], **options)  # type: ignore[arg-type]
        its, local = both.member_of(label)
        own = sample_images(its, [local], [seed], **options)  # type: ignore[arg-type]
        assert (together[index] == alone[0]).all()
        assert (together[index] == own[0]).all()


def test_all_parameters_are_the_members(members: list[Generator]) -> None:
    both = GeneratorSet(members)
    assert len(list(both.normalized())) == sum(len(list(each.normalized())) for each in members)
    conditioning = {id(p) for each in members for p in each.conditioning_parameters()}
    assert {id(p) for p in both.conditioning_parameters()} == conditioning


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ([], "needs members"),
        ([member(2, 0), member(2, 1, latent_size=6)], "one size"),
        ([member(2, 0, mode="none")], "not conditional"),
    ],
)
def test_members_that_do_not_go_together_are_refused(bad: list[Generator], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        GeneratorSet(bad)


def test_labels_are_needed(members: list[Generator]) -> None:
    with pytest.raises(ValueError, match="pass labels"):
        GeneratorSet(members)(torch.zeros(1, 5))
