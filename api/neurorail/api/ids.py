"""Entity types and ids as they come in a path, checked."""

from __future__ import annotations

import re
from typing import Any, Final

from neurorail.api.problems import bad_field
from neurorail.semconv.attributes import ENTITY_TYPES, ID_PREFIXES

_ID: Final = re.compile(r"[mpjar]_[A-Za-z0-9._-]{1,64}", re.ASCII)
ID_FIELDS: Final = tuple(f"{name}_id" for name in ENTITY_TYPES)


def id_form(prefixes: str) -> dict[str, Any]:
    """How an id looks that begins with one of the prefixes, for the description of the API.

    Only described: what is refused says more than that a pattern does not match.
    """
    return {"pattern": f"^[{prefixes}]_[A-Za-z0-9._-]{{1,64}}$"}


def check_entity(entity_type: str, entity_id: str) -> int:
    """The level of a well-formed type and id. Raises a 422 problem that names the field."""
    if entity_type not in ENTITY_TYPES:
        known = ", ".join(ENTITY_TYPES)
        raise bad_field(
            "entity_type", entity_type, f"entity_type {entity_type[:100]!r} is none of {known}"
        )
    level = ENTITY_TYPES.index(entity_type)
    check_id(level, "entity_id", entity_id)
    return level


def check_id(level: int, field: str, entity_id: str) -> None:
    """Refuse an id that is not one of its level. Raises a 422 problem that names the field."""
    if not _ID.fullmatch(entity_id) or not entity_id.startswith(ID_PREFIXES[level]):
        raise bad_field(
            field,
            entity_id,
            f"{field} {entity_id[:100]!r} is not a {ENTITY_TYPES[level]} id: "
            f"{ID_PREFIXES[level]} and 1 to 64 of A-Z a-z 0-9 . _ -",
        )


def level_of(entity_id: str, field: str) -> int:
    """The level that an id of any type names. Raises a 422 problem that names the field."""
    if not _ID.fullmatch(entity_id):
        raise bad_field(
            field,
            entity_id,
            f"{field} {entity_id[:100]!r} is not an id: m_, p_, j_, a_ or r_ "
            "and 1 to 64 of A-Z a-z 0-9 . _ -",
        )
    return ID_PREFIXES.index(entity_id[:2])
