"""Answers that come piece by piece: their call is over when they end, break or are abandoned."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

import wrapt

from neurorail.instrumentation.gate.call import Usage
from neurorail.instrumentation.gate.estimate import text_bound
from neurorail.instrumentation.guards.governed import Governed
from neurorail.instrumentation.guards.usage import as_mapping, larger
from neurorail.instrumentation.safety import Safely

if TYPE_CHECKING:
    Proxy = wrapt.ObjectProxy[Any]
else:
    Proxy = wrapt.ObjectProxy

UsageReader: TypeAlias = Callable[[Any], Usage | None]
ErrorType: TypeAlias = "type[BaseException] | None"


class Meter:
    """Reads usage off the pieces of one stream, and ends its call once."""

    def __init__(
        self,
        governed: Governed,
        usage_of: UsageReader,
        fields_of: Callable[[Any], Mapping[str, Any]] = as_mapping,
    ) -> None:
        """Watch one stream.

        Args:
            governed: Its call.
            usage_of: Reads the usage of one piece from its fields; most say nothing.
            fields_of: Reads the fields of a piece.
        """
        self._governed = governed
        self._usage_of = usage_of
        self._fields_of = fields_of
        self._usage: Usage | None = None
        self._bytes = 0
        self._ended = False

    def saw(self, piece: Any) -> None:
        """One piece came."""
        with Safely("reading the usage of a stream"):
            fields = self._fields_of(piece)
            self._usage = larger(self._usage, self._usage_of(fields))
            if self._usage is None or not self._usage.output_tokens:
                self._bytes += _size(fields)

    def end(self, error: BaseException | None = None) -> None:
        """No further piece will come."""
        if self._ended:
            return
        self._ended = True
        self._governed.end(self._known(), error)

    def _known(self) -> Usage | None:
        """What the stream said, or the most that can have been used when it did not say it."""
        bounds = self._governed.call.bounds
        said = self._usage
        if said is not None and said.output_tokens:
            return said
        if bounds.input_tokens is None and said is None:
            return None
        written = self._bytes
        if bounds.output_tokens is not None:
            written = min(written, bounds.output_tokens)
        read = said.input_tokens if said is not None else bounds.input_tokens or 0
        return Usage(read, written, response_id=said.response_id if said is not None else "")


def _size(fields: Mapping[str, Any]) -> int:
    """Bytes of the texts in a piece: no more tokens than that were written."""
    found = 0
    for name in ("choices", "delta", "content_block", "candidates", "content"):
        value = fields.get(name)
        if value:
            found += text_bound(value)
    return found


def metered(pieces: Iterator[Any], meter: Meter) -> Iterator[Any]:
    """The pieces, seen by the meter; leaving them unread ends the call too."""
    try:
        for piece in pieces:
            meter.saw(piece)
            yield piece
    except BaseException as error:
        meter.end(None if isinstance(error, GeneratorExit) else error)
        raise
    meter.end()


async def metered_async(pieces: AsyncIterator[Any], meter: Meter) -> AsyncIterator[Any]:
    """The same for pieces that are awaited."""
    try:
        async for piece in pieces:
            meter.saw(piece)
            yield piece
    except BaseException as error:
        meter.end(None if isinstance(error, GeneratorExit) else error)
        raise
    meter.end()


class MeteredStream(Proxy):
    """A client's stream as it is, but for being metered. It passes for what it wraps."""

    def __init__(self, stream: Any, meter: Meter) -> None:
        super().__init__(stream)
        self._self_meter = meter
        self._self_pieces = metered(iter(stream), meter)

    def __iter__(self) -> Iterator[Any]:
        """Piece by piece."""
        return self._self_pieces

    def __next__(self) -> Any:
        """The next piece."""
        return next(self._self_pieces)

    def __enter__(self) -> MeteredStream:
        """As the client's."""
        self.__wrapped__.__enter__()
        return self

    def __exit__(
        self, kind: ErrorType, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """As the client's; the call is over."""
        self.__wrapped__.__exit__(kind, error, at)
        self._self_meter.end()

    def close(self) -> None:
        """As the client's; the call is over."""
        self.__wrapped__.close()
        self._self_meter.end()


class MeteredAsyncStream(Proxy):
    """The same for a stream that is awaited."""

    def __init__(self, stream: Any, meter: Meter) -> None:
        super().__init__(stream)
        self._self_meter = meter
        self._self_pieces = metered_async(aiter(stream), meter)

    def __aiter__(self) -> AsyncIterator[Any]:
        """Piece by piece."""
        return self._self_pieces

    async def __anext__(self) -> Any:
        """The next piece."""
        return await anext(self._self_pieces)

    async def __aenter__(self) -> MeteredAsyncStream:
        """As the client's."""
        await self.__wrapped__.__aenter__()
        return self

    async def __aexit__(
        self, kind: ErrorType, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """As the client's; the call is over."""
        await self.__wrapped__.__aexit__(kind, error, at)
        self._self_meter.end()

    async def close(self) -> None:
        """As the client's; the call is over."""
        await self.__wrapped__.close()
        self._self_meter.end()


def read_json(body: Any) -> dict[str, Any]:
    """A body that is JSON text; empty for any other."""
    try:
        found = json.loads(body)
    except (ValueError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}
