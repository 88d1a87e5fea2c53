"""Puts guards around functions of libraries as these are imported, and takes them away again."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

import wrapt

from neurorail.instrumentation.safety import Safely

Wrapper: TypeAlias = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]
"""Called with what is wrapped, the instance it is bound to, and the arguments."""


def exports(module: str, *names: str) -> bool:
    """Whether an imported module has these names: a program's own may be called the same."""
    return all(hasattr(sys.modules.get(module), name) for name in names)


class Patches:
    """Every function that was wrapped, with what it was before."""

    def __init__(self) -> None:
        self.active = False
        self._put: list[tuple[Any, str, Any]] = []

    def on_import(self, module: str, patch: Callable[[Patches], None]) -> None:
        """Patch a library now if it is imported already, else as soon as it is."""

        def hook(_: object) -> None:
            if self.active:
                with Safely(f"guarding {module}"):
                    patch(self)

        if module in sys.modules:
            hook(None)
        else:
            wrapt.register_post_import_hook(hook, module)

    def wrap(self, module: str, path: str, wrapper: Wrapper) -> None:
        """Wrap one function or method; what is not there in this release is left out.

        Args:
            module: Where it is.
            path: `function` or `Class.method`.
            wrapper: Called in its place.
        """
        owner: Any = importlib.import_module(module)
        *outer, name = path.split(".")
        for part in outer:
            owner = getattr(owner, part, None)
        before = vars(owner).get(name) if owner is not None else None
        if before is None or any(at is owner and known == name for at, known, _ in self._put):
            return
        setattr(owner, name, wrapt.FunctionWrapper(before, wrapper))
        self._put.append((owner, name, before))

    def take_away(self) -> None:
        """Make everything as it was."""
        self.active = False
        while self._put:
            owner, name, before = self._put.pop()
            setattr(owner, name, before)
