from __future__ import annotations

import math

import numpy as np
import pytest

from acgan.sampling.latents import Words, normals, philox


def words(*values: int) -> tuple[Words, ...]:
    return tuple(np.array([value], np.uint64) for value in values)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [  # the known answers of the authors' library, Random123: `kat_vectors`, philox4x32 10
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (
            (0xFFFFFFFF,) * 4,
            (0xFFFFFFFF,) * 2,
            (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        ),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_known_answers(
    counter: tuple[int, int, int, int], key: tuple[int, int], expected: tuple[int, ...]
) -> None:
    c0, c1, c2, c3 = words(*counter)
    k0, k1 = words(*key)
    drawn = philox((c0, c1, c2, c3), (k0, k1))
    assert tuple(int(word[0]) for word in drawn) == expected


def one_by_one(seed: int, block: int, draw: int, stream: int) -> list[float]:
    """The same in whole Python numbers, word after word."""
    counter, key = [block, draw, 0, stream], [seed % 2**32, seed >> 32]
    for _ in range(10):
        first, second = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [
            (second >> 32) ^ counter[1] ^ key[0],
            second % 2**32,
            (first >> 32) ^ counter[3] ^ key[1],
            first % 2**32,
        ]
        key = [(key[0] + 0x9E3779B9) % 2**32, (key[1] + 0xBB67AE85) % 2**32]
    result = []
    for one, other in (counter[:2], counter[2:]):
        radius = math.sqrt(-2 * math.log((one + 0.5) / 2**32))
        angle = 2 * math.pi * (other + 0.5) / 2**32
        result += [radius * math.cos(angle), radius * math.sin(angle)]
    return result


SEEDS = np.array([0, 1, 2, 2**32 - 1, 2**32, 2**63 - 2, 2**63 - 1], np.uint64)


def test_many_keys_at_once_are_each_alone() -> None:
    drawn = normals(SEEDS[:, None], np.arange(40, dtype=np.uint64), 3, 7)
    assert drawn.shape == (7, 40, 4)
    assert drawn.dtype == np.float32
    for row, seed in zip(drawn, SEEDS, strict=True):
        for block in (0, 1, 17, 39):
            np.testing.assert_allclose(row[block], one_by_one(int(seed), block, 3, 7), rtol=1e-6)
            alone = normals(np.array([seed]), np.array([block], np.uint64), 3, 7)
            assert alone[0].tobytes() == row[block].tobytes()


def test_no_two_keys_blocks_draws_or_streams_are_alike() -> None:
    blocks = np.arange(8, dtype=np.uint64)
    drawn = [normals(SEEDS[:, None], blocks, draw, stream) for draw in (0, 1) for stream in (0, 2)]
    assert len({row.tobytes() for one in drawn for row in one.reshape(-1, 4)}) == 4 * 7 * 8


def test_the_extremes_are_finite() -> None:
    """Of 2³² possible radii the largest and the smallest."""
    assert math.sqrt(-2 * math.log(0.5 / 2**32)) < 6.8
    drawn = normals(np.arange(200_000, dtype=np.uint64), np.zeros(1, np.uint64), 0, 0)
    assert np.isfinite(drawn).all()
    assert 4.5 < np.abs(drawn).max() < 6.8
