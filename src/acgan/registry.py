"""A registry maps the name a person writes to the thing it names; to register is to be tested."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar, final

from acgan.errors import UsageError

T = TypeVar("T")


@final
class Registry(Generic[T]):
    """Named things of one kind, in the order of registration.

    Args:
        kind: what the things are, for messages (``data set``).
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._things: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that enters a thing under ``name``."""

        def enter(thing: T) -> T:
            if name in self._things:
                raise ValueError(f"the {self._kind} {name!r} is registered twice")
            self._things[name] = thing
            return thing

        return enter

    def __getitem__(self, name: str) -> T:
        if name in self._things:
            return self._things[name]
        raise unknown_name(self._kind, name, self._things)

    def __contains__(self, name: object) -> bool:
        return name in self._things

    def __iter__(self) -> Iterator[str]:
        return iter(self._things)


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The refusal of a name that is not among the known ones; it names the closest.

    >>> print(unknown_name("recipe", "smal-grey", ["small-grey"]))
    there is no recipe 'smal-grey'; did you mean 'small-grey'?
    """
    folded = {one.casefold(): one for one in known}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    hint = (
        f"did you mean {folded[close[0]]!r}?"
        if close
        else f"there are: {', '.join(folded.values())}"
    )
    return UsageError(f"there is no {kind} {name!r}; {hint}")
