"""The canonical form of a manifest: JSON in the engine's names and units, every field stated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from neurorail.rules.manifest.condition import Condition
from neurorail.rules.manifest.kinds import (
    Kind,
    ListOf,
    MapOf,
    Prices,
    Section,
    Variant,
    When,
    declared,
)
from neurorail.rules.manifest.model import Manifest


def to_json(manifest: Manifest) -> bytes:
    """The canonical bytes."""
    plain = _plain(manifest, Section(Manifest))
    return json.dumps(
        plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode()


def from_json(canonical: bytes) -> Manifest:
    """The manifest in canonical bytes. A field that is missing (it is newer) has its default.

    Raises:
        ValueError: the bytes are no manifest that this version reads.
    """
    try:
        manifest: Manifest = _value(json.loads(canonical), Section(Manifest))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no manifest that this version reads: {error!r}") from error
    return manifest


def _plain(value: Any, kind: Kind) -> Any:
    if value is None:
        return None
    match kind:
        case Section():
            return {
                one.attribute: _plain(getattr(value, one.attribute), one.spec.kind)
                for one in declared(type(value))
            }
        case Variant(of):
            name = next(name for name, section in of.items() if section is type(value))
            return {name: _plain(value, Section(type(value)))}
        case ListOf(item):
            return [_plain(one, item) for one in value]
        case MapOf(item):
            return {key: _plain(one, item) for key, one in value.items()}
        case When():
            return value.source
        case Prices():
            return [dict(one) for one in value]
        case _:
            return value


def _value(plain: Any, kind: Kind) -> Any:
    if plain is None:
        return None
    match kind:
        case Section(of):
            known = {one.attribute: one for one in declared(of)}
            for name in plain:
                if name not in known:
                    raise ValueError(
                        f"{of.__name__} has no field {name!r}: it is from a newer version"
                    )
            return of(**{name: _value(said, known[name].spec.kind) for name, said in plain.items()})
        case Variant(of):
            ((name, said),) = plain.items()
            if name not in of:
                raise ValueError(f"{name!r} is unknown: it is from a newer version")
            return _value(said, Section(of[name]))
        case ListOf(item):
            return tuple(_value(one, item) for one in plain)
        case MapOf(item):
            return _map({key: _value(plain[key], item) for key in sorted(plain)})
        case When():
            return Condition(plain)
        case Prices():
            return tuple(_map(one) for one in plain)
        case _:
            return plain


def _map(plain: dict[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(plain)
