"""Waiting for what a server applies after it answered, by asking it."""

from __future__ import annotations

import time
from typing import Any

from neurorail.client import Client, Problem

PATIENCE_S = 60
"""Nothing takes so long, however busy the machine is: who waits for so long waits in vain."""
PROGRAM_S = 240
"""The same for a whole program, which imports much first."""
PAUSE_S = 0.02


def ended_mission(api: str, mission_id: str, *, descendants: int = 0) -> Any:
    """The tree of a mission as the API gives it, once it ended or has so many descendants.

    An answer to telemetry says that it is durable, not that it is applied already.

    Args:
        api: address of the API.
        mission_id: whose tree.
        descendants: if above 0, wait for so many of them instead of the mission's end.
    """
    client = Client(api, timeout_s=PATIENCE_S)
    ends = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends:
        try:
            tree = client.get_json(f"/api/neurorail/v1/identity/trace/mission/{mission_id}")
        except Problem as problem:
            if problem.status != 404:
                raise
        else:
            ended = tree["mission"]["ended_at"] is not None
            if len(tree["descendants"]) >= descendants if descendants else ended:
                return tree
        time.sleep(PAUSE_S)
    raise AssertionError(f"{mission_id} was not there after {PATIENCE_S} s")


def active_manifest(api: str, version: str) -> None:
    """Wait until a manifest is in force: what was acknowledged is applied again after a crash."""
    client = Client(api, timeout_s=PATIENCE_S)
    ends = time.monotonic() + PATIENCE_S
    while client.get_json("/api/governor/v1/manifests")["active"]["version"] != version:
        assert time.monotonic() < ends, f"manifest {version} was not in force after {PATIENCE_S} s"
        time.sleep(PAUSE_S)
