"""Kept objects: what the engine remembers besides entities and traces.

Pools, reservations, breakers, directives, manifests: each is a kind that says how its objects
become plain rows and back, how many of them a tenant may have, and what to do when one is due. All
of them are in memory; what changed is written with the state's flush and restored in the order in
which the objects were put, so that a restart changes nothing.

An object is found by tenant and name. A name is any text without NUL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from neurorail.rules.state import State

T = TypeVar("T")
Row = list[Any]


class Kind(Generic[T]):
    """A kind of kept object.

    Attributes:
        name: Lower case, without `|`; a part of every key, so it never changes.
        limit: Objects a tenant may have.
        to_row: The object as plain values.
        from_row: The object that `to_row` wrote; tuples come back as lists.
        evicts: When a tenant has `limit` objects: whether the one put first goes, or the new one is
            refused. Counted as `<name>_evicted` and `<name>_refused`.
        fire: Called with the object's name, the object and the deadline when that has come. The
            state's tenant is the object's.
    """

    __slots__ = ("evicts", "fire", "from_row", "limit", "name", "to_row")

    def __init__(
        self,
        name: str,
        limit: int,
        to_row: Callable[[T], Row],
        from_row: Callable[[Row], T],
        evicts: bool = False,
        fire: Callable[[State, str, T, int], None] | None = None,
    ) -> None:
        self.name = name
        self.limit = limit
        self.to_row = to_row
        self.from_row = from_row
        self.evicts = evicts
        self.fire = fire


def kept_key(kind: str, tenant: str, name: str) -> str:
    """The key of an object's row and timer; no key of an entity or a trace begins with `|`."""
    return f"|{kind}|{tenant}|{name}"


class Kept:
    """The kept objects of all kinds and tenants.

    Args:
        kinds: Every kind there is.
        schedule: Sets the timer of a key; 0 takes it off.
        count: Adds one to a counter.
    """

    def __init__(
        self,
        kinds: Sequence[Kind[Any]],
        schedule: Callable[[str, int], None],
        count: Callable[[str], None],
    ) -> None:
        self._kinds = {kind.name: kind for kind in kinds}
        self._schedule = schedule
        self._count = count
        self._objects: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in self._kinds}
        self._ordinals: dict[str, int] = {}
        self._dirty: dict[str, None] = {}
        self._removed: dict[str, None] = {}
        self.put_count = 0
        """Objects ever put: their order survives a restart by it."""

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    def get(self, kind: Kind[T], tenant: str, name: str) -> T | None:
        """The object with this name, if there is one."""
        found: T | None = self._objects[kind.name].get(tenant, _NOTHING).get(name)
        return found

    def of(self, kind: Kind[T], tenant: str) -> Iterator[tuple[str, T]]:
        """Name and object of every object of a tenant, in the order in which they were put.

        Put and remove nothing of the kind meanwhile.
        """
        yield from self._objects[kind.name].get(tenant, _NOTHING).items()

    def number(self, kind: Kind[Any], tenant: str) -> int:
        """How many objects of a kind a tenant has."""
        objects = self._objects[kind.name].get(tenant)
        return len(objects) if objects else 0

    def total(self, kind: Kind[Any]) -> int:
        """How many objects of a kind there are."""
        return sum(map(len, self._objects[kind.name].values()))

    def every(self, kind: Kind[T]) -> Iterator[T]:
        """Every object of a kind, whosever it is. Put and remove nothing of it meanwhile."""
        for objects in self._objects[kind.name].values():
            yield from objects.values()

    # ── changing ─────────────────────────────────────────────────────────────────────────────

    def put(self, kind: Kind[T], tenant: str, name: str, value: T) -> bool:
        """Keep an object as the youngest, in place of one with the same name.

        Returns:
            Whether it is kept: not if the tenant has as many as it may and the kind evicts none.
        """
        objects = self._objects[kind.name].setdefault(tenant, {})
        if name in objects:
            del objects[name]
        elif len(objects) >= kind.limit:
            if not kind.evicts:
                self._count(f"{kind.name}_refused")
                return False
            self._count(f"{kind.name}_evicted")
            self.remove(kind, tenant, next(iter(objects)))
        objects[name] = value
        key = kept_key(kind.name, tenant, name)
        self.put_count += 1
        self._ordinals[key] = self.put_count
        self._removed.pop(key, None)
        self._dirty[key] = None
        return True

    def renew(self, kind: Kind[T], tenant: str, name: str) -> T | None:
        """The object with this name, from now on the youngest; None if there is none."""
        objects = self._objects[kind.name].get(tenant, _NOTHING)
        found: T | None = objects.pop(name, None)
        if found is not None:
            objects[name] = found
            key = f"|{kind.name}|{tenant}|{name}"
            self.put_count += 1
            self._ordinals[key] = self.put_count
            self._dirty[key] = None
        return found

    def changed(self, kind: Kind[Any], tenant: str, name: str) -> None:
        """Note that an object that is kept was changed in place."""
        self._dirty[kept_key(kind.name, tenant, name)] = None

    def remove(self, kind: Kind[Any], tenant: str, name: str) -> None:
        """Forget an object that is kept, and its timer."""
        del self._objects[kind.name][tenant][name]
        key = kept_key(kind.name, tenant, name)
        del self._ordinals[key]
        self._dirty.pop(key, None)
        self._removed[key] = None
        self._schedule(key, 0)

    def schedule(self, kind: Kind[Any], tenant: str, name: str, deadline: int) -> None:
        """Let the kind's `fire` be called when record time has come to `deadline`; 0 is never.

        A later deadline than the one that is set changes nothing: look again when that fires.
        """
        key = kept_key(kind.name, tenant, name)
        self._schedule(key, deadline)
        self._dirty[key] = None

    def fire(self, state: State, key: str, at: int) -> None:
        """The timer of a key was due at `at`."""
        _, kind_name, tenant, name = key.split("|", 3)
        kind = self._kinds[kind_name]
        assert kind.fire is not None, "only kinds that fire are scheduled"
        self._dirty[key] = None  # Its timer is gone, or another one.
        state.of_tenant(tenant)
        kind.fire(state, name, self._objects[kind_name][tenant][name], at)

    # ── flushing ─────────────────────────────────────────────────────────────────────────────

    @property
    def dirty(self) -> int:
        """Objects that changed since the last flush."""
        return len(self._dirty) + len(self._removed)

    def take_rows(self) -> tuple[list[tuple[str, Row]], list[str]]:
        """Rows of what changed since the last call, and keys of what was removed."""
        rows = []
        for key in self._dirty:
            _, kind_name, tenant, name = key.split("|", 3)
            value = self._objects[kind_name][tenant][name]
            rows.append((key, [self._ordinals[key], *self._kinds[kind_name].to_row(value)]))
        removed = list(self._removed)
        self._dirty = {}
        self._removed = {}
        return rows, removed

    def restore(self, rows: Sequence[tuple[str, Row]]) -> None:
        """Put back what `take_rows` gave, in any order. Timers are restored by the caller."""
        for key, row in sorted(rows, key=lambda item: int(item[1][0])):
            _, kind_name, tenant, name = key.split("|", 3)
            value = self._kinds[kind_name].from_row(row[1:])
            self._objects[kind_name].setdefault(tenant, {})[name] = value
            self._ordinals[key] = row[0]


_NOTHING: dict[str, Any] = {}
