"""The popular MNIST script (system 4) as a plain loop with its mistakes, and a command to run it.

    python benchmarks/tutorial.py --data mnist --data-root ~/data --images 250000 --out tutorial

The benchmark trains what people run, so the script's mistakes remain: softmax before the
cross-entropy, sigmoid before BCELoss, batch norm with eps 0.8, an initialization that skips Linear
and Embedding, losses averaged by 0.5, uniform labels of fakes, a generator step that fills D's
gradients, a partial last batch; float32, images decoded, resized and normalized one by one in a
DataLoader without workers, and metrics read out after every batch. Only its hyper-parameters are
reproduced; the seed is an option, and the script's own printing and image files are left out.

Images keep their own size (28 pixels: system 5's form of the same script) unless --image-size is
given. Every --snapshot-every images, 1 000 samples per class are written to
--out/NNNNNNNNNNNN.npz (`images` uint8 (N, C, H, W), `labels` int64 (N,)), generated in train mode
as in the script. timing.jsonl has one line per snapshot with the seconds of training alone.
`benchmarks/quality_over_time.py` evaluates the snapshots.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast, final

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from acgan.data.config import DataConfig
from acgan.data.images import LabeledImages
from acgan.data.load import load_data
from acgan.errors import AcganError, DataError, DiskError, UsageError

LATENT = 100
BATCH = 64
LEARNING_RATE, BETAS = 2e-4, (0.5, 0.999)
EPS = 0.8  # passed as eps where the script meant the momentum
SAMPLE_SEED = 0


class BatchMetrics(NamedTuple):
    """Metrics that the script prints for a batch.

    Attributes:
        images_seen: real images so far, including this batch.
        discriminator_loss: mean of the losses on real and on fake images.
        generator_loss: mean of its two terms.
        class_accuracy: share of real and fake images with the right class, in [0, 1].
    """

    images_seen: int
    discriminator_loss: float
    generator_loss: float
    class_accuracy: float


@final
class SingleImages(Dataset[tuple[Tensor, int]]):
    """Single images as from torchvision's MNIST: converted by PIL, resized and normalized."""

    def __init__(self, data: LabeledImages, side: int) -> None:
        self._images = torch.from_numpy(np.ascontiguousarray(data.images.transpose(0, 2, 3, 1)))
        self._labels = torch.from_numpy(data.labels)
        channels = data.shape.channels
        self._transform = transforms.Compose(
            [
                transforms.Resize(side),
                transforms.ToTensor(),
                transforms.Normalize([0.5] * channels, [0.5] * channels),
            ]
        )

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        pixels, label = self._images[index], int(self._labels[index])
        image = Image.fromarray(pixels.squeeze(-1).numpy())
        return cast(Tensor, self._transform(image)), label


@final
class Generator(nn.Module):
    """Generator: label embedding times noise, then two nearest-neighbor upsamplings by 2."""

    def __init__(self, classes: int, channels: int, side: int) -> None:
        super().__init__()
        self.start_side = side // 4
        self.label_embedding = nn.Embedding(classes, LATENT)
        self.start = nn.Linear(LATENT, 128 * self.start_side**2)
        self.blocks = nn.Sequential(
            nn.BatchNorm2d(128),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(128, 128, 3, stride=1, padding=1),
            nn.BatchNorm2d(128, EPS),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(128, 64, 3, stride=1, padding=1),
            nn.BatchNorm2d(64, EPS),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(64, channels, 3, stride=1, padding=1),
            nn.Tanh(),
        )

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Return images (N, C, H, W) in [-1, 1] for noise (N, 100) and int64 labels (N,)."""
        features = self.start(torch.mul(self.label_embedding(labels), noise))
        feature_maps = features.view(len(features), 128, self.start_side, self.start_side)
        return cast(Tensor, self.blocks(feature_maps))


@final
class Discriminator(nn.Module):
    """Discriminator: four strided convolutions, then a sigmoid (source) and a softmax (class)."""

    def __init__(self, classes: int, channels: int, side: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for before, after in ((channels, 16), (16, 32), (32, 64), (64, 128)):
            blocks += [nn.Conv2d(before, after, 3, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
            blocks += [nn.Dropout2d(0.25)]
            blocks += [nn.BatchNorm2d(after, EPS)] if after > 16 else []
        self.blocks = nn.Sequential(*blocks)
        features = 128 * (-(-side // 16)) ** 2
        self.source = nn.Sequential(nn.Linear(features, 1), nn.Sigmoid())
        self.classes = nn.Sequential(nn.Linear(features, classes), nn.Softmax(dim=1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the probability that an image is real (N, 1) and of each class (N, K)."""
        features = self.blocks(images).flatten(1).float()
        with torch.autocast("cpu", enabled=False):
            return self.source(features), self.classes(features)


@final
class Tutorial:
    """The script's networks, data and optimizers.

    Args:
        data: training images.
        side: height and width to which images are resized; divisible by 4.
        seed: of all random numbers; the script has none.
        shortcut: compute convolutions in bf16 and channels-last. This reaches the quality of the
            script in less time; its speed is not that of the script.

    Raises:
        DataError: the networks do not support this image size.
    """

    def __init__(
        self, data: LabeledImages, side: int, seed: int, *, shortcut: bool = False
    ) -> None:
        shape, self.class_count = data.shape, len(data.classes)
        if side % 4 or side < 8 or shape.height != shape.width or shape.channels not in (1, 3):
            raise DataError(
                "the tutorial's networks need square gray or color images with a side that is "
                f"divisible by 4 and at least 8, not {shape} at {side}; choose another "
                "--image-size or data set"
            )
        torch.manual_seed(seed)
        self._random = np.random.RandomState(seed)  # as in the script: numpy's legacy generator
        self.generator = Generator(self.class_count, shape.channels, side)
        self.discriminator = Discriminator(self.class_count, shape.channels, side)
        self.generator.apply(_initialize)
        self.discriminator.apply(_initialize)
        self._shortcut = shortcut
        if shortcut:
            self.generator.to(memory_format=torch.channels_last)
            self.discriminator.to(memory_format=torch.channels_last)
        self._loader = DataLoader(SingleImages(data, side), batch_size=BATCH, shuffle=True)
        self._generator_optimizer = _adam(self.generator)
        self._discriminator_optimizer = _adam(self.discriminator)
        self._source_loss = nn.BCELoss()
        self._class_loss = nn.CrossEntropyLoss()

    def train(self) -> Iterator[BatchMetrics]:
        """Train without end, epoch after epoch, and yield the metrics of every batch."""
        images_seen = 0
        while True:
            for images, labels in self._loader:
                images_seen += len(images)
                with torch.autocast("cpu", torch.bfloat16, enabled=self._shortcut):
                    metrics = self._batch(images, labels)
                yield BatchMetrics(images_seen, *metrics)

    def sample(self, per_class: int, seed: int) -> tuple[Tensor, Tensor]:
        """Generate samples as for the script's grids: in train mode, ten per class and batch.

        An image depends on its batch. Running statistics change, but training never uses them.

        Returns:
            float32 (N, C, H, W) in [-1, 1] and target labels, int64 (N,); N is ``per_class`` times
            the number of classes.
        """
        random = np.random.RandomState(seed)
        images, target_labels = [], []
        with torch.no_grad():
            for start in range(0, per_class, 10):
                labels = torch.arange(self.class_count).repeat(min(10, per_class - start))
                images.append(self.generator(_noise(random, len(labels)), labels))
                target_labels.append(labels)
        return torch.cat(images), torch.cat(target_labels)

    def _batch(self, real: Tensor, labels: Tensor) -> tuple[float, float, float]:
        valid = torch.ones(len(real), 1)
        fake = torch.zeros(len(real), 1)

        self._generator_optimizer.zero_grad()
        noise = _noise(self._random, len(real))
        target_labels = torch.from_numpy(self._random.randint(0, self.class_count, len(real)))
        fake_images = self.generator(noise, target_labels)
        source, classes = self.discriminator(fake_images)
        generator_loss = 0.5 * (
            self._source_loss(source, valid) + self._class_loss(classes, target_labels)
        )
        generator_loss.backward()
        self._generator_optimizer.step()

        self._discriminator_optimizer.zero_grad()
        real_source, real_classes = self.discriminator(real)
        real_loss = (
            self._source_loss(real_source, valid) + self._class_loss(real_classes, labels)
        ) / 2
        fake_source, fake_classes = self.discriminator(fake_images.detach())
        fake_loss = (
            self._source_loss(fake_source, fake) + self._class_loss(fake_classes, target_labels)
        ) / 2
        discriminator_loss = (real_loss + fake_loss) / 2
        predictions = np.concatenate([real_classes.detach().numpy(), fake_classes.detach().numpy()])
        truth = np.concatenate([labels.numpy(), target_labels.numpy()])
        accuracy = float(np.mean(np.argmax(predictions, axis=1) == truth))
        discriminator_loss.backward()
        self._discriminator_optimizer.step()
        return discriminator_loss.item(), generator_loss.item(), accuracy


def pixels(images: Tensor) -> npt.NDArray[np.uint8]:
    """Convert images in [-1, 1] to uint8 (N, C, H, W)."""
    rounded = images.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    return cast("npt.NDArray[np.uint8]", rounded.numpy())


def _noise(random: np.random.RandomState, count: int) -> Tensor:
    return torch.from_numpy(random.normal(0, 1, (count, LATENT))).float()


def _initialize(module: nn.Module) -> None:
    """Initialize as the script does: Linear and Embedding keep torch's defaults."""
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def _adam(network: nn.Module) -> Any:
    return torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, betas=BETAS)


def main(words: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code: 0, or that of an `AcganError`."""
    try:
        run(_arguments(words))
    except AcganError as error:
        print(f"tutorial: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def run(arguments: argparse.Namespace) -> None:
    """Train to --images and write snapshots to --out.

    Raises:
        UsageError: a count is below 1, or --out already contains a run.
        DataError: the data is missing, or the networks do not support its image size.
        DiskError: a snapshot cannot be written.
    """
    for name in ("images", "snapshot_every", "per_class"):
        if getattr(arguments, name) < 1:
            raise UsageError(f"--{name.replace('_', '-')} must be at least 1")
    if arguments.threads is not None:
        if arguments.threads < 1:
            raise UsageError("--threads must be at least 1")
        torch.set_num_threads(arguments.threads)
    timing = arguments.out / "timing.jsonl"
    if timing.exists():
        raise UsageError(
            f"{arguments.out} already contains a run; choose another --out or remove it"
        )
    splits = load_data(DataConfig(source=arguments.data, root=arguments.data_root))
    side = arguments.image_size or splits.shape.height
    tutorial = Tutorial(splits.train, side, arguments.seed, shortcut=arguments.shortcut)
    seconds = cpu_seconds = 0.0
    batches = tutorial.train()
    images_seen = 0
    while images_seen < arguments.images:
        due = (images_seen // arguments.snapshot_every + 1) * arguments.snapshot_every
        due = min(due, arguments.images)
        started, cpu_started = time.perf_counter(), time.process_time()
        metrics = next(batches)
        while metrics.images_seen < due:
            metrics = next(batches)
        seconds += time.perf_counter() - started
        cpu_seconds += time.process_time() - cpu_started
        images_seen = metrics.images_seen
        _save_snapshot(tutorial, images_seen, arguments)
        line = {
            "images": images_seen,
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            "threads": torch.get_num_threads(),
            "image_size": side,
            "shortcut": arguments.shortcut,
            "discriminator_loss": metrics.discriminator_loss,
            "generator_loss": metrics.generator_loss,
            "class_accuracy": metrics.class_accuracy,
        }
        with timing.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(
            f"{images_seen:,} images in {seconds:.0f} s ({images_seen / seconds:.0f} images/s), "
            f"D {metrics.discriminator_loss:.3f}, G {metrics.generator_loss:.3f}, "
            f"classes {metrics.class_accuracy:.0%}",
            flush=True,
        )


def _save_snapshot(tutorial: Tutorial, images_seen: int, arguments: argparse.Namespace) -> None:
    images, labels = tutorial.sample(arguments.per_class, SAMPLE_SEED)
    path = arguments.out / f"{images_seen:012d}.npz"
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, images=pixels(images), labels=labels.numpy())
    except OSError as error:
        raise DiskError(f"cannot write the snapshot {path}: {error}") from error


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="digits", help="a named set, a folder or a zip")
    parser.add_argument("--data-root", help="folder of local copies of named data sets")
    parser.add_argument("--images", type=int, default=250_000, help="training images in total")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder of the snapshots")
    parser.add_argument("--snapshot-every", type=int, default=20_000, help="interval in images")
    parser.add_argument("--per-class", type=int, default=1000, help="samples per class")
    parser.add_argument(
        "--shortcut",
        action="store_true",
        help="compute in bf16 to reach the same quality sooner; times are not the script's",
    )
    parser.add_argument(
        "--image-size", type=int, help="side in pixels; by default that of the data"
    )
    parser.add_argument("--threads", type=int, help="by default torch's choice")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
