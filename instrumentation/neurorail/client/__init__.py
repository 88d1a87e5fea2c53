"""A small HTTP client for a NeuroRail server, on the standard library alone.

`Client` reads JSON and follows the live stream. Every failure is a `ClientError`:

    ClientError
      Unreachable      nobody answers at the address
      Problem          the server answered with an error (RFC 9457)
"""

from neurorail.client.errors import ClientError, Problem, Unreachable
from neurorail.client.http import Client
from neurorail.client.sse import StreamMessage, parse_messages

__all__ = ["Client", "ClientError", "Problem", "StreamMessage", "Unreachable", "parse_messages"]
