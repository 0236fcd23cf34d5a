from __future__ import annotations

import io
import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from markdown_it import MarkdownIt
from torch import Tensor

import acgan
from acgan.data.images import ImageShape, make_classes
from acgan.errors import DataError, UsageError
from acgan.model.card import ModelInfo, model_card
from acgan.model.folder import FORMAT, save_model
from acgan.model.model import Model, load
from acgan.networks.interface import Heads
from acgan.runs.config import RunConfig
from acgan.storage.folders import replace_folder, verify_folder, write_manifest

SHAPE = ImageShape(3, 8, 12)
CLASSES = make_classes(["zero", "one", "T-shirt/top"], [["0"], ["1"], []])
SPLIT: Mapping[str, Any] = {
    part: {
        "content_hash": letter * 64,
        "images": 50,
        "per_class": {"zero": 20, "one": 20, "T-shirt/top": 10},
    }
    for part, letter in (("train", "a"), ("validation", "b"), ("test", "c"))
}
CONFIG = RunConfig.model_validate(
    {
        "recipe": "tiny",
        "seed": 5,
        "generator": {"family": "deconv", "latent_size": 8, "widths": [8, 8]},
        "discriminator": {"layers": [{"width": 8, "kernel": 4, "stride": 2}]},
        "training": {"total_images": 1000},
    }
)


def states() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    torch.manual_seed(0)
    generator = CONFIG.generator.build(SHAPE, 3)
    discriminator = CONFIG.discriminator.build(SHAPE, 3, Heads())
    return generator.state_dict(), discriminator.state_dict()


def save(
    folder: Path, generator: Mapping[str, Tensor], discriminator: Mapping[str, Tensor]
) -> None:
    info = ModelInfo(
        config=CONFIG,
        shape=SHAPE,
        classes=CLASSES,
        split=SPLIT,
        data_name="shirts",
        images_seen=640,
    )
    save_model(
        folder,
        info,
        generator_state=generator,
        discriminator_state=discriminator,
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    path = tmp_path / "runs" / "tiny"
    save(path / "model", *states())
    (path / "config.json").write_text(CONFIG.model_dump_json())
    return path


def recommit(folder: Path, name: str, content: bytes) -> None:
    """The folder as somebody would have committed it with other content in one file."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    del files["manifest.json"]

    def write(target: Path) -> None:
        for each, old in files.items():
            (target / each).write_bytes(content if each == name else old)

    replace_folder(folder, write)


def changed(folder: Path, name: str, **values: Any) -> bytes:
    return json.dumps({**json.loads((folder / name).read_text()), **values}).encode()


def test_what_is_saved_is_loaded(run: Path) -> None:
    generator, discriminator = states()
    random = torch.random.get_rng_state()
    for path in (run, run / "model", str(run)):
        model = load(path)
        assert (model.config, model.shape, model.classes) == (CONFIG, SHAPE, CLASSES)
        assert (model.split, model.images_seen) == (SPLIT, 640)
        assert model.record.info.data_name == "shirts"
        for network, state in (
            (model.generator, generator),
            (model.discriminator, discriminator),
        ):
            assert not any(module.training for module in network.modules())
            assert not any(parameter.requires_grad for parameter in network.parameters())
            loaded = network.state_dict()
            assert loaded.keys() == state.keys()
            assert all(torch.equal(loaded[name], state[name]) for name in state)
    assert torch.equal(torch.random.get_rng_state(), random)


def test_any_layout_and_precision_can_be_saved(run: Path, tmp_path: Path) -> None:
    generator, discriminator = states()
    odd = {
        name: value.to(memory_format=torch.channels_last) if value.dim() == 4 else value
        for name, value in generator.items()
    }
    save(
        tmp_path / "odd",
        odd,
        {k: v.double() if v.is_floating_point() else v for k, v in discriminator.items()},
    )
    same = load(tmp_path / "odd")
    assert same.record.content_hash == load(run).record.content_hash
    assert next(iter(same.discriminator.parameters())).dtype == torch.float32
    np.testing.assert_array_equal(same.sample(), load(run).sample())


def test_saving_again_replaces_the_folder(run: Path) -> None:
    before = load(run)
    generator, discriminator = states()
    save(run / "model", {k: v + 1 for k, v in generator.items()}, discriminator)
    assert load(run).record.content_hash != before.record.content_hash
    assert sorted(path.name for path in run.iterdir()) == ["config.json", "model"]


def test_the_hash_does_not_depend_on_the_card(run: Path) -> None:
    before = load(run).record.content_hash
    recommit(run / "model", "README.md", b"another card")
    assert load(run).record.content_hash == before


FILES = ["model.json", "config.json", "classes.json", "split.json", "README.md"]
WEIGHTS = ["generator.safetensors", "discriminator.safetensors"]


@pytest.mark.parametrize("name", [*FILES, *WEIGHTS, "manifest.json"])
def test_a_flipped_bit_is_found(run: Path, name: str) -> None:
    path = run / "model" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"damaged.*{name}"):
        load(run)


@pytest.mark.parametrize("name", [*FILES[1:], *WEIGHTS, "manifest.json"])
def test_a_missing_file_is_found(run: Path, name: str) -> None:
    (run / "model" / name).unlink()
    with pytest.raises(DataError, match=f"damaged.*{name}"):
        load(run)


@pytest.mark.parametrize(
    ("other", "advice"), [(1, "newer .* update acgan"), (-1, "older .* train it again")]
)
def test_another_format_is_refused_before_anything_else(run: Path, other: int, advice: str) -> None:
    folder = run / "model"
    values = changed(folder, "model.json", format=FORMAT + other, version="9.9")
    recommit(folder, "model.json", values)
    (folder / "manifest.json").unlink()
    with pytest.raises(DataError, match=rf"has format {FORMAT + other} of .*{advice}"):
        load(run)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("model.json", {"shape": [3, 8]}),
        ("model.json", {"shape": "wide"}),
        ("model.json", {"images_seen": None}),
        ("model.json", {"shape": [1, 8, 12]}),
        ("config.json", {"seed": -1}),
        ("config.json", {"sede": 1}),
        ("config.json", {"generator": {"family": "deconv", "latent_size": 9, "widths": [8, 8]}}),
        ("config.json", {"generator": {"family": "deconv", "widths": [8, 8, 8, 8, 8, 8]}}),
    ],
)
def test_values_that_do_not_fit_are_told(run: Path, name: str, values: dict[str, Any]) -> None:
    recommit(run / "model", name, changed(run / "model", name, **values))
    with pytest.raises(DataError, match="damaged") as caught:
        load(run)
    assert "\n" not in str(caught.value)


def test_a_pickle_is_never_opened(run: Path) -> None:
    buffer = io.BytesIO()
    torch.save(states()[0], buffer)
    recommit(run / "model", "generator.safetensors", buffer.getvalue())
    with pytest.raises(DataError, match=r"generator\.safetensors"):
        load(run)


@pytest.mark.parametrize("folder", ["../../evil", "..", ".hidden", "a/b", "C:\\x", "", "a\nb"])
def test_a_class_cannot_lead_out_of_the_folder(run: Path, folder: str) -> None:
    classes = [each.to_json() for each in CLASSES]
    classes[0]["folder"] = folder
    recommit(run / "model", "classes.json", json.dumps(classes).encode())
    with pytest.raises(DataError, match="not a safe folder name"):
        load(run)


def test_both_networks_are_of_one_moment(run: Path) -> None:
    model = load(run)
    generator, discriminator = states()
    save(run / "model", generator, {k: v + 1 for k, v in discriminator.items()})
    loaded = model.discriminator.state_dict()
    assert all(torch.equal(loaded[name], discriminator[name]) for name in discriminator)


@pytest.mark.parametrize("exchanges", [1, 2, 3])
def test_a_folder_that_training_exchanges_meanwhile(
    run: Path, monkeypatch: pytest.MonkeyPatch, exchanges: int
) -> None:
    generator, discriminator = states()
    left = iter(range(exchanges))

    def verify_and_exchange(folder: Path) -> dict[str, Any]:
        manifest = verify_folder(folder)
        if (number := next(left, None)) is not None:
            save(folder, {k: v + (number + 1) for k, v in generator.items()}, discriminator)
        return manifest

    monkeypatch.setattr("acgan.model.folder.verify_folder", verify_and_exchange)
    if exchanges == 3:
        with pytest.raises(DataError, match="keeps changing"):
            load(run)
    else:
        loaded = load(run).generator.state_dict()
        assert all(torch.equal(loaded[name], generator[name] + exchanges) for name in generator)


def test_places_without_a_model_are_told_apart(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    sentences = {
        "runs/tinny": "there is no model at runs/tinny; did you mean runs/tiny?",
        "tiny": "did you mean runs/tiny",
        "nowhere": "`acgan runs` lists",
        "empty": "neither a run nor a model folder",
        "runs/tiny/config.json": "is a file",
    }
    for path, sentence in sentences.items():
        with pytest.raises(UsageError) as caught:
            load(path)
        assert sentence in str(caught.value)
    shutil.rmtree(run / "model")
    with pytest.raises(
        UsageError, match="has no model yet; it gets one after its first checkpoint"
    ):
        load(run)


def test_classes_go_by_name_alias_index_and_several(run: Path) -> None:
    model = load(run)
    assert model.class_indices() == model.class_indices("all") == (0, 1, 2)
    assert model.class_indices("one") == model.class_indices("1") == model.class_indices(1) == (1,)
    assert model.class_indices(np.int64(2)) == (2,)  # type: ignore[arg-type]
    assert model.class_indices(["T-shirt/top", 0, "zero"]) == (2, 0)
    for wrong in (3, -1, "two", ["one", "two"]):
        with pytest.raises(UsageError, match="no class"):
            model.class_indices(wrong)
    with pytest.raises(UsageError, match="no class is selected"):
        model.class_indices([])


def test_samples_are_class_after_class(run: Path) -> None:
    model = load(run)
    images = model.sample(["one", "zero"], count=3, seed=4)
    assert images.shape == (6, *SHAPE)
    np.testing.assert_array_equal(images[1], model.sample("one", seed=5)[0])
    np.testing.assert_array_equal(images[3], model.sample("zero", seed=4)[0])
    assert model.sample().shape == (3, *SHAPE)
    assert not np.array_equal(images, model.sample(["one", "zero"], 3, 4, truncation=0.1))
    with pytest.raises(UsageError, match="count must be at least 1"):
        model.sample(count=0)


def test_images_and_grids(run: Path) -> None:
    model = load(run)
    pictures = model.images("one", count=2)
    assert [picture.size for picture in pictures] == [(12, 8)] * 2
    expected = np.moveaxis(model.sample("one", count=2)[1], 0, -1)
    np.testing.assert_array_equal(np.asarray(pictures[1]), expected)
    assert model.grid(["one", "zero"], count=4).mode == "RGB"


def test_interpolation_by_name(run: Path) -> None:
    model = load(run)
    way = model.interpolate("one", "T-shirt/top", seed=1, to_seed=2, steps=4)
    np.testing.assert_array_equal(way[0], model.sample("one", seed=1)[0])
    np.testing.assert_array_equal(way[-1], model.sample(2, seed=2)[0])
    with pytest.raises(UsageError, match="both ends are the same image"):
        model.interpolate("one", 1)


def test_the_card_describes_the_model_and_its_use(run: Path) -> None:
    card = (run / "model" / "README.md").read_text(encoding="utf-8")
    for text in ("T-shirt/top", "a" * 64, "`tiny`", "640", "acgan sample", "Limits", "shirts"):
        assert text in card
    assert max(map(len, card.splitlines())) <= 100


def in_a_new_process(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )
    return done.stdout.strip()


def test_importing_the_package_is_cheap() -> None:
    code = (
        "import sys, acgan; print([m for m in ('torch', 'numpy', 'pydantic') if m in sys.modules])"
    )
    assert in_a_new_process(code) == "[]"


@pytest.mark.slow
def test_sampling_needs_neither_data_nor_torchvision(run: Path) -> None:
    code = (
        "import sys; from acgan import load;"
        f"load({str(run)!r}).sample('one'); load({str(run)!r}).discriminator;"
        "print([m for m in ('torchvision', 'mlxtend', 'tensorboard') if m in sys.modules])"
    )
    assert in_a_new_process(code) == "[]"


def test_the_package_names_its_parts() -> None:
    assert acgan.load is load
    assert acgan.Model is Model
    assert set(acgan.__all__) <= set(dir(acgan))
    assert all(hasattr(acgan, name) for name in acgan.__all__)
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        _ = acgan.lode


@pytest.mark.parametrize("name", FILES[1:4] + WEIGHTS)
def test_a_file_that_the_manifest_does_not_name_is_not_opened(run: Path, name: str) -> None:
    folder = run / "model"
    for each in (name, "manifest.json"):
        (folder / each).unlink()
    write_manifest(folder, {})
    os.mkfifo(folder / name)  # reading it would block
    with pytest.raises(DataError, match=rf"manifest\.json does not name {name}"):
        load(run)


ODD_NAMES = ["<script>alert(1)</script>", "[x](javascript:alert(1))", "a|b", "`", "``` x", "a\nb"]
ODD_NAMES += ["-x", "**b**", "<img src=x onerror=y>", "&lt;", "# h", "\\", "_a_", "$(x)", "it's"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_names_in_a_card_are_text(name: str) -> None:
    """A reader of Markdown sees the name, and neither HTML nor a link nor another column."""
    classes = make_classes([name, "other"])
    config = CONFIG.model_copy(update={"recipe": name})
    info = ModelInfo(config, SHAPE, classes, SPLIT, name, 640)
    tokens = MarkdownIt("commonmark").enable("table").parse(model_card(info))
    inline = [child for token in tokens for child in token.children or ()]
    assert not {"html_block"} & {token.type for token in tokens}
    assert not {"html_inline", "link_open", "image", "strong_open", "em_open"} & {
        child.type for child in inline
    }
    shown = ["".join(c.content for c in t.children or ()) for t in tokens if t.type == "inline"]
    assert classes[0].name in shown  # a cell of the table
    assert shown[0].endswith(f"trained on {classes[0].name}")
    shell = next(token.content for token in tokens if token.type == "fence")
    assert f"--class={classes[0].name}" in shlex.split(shell)


WIDE: dict[str, dict[str, Any]] = {
    "deconv": {"generator": {"family": "deconv", "latent_size": 8, "widths": [100_000] * 2}},
    "resnet": {"generator": {"family": "resnet", "latent_size": 8, "widths": [100_000] * 2}},
    "mlp": {"generator": {"family": "mlp", "latent_size": 8, "widths": [100_000] * 2}},
    "a wide number": {"generator": {"family": "deconv", "latent_size": 10**12, "widths": [8, 8]}},
    "latents": {"generator": {"family": "deconv", "latent_size": 1_000_000, "widths": [8, 8]}},
    "conv": {"discriminator": {"layers": [{"width": 100_000, "kernel": 4, "stride": 2}]}},
    "kernel": {"discriminator": {"layers": [{"width": 8, "kernel": 100_001, "stride": 2}]}},
    "resnet D": {"discriminator": {"family": "resnet", "widths": [100_000] * 2}},
    "mlp D": {"discriminator": {"family": "mlp", "widths": [100_000] * 2}},
}


@pytest.mark.parametrize("network", WIDE)
def test_sizes_that_the_files_do_not_have_are_refused_before_they_take_memory(
    run: Path, network: str
) -> None:
    (name, value), *_ = WIDE[network].items()
    recommit(run / "model", "config.json", changed(run / "model", "config.json", **{name: value}))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match=r"larger network|takes more memory than|the number 1,000"):
        _ = load(run).discriminator
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    ],
)
def test_too_little_memory_is_no_damage(
    run: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("torch.nn.Module.load_state_dict", fail)
        with pytest.raises(DataError, match="takes more memory than this machine has free; use a"):
            load(run)
    monkeypatch.setattr("safetensors.torch.load", fail)
    with pytest.raises(type(error)):
        load(run)


STEERING = ["\x1b[2J", "\x07", "\x9b31m", "\u202e", "\u2028", "\r", "\n", "\x00", "\x7f"]


@pytest.mark.parametrize("piece", STEERING, ids=ascii)
def test_texts_of_a_stranger_do_not_steer_the_terminal(run: Path, piece: str) -> None:
    """The classes, the names of their data and recipe, and the sentence of a refusal."""
    folder = run / "model"
    classes = [each.to_json() for each in CLASSES]
    classes[0]["name"], classes[1]["aliases"] = f"ze{piece}ro", [f"al{piece}ias"]
    recommit(folder, "classes.json", json.dumps(classes).encode())
    recommit(folder, "model.json", changed(folder, "model.json", data_name=f"da{piece}ta"))
    recommit(folder, "config.json", changed(folder, "config.json", recipe=f"re{piece}cipe"))
    model = load(run)
    info = model.record.info
    first, second, _ = model.classes
    texts = [info.data_name, info.config.recipe, first.name, first.folder, *second.aliases]
    assert all(text.isprintable() for text in texts)
    assert model.class_indices(f"ze{piece}ro") == (0,)
    with pytest.raises(UsageError) as caught:
        model.class_indices("none")
    assert str(caught.value).isprintable()
    assert all(line.isprintable() for line in model_card(info).splitlines())
