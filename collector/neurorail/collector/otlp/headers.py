"""Request headers as a mapping, without building one for callers that never look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property


class Headers(Mapping[str, str]):
    """Lower-case names to values; the first of repeated headers counts. Read when first used."""

    def __init__(self, pairs: Callable[[], Iterable[tuple[str | bytes, str | bytes]]]) -> None:
        self._pairs = pairs

    @cached_property
    def _values(self) -> dict[str, str]:
        values: dict[str, str] = {}
        for name, value in self._pairs():
            values.setdefault(as_text(name).lower(), as_text(value))
        return values

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def as_text(value: str | bytes) -> str:
    """A name or value as text, of bytes one character each."""
    return value if isinstance(value, str) else value.decode("latin-1")
