"""What the tests of training share: a display that remembers, tiny runs, planted NaNs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, final

import pytest
import torch

from acgan.data.images import DatasetSplits
from acgan.model.model import Model
from acgan.networks.interface import DiscriminatorOutput, Heads
from acgan.objectives.build import objective_configs
from acgan.objectives.interface import Objective, Terms
from acgan.runs.config import RunConfig
from acgan.runs.folder import RunFolder
from acgan.training.display import Display, Level
from acgan.training.randomness import Streams
from acgan.training.run import TrainedRun, draw_summary, run_training
from acgan.training.step import Stepper

TIMES = ("timing.jsonl", "tensorboard", ".lock")
"""The files of a run that know the time or the number of starts."""


@final
class Recording(Display):
    """Remembers what it was told; ``at_update`` is called at every step with images seen."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []
        self.rows: list[Mapping[str, Any]] = []
        self.starts: list[tuple[int, int]] = []
        self.at_update: Callable[[int], None] = lambda images_seen: None

    def start(self, run: str, total_images: int, images_seen: int) -> None:
        self.starts.append((total_images, images_seen))

    def update(self, images_seen: int) -> None:
        self.at_update(images_seen)

    def metrics(self, row: Mapping[str, Any]) -> None:
        self.rows.append(row)

    def message(self, text: str, level: Level = "info") -> None:
        self.messages.append((level, text))

    def close(self) -> None:
        pass

    def at(self, images: int, action: Callable[[], None]) -> Recording:
        """Do something once ``images`` are seen."""

        def update(images_seen: int) -> None:
            if images_seen == images:
                action()

        self.at_update = update
        return self

    def says(self, *words: str) -> bool:
        """Whether one message has all the words."""
        return any(all(word in text for word in words) for _, text in self.messages)


@pytest.fixture
def recording() -> type[Recording]:
    return Recording


@pytest.fixture
def train_tiny(
    tiny_splits: DatasetSplits, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., TrainedRun]:
    """``train_tiny(folder, config, display)``: one start of a run; no end-of-run pictures.

    Nothing is synced to the disk, which takes a third of a tiny run's time and has tests elsewhere.
    """
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr("acgan.training.run.draw_summary", lambda folder: {})

    def train(
        folder: Path,
        config: RunConfig,
        display: Display | None = None,
        *,
        splits: DatasetSplits = tiny_splits,
        init_from: Model | None = None,
        summary: bool = False,
    ) -> TrainedRun:
        if summary:
            monkeypatch.setattr("acgan.training.run.draw_summary", draw_summary)
        shown = display or Recording()
        return run_training(config, splits, RunFolder(folder), shown, init_from=init_from)

    return train


Straight = Callable[..., Path]


@pytest.fixture(scope="session")
def straight(tiny_splits: DatasetSplits, tmp_path_factory: pytest.TempPathFactory) -> Straight:
    """``straight(config)``: a finished run that nothing disturbed; trained once per session.

    Its folder is shared: read it, or copy it. ``key`` tells runs of equal configs apart that a test
    has patched.
    """
    root = tmp_path_factory.mktemp("straight")
    done: dict[tuple[str, ...], Path] = {}

    def run(config: RunConfig, splits: DatasetSplits = tiny_splits, *, key: str = "") -> Path:
        rows = splits.labeled_rows
        labeled = "" if rows is None else str(rows.tolist())
        which = (config.model_dump_json(), splits.name, splits.train.content_hash, labeled, key)
        if which not in done:
            folder = root / str(len(done))
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("os.fsync", lambda descriptor: None)
                patch.setattr("acgan.training.run.draw_summary", lambda folder: {})
                run_training(config, splits, RunFolder(folder), Recording())
            done[which] = folder
        return done[which]

    return run


@pytest.fixture
def finished(straight: Straight, tmp_path: Path) -> Straight:
    """``finished(config)``: a copy of such a run in ``tmp_path / "run"``, to be changed."""

    def copy(config: RunConfig, splits: DatasetSplits | None = None) -> Path:
        folder = straight(config) if splits is None else straight(config, splits)
        return Path(shutil.copytree(folder, tmp_path / "run"))

    return copy


@final
class Log:
    """What ``metrics.jsonl`` of a run says: all rows in order, those of figures, and events."""

    def __init__(self, run: Path) -> None:
        lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        self.rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
        self.figures = [row for row in self.rows if "event" not in row]
        self.events = [row for row in self.rows if "event" in row]


@pytest.fixture
def logged() -> type[Log]:
    """``logged(run)`` reads what a run has logged."""
    return Log


@pytest.fixture
def content() -> Callable[[Path], dict[str, bytes]]:
    """``content(folder)``: every file of a run and its bytes, but for those that know the time."""

    def read(folder: Path) -> dict[str, bytes]:
        found = {}
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and name.split("/")[0] not in TIMES:
                found[name] = path.read_bytes()
        return found

    return read


Poison = Callable[[int, int], bool]


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``poison(when, network, term)`` makes a loss term NaN when ``when(images_seen, retry)``."""

    def plant(when: Poison, network: str = "discriminator", term: str = "class_real") -> None:
        now = {"images_seen": 0, "retry": 0}
        iterate = Stepper.iterate

        def watched(
            self: Stepper, batches: Any, streams: Streams, *rest: Any, images_seen: int, step: int
        ) -> list[str]:
            now.update(images_seen=images_seen, retry=streams.retry)
            return iterate(self, batches, streams, *rest, images_seen=images_seen, step=step)

        @final
        class Poisoned(Objective):
            def __init__(self, inner: Objective) -> None:
                self._inner = inner

            @property
            def heads(self) -> Heads:
                return self._inner.heads

            def discriminator(
                self,
                real: DiscriminatorOutput,
                fake: DiscriminatorOutput,
                real_labels: torch.Tensor,
                fake_labels: torch.Tensor,
            ) -> Terms:
                terms = self._inner.discriminator(real, fake, real_labels, fake_labels)
                return self._planted("discriminator", terms)

            def generator(self, fake: DiscriminatorOutput, fake_labels: torch.Tensor) -> Terms:
                return self._planted("generator", self._inner.generator(fake, fake_labels))

            def _planted(self, where: str, terms: Terms) -> Terms:
                if where == network and when(now["images_seen"], now["retry"]):
                    terms[term] = terms[term] * torch.nan
                return terms

        monkeypatch.setattr(Stepper, "iterate", watched)
        for kind in objective_configs().values():
            build = kind.build
            monkeypatch.setattr(kind, "build", lambda self, build=build: Poisoned(build(self)))

    return plant
