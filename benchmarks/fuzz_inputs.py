"""Give the product damaged and hostile inputs; each must be used or refused with a sentence.

    python benchmarks/fuzz_inputs.py                           # 10,000 inputs
    python benchmarks/fuzz_inputs.py --inputs 2000 --seed 7 --kinds images zips
    python benchmarks/fuzz_inputs.py --seed 7 --only 1234      # one input again, with its traceback

Input N of a seed is always the same. It goes through the functions that the commands call, or the
command itself. A finding is an exception other than acgan's own errors, a sentence that cannot be
printed, an ended process, or more than --seconds from the moment at which the input is made. Each
worker process has 3 GiB of address space (RLIMIT_AS) above what it uses after its imports, so
memory without bounds is a finding too. Exits with 1 after a finding.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import gzip
import io
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
import unicodedata
import warnings
import zipfile
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import torch
from PIL import Image, ImageCms

from acgan.cli.main import execute
from acgan.data.config import DataConfig
from acgan.data.images import ImageShape, make_classes
from acgan.data.load import load_data
from acgan.data.source import NAMED_SETS
from acgan.data.statistics import fit_statistics
from acgan.errors import AcganError
from acgan.model.card import ModelInfo
from acgan.model.folder import save_model, save_model_set
from acgan.networks.interface import Heads
from acgan.report.files import write_report
from acgan.report.report import Report
from acgan.report.section import Finding, Metric, Section
from acgan.runs.config import RunConfig
from acgan.storage.folders import MANIFEST, write_manifest
from acgan.training.train import prepare_run

SPARE_BYTES = 3 << 30
_MAKING_SECONDS = 300  # to make an input, or for the imports
LONGEST_SENTENCE = 10_000
Action = Callable[[], object]
"""Gives one input to the product; returns the exit code of a command, or anything else."""


# ---------------------------------------------------------------- damage of bytes and of JSON


def damaged(rng: random.Random, data: bytes, other: bytes = b"") -> bytes:
    """Return bytes with one to three random changes."""
    content = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(content) + 1)
        end = min(len(content), at + rng.choice((1, 2, 4, 8, 64)))
        match rng.randrange(7):
            case 0 if at < len(content):
                content[at] ^= 1 << rng.randrange(8)
            case 1:
                del content[at:]
            case 2:
                content[at:end] = rng.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * (end - at)
            case 3:
                del content[at:end]
            case 4:
                content[at:at] = rng.randbytes(rng.choice((1, 8, 300)))
            case 5:
                start = rng.randrange(len(other) + 1)
                content[at:] = other[start:]
            case _:
                content[at:at] = content[at // 2 : end]
    return bytes(content)


ODD_TEXT = ["", "\0", "a\nb", "\x1b[31m", "-x", "$(x)", "é", "e\u0301", "\u202e", "ｗ", "a" * 5000]
ODD_TEXT += ["..", "../../x", "/", "C:\\x", "con", "名", "🙂", "<script>", "`|`", "\x7f", " "]
_RAW = {  # written by their text, which json.dumps cannot write
    "@deep@": "[" * 3000 + "]" * 3000,
    "@digits@": "9" * 5000,
    "@float@": "1e999",
    "@nan@": "NaN",
    "@infinity@": "-Infinity",
    "@surrogate@": '"\\ud800"',
    "@pair@": '"\\ud83d\\ude42"',
}
ODD_VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    10**19,
    1.5,
    -0.0,
    1e308,
    [],
    {},
    [[]],
]
ODD_VALUES += [*ODD_TEXT, *_RAW, {"": None}, ["a", 1], list(range(2000))]


def odd_json(rng: random.Random, value: Any) -> bytes:
    """Return a JSON text with one or two values, keys or tokens that nobody expects."""
    value = json.loads(json.dumps(value))
    for _ in range(rng.choice((1, 1, 2))):
        value = _mutated(rng, value)
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5)
    for mark, raw in _RAW.items():
        text = text.replace(f'"{mark}"', raw)
    data = text.encode("utf-8", "surrogatepass")
    return damaged(rng, data) if rng.random() < 0.15 else data


def _mutated(rng: random.Random, value: Any) -> Any:
    if not value or not isinstance(value, dict | list) or rng.random() < 0.1:
        return rng.choice(ODD_VALUES)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = rng.choice(keys)
    match rng.randrange(8):
        case 0:
            del value[key]
        case 1 if isinstance(value, dict):
            value[rng.choice(ODD_TEXT)] = value.pop(key)
        case 1 | 2 if isinstance(value, list):
            value.insert(key, rng.choice((value[key], *ODD_VALUES)))
        case 3:
            value[key] = value[rng.choice(keys)]
        case _:
            value[key] = _mutated(rng, value[key])
    return value


# ---------------------------------------------------------------- images


@functools.cache
def image_files() -> list[tuple[str, bytes]]:
    """Return suffix and content of undamaged images of every format, mode and kind of metadata."""
    rng = np.random.default_rng(0)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[274], exif[271] = 6, "camera"
    formats: dict[str, tuple[str, list[dict[str, Any]]]] = {
        "png": ("1 L LA I;16 P RGB RGBA", [{}, {"transparency": 1}, {"optimize": True}]),
        "jpg": ("L RGB CMYK", [{}, {"progressive": True}, {"quality": 20, "subsampling": 2}]),
        "webp": ("L RGB RGBA", [{}, {"lossless": True}]),
        "bmp": ("1 L P RGB RGBA", [{}]),
        "gif": ("1 L P RGB", [{}, {"transparency": 1}]),
        "tif": (
            "1 L LA I;16 P RGB RGBA CMYK LAB I F",
            [
                *({"compression": each} for each in ("raw", "tiff_lzw", "tiff_deflate", "jpeg")),
                *({"compression": "packbits"}, {"tiffinfo": {262: 0}}, {"tiffinfo": {274: 8}}),
            ],
        ),
        "ppm": ("1 L I;16 RGB", [{}]),
    }
    pages = [Image.fromarray(rng.integers(0, 256, (9, 12), np.uint8)) for _ in range(3)]
    files = []
    for suffix, (modes, choices) in formats.items():
        for mode in modes.split():
            pixels = rng.integers(0, 256, (9, 12, 4), np.uint8)
            if mode == "I;16":
                image = Image.fromarray(pixels.view(np.uint16)[..., 0].copy())
            else:
                image = Image.fromarray(pixels, "RGBA").convert("RGB").convert(mode)
            metadata: list[dict[str, Any]] = [{}, {"icc_profile": profile}, {"exif": exif}]
            metadata += [{"save_all": True, "append_images": pages}, {"dpi": (72, 144)}]
            for options in (*choices, *metadata):
                buffer = io.BytesIO()
                kind = {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper())
                with contextlib.suppress(OSError, ValueError, KeyError, struct.error, TypeError):
                    image.save(buffer, kind, **options)
                    files.append((suffix, buffer.getvalue()))
    return files


def odd_image(rng: random.Random) -> tuple[str, bytes]:
    """Return suffix and content of an image that is damaged, claims sizes, or has odd metadata."""
    suffix, data = rng.choice(image_files())
    if rng.random() < 0.5:
        with contextlib.suppress(struct.error, IndexError, ValueError):
            data = _STRUCTURES.get(suffix, damaged)(rng, data)
    else:
        data = damaged(rng, data, rng.choice(image_files())[1])
    return (rng.choice(image_files())[0] if rng.random() < 0.05 else suffix), data


def _odd_png(rng: random.Random, data: bytes) -> bytes:
    """Change chunks and give them valid checksums."""
    chunks, at = [], 8
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    for _ in range(rng.choice((1, 2))):
        at = rng.randrange(len(chunks))
        name, content = chunks[at]
        match rng.randrange(6):
            case 0:
                big = rng.choice((0, 1, 7, 60_000, 2**31 - 1))
                depth, color = rng.choice((1, 2, 4, 8, 16, 3)), rng.choice((0, 2, 3, 4, 6, 1))
                wide = rng.choice((12, big, 1000))
                chunks[0] = (b"IHDR", struct.pack(">IIBBBBB", wide, big, depth, color, 0, 0, 0))
            case 1:
                names = b"tRNS iCCP gAMA cHRM eXIf acTL fcTL fdAT pHYs sRGB PLTE tEXt zTXt iTXt"
                bomb = b"p\0\0" + zlib.compress(bytes(rng.choice((10, 1 << 22))))
                body = rng.choice((rng.randbytes(rng.randrange(40)), bomb, b"II*\0" * 9))
                chunks.insert(at + 1, (rng.choice(names.split()), body))
            case 2:
                del chunks[at]
            case 3:
                chunks.insert(rng.randrange(len(chunks)), chunks.pop(at))
            case 4 if name == b"IDAT":
                chunks[at] = (name, zlib.compress(damaged(rng, zlib.decompress(content))))
            case _:
                chunks[at] = (name, damaged(rng, content))
    parts = [data[:8]]
    for name, content in chunks:
        crc = zlib.crc32(name + content)
        parts.append(struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc))
    return b"".join(parts)


def _odd_tiff(rng: random.Random, data: bytes) -> bytes:
    """Change entries of the first directory."""
    content = bytearray(data)
    order = "<" if data[:2] == b"II" else ">"
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, start)
    for _ in range(rng.choice((1, 2, 4))):
        at = start + 2 + 12 * rng.randrange(count)
        tag, kind, number, value = struct.unpack_from(f"{order}HHII", content, at)
        match rng.randrange(4):
            case 0:
                odd = (254, 256, 258, 259, 262, 266, 274, 277, 284, 317, 322, 338, 339, 34675)
                tag = rng.choice(odd)
            case 1:
                kind = rng.randrange(20)
            case 2:
                number = rng.choice((0, 1, 3, 4, 65_536, 2**31, 2**32 - 1))
            case _:
                value = rng.choice((0, 1, 2, 3, 6, 8, 16, 32, 60_000, 2**31, rng.getrandbits(32)))
        struct.pack_into(f"{order}HHII", content, at, tag, kind, number, value)
    return bytes(content)


def _odd_jpeg(rng: random.Random, data: bytes) -> bytes:
    """Insert a segment, or change the declared size."""
    frame = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    if frame > 0 and rng.random() < 0.4:
        size = struct.pack(">HH", *rng.choices((0, 1, 12, 65_535, 8_000), k=2))
        return data[: frame + 5] + size + data[frame + 9 :]
    names = (b"Exif\0\0", b"ICC_PROFILE\0\1\1", b"http://ns.adobe.com/xap/1.0/\0", b"Adobe\0d")
    body = rng.choice(names) + rng.choice((b"MM\0*\0\0\0\10", b"II*\0", b"")) + rng.randbytes(60)
    marker = bytes((0xFF, rng.randrange(0xC0, 0xFF)))
    return data[:2] + marker + struct.pack(">H", len(body) + 2) + body + data[2:]


_STRUCTURES = {"png": _odd_png, "tif": _odd_tiff, "jpg": _odd_jpeg}


def usable_images(count: int) -> list[bytes]:
    """Return PNG files that nothing is wrong with."""
    return [data for suffix, data in image_files() if suffix == "png"][:count]


def load(source: Path | str, scratch: Path, **options: Any) -> Action:
    """Return the action that loads data as `acgan train` does."""
    values = {"source": str(source), "image_size": (8, 8), "bad_files": "skip"} | options
    config = DataConfig(**values, cache=str(scratch / "cache"))
    return lambda: load_data(config)


def write_classes(folder: Path) -> None:
    """Write two classes of usable images."""
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        for index, content in enumerate(usable_images(4)):
            (folder / name / f"{index}.png").write_bytes(content)


def images(rng: random.Random, scratch: Path) -> Action:
    """An odd image in a folder of usable ones, or given to `acgan inspect`."""
    suffix, data = odd_image(rng)
    if rng.random() < 0.25:
        path = scratch / f"image.{suffix}"
        path.write_bytes(data)
        model, invert = str(base_models()[0]), rng.choice(("auto", "never"))
        return lambda: execute(["inspect", model, str(path), "--invert", invert])
    write_classes(scratch / "data")
    (scratch / "data" / "a" / f"odd.{suffix}").write_bytes(data)
    refuse = {"bad_files": "refuse"} if rng.random() < 0.1 else {}
    keep = {"image_size": None} if rng.random() < 0.1 else {}
    return load(scratch / "data", scratch, **refuse, **keep)


# ---------------------------------------------------------------- zips and folders


def zips(rng: random.Random, scratch: Path) -> Action:
    """A zip with odd members, and fields of its directory that lie."""
    names = [f"{name}/{index}.png" for name in "ab" for index in range(4)]
    contents = [*usable_images(4)] * 2
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")  # repeated names
        for name, content in zip(names, contents, strict=True):
            archive.writestr(name, content, rng.choice((0, 8, 8)))
        for _ in range(rng.choice((0, 1, 1, 3))):
            archive.writestr(*_odd_member(rng, names))
    data = buffer.getvalue()
    if rng.random() < 0.6:
        data = _lying_zip(rng, data)
    if rng.random() < 0.15:
        data = damaged(rng, data)
    path = scratch / "data.zip"
    path.write_bytes(data)
    return load(path, scratch, bad_files=rng.choice(("skip", "skip", "refuse")))


def _odd_member(rng: random.Random, names: list[str]) -> tuple[str, bytes, int]:
    deep = "/".join(["d"] * rng.choice((3, 70, 3000)))
    odd = [f"a/{rng.choice(ODD_TEXT)}.png", f"{rng.choice(ODD_TEXT)}/x.png", rng.choice(names)]
    odd += [f"a/{deep}/x.png", "a/", "/a/x.png", "a//x.png", "./a/x.png", "a/x.png/y.png", "a"]
    odd += ["a\\x.png", "__MACOSX/a/._x.png", "é/x.png", "e\u0301/x.png", "A/x.png", "train/x.png"]
    bodies = [b"", b"no image", usable_images(1)[0], bytes(rng.choice((100, 1 << 22)))]
    if rng.random() < 0.01:
        bodies = [bytes(300 << 20)]
    method = rng.choice((0, 8, 8, 12, 14))
    return rng.choice(odd)[:60_000].replace("\0", "\1"), rng.choice(bodies), method


def _lying_zip(rng: random.Random, data: bytes) -> bytes:
    content = bytearray(data)
    for _ in range(rng.choice((1, 1, 3))):
        mark, fields = rng.choice(_ZIP_FIELDS)
        starts = [at for at in range(len(data)) if data.startswith(mark, at)]
        if not starts:
            continue
        offset, size = rng.choice(fields)
        value = rng.choice((0, 1, 2**31, 2**32 - 1, rng.getrandbits(32), rng.randrange(2000)))
        value = 1 << rng.randrange(16) if offset in (6, 8) else value  # flags
        at = rng.choice(starts) + offset
        content[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, "little")
    if rng.random() < 0.2:  # names that are not UTF-8, with the mark for UTF-8
        content = bytearray(bytes(content).replace(b"b/", rng.choice((b"\xff/", b"\0/", b"\x1b/"))))
    return bytes(content)


_ZIP_FIELDS = [
    (b"PK\1\2", [(6, 2), (8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (42, 4)]),
    (b"PK\3\4", [(6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)]),
    (b"PK\5\6", [(8, 2), (10, 2), (12, 4), (16, 4), (20, 2)]),
]


def folders(rng: random.Random, scratch: Path) -> Action:
    """A folder with odd names, links, pipes and other things."""
    root = scratch / "data"
    write_classes(root)
    for _ in range(rng.randrange(1, 6)):
        above = rng.choice(("", "a", "b", "train", "test", "a/inner", "images", "train/a"))
        name = rng.choice(["x.png", *ODD_TEXT])[:80].replace("/", "_").replace("\0", "\1")
        encoded = os.fsencode(root / above / name) + rng.choice((b"", b".png", b".jpg", b"\xff"))
        with contextlib.suppress(OSError):  # names that the parent's kind does not allow
            (root / above).mkdir(parents=True, exist_ok=True)
            _odd_entry(rng, Path(os.fsdecode(encoded)), root)
    return load(root, scratch, bad_files=rng.choice(("skip", "skip", "refuse")))


def _odd_entry(rng: random.Random, path: Path, root: Path) -> None:
    match rng.randrange(8):
        case 0:
            path.symlink_to(rng.choice((root, path, Path("/dev/zero"), Path("/nowhere"))))
        case 1:
            os.mkfifo(path)
        case 2:
            with path.open("wb") as file:
                file.truncate(rng.choice((0, 1 << 40)))
        case 3:
            path.mkdir()
            path.chmod(rng.choice((0, 0o700)))
        case 4:
            path.mkdir()
            (path / "y.png").write_bytes(usable_images(1)[0])
        case _:
            path.write_bytes(rng.choice((b"", *usable_images(3))))


# ---------------------------------------------------------------- label files and idx files


def labels(rng: random.Random, scratch: Path) -> Action:
    """Images beside a label file with odd rows."""
    root = scratch / "data"
    root.mkdir()
    pairs = [(f"{index}.png", ("cat", "dog")[index % 2]) for index in range(10)]
    for (name, _), content in zip(pairs, usable_images(10), strict=True):
        (root / name).write_bytes(content)
    match kind := rng.choice(("labels.csv", "metadata.csv", "metadata.jsonl", "dataset.json")):
        case "dataset.json":
            numbered = [[name, int(label == "cat")] for name, label in pairs]
            data = odd_json(rng, {"labels": numbered})
        case "metadata.jsonl":
            lines = [json.dumps({"file_name": n, "label": each}).encode() for n, each in pairs]
            at = rng.randrange(len(lines))
            lines[at] = odd_json(rng, json.loads(lines[at]))
            data = b"\n".join(lines)
        case _:
            rows = [["file_name", "label"], *map(list, pairs)]
            for _ in range(rng.choice((1, 2))):
                rng.choice(rows)[rng.randrange(2)] = rng.choice((*ODD_TEXT, '"', 'a"b', "1|2"))
            separator = rng.choice((",", ";", "\t"))
            text = "\n".join(map(separator.join, rows))
            encoding = rng.choice(("utf-8", "utf-8", "utf-16", "utf-8-sig", "latin-1"))
            data = text.encode(encoding, "replace")
            data = damaged(rng, data) if rng.random() < 0.3 else data
    (root / kind).write_bytes(data)
    return load(root, scratch)


def idx(rng: random.Random, scratch: Path) -> Action:
    """MNIST's four files: of odd sizes or labels, or one with damage."""
    whole = rng.random() < 0.4
    for name, count in (("train", 40), ("t10k", 20)):
        odd = whole and rng.random() < 0.6
        rows, columns = rng.choices((28, 0, 1, 27, 300), k=2) if odd else (28, 28)
        images, values = rng.choices((count, 0, 1), (8, 1, 1), k=2) if odd else (count, count)
        size = struct.pack(">HBBIII", 0, 8, 3, images, rows, columns)
        pixels = size + rng.randbytes(images * rows * columns)
        (scratch / f"{name}-images-idx3-ubyte").write_bytes(pixels)
        most = rng.choice((1, 9, 10, 11, 256)) if odd else 10
        labels = struct.pack(">HBBI", 0, 8, 1, values) + bytes(k % most for k in range(values))
        (scratch / f"{name}-labels-idx1-ubyte").write_bytes(labels)
    if not whole:
        _damage_idx(rng, scratch)
    action = load("mnist", scratch, root=str(scratch))
    if rng.random() < 0.2:
        return action
    return mock.patch("acgan.data.idx._md5s", _no_checksums)(action)  # else most end there


def _no_checksums(*_: object) -> None:
    """Stand for a set without published checksums."""


def _damage_idx(rng: random.Random, scratch: Path) -> None:
    path = rng.choice(sorted(scratch.glob("*-ubyte")))
    data = bytearray(path.read_bytes())
    if rng.random() < 0.5:
        odd = rng.choice((0, 1, 41, 2**31, 2**32 - 1))
        struct.pack_into(">I", data, rng.choice((0, 4, 8, 12)) % (len(data) - 4), odd)
    content = bytes(data) if rng.random() < 0.3 else damaged(rng, bytes(data))
    if rng.random() < 0.3:
        bomb = bytes(300 << 20) if rng.random() < 0.01 else b""
        content = damaged(rng, gzip.compress(content + bomb, 1))
    path.write_bytes(content)


# ---------------------------------------------------------------- models, JSON files, options


@functools.cache
def base_models() -> tuple[Path, Path]:
    """Return the folders of a small model and of a set of two models."""
    home = Path(tempfile.mkdtemp())  # below the folder of the process, which its starter removes
    shape = ImageShape(1, 8, 8)
    values = {
        "recipe": "tiny",
        "generator": {"family": "deconv", "latent_size": 4, "widths": [4, 4]},
        "discriminator": {"layers": [{"width": 4, "kernel": 4, "stride": 2}]},
        "training": {"total_images": 100},
    }
    pixels = np.random.default_rng(0).integers(0, 256, (64, *shape), np.uint8)
    statistics = fit_statistics(pixels, pixels)
    torch.manual_seed(0)

    def save(path: Path, names: Sequence[str]) -> None:
        config = RunConfig.model_validate(values)
        each = {"content_hash": "a" * 64, "images": 9, "per_class": dict.fromkeys(names, 3)}
        split = dict.fromkeys(("train", "validation", "test"), each)
        discriminator = config.discriminator.build(shape, len(names), Heads())
        save_model(
            path,
            ModelInfo(config, shape, make_classes(names), split, "data", 1),
            generator_state=config.generator.build(shape, len(names)).state_dict(),
            discriminator_state=discriminator.state_dict(),
            statistics=statistics,
        )

    save(home / "model", ("a", "b", "c"))
    members = {"a-b": home / "first", "c-d": home / "second"}
    save(members["a-b"], ("a", "b"))
    save(members["c-d"], ("c", "d"))
    each = {"content_hash": "a" * 64, "images": 9, "per_class": dict.fromkeys("abcd", 3)}
    split = dict.fromkeys(("train", "validation", "test"), each)
    config = RunConfig.model_validate({**values, "classes_per_model": 2})
    info = ModelInfo(config, shape, make_classes(["a", "b", "c", "d"]), split, "data", 1)
    save_model_set(home / "set", info, members)
    return home / "model", home / "set"


def models(rng: random.Random, scratch: Path) -> Action:
    """A model folder with one or two odd files, whose manifest agrees with them in most cases."""
    folder = scratch / "model"
    shutil.copytree(base_models()[rng.random() < 0.15], folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    own = rng.choice([path.parent for path in files if path.name == MANIFEST])
    for _ in range(rng.choice((1, 1, 2))):
        path = rng.choice([each for each in own.iterdir() if each.is_file()])
        _make_odd(rng, path)
    if rng.random() < 0.8:
        for home in {own, folder}:
            with contextlib.suppress(OSError):
                (home / MANIFEST).unlink()
                write_manifest(home, {})
    out = str(scratch / "out")
    command = rng.choice(
        (
            ["sample", str(folder), "--out", out, "--count", "2"],
            ["sample", str(folder), "--class", rng.choice(("a", "0", "-x", "é")), "--out", out],
            ["show", str(folder)],
            ["inspect", str(folder), str(inspected(scratch))],
            ["interpolate", str(folder), "--class", "a", "--to-class", "b", "--out", f"{out}.png"],
            ["sample", str(folder), "--grid", f"{out}.png", "--json"],
        )
    )
    return lambda: execute(command)


def inspected(scratch: Path) -> Path:
    """Write a usable image and return its path."""
    path = scratch / "image.png"
    path.write_bytes(usable_images(1)[0])
    return path


def _make_odd(rng: random.Random, path: Path) -> None:
    data = path.read_bytes()
    if rng.random() < 0.06:  # not a regular file
        path.unlink()
        match rng.randrange(4):
            case 0:
                path.symlink_to(rng.choice((Path("/dev/zero"), path.with_suffix(""), path)))
            case 1:
                os.mkfifo(path)
            case 2:
                path.mkdir()
        return
    content = damaged(rng, data)
    with contextlib.suppress(ValueError, struct.error):  # it is odd already
        if path.suffix == ".safetensors" and rng.random() < 0.8:
            (end,) = struct.unpack_from("<Q", data)
            header = odd_json(rng, json.loads(data[8 : 8 + end]))
            size = rng.choice((0, 2**63, 100_000_001)) if rng.random() < 0.05 else len(header)
            content = struct.pack("<Q", size) + header + data[8 + end :]
        elif path.suffix == ".json" and rng.random() < 0.9:
            content = odd_json(rng, json.loads(data))
    path.write_bytes(content)


def json_files(rng: random.Random, scratch: Path) -> Action:
    """A run folder, reports or a manifest of samples with odd JSON."""
    if rng.random() < 0.4:
        run = scratch / "runs" / "one"
        run.mkdir(parents=True)
        config = json.loads((base_models()[0] / "config.json").read_text())
        status = {"state": "complete", "images_seen": 64, "total_images": 100}
        row = {"images_seen": 64, "class_accuracy": {"real_held_out": 0.5, "fake": 0.5}}
        for name, value in (("config", config), ("status", status), ("metrics", row)):
            content = odd_json(rng, value) if rng.random() < 0.5 else json.dumps(value).encode()
            (run / f"{name}.json{'l' * (name == 'metrics')}").write_bytes(content + b"\n")
        return lambda: execute(["runs", str(run.parent), *["--json"] * rng.randrange(2)])
    if rng.random() < 0.5:
        out = scratch / "out"
        command = ["sample", str(base_models()[0]), "--out", str(out)]
        with contextlib.redirect_stdout(io.StringIO()):
            execute(command)
        manifest = out / "manifest.json"
        manifest.write_bytes(odd_json(rng, json.loads(manifest.read_text())))
        return lambda: execute([*command, "--seed", "1"])
    paths = []
    for name in ("one", "two"):
        _, path = write_report(_report(name), scratch / name)
        paths.append(str(path))
    path.write_bytes(odd_json(rng, json.loads(path.read_text())))
    return lambda: execute(["compare", *paths, "--out", str(scratch / "page.html")])


def _report(name: str) -> Report:
    protocol = {"extractor": "pixels", "samples_per_class": [4, 4], "seed": 0}
    metric = Metric(
        *("frechet_distance", "Distance", 0.5, "low", "frechet"),
        interval=(0.4, 0.6),
        per_class=(0.4, None),
        extractor="pixels",
    )
    finding = Finding("far", "warning", "Far from real images.")
    section = Section("fidelity", "Fidelity", ("What it is.",), metrics=(metric,))
    section = Section(
        *("fidelity", "Fidelity", ("What it is.",), (metric,), (), (finding,)),
        protocols={"frechet": protocol},
    )
    origin = {"model": "a" * 64, "images_seen": 64, "recipe": "tiny", "training_seed": 0}
    return Report(name, "data", ("a", "b"), 8, origin, (section,), None, config={"seed": 0})


OPTION_KEYS = ["training.batch_size", "generator.widths", "data.per_class", "seed", "data.cache"]
OPTION_KEYS += ["data.only_class", "regularizers", "objective.name", "augmentation", "data.source"]
OPTION_KEYS += ["execution.threads", "discriminator.layers", "data.image_size", "x.y", "", "a..b"]
OPTION_KEYS += ["training.generator_lr", "recipe", "data.labeled_per_class", "generator", "data"]


def option_values(rng: random.Random, scratch: Path) -> Action:
    """A value of `-o` that nobody expects."""
    value = rng.choice(
        (
            *(*ODD_TEXT, *_RAW.values(), "none", "inf", "nan", "-1", "0", "1e400", "[", '"', "{}"),
            *("0x" + "f" * 5000, "1" * 5000, "[1, 2", "{a = 1}", "'''", "1979-05-27", "[inf]"),
            *("{a=" * 2000, "[[" * 2500, '"\\u0000"', '"\\ud800"', "true", "[true]", "[[[1]]]"),
            *("2**31", str(2**31), str(2**63), "[]", "[-1]", "[1000000000]", "é=é", "a\udcff"),
        )
    )
    value = damaged(rng, value.encode("utf-8", "replace")).decode("utf-8", "surrogateescape")
    text = f"{rng.choice(OPTION_KEYS)}{rng.choice(('=', '=', '=', '', ' = '))}{value}"
    recipe = rng.choice((None, "small-gray"))
    cache = f"data.cache={json.dumps(str(scratch / 'cache'))}"
    return lambda: prepare_run("digits", recipe=recipe, options=[cache, text])


Kind = Callable[[random.Random, Path], Action]
KINDS: dict[str, tuple[Kind, int]] = {  # with their share
    "images": (images, 8),
    "zips": (zips, 3),
    "folders": (folders, 2),
    "labels": (labels, 2),
    "idx": (idx, 1),
    "models": (models, 4),
    "json": (json_files, 2),
    "options": (option_values, 2),
}


# ---------------------------------------------------------------- one input, and many


class Outcome(NamedTuple):
    """What became of one input: ``used``, ``refused``, ``crashed`` or ``hung``."""

    number: int
    kind: str
    result: str
    seconds: float
    peak_bytes: int
    detail: str


def kind_of(number: int, kinds: Sequence[str]) -> str:
    """Return the kind of an input."""
    shares = [name for name in kinds for _ in range(KINDS[name][1])]
    return shares[number * 7 % len(shares)] if len(shares) % 7 else shares[number % len(shares)]


def play(seed: int, number: int, kind: str, ready: Callable[[], object] = lambda: None) -> Outcome:
    """Make one input, call ``ready``, and give the input to the product."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        action = KINDS[kind][0](random.Random(f"{seed} {number}"), Path(folder))
        ready()
        start = time.perf_counter()
        result, detail = "used", ""
        try:
            with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
                code = action()
            if isinstance(code, int) and code:
                result, detail = "refused", stderr.getvalue()
                if code not in (2, 3, 4, 5):
                    result = "crashed"
        except AcganError as error:
            result, detail = "refused", str(error)
        except Exception:  # every other error is a finding
            result, detail = "crashed", traceback.format_exc()
        seconds = time.perf_counter() - start
        if result == "refused" and (problem := _unprintable(detail)):
            result, detail = "crashed", f"{problem}: {detail[:2000]!r}"
        for parent, names, _ in os.walk(folder):  # so that it can be removed
            for name in names:
                if not (path := Path(parent, name)).is_symlink():
                    path.chmod(0o700)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Outcome(number, kind, result, seconds, peak, detail)


def _unprintable(sentence: str) -> str:
    """Return why a terminal cannot show a sentence as it is meant; empty if it can."""
    if not sentence.strip():
        return "no sentence"
    if len(sentence) > LONGEST_SENTENCE:
        return f"a message of {len(sentence):,} characters"
    if any(unicodedata.category(each) in ("Cc", "Cs") for each in sentence if each != "\n"):
        return "control characters or surrogates in a message"
    return ""


def work(pipe: Connection, seed: int, cases: Sequence[tuple[int, str]], scratch: str) -> None:
    """Play cases in this process; send None when an input is made, and then its outcome."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tempfile.tempdir = scratch
    os.environ["ACGAN_DEBUG"] = "1"
    os.environ["ACGAN_CACHE"] = scratch
    torch.set_num_threads(1)
    NAMED_SETS["digits"](Path(scratch))
    base_models()
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + SPARE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for number, kind in cases:
        pipe.send(play(seed, number, kind, lambda: pipe.send(None)))


def outcomes(
    seed: int, cases: Sequence[tuple[int, str]], seconds: float, scratch: str
) -> Iterator[Outcome]:
    """Play cases in worker processes; one that hangs or ends is replaced."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    waiting = deque(cases)
    while waiting:
        ours, theirs = processes.Pipe(duplex=False)
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            arguments = (theirs, seed, tuple(waiting), folder)
            process = processes.Process(target=work, args=arguments)
            process.start()
            theirs.close()
            while waiting:
                number, kind = waiting[0]
                try:
                    for allowed in (_MAKING_SECONDS, seconds):
                        if not ours.poll(allowed):
                            raise TimeoutError
                        outcome = ours.recv()
                    yield outcome
                    waiting.popleft()
                except TimeoutError:
                    yield Outcome(number, kind, "hung", seconds, 0, "no end")
                except EOFError:
                    process.join()
                    detail = f"the process ended with {process.exitcode}"
                    yield Outcome(number, kind, "crashed", 0, 0, detail)
                else:
                    continue
                waiting.popleft()
                break
            process.kill()
            process.join()


def main(words: Sequence[str] | None = None) -> int:
    """Play all inputs; return 1 after a finding."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=10_000, help="number of inputs")
    parser.add_argument("--seed", type=int, default=0, help="seed of all of them")
    parser.add_argument("--only", type=int, help="play this input alone, in this process")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--seconds", type=float, default=30, help="limit for one input")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(words)
    numbers = range(options.inputs) if options.only is None else [options.only]
    cases = [(number, kind_of(number, options.kinds)) for number in numbers]
    results: list[Outcome] = []
    with (
        tempfile.TemporaryDirectory() as scratch,
        ThreadPoolExecutor(options.workers) as pool,
    ):
        shares = [cases[index :: options.workers] for index in range(options.workers)]
        tasks = [(options.seed, share, options.seconds, scratch) for share in shares]
        for found in pool.map(lambda task: list(outcomes(*task)), tasks):
            results += found
    for each in sorted(each for each in results if each.result in ("crashed", "hung")):
        print(f"input {each.number} ({each.kind}) {each.result}: {each.detail}")
    if options.only is not None:
        print(results[0].detail)
    _print_table(results)
    return int(any(each.result in ("crashed", "hung") for each in results))


def _print_table(results: Sequence[Outcome]) -> None:
    print("| kind | inputs | used | refused | crashed | hung | slowest | peak memory |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for kind in (*KINDS, "all"):
        own = [each for each in results if kind in (each.kind, "all")]
        if not own:
            continue
        counts = Counter(each.result for each in own)
        slowest = max(own, key=lambda each: each.seconds)
        peak = max(each.peak_bytes for each in own)
        cells = [f"{counts[name]:,}" for name in ("used", "refused", "crashed", "hung")]
        slow = f"{slowest.seconds:.1f} s (input {slowest.number})"
        print(f"| {kind} | {len(own):,} | {' | '.join(cells)} | {slow} | {peak >> 20} MiB |")


if __name__ == "__main__":
    sys.exit(main())
