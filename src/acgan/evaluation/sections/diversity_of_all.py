"""The chapter on variety where no class was asked for: all samples are one group.

Its figures have keys of their own: variety within a class and variety of everything are no figures
to be held against each other.
"""

from __future__ import annotations

from dataclasses import replace

from acgan.evaluation.section import Figure, Section

_NAMES = {
    "ms_ssim": ("mean over pairs of a class", "mean over pairs"),
    "variance": ("Variance within a class", "Variance"),
    "duplicates": ("near-identical samples of a class", "near-identical samples"),
    "sharpness": ("", ""),
    "brightness": (" within a class", ""),
    "colour": (" within a class", ""),
}
_NOTES = (
    "No class was asked for: samples are compared with all other samples, and real images with all "
    "other real images. The texts on the measures speak of classes; read them so.",
    "The share of classes below the real maximum is left out: it takes asked classes.",
)


def of_all_samples(section: Section) -> Section:
    """The chapter with figures, made of one group, that say so."""
    figures = [_of_all(each) for each in section.figures if _measure(each) in _NAMES]
    return replace(
        section,
        title="Variety",
        figures=tuple(figures),
        notes=(*_NOTES, *section.notes),
    )


def _measure(figure: Figure) -> str:
    return figure.key.split(".")[1]


def _of_all(figure: Figure) -> Figure:
    measure = _measure(figure)
    return replace(
        figure,
        key=figure.key.replace(measure, f"{measure}_of_all", 1),
        name=figure.name.replace(*_NAMES[measure]),
        per_class=(),
        per_class_floor=(),
        note="" if figure.value is not None else figure.note,
    )
