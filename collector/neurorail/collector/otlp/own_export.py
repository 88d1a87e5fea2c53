"""A server must not take what it exported itself: everything would come round for ever, and grow.

Every request of the exporter carries the id of its data directory. A Collector in between does not
pass it on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from neurorail.collector.otlp.refusal import Refusal, bad_data

NODE_HEADER: Final = "neurorail-node"
"""Who exports: HTTP header and gRPC metadata."""


def own_export(headers: Mapping[str, str], node: str) -> Refusal | None:
    """Refuse for good what comes from the exporter of this server itself."""
    if not node or headers.get(NODE_HEADER) != node:
        return None
    return bad_data(
        "this server exported the request itself: take the destination that leads back to it out"
        " of export.destinations, or correct its endpoint"
    )
