"""How well a discriminator's own class head reads real images: what an SGAN is trained for.

Whether the samples show the classes asked for is another question, and another classifier's.
"""

from __future__ import annotations

import torch
from torch import Tensor

from acgan.classifiers.extractor import Progress
from acgan.classifiers.passes import answers_in_passes
from acgan.data.images import LabelledImages
from acgan.errors import UsageError
from acgan.evaluation.labels import ClassAgreement, class_agreement
from acgan.networks.interface import Discriminator
from acgan.sampling import BATCH, from_uint8


def class_head_agreement(
    discriminator: Discriminator, real: LabelledImages, *, progress: Progress | None = None
) -> ClassAgreement:
    """The classes that D's class head names, beside the true ones.

    D answers in evaluation mode and in float32, in passes of one size, so that an answer is a
    function of its image alone. No label reaches the class head.

    Args:
        discriminator: on the CPU, in any mode, in which it is left; of class logits
            (`acgan.networks.interface.DiscriminatorOutput`) the highest counts.
        real: images of the size and the K classes that it knows.
        progress: called after each pass.

    Raises:
        UsageError: it has no class head.
        DataError: there is no image, or a logit is not finite.
    """

    def forward(pixels: Tensor) -> tuple[Tensor, Tensor]:
        # A source head may be given labels, and takes any here: its answer is not looked at.
        unread = torch.zeros(len(pixels), dtype=torch.int64)
        logits = discriminator(from_uint8(pixels.numpy()), unread).class_logits
        if logits is None:
            raise UsageError("that discriminator has no class head, so that it names no class")
        return logits, logits[:, :0]  # no features: of many images they would be large

    training = discriminator.training
    discriminator.eval()
    try:
        answers = answers_in_passes(
            real.images,
            forward,
            batch=BATCH,
            classes=len(real.classes),
            features=0,
            progress=progress,
        )
    finally:
        discriminator.train(training)
    return class_agreement(answers.logits, real.labels)
