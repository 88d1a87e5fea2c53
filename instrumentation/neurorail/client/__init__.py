"""A typed client for a NeuroRail server: `Client` on the standard library alone.

`calls` has one function an operation of the API; a client asks it and gives the answer, or follows
the live stream. `AsyncClient`, in `neurorail.client.asynchronous`, does the same for asyncio.
Every failure is a `ClientError`:

    ClientError
      Unreachable             nobody answers at the address
      Problem                 the server answered with an error (RFC 9457)
        Unauthenticated       401
        Forbidden             403
        NotFound              404
        Conflict              409
          IllegalTransition   409 with NR-E301
        Invalid               422
        TooManyRequests       429
        Unavailable           503
"""

from neurorail.client import calls
from neurorail.client.errors import (
    ClientError,
    Conflict,
    Forbidden,
    IllegalTransition,
    Invalid,
    NotFound,
    Problem,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    Unreachable,
)
from neurorail.client.http import Client
from neurorail.client.request import Call
from neurorail.client.sse import StreamMessage, parse_messages

__all__ = [
    "Call",
    "Client",
    "ClientError",
    "Conflict",
    "Forbidden",
    "IllegalTransition",
    "Invalid",
    "NotFound",
    "Problem",
    "StreamMessage",
    "TooManyRequests",
    "Unauthenticated",
    "Unavailable",
    "Unreachable",
    "calls",
    "parse_messages",
]
