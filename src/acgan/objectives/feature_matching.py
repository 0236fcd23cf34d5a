"""Feature matching, a generator loss (Salimans et al. 2016, §3.1, arXiv 1606.03498).

In place of ℓ_gen(s(G(z))), with φ(x) the discriminator's features, the input of its heads:
    G:  ‖E φ(x) − E φ(G(z))‖²
The discriminator's loss stays the same. The generator matches statistics that the discriminator
finds useful, so it cannot minimize its loss with a few images.
"""

from __future__ import annotations

import torch
from torch import Tensor

from acgan.networks.interface import DiscriminatorOutput
from acgan.objectives.interface import Terms


def feature_matching(real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Terms:
    """Return the generator's term ``features``, the squared distance of the mean features.

    Args:
        real: output of the same discriminator for N real images; no gradient flows into it.
        fake: output for M fake images.
    """
    return {"features": squared_distance_of_means(real.features.detach(), fake.features)}


def squared_distance_of_means(real: Tensor, fake: Tensor) -> Tensor:
    """Return ‖E a − E b‖², summed over features: a scalar of at least 0, in float32 or float64.

    Args:
        real: a, (N, F).
        fake: b, (M, F).
    """
    means = [
        each.to(torch.promote_types(each.dtype, torch.float32)).mean(dim=0) for each in (real, fake)
    ]
    return (means[0] - means[1]).square().sum()
