"""Streams, and the labels that the generator is asked for."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from itertools import pairwise
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from acgan.training.batches import LabelSource
from acgan.training.randomness import Stream, Streams

SEEDS = st.integers(0, 2**63 - 1)


def test_a_derived_seed_is_the_hash_that_is_promised() -> None:
    digest = hashlib.blake2b(b"7/1/latents/640", digest_size=8).digest()
    assert Streams(7, 1).derive(Stream.LATENTS, 640) == int.from_bytes(digest, "big") >> 1


def test_streams_keep_their_names() -> None:
    """Another name is another seed: every bit of every run would change."""
    assert {stream.value for stream in Stream} == {
        *("initial-weights", "trunk", "order", "labelled-order", "mirror", "dropout"),
        *("regularisers", "latents", "labels", "augmentation", "statistics"),
    }
    digest = hashlib.blake2b(b"7/0/latents-generator/640", digest_size=8).digest()
    named = Streams(7).derive(Stream.LATENTS, 640, purpose="generator")
    assert named == int.from_bytes(digest, "big") >> 1


@given(SEEDS, st.integers(0, 3), st.sampled_from(Stream), st.integers(0, 2**40))
def test_every_part_of_the_key_matters(seed: int, retry: int, stream: Stream, counter: int) -> None:
    own = Streams(seed, retry).derive(stream, counter)
    assert 0 <= own < 2**63
    assert own == Streams(seed, retry).derive(stream, counter)
    others = {
        Streams(seed ^ 1, retry).derive(stream, counter),
        Streams(seed, retry + 1).derive(stream, counter),
        Streams(seed, retry).derive(stream, counter, purpose="s"),
        Streams(seed, retry).derive(stream, counter + 1),
    }
    assert len(others | {own}) == 5


def test_streams_are_independent() -> None:
    streams = Streams(0)
    drawn = [
        torch.randn(4096, generator=streams.generator(Stream.LATENTS, counter, purpose=purpose))
        for purpose in ("discriminator-0", "generator")
        for counter in (0, 64)
    ]
    for one, other in pairwise(drawn):
        correlation = torch.corrcoef(torch.stack([one, other]))[0, 1].item()
        assert abs(correlation) < 0.08  # five standard deviations


@pytest.mark.slow
def test_other_processes_draw_the_same_numbers() -> None:
    program = (
        "import torch\n"
        "from acgan.training.randomness import Stream, Streams\n"
        "streams = Streams(3, 1)\n"
        "streams.seed_global(Stream.DROPOUT, 5)\n"
        "drawn = torch.randn(4, generator=streams.generator(Stream.LATENTS, 5))\n"
        "print(torch.cat([drawn, torch.randn(4)]).numpy().tobytes().hex())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    streams = Streams(3, 1)
    streams.seed_global(Stream.DROPOUT, 5)
    drawn = torch.randn(4, generator=streams.generator(Stream.LATENTS, 5))
    assert done.stdout.strip() == torch.cat([drawn, torch.randn(4)]).numpy().tobytes().hex()


def draw(policy: str, counts: list[int], size: int = 20_000) -> list[int]:
    source = LabelSource(policy, np.array(counts))  # type: ignore[arg-type]
    real = torch.arange(size) % len(counts)
    labels = source.sample(size, torch.Generator().manual_seed(1), real)
    assert labels.dtype == torch.int64
    assert labels.shape == (size,)
    return torch.bincount(labels, minlength=len(counts)).tolist()


@pytest.mark.parametrize(
    ("policy", "counts", "shares"),
    [
        ("frequency", [60, 30, 10], [0.6, 0.3, 0.1]),
        ("frequency", [0, 50, 0, 150, 0], [0, 0.25, 0, 0.75, 0]),
        ("uniform", [60, 30, 10], [1 / 3, 1 / 3, 1 / 3]),
        ("uniform", [0, 1, 999, 0], [0, 0.5, 0.5, 0]),
    ],
)
def test_labels_follow_their_policy(policy: str, counts: list[int], shares: list[float]) -> None:
    found = draw(policy, counts)
    for count, share in zip(found, shares, strict=True):
        assert count / 20_000 == pytest.approx(share, abs=0.015)
        assert (count == 0) == (share == 0), "a class without images is never asked for"


def test_the_policy_batch_takes_the_real_batchs_labels() -> None:
    source = LabelSource("batch", np.array([5, 5]))
    real = torch.tensor([1, 0, 0, 1])
    assert source.sample(4, torch.Generator(), real).tolist() == real.tolist()


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12).filter(any), SEEDS)
def test_no_draw_is_ever_a_class_without_images(counts: list[int], seed: int) -> None:
    policies: tuple[Literal["frequency", "uniform"], ...] = ("frequency", "uniform")
    for policy in policies:
        source = LabelSource(policy, np.array(counts))
        labels = source.sample(64, torch.Generator().manual_seed(seed), torch.zeros(64))
        assert all(counts[label] for label in labels.tolist())


def test_the_largest_number_below_one_is_a_class() -> None:
    """Where the cumulative distribution is not exactly 1 at its end, a draw could lie beyond it."""
    source = LabelSource("frequency", np.array([1] * 49))
    assert source._edges[-1] == 1.0
    largest = torch.tensor(np.nextafter(1.0, 0.0))
    assert torch.searchsorted(source._edges, largest, right=True).item() == 48
