"""Registry: things of one kind by the names that users write."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar, final

from acgan.errors import find_name, unknown_name

T = TypeVar("T")


@final
class Registry(Generic[T]):
    """Named things of one kind: the built-in ones in the order of ``modules``, then all others.

    Args:
        kind: what the things are, for messages (``data set``).
        modules: import paths of the modules that register the built-in things. The first lookup
            imports them, so a registry costs nothing until it is used.

    >>> shapes: Registry[int] = Registry("shape")
    >>> shapes.register("triangle")(3)
    3
    >>> shapes["triangle"]
    3
    """

    def __init__(self, kind: str, modules: Iterable[str] = ()) -> None:
        self._kind = kind
        self._modules = tuple(modules)
        self._things: dict[str, T] = {}
        self._registered_by: dict[str, str] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers a thing under ``name``.

        Raises:
            ValueError: the name is already registered.
        """
        module = sys._getframe(1).f_globals["__name__"]

        def enter(thing: T) -> T:
            if name in self._things:
                raise ValueError(f"the {self._kind} {name!r} is registered twice")
            self._things[name] = thing
            self._registered_by[name] = module
            return thing

        return enter

    def __getitem__(self, name: str) -> T:
        things = self._loaded()
        found = find_name(name, things)
        if found is None:
            raise unknown_name(self._kind, name, things)
        return things[found]

    def __contains__(self, name: object) -> bool:
        return name in self._loaded()

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaded())

    def _loaded(self) -> dict[str, T]:
        modules, self._modules = self._modules, ()
        for module in modules:
            importlib.import_module(module)
        if modules:  # another module may have imported one of them before
            rank = {module: number for number, module in enumerate(modules)}
            by_rank = sorted(
                self._things, key=lambda name: rank.get(self._registered_by[name], len(rank))
            )
            self._things = {name: self._things[name] for name in by_rank}
        return self._things
