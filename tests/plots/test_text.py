"""Text of every script: drawn in a font that has it, else index and escapes, never a box."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib import font_manager, ft2font
from matplotlib.ft2font import FT2Font
from PIL import Image

from acgan.data.config import DataConfig
from acgan.data.images import find_class, make_classes
from acgan.data.load import load_data
from acgan.evaluation.charts import neighbor_grid, similarity_chart
from acgan.plots import text
from acgan.plots.charts import class_bars
from acgan.plots.grid import class_grid, grid_layout, side_by_side
from acgan.plots.text import class_labels, legible, missing_fonts_note, shorten, text_width

SCRIPTS = {
    "Latin": "abcäß",
    "Greek": "Ωμέγα",
    "Cyrillic": "кошка",
    "Han": "七犬猫很",
    "Kana": "いぬネコ",
    "Hangul": "고양이",
    "Arabic": "مرحبا",
    "Hebrew": "שלום",
    "Devanagari": "नमस्ते",
    "Tamil": "தமிழ்",
    "Thai": "ไทย",
    "emoji": "🐈🐕😀",
    "private": "\ue000\uf8ff",
}


def build_font(path: Path, characters: str) -> str:
    """A font whose glyphs are bars of different heights; its first glyph is an empty box."""

    def bar(height: int) -> object:
        pen = TTGlyphPen(None)
        pen.moveTo((100, 0))
        for point in ((100, height), (600, height), (600, 0)):
            pen.lineTo(point)
        pen.closePath()
        return pen.glyph()

    names = [".notdef", *(f"u{ord(c):05x}" for c in characters)]
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder(names)
    font.setupCharacterMap(dict(zip(map(ord, characters), names[1:], strict=True)))
    font.setupGlyf({name: bar(100 + 90 * (k % 9)) for k, name in enumerate(names)})
    font.setupHorizontalMetrics(dict.fromkeys(names, (700, 100)))
    font.setupHorizontalHeader(ascent=900, descent=-200)
    # A name for each test: matplotlib remembers fonts, and pytest deletes their files.
    font.setupNameTable({"familyName": " ".join(path.parts[-2:]), "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    font.save(path)
    return str(path)


@pytest.fixture(autouse=True)
def fonts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The installed fonts: none, and those that a test adds."""
    installed: list[str] = []
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: installed)
    monkeypatch.setattr(text, "_font_of", {})
    text._installed_fonts.cache_clear()
    yield installed
    text._installed_fonts.cache_clear()


def margins(names: list[str]) -> list[bytes]:
    layout = grid_layout((28, 28), 1, names)
    sheet = np.asarray(class_grid(np.zeros((len(names), 1, 1, 28, 28), np.uint8), names))
    boxes = [layout.box(row, 0) for row in range(len(names))]
    return [sheet[top:bottom, : layout.origin[0]].tobytes() for _, top, _, bottom in boxes]


words = st.lists(
    st.sampled_from(sorted(SCRIPTS)).flatmap(lambda s: st.text(SCRIPTS[s], min_size=1, max_size=3)),
    min_size=1,
    max_size=2,
).map(" ".join)


@pytest.mark.slow
@given(st.lists(words, min_size=2, max_size=4, unique=True), st.sets(st.sampled_from("七犬🐈नम")))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_names_of_any_scripts_are_drawn_or_escaped_and_can_be_typed_back(
    fonts: list[str],
    tmp_path_factory: pytest.TempPathFactory,
    names: list[str],
    available: set[str],
) -> None:
    text._font_of.clear()
    text._installed_fonts.cache_clear()
    characters = "".join(sorted(available))
    folder = tmp_path_factory.mktemp("fonts")
    fonts[:] = [build_font(folder / f"Extra{len(characters)}.ttf", characters)] * bool(available)
    labels = class_labels(names)
    classes = make_classes(names)
    for number, (name, label) in enumerate(zip(names, labels, strict=True)):
        assert None not in text._fonts(label)  # matplotlib and Pillow would draw a box
        if label != legible(name):
            assert label == f"{number}: {legible(name)}"
        assert (label == name) == (None not in text._fonts(name))
        assert find_class(classes, legible(name)) == number
    assert len(set(margins(labels))) == len(names)


@pytest.mark.slow
def test_a_font_with_the_characters_draws_them(tmp_path: Path, fonts: list[str]) -> None:
    names = ["七", "犬", "七 cat 犬", "cat"]
    without = class_labels(names)
    assert without == ["0: \\u4e03", "1: \\u72ac", "2: \\u4e03 cat \\u72ac", "cat"]
    text._font_of.clear()
    text._installed_fonts.cache_clear()
    fonts += [str(tmp_path / "gone.ttf"), build_font(tmp_path / "Han.ttf", "七犬")]
    assert class_labels(names) == names
    drawn = margins(names)
    assert len(set(drawn)) == 4
    assert text_width("七犬", 20) == 28  # 0.7 em each
    assert class_bars(names, {"x": [1.0] * 4}, axis="七") != class_bars(
        ["cat"] * 4, {"x": [1.0] * 4}, axis="x"
    )


def test_letters_from_right_to_left_are_joined_and_reordered() -> None:
    # DejaVu Sans has Arabic and Hebrew. Joined letters are narrower than their single forms.
    assert text_width("ببب", 40) < 3 * text_width("ب", 40)
    first, second = (np.frombuffer(each, np.uint8) for each in margins(["אב", "בא"]))
    assert not np.array_equal(first, second)
    # Drawn in logical order, the first letter would be at the left.
    layout = grid_layout((28, 28), 1, ["אi"])
    sheet = np.asarray(class_grid(np.zeros((1, 1, 1, 28, 28), np.uint8), ["אi"]))
    ink = np.any(sheet[:, : layout.origin[0]] < 128, axis=0)
    runs = [len(list(group)) for has_ink, group in itertools.groupby(ink.tolist()) if has_ink]
    assert runs[0] < runs[-1]  # "i" is the narrow one


def test_a_right_to_left_name_with_a_missing_character_is_escaped_as_a_whole() -> None:
    assert legible("של 🐈") == "\\u05e9\\u05dc \\U0001f408"


def test_fonts_of_boxes_and_broken_ones_are_not_used(tmp_path: Path, fonts: list[str]) -> None:
    fonts.append(build_font(tmp_path / "LastResort.ttf", "七"))
    assert class_labels(["七"]) == ["0: \\u4e03"]
    text._font_of.clear()
    text._installed_fonts.cache_clear()
    fonts[:] = [build_font(tmp_path / "Broken.ttf", "七")]
    Path(fonts[0]).write_bytes(b"no font")
    assert class_labels(["七"]) == ["0: \\u4e03"]


def test_regular_noto_sans_is_preferred(tmp_path: Path, fonts: list[str]) -> None:
    named = ["Aaa", "NotoSansCJK-Bold", "NotoSerifCJK-Regular", "NotoSansCJK-Regular"]
    fonts += [build_font(tmp_path / f"{name}.ttf", "七") for name in named]
    assert text._fonts("七") == [fonts[3]]


def test_plain_names_search_no_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "_fonts", None)
    assert list(missing_fonts_note(["cat", "dog"])) == []
    assert class_labels(["cat", "dog"]) == ["cat", "dog"]


def test_one_search_finds_the_fonts_of_all_names(
    tmp_path: Path, fonts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fonts.append(build_font(tmp_path / "Other.ttf", "x"))
    opened: list[str] = []
    original = text._opened

    def counted(path: str) -> FT2Font | None:
        opened.append(path)
        return original(path)

    monkeypatch.setattr(text, "_opened", counted)
    names = [chr(0x4E00 + k) for k in range(50)]
    list(missing_fonts_note(names))
    margins(class_labels(names))
    assert len(opened) == 2  # DejaVu Sans and the other one, once each


@pytest.mark.parametrize(
    ("names", "package"),
    [
        (["七"], "fonts-noto-cjk"),
        (["고양이"], "fonts-noto-cjk"),
        (["नम"], "fonts-noto-core"),
        (["🐈"], "fonts-symbola"),
        (["七", "cat", "🐈"], "fonts-noto-cjk, fonts-symbola"),
    ],
)
def test_the_note_names_the_package_to_install(names: list[str], package: str) -> None:
    (note,) = missing_fonts_note(names)
    assert f"install {package} " in note
    assert "\n" not in note
    assert repr(names[0]) in note
    assert "'cat'" not in note


def test_the_note_lists_three_names() -> None:
    (note,) = missing_fonts_note([chr(0x4E00 + k) for k in range(9)])
    assert "and 6 more" in note


def test_titles_and_captions_are_escaped_too() -> None:
    grid = class_grid(np.zeros((1, 1, 1, 28, 28), np.uint8), ["a"], title="七")
    assert side_by_side([grid], ["犬"]).height > grid.height
    assert shorten("七" * 99, 15, 100).startswith("\\u4e03")


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        *(("cat", True), ("é", True), ("кошка", True)),
        *(("x\u0323", False), ("שלום", False), ("ب", False)),
    ],
)
def test_only_texts_without_marks_and_reordering_are_left_to_pillow(line: str, plain: bool) -> None:
    assert text._is_plain(line) is plain


def test_fonts_without_outlines_are_not_used(
    fonts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fonts.append(build_font(tmp_path / "Color.ttf", "七"))
    bitmap = SimpleNamespace(scalable=False, get_char_index=lambda code: code)
    real = FT2Font
    monkeypatch.setattr(ft2font, "FT2Font", lambda p: bitmap if p == fonts[0] else real(p))
    assert class_labels(["七"]) == ["0: \\u4e03"]


def test_starting_with_such_names_says_so_once(tmp_path: Path) -> None:
    for name in ("七", "cat"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(10):
            pixels = np.full((8, 8), 20 * number + len(name), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "set" / name / f"{number}.png")
    config = DataConfig(source=str(tmp_path / "set"), cache=str(tmp_path / "cache"))
    notes = [note for note in load_data(config).notes if "fonts-noto-cjk" in note]
    assert len(notes) == 1
    assert "'七'" in notes[0]


def test_charts_of_classes_with_missing_fonts_have_no_boxes(
    tmp_path: Path, fonts: list[str]
) -> None:
    fonts.append(build_font(tmp_path / "Han.ttf", "七"))
    names = ["七", "犬", "שלום", "नमस्ते", "$🐈"]
    values = np.linspace(0.1, 0.9, 5)
    # A box would be a warning, which fails the test.
    similarity_chart("MS-SSIM", class_labels(names), values, values)
    rows = [np.zeros((1, 1, 28, 28), np.uint8)] * 5
    assert neighbor_grid(class_labels(names), rows, [("七犬", rows)])
