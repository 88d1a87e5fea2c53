"""OpenAI's and Anthropic's clients, built alike: all their requests go through one method.

That method is wrapped rather than each of `create`, `parse`, `stream` and their raw variants, so
that none is forgotten. What a guard refuses never reaches the HTTP client; the client's own retries
are one call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from neurorail.instrumentation.gate.call import Call, Usage
from neurorail.instrumentation.gate.estimate import bounds_of
from neurorail.instrumentation.guards.governed import Governed, govern, govern_async
from neurorail.instrumentation.guards.patching import Patches, Wrapper
from neurorail.instrumentation.guards.streams import (
    Meter,
    MeteredAsyncStream,
    MeteredStream,
    read_json,
)
from neurorail.instrumentation.guards.usage import anthropic_usage, as_mapping, openai_usage


@dataclass(frozen=True, slots=True)
class Provider:
    """What differs between the two."""

    package: str
    name: str
    operations: Mapping[str, str]
    """The end of a path, and what kind of call goes there."""
    usage_of: Callable[[Mapping[str, Any]], Usage | None]

    def operation_of(self, url: str) -> str | None:
        """What kind of call a path is; None for what is not governed, as listing files."""
        path = url.partition("?")[0].rstrip("/")
        return next((kind for end, kind in self.operations.items() if path.endswith(end)), None)


OPENAI: Final = Provider(
    "openai",
    "openai",
    {
        "/chat/completions": "inference",
        "/responses": "inference",
        "/completions": "inference",
        "/embeddings": "embedding",
    },
    openai_usage,
)
ANTHROPIC: Final = Provider(
    "anthropic",
    "anthropic",
    {"/messages": "inference", "/complete": "inference"},
    anthropic_usage,
)


def guard_openai(patches: Patches) -> None:
    """Guard `openai`."""
    _guard(patches, OPENAI)


def guard_anthropic(patches: Patches) -> None:
    """Guard `anthropic`."""
    _guard(patches, ANTHROPIC)


def _guard(patches: Patches, provider: Provider) -> None:
    module = f"{provider.package}._base_client"
    patches.wrap(module, "SyncAPIClient.request", _sync_guard(provider))
    patches.wrap(module, "AsyncAPIClient.request", _async_guard(provider))


def _sync_guard(provider: Provider) -> Wrapper:
    def guard(
        request: Callable[..., Any], client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        call = _call(provider, request, client, args, kwargs)
        if call is None:
            return request(*args, **kwargs)
        if not kwargs.get("stream"):
            return govern(call, lambda: request(*args, **kwargs), _answer_usage(provider))
        governed = Governed(call)
        governed.begin()
        try:
            stream = request(*args, **kwargs)
        except BaseException as error:
            governed.end(None, error)
            raise
        governed.leave()
        return _metered(stream, Meter(governed, provider.usage_of))

    return guard


def _async_guard(provider: Provider) -> Wrapper:
    def guard(
        request: Callable[..., Any], client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        call = _call(provider, request, client, args, kwargs)
        if call is None:
            return request(*args, **kwargs)
        if not kwargs.get("stream"):
            return govern_async(call, lambda: request(*args, **kwargs), _answer_usage(provider))

        async def stream() -> Any:
            governed = Governed(call)
            await governed.begin_async()
            try:
                pieces = await request(*args, **kwargs)
            except BaseException as error:
                governed.end(None, error)
                raise
            governed.leave()
            return _metered(pieces, Meter(governed, provider.usage_of))

        return stream()

    return guard


def _metered(stream: Any, meter: Meter) -> Any:
    if hasattr(stream, "__anext__"):
        return MeteredAsyncStream(stream, meter)
    if hasattr(stream, "__next__"):
        return MeteredStream(stream, meter)
    # A raw answer that the caller reads by itself: what it says nobody else hears.
    meter.end()
    return stream


def _call(
    provider: Provider, request: Callable[..., Any], client: Any, args: Any, kwargs: Any
) -> Call | None:
    options = kwargs.get("options") or (args[1] if len(args) > 1 else None)
    url = str(getattr(options, "url", ""))
    operation = provider.operation_of(url)
    if operation is None or str(getattr(options, "method", "post")).lower() != "post":
        return None
    body = getattr(options, "json_data", None)
    arguments = body if isinstance(body, Mapping) else {}
    return Call(
        operation,
        provider=_provider_name(provider, client),
        model=str(arguments.get("model") or ""),
        bounds=bounds_of(arguments, output_limit=0 if operation == "embedding" else None),
    )


def _provider_name(provider: Provider, client: Any) -> str:
    """Who really serves it: other providers are called with OpenAI's client too."""
    if "Azure" in type(client).__name__:
        return "azure.ai.openai"
    if "Bedrock" in type(client).__name__:
        return "aws.bedrock"
    if "Vertex" in type(client).__name__:
        return "gcp.vertex_ai"
    return provider.name


def _answer_usage(provider: Provider) -> Callable[[Any], Usage | None]:
    def read(answer: Any) -> Usage | None:
        found = provider.usage_of(as_mapping(answer))
        if found is not None:
            return found
        response = getattr(answer, "http_response", None)  # A raw answer.
        content = getattr(response, "content", None) if _was_read(response) else None
        return None if content is None else provider.usage_of(read_json(content))

    return read


def _was_read(response: Any) -> bool:
    return bool(getattr(response, "is_stream_consumed", False))
