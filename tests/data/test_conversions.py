"""The notes about what decoding changed: one for each kind, with counts, also from the cache."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acgan.data import folder as folder_module
from acgan.data.config import DataConfig
from acgan.data.conversions import Conversions, ConversionSummary, Header
from acgan.data.images import DatasetSplits
from acgan.data.load import load_data


def load(root: Path, **options: Any) -> DatasetSplits:
    cache = str(root.parent / "cache")
    return load_data(DataConfig.model_validate({"source": str(root), "cache": cache, **options}))


def notes_of(splits: DatasetSplits) -> list[str]:
    """Return the notes without the one about duplicates, which these tests have by chance."""
    return [note for note in splits.notes if "exact duplicates" not in note]


def noise(index: int, *shape: int, high: int = 256) -> np.ndarray[Any, Any]:
    return np.random.default_rng(index).integers(0, high, shape)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes of 10 color images of 8×8 pixels."""
    for index in range(20):
        path = tmp_path / "set" / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(index, 8, 8, 3).astype(np.uint8)).save(path)
    return tmp_path / "set"


def add(root: Path, name: str, image: Image.Image, **options: Any) -> None:
    image.save(root / "a" / name, **options)


def color(side: int = 8) -> Image.Image:
    return Image.fromarray(noise(side, side, side, 3).astype(np.uint8))


def with_orientation(root: Path) -> None:
    exif = Image.Exif()
    exif[274] = 3
    add(root, "turned.png", color(), exif=exif)
    add(root, "turned.jpg", color(), exif=exif)


def with_alpha(root: Path) -> None:
    opaque, transparent = color().convert("RGBA"), color().convert("RGBA")
    transparent.putpixel((0, 0), (0, 0, 0, 128))
    add(root, "opaque.png", opaque)
    add(root, "one.png", transparent)
    add(root, "two.webp", transparent, lossless=True)


def with_pages(root: Path) -> None:
    add(root, "pages.tif", color(), save_all=True, append_images=[color(), color()])
    other = Image.new("RGB", (8, 8))
    add(root, "moving.gif", color().quantize(), save_all=True, append_images=[other.quantize()])
    add(root, "moving.png", color(), save_all=True, append_images=[other])
    add(root, "moving.webp", color(), save_all=True, append_images=[other])
    add(root, "still.tif", color())


def with_gray(root: Path) -> None:
    add(root, "gray.png", color().convert("L"))


def with_gamma(root: Path) -> None:
    for name, gamma in (("linear.png", 100_000), ("usual.png", 45_455)):
        buffer = io.BytesIO()
        color().save(buffer, "PNG")
        data = buffer.getvalue()
        chunk = b"gAMA" + struct.pack(">I", gamma)
        whole = struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        (root / "a" / name).write_bytes(data[:33] + whole + data[33:])


def with_broken_profile(root: Path) -> None:
    add(root, "profile.png", color(), icc_profile=b"broken")


def with_long_pixels(root: Path) -> None:
    add(root, "fax.tif", color(), dpi=(204, 98))
    add(root, "usual.jpg", color(), dpi=(300, 300))


def with_wide(root: Path) -> None:
    add(root, "wide.png", Image.fromarray(noise(0, 8, 8, high=65536).astype(np.uint16)))


CASES: list[tuple[Callable[[Path], None], list[str]]] = [
    (lambda root: None, []),
    (
        with_orientation,
        ["2 of 22 images: rotated or flipped according to the orientation tag (EXIF)"],
    ),
    (with_alpha, ["2 of 23 images: transparent pixels blended with white"]),
    (with_pages, ["4 of 25 images: only the first page or frame used"]),
    (with_gray, ["1 of 21 images: gray, converted to color because other images are in color"]),
    (
        with_gamma,
        [
            "1 of 22 images: gamma or primaries other than those of sRGB ignored "
            "(PNG chunks gAMA, cHRM)"
        ],
    ),
    (
        with_broken_profile,
        ["1 of 21 images: ICC profile ignored: broken or of another color space"],
    ),
    (with_long_pixels, ["1 of 22 images: pixels that are not square used as square ones"]),
    (
        with_wide,
        [
            "1 of 21 images: 16 bits per channel scaled to 8",
            "1 of 21 images: gray, converted to color because other images are in color",
        ],
    ),
]


@pytest.mark.parametrize(("change", "notes"), CASES)
def test_each_change_is_one_note_at_the_first_and_the_second_start(
    root: Path, change: Callable[[Path], None], notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    change(root)
    assert notes_of(load(root)) == notes
    monkeypatch.setattr(folder_module, "decode", None)  # everything comes from the cache
    assert notes_of(load(root)) == notes


def test_crops_and_enlargements_name_the_extreme(root: Path) -> None:
    add(root, "banner.png", Image.new("RGB", (2048, 8)))
    add(root, "ordinary.png", Image.new("RGB", (16, 12)))
    add(root, "dot.png", color(4))
    for _ in range(2):
        crop, enlarged = notes_of(load(root, image_size=8))
        assert crop == (
            "1 of 23 images: the center crop to 8×8 keeps less than 75 % of the pixels (least: "
            "0.39 % of a/banner.png, 8×2048); an --image-size HEIGHTxWIDTH of their shape keeps "
            "more"
        )
        assert enlarged == (
            "1 of 23 images: enlarged to 8×8 (smallest: a/dot.png, 4×4), which adds no detail"
        )


def test_a_restart_of_the_decoding_counts_nothing_twice(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):  # the guess from one header is wrong
        path = root / "a" / f"0{number}.png"
        Image.fromarray(noise(number, 8, 8).astype(np.uint8)).save(path)
    monkeypatch.setattr(folder_module, "_SAMPLED", 1)
    monkeypatch.setattr(folder_module, "_CHUNK", 8)
    assert load(root).shape.channels == 3
    assert load(root).notes == (
        "40 of 60 images: gray, converted to color because other images are in color",
    )


@pytest.fixture
def twelve_bits(tmp_path: Path) -> Path:
    """Gray images that use 12 of 16 bits."""
    for index in range(10):
        path = tmp_path / "wide" / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = noise(index, 8, 8, high=4096)
        samples[0, 0] = 4095
        Image.fromarray(samples.astype(np.uint16)).save(path)
    return tmp_path / "wide"


def test_a_narrow_range_is_a_note_about_the_set_and_can_be_scaled(twelve_bits: Path) -> None:
    for _ in range(2):
        splits = load(twelve_bits)
        assert splits.notes == (
            "10 of 10 images: 16 bits per channel scaled to 8",
            "the 16-bit values use only 6.2 % of their range (0 to 4095 of 65535), so contrast is "
            "lost; if the range ends at 4095, set -o data.white_level=4095",
        )
        assert splits.train.images.max() == 16
        scaled = load(twelve_bits, white_level=4095)
        assert scaled.notes == splits.notes[:1]
        assert scaled.train.images.max() == 255
    Image.fromarray(np.full((8, 8), 60_000, np.uint16)).save(twelve_bits / "a" / "bright.png")
    assert len(load(twelve_bits).notes) == 1  # the range is that of all images together
    assert (
        "1 of 11 images: values above data.white_level became white"
        in load(twelve_bits, white_level=4095).notes
    )


def test_a_white_level_without_effect_is_a_note(root: Path) -> None:
    (note,) = load(root, white_level=4095).notes
    assert note == "data.white_level has no effect: no image has 16 bits of an undeclared range"


def test_the_examples_are_the_most_cropped_and_the_most_enlarged_image() -> None:
    summary = ConversionSummary()
    for path, height in (("a", 2), ("b", 1), ("c", 3)):
        summary.add(path, Header(height, 8, gray=True), Conversions(frozenset()), 1, (16, 16))
    assert summary.least_kept is not None
    assert summary.smallest is not None
    assert (summary.least_kept[3], summary.smallest[3]) == ("b", "b")
