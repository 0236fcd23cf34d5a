"""The text of `acgan explain`: one explanation beside each objective, in Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

SYMBOLS = {
    "x, y": "a real image in [-1, 1] and its class, one of K",
    "z": "a latent, sampled from the standard normal distribution",
    "y′": "the target class of a fake image",
    "G(z, y′)": "a fake image",
    "φ(x)": "the discriminator's features of an image, the input of its heads",
    "s(x)": "source logit, positive for real: P(real | x) = σ(s)",
    "s(x, y)": "source logit of a discriminator that receives the label: P(real | x, y) = σ(s)",
    "c(x)": "K class logits: P(y | x) = softmax(c)_y",
    "l(x)": 'paired class logits, 2K: "real and class y" (2y), "fake and class y" (2y + 1)',
    "c′(x)": "K class logits of the twin head",
    "f(x), v_y": "an embedding and the proxy of a class, both of unit norm",
    "t_r, t_f": "discriminator targets for real and fake images",
}
"""Symbols of the formulas and their meanings, as in docs/objective.md."""


@final
@dataclass(frozen=True)
class Explanation:
    """One objective, or a variant of one, in words and formulas.

    Attributes:
        title: usual name (``TAC-GAN``).
        noun: the trained model as a noun phrase (``a TAC-GAN``).
        paper: authors and year.
        equations: equations or sections of the paper.
        purpose: what it adds to an earlier objective, in a few words.
        discriminator_input: what the discriminator receives.
        discriminator_output: what the discriminator predicts.
        discriminator_loss: formula, to be minimized by the discriminator.
        generator_loss: formula, to be minimized by the generator.
        failure_modes: known weaknesses.
        definitions: formulas that the losses use, one a line.
        notes: further paragraphs.
        settings: of a variant, the values of ``section.key`` that it has.
    """

    title: str
    noun: str
    paper: str
    equations: str
    purpose: str
    discriminator_input: str
    discriminator_output: str
    discriminator_loss: str
    generator_loss: str
    failure_modes: str
    definitions: str = ""
    notes: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """Paper and equations."""
        return f"{self.paper}, {self.equations}" if self.equations else self.paper

    def markdown(self) -> str:
        """Return the section of docs/objective.md below its heading and line of sources."""
        formulas = [
            *self.definitions.splitlines(),
            *([""] if self.definitions else []),
            *_aligned("D:  ", self.discriminator_loss),
            *_aligned("G:  ", self.generator_loss),
        ]
        parts = [
            f"**Discriminator input**: {self.discriminator_input}",
            f"**Discriminator output**: {self.discriminator_output}",
            "\n".join(f"    {line}" if line else "" for line in formulas),
            f"**Failure modes**: {self.failure_modes}",
            self.notes,
        ]
        return "\n\n".join(part for part in parts if part)

    def symbols(self) -> dict[str, str]:
        """Return the symbols that its text uses, with their meanings."""
        text = self.markdown()
        return {
            symbols: meaning
            for symbols, meaning in SYMBOLS.items()
            if any(re.search(rf"(?<!\w){re.escape(each)}", text) for each in _split(symbols))
        }


def _aligned(label: str, formula: str) -> list[str]:
    first, *others = formula.splitlines()
    return [label + first, *(" " * len(label) + line for line in others)]


def _split(symbols: str) -> list[str]:
    """Split a list of symbols at its commas: ``s(x, y)`` is one symbol, ``x, y`` are two."""
    return [symbols] if symbols.endswith(")") else symbols.split(", ")
