"""Roles on a ClickHouse server: whoever writes the audit trail cannot change it."""

from __future__ import annotations

import re
from pathlib import Path

from neurorail.collector.archive.events import AUDIT_TABLE

ROLES = Path(__file__).resolve().parents[3] / "deploy" / "clickhouse" / "roles.sql"
CHANGES = ("ALTER DELETE", "ALTER UPDATE")


def test_writers_of_the_audit_cannot_change_it() -> None:
    lines = [line for line in ROLES.read_text().splitlines() if not line.startswith("--")]
    statements = [" ".join(each.split()) for each in "\n".join(lines).split(";")]
    can: dict[str, set[str]] = {}
    for statement in statements:
        found = re.fullmatch(r"(GRANT|REVOKE) (.+) ON \S+\.(\S+) (?:TO|FROM) (\w+)", statement)
        if found is None or found[3] not in ("*", AUDIT_TABLE):
            continue
        verb, what, _, role = found.groups()
        named = {change for change in CHANGES if change in what}
        held = can.setdefault(role, set())
        can[role] = held | named if verb == "GRANT" else held - named
    assert can.pop("neurorail_keeper") == set(CHANGES)
    assert {"neurorail_server", "neurorail_writer", "neurorail_reader"} <= set(can)
    assert all(not changes for changes in can.values()), can
