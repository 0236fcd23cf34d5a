"""Wrong versions of ReACGAN's D2D-CE, the popular shortcut among them, are caught."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from acgan.networks.interface import DiscriminatorOutput
from acgan.objectives.reacgan import ReACGAN, ReACGANConfig

CONFIG = ReACGANConfig(embedding_size=5)


def formula(
    output: DiscriminatorOutput,
    labels: Tensor,
    *,
    own_class_too: bool = False,
    itself_too: bool = False,
    proxies_as_negatives: bool = False,
    margins_exchanged: bool = False,
    times_temperature: bool = False,
    no_caps: bool = False,
    log_of_mean: bool = False,
    softmax_twice: bool = False,
    without_the_positive: bool = False,
    proxies_detached: bool = False,
) -> Tensor:
    """D2D-CE from the formula, with one mistake or with none."""
    f, v = output.embeddings, output.proxies
    assert f is not None
    assert v is not None
    v = v.detach() if proxies_detached else v
    m_p = CONFIG.positive_margin
    m_p, m_n = (1 - m_p, m_p) if margins_exchanged else (m_p, 1 - m_p)
    scale = CONFIG.temperature if times_temperature else 1 / CONFIG.temperature
    positive, pairs = (f * v[labels]).sum(dim=1) - m_p, f @ f.T - m_n
    other = labels[:, None] != labels
    if proxies_as_negatives:
        pairs, other = f @ v.T - m_n, labels[:, None] != torch.arange(len(v))
    if own_class_too:
        other = ~torch.eye(len(labels), dtype=torch.bool)
    if itself_too:
        other = other | torch.eye(len(labels), dtype=torch.bool)
    if not no_caps:
        positive, pairs = positive.clamp(max=0), pairs.clamp(min=0)
    up, down = (scale * positive).exp(), ((scale * pairs).exp() * other).sum(dim=1)
    share = up / (down if without_the_positive else up + down)
    if softmax_twice:
        share = share.exp() / (share.exp() + (1 - share).exp())
    return -share.mean().log() if log_of_mean else -share.log().mean()


def terms(**mistake: bool) -> dict[str, Any]:
    weights = CONFIG.class_weight_real, CONFIG.class_weight_generator
    return {
        "discriminator": {"class_real": lambda r, f, y, t: weights[0] * formula(r, y, **mistake)},
        "generator": {"class": lambda f, t: weights[1] * formula(f, t, **mistake)},
    }


def shift_of_negatives_alone(
    f: Tensor, v: Tensor, labels: Tensor, *, margin: float, temperature: float
) -> Tensor:
    """The popular program: an image's negatives lose its largest similarity, its positive does not.

    That is the largest to any other image, of its own class too, and before the margin's cap.
    """
    positive = ((f * v[labels]).sum(dim=1) - margin).clamp(max=0) / temperature
    pairs = (f @ f.T - (1 - margin)) / temperature
    itself = torch.eye(len(f), dtype=torch.bool)
    largest = pairs.masked_fill(itself, -torch.inf).max(dim=1, keepdim=True).values
    negatives = (pairs.clamp(min=0) - largest.detach()).exp() * (labels[:, None] != labels)
    return ((positive.exp() + negatives.sum(dim=1)).log() - positive).mean()


def shortcut(output: DiscriminatorOutput, labels: Tensor) -> Tensor:
    assert output.embeddings is not None
    assert output.proxies is not None
    return CONFIG.class_weight_real * shift_of_negatives_alone(
        output.embeddings, output.proxies, labels, margin=0.98, temperature=0.5
    )


def d_d2d(output: DiscriminatorOutput, labels: Tensor) -> Tensor:
    return CONFIG.class_weight_real * formula(output, labels)


MISTAKES: dict[str, dict[str, Any]] = {
    "only the negatives shifted by their max, in D": {
        "discriminator": {"class_real": lambda r, f, y, t: shortcut(r, y)}
    },
    "only the negatives shifted by their max, in G": {"generator": {"class": shortcut}},
    "images of the own class as negatives": terms(own_class_too=True),
    "an image as its own negative": terms(itself_too=True),
    "proxies as negatives": terms(proxies_as_negatives=True),
    "margins exchanged": terms(margins_exchanged=True),
    "times the temperature": terms(times_temperature=True),
    "no caps at the margins": terms(no_caps=True),
    "the log of the mean": terms(log_of_mean=True),
    "softmax twice": terms(softmax_twice=True),
    "the positive missing below": terms(without_the_positive=True),
    "proxies detached": terms(proxies_detached=True),
    "D learns classes from fakes too": {
        "discriminator": {"class_real": lambda r, f, y, t: d_d2d(r, y) + d_d2d(f, t)}
    },
    "D learns classes from fakes alone": {
        "discriminator": {"class_real": lambda r, f, y, t: d_d2d(f, t)}
    },
    "G rewarded by the cosine alone": {
        "generator": {
            "class": lambda f, t: -(f.embeddings * f.proxies[t]).sum(dim=1).mean(),
        }
    },
}


def test_what_the_mistakes_are_made_of_is_right(compare: Callable[..., None], altered: Any) -> None:
    compare(CONFIG, altered(CONFIG, **terms()))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_reacgan_is_caught(
    mistake: str, compare: Callable[..., None], altered: Any
) -> None:
    with pytest.raises(AssertionError):
        compare(CONFIG, altered(CONFIG, **MISTAKES[mistake]))


@pytest.mark.parametrize("scaled", ["embedding_head", "proxies"])
def test_forgotten_norms_are_caught(
    scaled: str, compare: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of embeddings or of proxies."""
    normalize, calls = F.normalize, {"embedding_head": 5 * 6, "proxies": 5 * 4}

    def forgetful(rows: Tensor, dim: int) -> Tensor:
        return rows if rows.numel() == calls[scaled] else normalize(rows, dim=dim)

    monkeypatch.setattr("acgan.networks.heads.F.normalize", forgetful)
    with pytest.raises(AssertionError):
        compare(CONFIG, ReACGAN(CONFIG))
