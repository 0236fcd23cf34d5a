"""What D and G minimize, in plain numpy on features, weights and labels, from the papers' formulas.

Gradients are differences of values.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from acgan.objectives.acgan import ACGANConfig
from acgan.objectives.adc import ADCConfig
from acgan.objectives.build import ObjectiveConfig
from acgan.objectives.cgan import CGANConfig
from acgan.objectives.projection import ProjectionConfig
from acgan.objectives.reacgan import ReACGANConfig
from acgan.objectives.sgan import SGANConfig
from acgan.objectives.tac import TACConfig

Array = npt.NDArray[np.float64]
Arrays = Mapping[str, Array]
Integers = npt.NDArray[np.int64]

CLASSES = 4
FAKE_LABELS = np.array([3, 0, 0, 2, 3, 1])


def source_losses(config: ObjectiveConfig, real: Array, fake: Array) -> tuple[float, float]:
    """D's and G's source loss, by docs/objective.md's table."""
    t_r, t_f = config.real_target, config.fake_target
    if config.source_loss == "hinge":
        d = np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean()
        return float(d), float(-fake.mean())
    if config.source_loss == "least-squares":
        d = ((real - t_r) ** 2).mean() / 2 + ((fake - t_f) ** 2).mean() / 2
        return float(d), float(((fake - 1) ** 2).mean() / 2)
    p_r, p_f = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
    d = -(t_r * np.log(p_r) + (1 - t_r) * np.log(1 - p_r)).mean()
    d -= (t_f * np.log(p_f) + (1 - t_f) * np.log(1 - p_f)).mean()
    return float(d), float(-np.log(p_f).mean())


def cross_entropy(logits: Array, columns: Integers) -> float:
    """Over the rows whose column is not −1."""
    rows = np.flatnonzero(columns >= 0)
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return float(-np.log(chances[rows, columns[rows]]).mean())


def d2d_ce(config: ReACGANConfig, f: Array, v: Array, y: Integers) -> float:
    """Kang et al. 2021, eq. 8, as it stands there."""
    m_p, m_n, tau = config.positive_margin, 1 - config.positive_margin, config.temperature
    f, v = (rows / np.sqrt((rows**2).sum(axis=1, keepdims=True)) for rows in (f, v))
    positive = np.exp(np.minimum((f * v[y]).sum(axis=1) - m_p, 0) / tau)
    negatives = np.exp(np.maximum(f @ f.T - m_n, 0) / tau) * (y[:, None] != y)
    return float(-np.log(positive / (positive + negatives.sum(axis=1))).mean())


def reference(config: ObjectiveConfig, world: Arrays, y: Integers) -> tuple[float, float]:
    """What D and what G minimizes, by the formulas of the papers."""
    real, fake, fake_y = world["real"], world["fake"], FAKE_LABELS
    if isinstance(config, CGANConfig) and config.source_head == "joined":
        real, fake = (
            np.concatenate([x, np.eye(CLASSES)[k]], axis=1) for x, k in ((real, y), (fake, fake_y))
        )

    def head(name: str) -> tuple[Array, Array]:
        weight, bias = world[f"{name}_head.weight"], world[f"{name}_head.bias"]
        return real @ weight.T + bias, fake @ weight.T + bias

    if isinstance(config, SGANConfig) and config.class_head == "k-plus-one":
        l_real, l_fake = head("class")  # Salimans et al. 2016, §5; the last logit is "fake"
        s_real, s_fake = (
            np.log(np.exp(rows[:, :-1]).sum(axis=1)) - rows[:, -1] for rows in (l_real, l_fake)
        )
        d, g = source_losses(config, s_real, s_fake)
        return d + config.class_weight_real * cross_entropy(l_real[:, :-1], y), g
    s_real, s_fake = (rows[:, 0] for rows in head("source"))
    if isinstance(config, ProjectionConfig) or (
        isinstance(config, (ACGANConfig, CGANConfig)) and config.source_head == "projection"
    ):  # Miyato & Koyama 2018, eq. 3
        s_real = s_real + np.einsum("nf,nf->n", world["projection_head.weight"][y], real)
        s_fake = s_fake + np.einsum("nf,nf->n", world["projection_head.weight"][fake_y], fake)
    d, g = source_losses(config, s_real, s_fake)
    match config:
        case ReACGANConfig():  # Kang et al. 2021
            (f_real, f_fake), v = head("embedding"), world["proxies.weight"]
            d += config.class_weight_real * d2d_ce(config, f_real, v, y)
            g += config.class_weight_generator * d2d_ce(config, f_fake, v, fake_y)
        case SGANConfig():
            d += config.class_weight_real * cross_entropy(head("class")[0], y)
        case ACGANConfig():  # Odena et al. 2017, eq. 3
            c_real, c_fake = head("class")
            d += config.class_weight_real * cross_entropy(c_real, y)
            d += config.class_weight_fake * cross_entropy(c_fake, fake_y)
            g += config.class_weight_generator * cross_entropy(c_fake, fake_y)
        case ADCConfig():  # Hou et al. 2022
            c_real, c_fake = head("class")
            d += config.class_weight_real * cross_entropy(c_real, 2 * y)
            d += config.class_weight_fake * cross_entropy(c_fake, 2 * fake_y + 1)
            g += config.class_weight_generator * cross_entropy(c_fake, 2 * fake_y)
            g -= config.class_weight_generator * cross_entropy(c_fake, 2 * fake_y + 1)
        case TACConfig():  # Gong et al. 2019
            (c_real, c_fake), (_, twin_fake) = head("class"), head("twin")
            d += config.class_weight_real * cross_entropy(c_real, y)
            d += config.class_weight_fake * cross_entropy(c_fake, fake_y)
            d += config.twin_weight * cross_entropy(twin_fake, fake_y)
            g += config.class_weight_generator * cross_entropy(c_fake, fake_y)
            g -= config.class_weight_generator * cross_entropy(twin_fake, fake_y)
    return d, g


def differences(
    config: ObjectiveConfig, world: Arrays, y: Integers
) -> dict[str, tuple[Array, Array]]:
    """Gradients of the reference's D and G losses by each array of the world."""
    found, h = {}, 1e-6
    for name, array in world.items():
        gradients = (np.zeros_like(array), np.zeros_like(array))
        for index in np.ndindex(*array.shape):
            values = []
            for sign in (1, -1):
                moved = array.copy()
                moved[index] += sign * h
                values.append(reference(config, {**world, name: moved}, y))
            for which, gradient in enumerate(gradients):
                gradient[index] = (values[0][which] - values[1][which]) / (2 * h)
        found[name] = gradients
    return found
