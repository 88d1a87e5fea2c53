"""A manifest as people write it (YAML), read strictly: every fault has its place and its remedy."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

from yaml import MappingNode, Node, ScalarNode, SequenceNode

from neurorail.rules.manifest.check import check
from neurorail.rules.manifest.condition import ALWAYS, Condition
from neurorail.rules.manifest.facts import FACTS, FAMILIES, find_fact
from neurorail.rules.manifest.faults import Faults, nearest, unknown
from neurorail.rules.manifest.kinds import (
    Choice,
    Declared,
    Duration,
    FactName,
    Flag,
    Kind,
    ListOf,
    MapOf,
    Prices,
    Scalar,
    Section,
    Text,
    Usd,
    Variant,
    When,
    Whole,
    declared,
)
from neurorail.rules.manifest.model import BudgetRule, Manifest
from neurorail.rules.manifest.read_condition import ConditionReader
from neurorail.rules.manifest.satisfiable import LEVELS
from neurorail.rules.manifest.scalars import (
    Unreadable,
    plain,
    read_duration,
    read_flag,
    read_text,
    read_usd_pico,
    read_whole,
)
from neurorail.rules.manifest.windows import UTC, Zone
from neurorail.rules.manifest.yaml_tree import NULL, compose, kind_of, said

ZoneOf: TypeAlias = Callable[[str], Zone]
"""The rules of a time zone by its IANA name; raises LookupError for an unknown one."""

ReadPrice: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""An own price as it is written → as the table has it; raises ValueError if it is none."""


def no_zone(name: str) -> Zone:
    """Knows no time zone but UTC."""
    raise LookupError(name)


def no_price(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Reads no prices."""
    raise ValueError("prices cannot be read here")


def load(text: str, zone_of: ZoneOf = no_zone, read_price: ReadPrice = no_price) -> Manifest:
    """The manifest in a YAML text.

    Args:
        text: One YAML document.
        zone_of: Where the rules of time zones come from.
        read_price: How an own price is read.

    Raises:
        ManifestInvalid: something is wrong; it lists everything that is.
    """
    reader = _Reader(read_price)
    root = compose(text)
    manifest = reader.section(root, Section(Manifest), "")
    reader.faults.raise_any()
    assert isinstance(manifest, Manifest), "a document without a fault is a manifest"
    check(manifest, reader.node_at, reader.faults)
    zones = _zones(manifest, zone_of, reader)
    reader.faults.raise_any()
    values = {one.attribute: getattr(manifest, one.attribute) for one in declared(Manifest)}
    return Manifest(**{**values, "zones": zones})


def read_document(text: str, section: type[Any]) -> Any:
    """What a YAML text holds that is declared as this section.

    Raises:
        ManifestInvalid: something is wrong; it lists everything that is.
    """
    reader = _Reader(no_price)
    found = reader.section(compose(text), Section(section), "")
    reader.faults.raise_any()
    return found


def _zones(manifest: Manifest, zone_of: ZoneOf, reader: _Reader) -> Mapping[str, Zone]:
    found: dict[str, Zone] = {}
    for place, pool in enumerate(manifest.pools):
        name = pool.window.zone
        if name == UTC or name in found:
            continue
        try:
            found[name] = zone_of(name)
        except LookupError:
            path = f"pools[{place}].window.zone"
            message = f"unknown time zone {name!r}: write an IANA name such as Europe/Berlin"
            reader.faults.add(reader.node_at(path), path, message)
    return MappingProxyType(dict(sorted(found.items())))


class _Reader:
    """Reads nodes by what is declared. What is faulty is None, and a fault."""

    def __init__(self, read_price: ReadPrice) -> None:
        self.faults = Faults()
        self._read_price = read_price
        self._nodes: dict[str, Node] = {}

    def node_at(self, path: str) -> Node:
        """The node at a path; where nothing is written, the one it would be in."""
        while path not in self._nodes:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self._nodes[path]

    # ── sections ─────────────────────────────────────────────────────────────────────────────

    def section(self, node: Node, kind: Section, path: str) -> Any:
        """A dataclass; None if anything in it is faulty."""
        self._nodes[path] = node
        empty = kind_of(node) == NULL
        if not isinstance(node, MappingNode) and not empty:
            self.faults.add(node, path, f"{said(node)} is no mapping: write `key: value`")
            return None
        faults = len(self.faults.found)
        known = {one.name: one for one in declared(kind.of) if not one.spec.hidden}
        entries = {} if empty else self._entries(node, path, known)
        values: dict[str, Any] = {}
        level = self._level(kind, entries)
        for name, value in entries.items():
            where = f"{path}.{name}" if path else name
            self._nodes[where] = value
            one = known[name]
            if kind_of(value) == NULL and not one.required:
                continue
            values[one.attribute] = self._value(value, one.spec.kind, where, level)
        for name, one in known.items():
            if one.required and name not in entries:
                self.faults.add(node, path, f"{name!r} is missing: {one.spec.doc}")
        return kind.of(**values) if len(self.faults.found) == faults else None

    def _entries(self, node: Node, path: str, known: Mapping[str, Declared]) -> dict[str, Node]:
        """The values by key: the known keys, each once."""
        found: dict[str, Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key.value, str) else ""
            if name not in known:
                self.faults.add(key, path, unknown("key", name or said(key), known))
            elif name in found:
                self.faults.add(key, path, f"{name!r} is there twice")
            else:
                found[name] = value
        return found

    def _level(self, kind: Section, entries: Mapping[str, Node]) -> int | None:
        """The level of the chain a rule is about, where it is about one alone."""
        level = entries.get("level") if kind.of is BudgetRule else None
        return LEVELS.index(level.value) if level is not None and level.value in LEVELS else None

    # ── values ───────────────────────────────────────────────────────────────────────────────

    def _value(self, node: Node, kind: Kind, path: str, level: int | None = None) -> Any:
        match kind:
            case Section():
                return self.section(node, kind, path)
            case Variant():
                return self._variant(node, kind, path)
            case ListOf():
                return self._list(node, kind, path)
            case MapOf():
                return self._map(node, kind, path)
            case When():
                found = ConditionReader(self.faults, level).read(node, path)
                return Condition(found) if found and not self.faults.found else ALWAYS
            case Prices():
                return self._prices(node, path)
            case _:
                try:
                    return self._scalar(node, kind)
                except Unreadable as error:
                    self.faults.add(node, path, str(error))
                    return None

    def _scalar(
        self, node: Node, kind: Text | Whole | Flag | Duration | Usd | Choice | Scalar | FactName
    ) -> Any:
        match kind:
            case Whole(least, most):
                return read_whole(node, least, most)
            case Flag():
                return read_flag(node)
            case Duration(least_ms, most_ms):
                return read_duration(node, least_ms, most_ms)
            case Usd():
                return read_usd_pico(node)
            case Text(pattern, most):
                return _text(node, pattern, most)
            case Choice(words):
                return _word(node, words)
            case Scalar():
                return _any_scalar(node)
            case _:
                return _fact_name(node)

    def _variant(self, node: Node, kind: Variant, path: str) -> Any:
        """One key that names what its value is; a name alone where nothing has to be said."""
        if isinstance(node, MappingNode) and len(node.value) == 1:
            key, value = node.value[0]
        elif kind_of(node) == "a text":
            key = value = node
        else:
            names = ", ".join(kind.of)
            self.faults.add(node, path, f"write one key, of {names}, with its settings")
            return None
        name = key.value if isinstance(key.value, str) else ""
        if name not in kind.of:
            self.faults.add(key, path, unknown("kind", name, kind.of))
            return None
        if value is key:
            value = MappingNode("tag:yaml.org,2002:map", [], key.start_mark, key.end_mark)
        return self.section(value, Section(kind.of[name]), f"{path}.{name}")

    def _list(self, node: Node, kind: ListOf, path: str) -> tuple[Any, ...] | None:
        if not isinstance(node, SequenceNode):
            self.faults.add(node, path, f"{said(node)} is no list: write `- item` or [item]")
            return None
        if not kind.least <= len(node.value) <= kind.most:
            message = f"{len(node.value)} items: {kind.least} to {kind.most} are allowed"
            self.faults.add(node, path, message)
            return None
        items = []
        for place, one in enumerate(node.value):
            self._nodes[f"{path}[{place}]"] = one
            items.append(self._value(one, kind.item, f"{path}[{place}]"))
        self._check_items(node, kind, path, items)
        return tuple(items)

    def _check_items(self, node: Node, kind: ListOf, path: str, items: list[Any]) -> None:
        seen: dict[Any, int] = {}
        for place, item in enumerate(items):
            if item is None:
                continue
            value = getattr(item, kind.unique) if kind.unique is not None else item
            what = f"{kind.unique} {value!r}" if kind.unique is not None else repr(value)
            if not isinstance(item, tuple) and (kind.unique or isinstance(item, str | int)):
                if value in seen:
                    line = node.value[seen[value]].start_mark.line + 1
                    message = f"{what} is there already, in line {line}"
                    self.faults.add(node.value[place], f"{path}[{place}]", message)
                seen.setdefault(value, place)
            if (
                kind.ascending
                and place
                and items[place - 1] is not None
                and item < items[place - 1]
            ):
                message = f"{item} follows {items[place - 1]}: write them in ascending order"
                self.faults.add(node.value[place], f"{path}[{place}]", message)

    def _map(self, node: Node, kind: MapOf, path: str) -> Mapping[str, Any] | None:
        if not isinstance(node, MappingNode):
            self.faults.add(node, path, f"{said(node)} is no mapping: write `key: value`")
            return None
        if len(node.value) > kind.most:
            self.faults.add(
                node, path, f"{len(node.value)} entries: at most {kind.most} are allowed"
            )
            return None
        found: dict[str, Any] = {}
        for key, value in node.value:
            name = key.value if isinstance(key.value, str) else ""
            where = f"{path}.{name}"
            if not re.fullmatch(kind.key_pattern, name):
                self.faults.add(key, path, f"{said(key)} is no key here")
            elif name in found:
                self.faults.add(key, path, f"{name!r} is there twice")
            else:
                self._nodes[where] = key
                found[name] = self._value(value, kind.item, where)
        return MappingProxyType(dict(sorted(found.items())))

    def _prices(self, node: Node, path: str) -> tuple[Mapping[str, Any], ...] | None:
        if not isinstance(node, SequenceNode):
            self.faults.add(node, path, f"{said(node)} is no list of prices")
            return None
        found = []
        for place, one in enumerate(node.value):
            try:
                entry = _plain_tree(one)
                if not isinstance(entry, Mapping):
                    raise ValueError("write a mapping with `model` and prices")
                found.append(self._read_price(entry))
            except ValueError as error:
                self.faults.add(one, f"{path}[{place}]", str(error))
        return tuple(found)


def _text(node: Node, pattern: str | None, most: int) -> str:
    text = read_text(node)
    if pattern is not None and not re.fullmatch(pattern, text):
        raise Unreadable(f"{text!r} has the wrong form: it has to match {pattern}")
    if len(text) > most:
        raise Unreadable(f"longer than {most} characters")
    return text


def _word(node: Node, words: Sequence[str]) -> str:
    word = read_text(node)
    if word not in words:
        raise Unreadable(f"{word!r} is none of {', '.join(words)}; {nearest(word, words)}")
    return word


def _any_scalar(node: Node) -> object:
    if not isinstance(node, ScalarNode):
        raise Unreadable(f"{said(node)} is no single value")
    return plain(node)


def _fact_name(node: Node) -> str:
    name = read_text(node)
    if find_fact(name) is None:
        raise Unreadable(unknown("fact", name, (*FACTS, *(f"{one}<name>" for one in FAMILIES))))
    return name


def _plain_tree(node: Node) -> Any:
    """A node as plain values, decimal numbers as text."""
    if isinstance(node, MappingNode):
        return {str(key.value): _plain_tree(value) for key, value in node.value}
    if isinstance(node, SequenceNode):
        return [_plain_tree(one) for one in node.value]
    return plain(node)
