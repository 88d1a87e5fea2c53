"""Google's `google-genai`: all its requests go through four methods of one client."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Final

from neurorail.instrumentation.gate.call import Call, Usage
from neurorail.instrumentation.gate.estimate import bounds_of
from neurorail.instrumentation.guards.governed import Governed, govern, govern_async
from neurorail.instrumentation.guards.patching import Patches
from neurorail.instrumentation.guards.streams import Meter, metered, metered_async, read_json
from neurorail.instrumentation.guards.usage import google_usage

CLIENT: Final = "google.genai._api_client"
_PATH: Final = re.compile(r"models/(?P<model>[^/:]+):(?P<verb>\w+)")
_OPERATIONS: Final = {
    "generateContent": "inference",
    "streamGenerateContent": "inference",
    "embedContent": "embedding",
    "batchEmbedContents": "embedding",
    "predict": "embedding",
}


def guard_google(patches: Patches) -> None:
    """Guard `google.genai`."""
    patches.wrap(CLIENT, "BaseApiClient.request", _request)
    patches.wrap(CLIENT, "BaseApiClient.async_request", _async_request)
    patches.wrap(CLIENT, "BaseApiClient.request_streamed", _request_streamed)
    patches.wrap(CLIENT, "BaseApiClient.async_request_streamed", _async_request_streamed)


def _request(request: Callable[..., Any], client: Any, args: Any, kwargs: Any) -> Any:
    call = _call(client, args, kwargs)
    if call is None:
        return request(*args, **kwargs)
    return govern(call, lambda: request(*args, **kwargs), _usage_of)


def _async_request(request: Callable[..., Any], client: Any, args: Any, kwargs: Any) -> Any:
    call = _call(client, args, kwargs)
    if call is None:
        return request(*args, **kwargs)
    return govern_async(call, lambda: request(*args, **kwargs), _usage_of)


def _request_streamed(request: Callable[..., Any], client: Any, args: Any, kwargs: Any) -> Any:
    call = _call(client, args, kwargs)
    if call is None:
        return request(*args, **kwargs)

    def pieces() -> Iterator[Any]:
        governed = Governed(call)
        governed.begin()
        governed.leave()
        yield from metered(request(*args, **kwargs), Meter(governed, google_usage, _fields))

    return pieces()


async def _async_request_streamed(
    request: Callable[..., Any], client: Any, args: Any, kwargs: Any
) -> AsyncIterator[Any]:
    call = _call(client, args, kwargs)
    if call is None:
        return await request(*args, **kwargs)  # type: ignore[no-any-return]
    governed = Governed(call)
    await governed.begin_async()
    try:
        pieces = await request(*args, **kwargs)
    except BaseException as error:
        governed.end(None, error)
        raise
    governed.leave()
    return metered_async(pieces, Meter(governed, google_usage, _fields))


def _call(client: Any, args: Any, kwargs: Any) -> Call | None:
    path = str(kwargs.get("path") or (args[1] if len(args) > 1 else ""))
    body = kwargs.get("request_dict") or (args[2] if len(args) > 2 else {})
    found = _PATH.search(path)
    operation = _OPERATIONS.get(found["verb"]) if found is not None else None
    if found is None or operation is None:
        return None
    settings = body.get("generationConfig") if isinstance(body, Mapping) else None
    settings = settings if isinstance(settings, Mapping) else {}
    limit = settings.get("maxOutputTokens")
    if operation == "embedding":
        limit = 0
    return Call(
        operation,
        provider="gcp.vertex_ai" if getattr(client, "vertexai", False) else "gcp.gemini",
        model=found["model"],
        bounds=bounds_of(
            {"request": body, "candidate_count": settings.get("candidateCount")},
            output_limit=limit if isinstance(limit, int) else None,
        ),
    )


def _fields(answer: Any) -> Mapping[str, Any]:
    return read_json(getattr(answer, "body", None))


def _usage_of(answer: Any) -> Usage | None:
    return google_usage(_fields(answer))
