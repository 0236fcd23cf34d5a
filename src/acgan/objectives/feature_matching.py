"""Feature matching: G aims at what D's trunk makes of real images (Salimans et al. 2016, §3.1).

arXiv 1606.03498. With φ(x) the features that D's heads read, in the place of ℓ_gen(s(G(z))):
    G:  ‖E φ(x) − E φ(G(z))‖²
D learns as before. G is not paid for what D takes for real at the moment, only for statistics that
D found worth looking at; so it cannot win by a few images.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from acgan.networks.interface import DiscriminatorOutput
from acgan.objectives.interface import Terms


@final
class FeatureMatching:
    """G's term that asks D about real images, too.

    What goes wrong: means say little of single images, so that these are less sharp; Salimans et
    al. have the better classifier with it and the better images without.
    """

    def generator(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Terms:
        """The distance of the means, a scalar to be minimized by G.

        Args:
            real: the answer of the same D to N real images; no gradient goes into it.
            fake: D's answer to M fake images.
        """
        return {"features": squared_distance_of_means(real.features.detach(), fake.features)}


def squared_distance_of_means(real: Tensor, fake: Tensor) -> Tensor:
    """‖E a − E b‖², summed over features, a scalar of at least 0; in float32 at least.

    Args:
        real: a, (N, F).
        fake: b, (M, F).
    """
    means = [
        each.to(torch.promote_types(each.dtype, torch.float32)).mean(dim=0) for each in (real, fake)
    ]
    return (means[0] - means[1]).square().sum()
