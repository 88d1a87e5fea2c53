"""The chain of an entity as a tree: state, time, tokens, cost and flags of each, on one line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, Final

from rich.console import Group
from rich.text import Text
from rich.tree import Tree

from neurorail.app.show.format import counted, duration, pico_usd, short_id, state_text, usd

LEVELS: Final = ("mission", "plan", "job", "attempt", "resource")
INDENT: Final = 4
NAME_LEAST: Final = 6
SHORTENED: Final = "ids are shortened; --json, a pipe or a wider terminal has them whole"

Entity = dict[str, Any]


class Form(IntEnum):
    """How much of an entity its line shows: the fullest form that fits is taken for all."""

    WHOLE = 0
    SHORT_ID = 1
    NARROW = 2
    """What the id's prefix says already is left out, and names are cut."""


def chain_tree(body: dict[str, Any], asked: str, width: int) -> Group:
    """Draw an answer of `identity/trace`; the entity that was asked for is marked.

    Args:
        body: The answer.
        asked: Id of the entity.
        width: Columns there are.
    """
    found = list(_entities(body))
    if not found:
        return Group(Text("nothing is known"))
    for form in Form:
        lines = [
            entity_line(entity, asked, form, width - INDENT * depth) for depth, entity in found
        ]
        room = [width - INDENT * depth for depth, _ in found]
        if all(line.cell_len <= most for line, most in zip(lines, room, strict=True)):
            break
    path: list[Tree] = []
    for (depth, _), line in zip(found, lines, strict=True):
        parent = path[depth - 1] if depth else None
        node = Tree(line, guide_style="dim") if parent is None else parent.add(line)
        path[depth:] = [node]
    if body.get("truncated"):
        path[0].add(Text("… there is more below than is shown", style="dim"))
    if form is Form.WHOLE:
        return Group(path[0])
    return Group(path[0], Text(SHORTENED, style="dim", no_wrap=True, overflow="ellipsis"))


def _entities(body: dict[str, Any]) -> Iterator[tuple[int, Entity]]:
    """Every entity of the answer with its depth, parents first."""
    chain = [body[level] for level in LEVELS if body.get(level)]
    children: dict[str, list[Entity]] = defaultdict(list)
    for entity in body.get("descendants") or []:
        children[str(entity.get("parent_id"))].append(entity)
    yield from enumerate(chain)
    if chain:
        yield from _below(len(chain), chain[-1]["entity_id"], children)


def _below(
    depth: int, parent: str, children: dict[str, list[Entity]]
) -> Iterator[tuple[int, Entity]]:
    # Popping makes each entity appear once, even if the answer named a circle.
    for entity in children.pop(parent, []):
        yield depth, entity
        yield from _below(depth + 1, str(entity["entity_id"]), children)


def entity_line(entity: Entity, asked: str = "", form: Form = Form.WHOLE, width: int = 0) -> Text:
    """One entity on one line; in the narrow form its name is cut, and at last its end."""
    name = _name(entity, form)
    line = _line(entity, asked, form, name)
    over = line.cell_len - width
    if form is Form.NARROW and over > 0 and len(name) > NAME_LEAST:
        kept = max(NAME_LEAST, len(name) - over - 1)
        line = _line(entity, asked, form, f"{name[:kept]}…")
    return line


def _line(entity: Entity, asked: str, form: Form, name: str) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    if form is not Form.NARROW:
        line.append(f"{entity.get('entity_type', '')} ", style="bold")
    identity = str(entity.get("entity_id", ""))
    shown = identity if form is Form.WHOLE else short_id(identity)
    line.append(shown, style="reverse" if identity == asked else "")
    if name:
        line.append(f" {name}", style="italic")
    line.append("  ").append_text(state_text(entity.get("state")))
    if entity.get("error_code"):
        line.append(f" {entity['error_code']}", style="red")
    spent = _spent(entity.get("totals") or {}, form)
    for part in (duration(entity.get("duration_ms")), *spent):
        if part:
            line.append(f"  {part}", style="dim")
    for flag in entity.get("flags") or ():
        line.append(f"  ⚑ {flag}", style="yellow" if flag != "derived" else "dim")
    return line


def _name(entity: Entity, form: Form) -> str:
    match entity.get("entity_type"):
        case "mission":
            tags = entity.get("tags") or {}
            named = tags.get("name") or entity.get("agent") or entity.get("service")
        case "plan":
            named = entity.get("plan_type")
        case "job":
            named = entity.get("job_type") or entity.get("agent")
        case "attempt":
            number = entity.get("attempt_number")
            named = f"#{number}" if number else None
        case _:
            kind, what = entity.get("resource_type"), entity.get("model") or entity.get("tool")
            parts = (what or kind,) if form is Form.NARROW else (kind, what)
            named = " ".join(str(part) for part in parts if part)
    return str(named or "")


def _spent(totals: dict[str, Any], form: Form) -> list[str]:
    parts = []
    tokens = totals.get("total_tokens") or 0
    if tokens:
        parts.append(f"{tokens:,} tok" if form is Form.NARROW else counted(tokens, "token"))
        parts.append(usd(pico_usd(totals.get("cost_usd"))))
    if totals.get("unpriced_calls"):
        parts.append(f"{totals['unpriced_calls']} unpriced")
    if totals.get("tool_calls"):
        what = "tool" if form is Form.NARROW else "tool call"
        parts.append(counted(totals["tool_calls"], what))
    return parts
