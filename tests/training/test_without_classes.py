"""Models without classes in whole runs: exact resume, figures, sheets, alarms, what they draw."""

from __future__ import annotations

import io
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from acgan.data.images import DatasetSplits, LabeledImages
from acgan.errors import UsageError
from acgan.model.inspection import inspect_images
from acgan.model.model import load
from acgan.networks.interface import Discriminator, DiscriminatorOutput, Generator
from acgan.plots.grid import png_bytes, strip
from acgan.runs.config import RunConfig
from acgan.training.alarms import find_alarms
from acgan.training.signals import InterruptedRunError

from .helpers import make_monitor

Train = Callable[..., Any]
TinyConfig = Callable[..., RunConfig]

OBJECTIVES: dict[str, dict[str, Any]] = {"gan": {"name": "gan"}, "sgan": {"name": "sgan"}}


def without(tiny_config: TinyConfig, name: str, **sections: Any) -> RunConfig:
    conditioning = {"mode": "none", "embedding_std": None}
    generator = {"conditioning": conditioning}
    return tiny_config(everything=True, objective=OBJECTIVES[name], generator=generator, **sections)


@pytest.mark.slow
@pytest.mark.parametrize("name", OBJECTIVES)
def test_stopping_and_going_on_changes_nothing(
    name: str,
    tiny_config: TinyConfig,
    tmp_path: Path,
    train_tiny: Train,
    straight: Any,
    recording: Any,
    content: Any,
) -> None:
    config = without(tiny_config, name)
    display = recording().at(80, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(InterruptedRunError):
        train_tiny(tmp_path / "stopped", config, display)
    assert train_tiny(tmp_path / "stopped", config).resumed_at == 80
    assert content(tmp_path / "stopped") == content(straight(config))


@pytest.mark.slow
def test_no_class_reaches_a_gan(
    tiny_config: TinyConfig,
    tmp_path: Path,
    train_tiny: Train,
    straight: Any,
    tiny_splits: DatasetSplits,
) -> None:
    """Other labels of the same images, and other classes to ask for: the same model."""
    config = without(tiny_config, "gan", training={"fake_labels": "batch"})
    run = load(straight(config))
    train = tiny_splits.train
    turned = LabeledImages(train.images, (train.labels + 1) % 3, train.classes)
    other = DatasetSplits("shapes", turned, tiny_splits.validation, tiny_splits.test)
    again = train_tiny(tmp_path / "turned", config, splits=other)
    for network in ("generator", "discriminator"):
        first, second = (each.record.state(network) for each in (run, again.model))
        assert all(torch.equal(first[key], second[key]) for key in first)
    conditional = tiny_config(training={"fake_labels": "batch"})
    told = load(straight(conditional)).record.state("generator")
    misled = train_tiny(tmp_path / "misled", conditional, splits=other).model.record
    assert any(not torch.equal(told[key], misled.state("generator")[key]) for key in told)


@pytest.mark.slow
@pytest.mark.parametrize("name", OBJECTIVES)
def test_what_a_run_says_and_draws(
    name: str,
    tiny_config: TinyConfig,
    train_tiny: Train,
    finished: Any,
    tiny_splits: DatasetSplits,
    logged: Any,
) -> None:
    config = without(tiny_config, name)
    run = finished(config)
    train_tiny(run, config, summary=True)
    for row in logged(run).figures:
        assert row["source_accuracy"].keys() == {"real", "fake"}
        if name == "gan":
            assert "class_accuracy" not in row
        else:  # D is asked for classes, of real images alone: no fake has a right answer
            assert row["class_accuracy"].keys() == {"real_train", "real_held_out"}
    model = load(run)
    assert not model.conditional
    images = model.sample(count=5, seed=2)
    assert images.shape == (5, *tiny_splits.shape)
    np.testing.assert_array_equal(model.sample(seed=4), images[2:3])
    with pytest.raises(UsageError, match="leave the class out"):
        model.sample(label="ring")
    with pytest.raises(UsageError, match="leave the class out"):
        model.sample(label=0)
    last = max(path for path in (run / "samples").glob("*.png") if path.stem.isdecimal())
    expected = png_bytes(strip(model.sample(count=4, precision="fp32"), columns=2))
    with Image.open(last) as grid:
        assert grid.size == Image.open(io.BytesIO(expected)).size
    with Image.open(run / "samples" / "real.png") as real:
        assert real.size == grid.size
    assert (run / "first-and-last.png").exists()
    card = (model.record.folder / "README.md").read_text()
    assert "without classes" in card
    assert "--class" not in card
    assert "label=" not in card
    (opinion,) = inspect_images(model, tiny_splits.test.images[:1])
    if name == "gan":
        assert opinion.class_probabilities is None
    else:
        assert opinion.class_probabilities is not None
        assert opinion.class_probabilities.shape == (3,)


@pytest.mark.slow
def test_ways_and_sheets_need_no_class(tiny_config: TinyConfig, straight: Any) -> None:
    model = load(straight(without(tiny_config, "gan")))
    way = model.interpolate(seed=3, to_seed=8, steps=5)
    np.testing.assert_array_equal(way[0], model.sample(seed=3)[0])
    np.testing.assert_array_equal(way[-1], model.sample(seed=8)[0])
    with pytest.raises(UsageError, match="another seed"):
        model.interpolate(seed=3)
    with pytest.raises(UsageError, match="leave the class out"):
        model.interpolate("ring", seed=3, to_seed=4)
    with pytest.raises(UsageError, match="leave the class out"):
        model.interpolate(to_label="ring", seed=3, to_seed=4)
    square, line = model.grid(count=9), strip(model.sample(count=9), columns=3)
    assert png_bytes(square) == png_bytes(line)


class Drawer(Generator):
    """Draws real images of any class by the latent; or one image again and again."""

    latent_size = 4
    classes = 3
    conditional = False

    def __init__(self, splits: DatasetSplits, *, alike: bool) -> None:
        super().__init__()
        self._weight = nn.Parameter(torch.zeros(1))
        self._alike = alike
        self._pixels = torch.from_numpy(splits.train.images).float() / 127.5 - 1

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        chosen = (latents.abs().sum(1) * 1e4).long() % len(self._pixels)
        return self._pixels[torch.zeros_like(chosen) if self._alike else chosen]

    def conditioning_parameters(self) -> Any:
        yield from ()

    def normalized(self) -> Any:
        return iter(())


class Undecided(Discriminator):
    """Has the same answer to everything, and no class head."""

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        return DiscriminatorOutput(torch.zeros(len(images)), None, images.flatten(1))

    def head_parameters(self) -> Any:
        yield from ()


@pytest.mark.parametrize("alike", [True, False])
def test_alarms_look_at_all_samples_and_never_speak_of_classes(
    alike: bool, tiny_config: TinyConfig, tiny_splits: DatasetSplits
) -> None:
    networks = Drawer(tiny_splits, alike=alike), Undecided()
    evidence = make_monitor(tiny_config(), tiny_splits, *networks).evidence(networks[0])
    alarms = find_alarms(evidence)
    assert alarms.keys() == ({"collapsed"} if alike else set())
    if alike:
        assert alarms["collapsed"].startswith("all samples have collapsed")
        assert "class" not in alarms["collapsed"]
