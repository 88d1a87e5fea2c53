"""LangChain and LangGraph: chat models and tools, whoever serves them.

Callbacks would not do: LangChain swallows what they raise. So the methods that every model and tool
inherits are wrapped. Where the model's own client is guarded too, one of both asks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

from neurorail.instrumentation.arguments_hash import input_hash
from neurorail.instrumentation.gate.call import Call, Usage
from neurorail.instrumentation.gate.estimate import OUTPUT_LIMITS, bounds_of
from neurorail.instrumentation.guards.governed import Governed, govern, govern_async, no_usage
from neurorail.instrumentation.guards.patching import Patches
from neurorail.instrumentation.guards.streams import Meter, metered, metered_async
from neurorail.instrumentation.guards.usage import langchain_usage

MODELS: Final = "langchain_core.language_models.chat_models"
TOOLS: Final = "langchain_core.tools.base"


def guard_langchain(patches: Patches) -> None:
    """Guard `langchain_core`."""
    patches.wrap(MODELS, "BaseChatModel._generate_with_cache", _generate)
    patches.wrap(MODELS, "BaseChatModel._agenerate_with_cache", _agenerate)
    patches.wrap(MODELS, "BaseChatModel.stream", _stream)
    patches.wrap(MODELS, "BaseChatModel.astream", _astream)
    patches.wrap(TOOLS, "BaseTool.run", _run_tool)
    patches.wrap(TOOLS, "BaseTool.arun", _arun_tool)


def _generate(work: Callable[..., Any], model: Any, args: Any, kwargs: Any) -> Any:
    return govern(_call(model, args, kwargs), lambda: work(*args, **kwargs), _result_usage)


def _agenerate(work: Callable[..., Any], model: Any, args: Any, kwargs: Any) -> Any:
    return govern_async(_call(model, args, kwargs), lambda: work(*args, **kwargs), _result_usage)


def _stream(work: Callable[..., Any], model: Any, args: Any, kwargs: Any) -> Iterator[Any]:
    def pieces() -> Iterator[Any]:
        governed = Governed(_call(model, args, kwargs))
        governed.begin()
        # The call's context is left while the caller has a piece, and taken up for the next one.
        yield from governed.each(metered(work(*args, **kwargs), _meter(governed)))

    return pieces()


def _astream(work: Callable[..., Any], model: Any, args: Any, kwargs: Any) -> AsyncIterator[Any]:
    async def pieces() -> AsyncIterator[Any]:
        governed = Governed(_call(model, args, kwargs))
        await governed.begin_async()
        async for piece in governed.each_async(
            metered_async(work(*args, **kwargs), _meter(governed))
        ):
            yield piece

    return pieces()


def _meter(governed: Governed) -> Meter:
    return Meter(governed, lambda fields: langchain_usage(fields.get("message")), _message_fields)


def _message_fields(message: Any) -> dict[str, Any]:
    return {"message": message, "content": getattr(message, "content", None)}


def _run_tool(work: Callable[..., Any], tool: Any, args: Any, kwargs: Any) -> Any:
    return govern(_tool_call(tool, args, kwargs), lambda: work(*args, **kwargs), no_usage)


def _arun_tool(work: Callable[..., Any], tool: Any, args: Any, kwargs: Any) -> Any:
    return govern_async(_tool_call(tool, args, kwargs), lambda: work(*args, **kwargs), no_usage)


def _tool_call(tool: Any, args: Any, kwargs: Any) -> Call:
    given = input_hash(args[0] if args else kwargs.get("tool_input"))
    return Call("tool", tool=str(getattr(tool, "name", "")), arguments=given, frame=True)


def _call(model: Any, args: Any, kwargs: Any) -> Call:
    prompt = args[0] if args else kwargs.get("messages", kwargs.get("input"))
    limits = [kwargs.get(name, getattr(model, name, None)) for name in OUTPUT_LIMITS]
    known = [limit for limit in limits if isinstance(limit, int)]
    provider, name = _named(model)
    return Call(
        "inference",
        provider=provider,
        model=name,
        bounds=bounds_of(
            {"messages": prompt, "tools": kwargs.get("tools"), "n": getattr(model, "n", None)},
            output_limit=known[0] if known else None,
        ),
        frame=True,
    )


_PROVIDERS: Final = {
    "azure": "azure.ai.openai",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "amazon_bedrock": "aws.bedrock",
}


def _named(model: Any) -> tuple[str, str]:
    """Provider and model, as LangChain's own tracing names them."""
    read = getattr(model, "_get_ls_params", None)
    told = read() if callable(read) else {}
    provider = str(told.get("ls_provider") or "")
    return _PROVIDERS.get(provider, provider), str(told.get("ls_model_name") or "")


def _result_usage(result: Any) -> Usage | None:
    found: Usage | None = None
    for generation in getattr(result, "generations", None) or ():
        usage = langchain_usage(getattr(generation, "message", None))
        if usage is not None:
            before = found or Usage()
            found = Usage(
                before.input_tokens + usage.input_tokens, before.output_tokens + usage.output_tokens
            )
    return found
