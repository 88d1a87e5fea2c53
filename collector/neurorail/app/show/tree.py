"""The chain of an entity as a tree: state, time, tokens, cost and flags of each."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

from rich.text import Text
from rich.tree import Tree

from neurorail.app.show.format import duration, pico_usd, state_text, usd

LEVELS: Final = ("mission", "plan", "job", "attempt", "resource")


def chain_tree(body: dict[str, Any], asked: str) -> Tree:
    """Draw an answer of `identity/trace`; the entity that was asked for is marked."""
    chain = [body[level] for level in LEVELS if body.get(level)]
    children: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entity in body.get("descendants") or []:
        children[str(entity.get("parent_id"))].append(entity)
    if not chain:
        return Tree("nothing is known")
    root = node = Tree(entity_line(chain[0], asked), guide_style="dim")
    for entity in chain[1:]:
        node = node.add(entity_line(entity, asked))
    _below(node, chain[-1]["entity_id"], children, asked)
    if body.get("truncated"):
        root.add(Text("… there is more below than is shown", style="dim"))
    return root


def _below(node: Tree, parent: str, children: dict[str, list[dict[str, Any]]], asked: str) -> None:
    # Popping makes each entity appear once, even if the answer named a circle.
    for entity in children.pop(parent, []):
        _below(node.add(entity_line(entity, asked)), str(entity["entity_id"]), children, asked)


def entity_line(entity: dict[str, Any], asked: str = "") -> Text:
    """One entity on one line."""
    line = Text()
    line.append(f"{entity.get('entity_type', '')} ", style="bold")
    identity = str(entity.get("entity_id", ""))
    line.append(identity, style="reverse" if identity == asked else "")
    name = _name(entity)
    if name:
        line.append(f" {name}", style="italic")
    line.append("  ").append_text(state_text(entity.get("state")))
    if entity.get("error_code"):
        line.append(f" {entity['error_code']}", style="red")
    for part in (duration(entity.get("duration_ms")), *_spent(entity.get("totals") or {})):
        if part:
            line.append(f"  {part}", style="dim")
    for flag in entity.get("flags") or ():
        line.append(f"  ⚑ {flag}", style="yellow" if flag != "derived" else "dim")
    return line


def _name(entity: dict[str, Any]) -> str:
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
            what = entity.get("model") or entity.get("tool")
            named = " ".join(str(part) for part in (entity.get("resource_type"), what) if part)
    return str(named or "")


def _spent(totals: dict[str, Any]) -> list[str]:
    parts = []
    tokens = totals.get("total_tokens") or 0
    if tokens:
        parts.append(f"{tokens:,} tokens")
        parts.append(usd(pico_usd(totals.get("cost_usd"))))
    if totals.get("unpriced_calls"):
        parts.append(f"{totals['unpriced_calls']} unpriced")
    if totals.get("tool_calls"):
        parts.append(f"{totals['tool_calls']} tool calls")
    return parts
