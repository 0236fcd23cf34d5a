"""The classes that a person or a program asks for: names, aliases, indices, several, or all."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

from acgan.data.classes import ClassName, find_class
from acgan.errors import UsageError

Label = str | int
Labels = Label | Sequence[Label] | None


def asked_classes(classes: Sequence[ClassName], label: Labels) -> tuple[int, ...]:
    """The classes that are meant, as indices, each once, in the order of asking.

    Args:
        classes: in label order.
        label: a name, alias or index; several of these; None or ``"all"`` for every class.

    Raises:
        UsageError: there is no such class; the message says which there are.

    >>> from acgan.data.classes import make_classes
    >>> asked_classes(make_classes(["cup", "jar", "lid"]), ["lid", 0, "2"])
    (2, 0)
    """
    if label is None:
        return tuple(range(len(classes)))
    wanted: Sequence[Label] = [label] if isinstance(label, str | int | Integral) else label
    if not wanted:
        raise UsageError("no class is asked for; name at least one")
    found: dict[int, None] = {}
    for one in wanted:
        if one == "all" and "all" not in {each.name for each in classes}:
            found.update(dict.fromkeys(range(len(classes))))
        else:
            found[asked_class(classes, one)] = None
    return tuple(found)


def asked_class(classes: Sequence[ClassName], label: Label) -> int:
    """The index of one class, from its name, alias or index.

    Raises:
        UsageError: there is no such class; the message says which there are.
    """
    if isinstance(label, str):
        return find_class(classes, label)
    if not 0 <= label < len(classes):
        raise UsageError(
            f"there is no class with index {label}; they go from 0 to {len(classes) - 1}"
        )
    return int(label)
