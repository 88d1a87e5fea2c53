"""Exporters in a forked child: connections that came over the fork are the parent's."""

from __future__ import annotations

import os
from functools import reduce
from typing import Any, Final

_PLACES: Final = (("_client", "_transport", "_session"), ("_session",))
"""Where releases of the SDK keep the `requests.Session` of an exporter over HTTP."""
_INHERITED: Final[list[Any]] = []
"""Kept in a child: closing what is the parent's could wait for a lock that nobody frees here."""


def own_connections_after_fork(exporter: Any) -> None:
    """Let an OTLP exporter over HTTP connect anew in a forked child.

    A child inherits the open connections of the exporter's session, and two processes that write
    to one connection spoil each other's requests. Exporters over gRPC are left alone: gRPC sees to
    forks itself.
    """
    for place in _PLACES:
        session = reduce(lambda part, name: getattr(part, name, None), place, exporter)
        if session is not None:
            os.register_at_fork(after_in_child=lambda session=session: _begin_anew(session))
            return


def _begin_anew(session: Any) -> None:
    adapters = dict(getattr(session, "adapters", {}))
    _INHERITED.append(adapters)
    for prefix, adapter in adapters.items():
        # One of another kind is the program's own, which knows what it needs.
        if type(adapter).__name__ == "HTTPAdapter":
            session.mount(prefix, type(adapter)(max_retries=adapter.max_retries))
