"""The popular MNIST script (system 4), written again as a plain loop with its mistakes left in.

What a benchmark of the tutorial's way must run is what people run. So: softmax before the
cross-entropy, sigmoid before BCELoss, batch norm with eps .8, an initialization that passes over
Linear and Embedding, losses averaged by ½, labels of fakes drawn uniformly, G's backward filling
D's gradients, a partial batch at the end of a pass; float32, images decoded, resized and
normalized one by one in a DataLoader without workers, figures of every batch read out. Only its
choices are here: no seed of its own, no printing, no pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, cast, final

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from acgan.data.images import LabeledImages
from acgan.errors import DataError

LATENT = 100
BATCH = 64
RATE, BETAS = 2e-4, (0.5, 0.999)
EPS = 0.8  # meant as a momentum


class Figures(NamedTuple):
    """What the script prints of a batch.

    Attributes:
        images_seen: real images, this batch included.
        discriminator_loss: mean of the real and the fake half.
        generator_loss: mean of its two terms.
        class_accuracy: over reals and fakes together.
    """

    images_seen: int
    discriminator_loss: float
    generator_loss: float
    class_accuracy: float


@final
class Items(Dataset[tuple[Tensor, int]]):
    """Images one by one as torchvision's MNIST gives them: through PIL, resized and normalized."""

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
    """Label embedding times noise, then twice ×2 nearest and a convolution."""

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
        """(N, C, H, W) in [-1, 1] from float32 (N, 100) and int64 (N,)."""
        maps = self.start(torch.mul(self.label_embedding(labels), noise))
        maps = maps.view(maps.shape[0], 128, self.start_side, self.start_side)
        return cast(Tensor, self.blocks(maps))


@final
class Discriminator(nn.Module):
    """Four strided convolutions, a sigmoid for the source and a softmax for the class."""

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
        """Probability of being real (N, 1) and of each class (N, K)."""
        features = self.blocks(images).flatten(1).float()
        with torch.autocast("cpu", enabled=False):
            return self.source(features), self.classes(features)


@final
class Tutorial:
    """The script's networks, data and optimizers.

    Args:
        data: what it learns from.
        side: images are brought to this height and width; divisible by 4.
        seed: of everything; the script has none.
        shortcut: convolutions in bf16, channels-last. Nobody runs the script so: it is for reaching
            the script's quality after so many images with less waiting, never for its speed.

    Raises:
        DataError: no image size for these networks.
    """

    def __init__(
        self, data: LabeledImages, side: int, seed: int, *, shortcut: bool = False
    ) -> None:
        shape, self.class_count = data.shape, len(data.classes)
        if side % 4 or side < 8 or shape.height != shape.width or shape.channels not in (1, 3):
            raise DataError(
                f"the tutorial's networks take square gray or color images with a side divisible "
                f"by 4 and at least 8, not {shape} at {side}; give another --image-size or set"
            )
        torch.manual_seed(seed)
        self._random = np.random.RandomState(seed)  # the script: numpy's legacy generator
        self.generator = Generator(self.class_count, shape.channels, side)
        self.discriminator = Discriminator(self.class_count, shape.channels, side)
        self.generator.apply(_initialize)
        self.discriminator.apply(_initialize)
        self._shortcut = shortcut
        if shortcut:
            self.generator.to(memory_format=torch.channels_last)
            self.discriminator.to(memory_format=torch.channels_last)
        self._loader = DataLoader(Items(data, side), batch_size=BATCH, shuffle=True)
        self._generator_optimizer = _adam(self.generator)
        self._discriminator_optimizer = _adam(self.discriminator)
        self._source_loss = nn.BCELoss()
        self._class_loss = nn.CrossEntropyLoss()

    def train(self) -> Iterator[Figures]:
        """Train for ever, pass after pass; one item for every batch."""
        predicted = 0
        while True:
            for images, labels in self._loader:
                predicted += len(images)
                with torch.autocast("cpu", torch.bfloat16, enabled=self._shortcut):
                    metrics = self._batch(images, labels)
                yield Figures(predicted, *metrics)

    def sample(self, per_class: int, seed: int) -> tuple[Tensor, Tensor]:
        """Images as the script draws its sheets: in train mode, ten of each class a batch.

        An image depends on its batch, and running statistics change, which training never reads.

        Returns:
            float32 (N, C, H, W) in [-1, 1] and the classes asked for, int64 (N,); N is
            ``per_class`` times the number of classes.
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
        drawn = self.generator(noise, target_labels)
        source, classes = self.discriminator(drawn)
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
        fake_source, fake_classes = self.discriminator(drawn.detach())
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
    """uint8 (N, C, H, W) of images in [-1, 1]."""
    rounded = images.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    return cast("npt.NDArray[np.uint8]", rounded.numpy())


def _noise(random: np.random.RandomState, count: int) -> Tensor:
    return torch.from_numpy(random.normal(0, 1, (count, LATENT))).float()


def _initialize(module: nn.Module) -> None:
    """As the script: Linear and Embedding keep torch's defaults."""
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def _adam(network: nn.Module) -> Any:
    return torch.optim.Adam(network.parameters(), lr=RATE, betas=BETAS)
