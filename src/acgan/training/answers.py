"""Which of D's answers count in a step: for whose source it is asked, and which were right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from acgan.networks.interface import DiscriminatorOutput
from acgan.objectives.classification import UNLABELLED


def as_they_come(real: DiscriminatorOutput, labels: Tensor) -> DiscriminatorOutput:
    """D's answer, with the source logits of the unlabelled alone, where there are some.

    Where labels are few, a batch holds the labelled more often than they come, for their classes'
    sake; as examples of what is real they would have G draw them and D know them by heart.

    Args:
        real: D's answer to N real images.
        labels: int64 (N,), on the CPU: nothing is read out from the device.
    """
    unlabelled = unlabelled_rows(labels)
    if unlabelled is None:
        return real
    chosen = unlabelled.to(real.source_logits.device)
    return replace(real, source_logits=real.source_logits[chosen])


def unlabelled_rows(labels: Tensor) -> Tensor | None:
    """Where in a batch, on the CPU, the images without a label are; None where all have one."""
    found = np.flatnonzero(labels.numpy() == UNLABELLED)
    return torch.from_numpy(found) if len(found) else None


@torch.no_grad()
def right_answers(
    real: DiscriminatorOutput,
    real_labels: Tensor,
    labelled: int,
    fake: DiscriminatorOutput,
    asked: Tensor | None,
) -> dict[str, tuple[Tensor, int]]:
    """How often D was right in training mode, real and fake apart.

    Of the class it is asked where there is a right answer: for the ``labelled`` of the reals, whose
    label is not `UNLABELLED`, and for fakes whose classes G was ``asked`` for.
    """
    right = {
        "source_accuracy.real": (real.source_logits > 0, len(real.source_logits)),
        "source_accuracy.fake": (fake.source_logits <= 0, len(fake.source_logits)),
    }
    if real.class_logits is not None and labelled:
        answers = real.class_logits.argmax(dim=1) == real_labels
        right["class_accuracy.real_train"] = (answers, labelled)
    if fake.class_logits is not None and asked is not None:
        answers = fake.class_logits.argmax(dim=1) == asked
        right["class_accuracy.fake"] = (answers, len(asked))
    return {name: (answers.sum(), count) for name, (answers, count) in right.items()}
