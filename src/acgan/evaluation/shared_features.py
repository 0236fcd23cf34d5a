"""Whether a model learned from the very features that it is now measured in."""

from __future__ import annotations

from acgan.networks.pretrained import PretrainedConfig
from acgan.networks.trunks import TrunkName
from acgan.run_config import RunConfig

_LIKE: dict[TrunkName, str] = {
    "judge": "a judge that was fitted, as this evaluation's is, to the model's training part",
    "efficientnet-lite0": "efficientnet-lite0, which is one of the extractors here",
}
_OTHER: dict[TrunkName, str] = {"judge": "efficientnet-lite0", "efficientnet-lite0": "the judge"}


def shared_features(config: RunConfig) -> str | None:
    """The sentence that a reader of the figures needs where D stands on a trained trunk.

    A generator that such a D teaches learns what pleases these features: in them its distances are
    smaller, and a classifier on them is right more often, than the pictures alone deserve.

    Args:
        config: of the run that made the model.

    Returns:
        None where D began with noise.
    """
    if not isinstance(config.discriminator, PretrainedConfig):
        return None
    network = config.discriminator.trunk.network
    return (
        f"The model's discriminator stands on the first layers of {_LIKE[network]}. Figures made "
        "with that extractor flatter the model beside models whose discriminator began with "
        f"noise; go by {_OTHER[network]} or Inception when such models are compared."
    )
