"""Upper bounds of what a call of a model can use, from its arguments.

Tokens are pieces of at least one byte, so a text has no more tokens than bytes. What surrounds the
texts (roles, separators, how tools are written down) is JSON here, and shorter inside the model.
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Mapping
from typing import Any, Final

from neurorail.instrumentation.gate.call import Bounds

OVERHEAD_TOKENS: Final = 128
"""What providers add to every prompt, generously."""
IMAGE_TOKENS: Final = 50_000
"""More than any provider counts for one picture that is given by its address."""
OUTPUT_LIMITS: Final = ("max_completion_tokens", "max_output_tokens", "max_tokens")
OUTPUT_VARIABLE: Final = "NEURORAIL_OUTPUT_TOKENS_MAX"

_IMAGES: Final = frozenset({"image_url", "input_image", "image", "file_uri", "file_data"})
_UNSIZED: Final = frozenset({"file_id", "previous_response_id", "conversation", "cached_content"})
"""Names under which a prompt refers to what only the provider has."""


def bounds_of(arguments: Mapping[str, Any], *, output_limit: int | None = None) -> Bounds:
    """Upper bounds for a call with these arguments.

    Args:
        arguments: As the client takes them: `messages`, `input`, `tools`, `max_tokens` …
        output_limit: The limit on output where it is found elsewhere.

    Returns:
        The bounds. Input is None where the prompt refers to what cannot be sized here; output is
        None where nothing limits it, neither an argument nor `NEURORAIL_OUTPUT_TOKENS_MAX`.
    """
    return Bounds(_input_bound(arguments), _output_bound(arguments, output_limit))


def text_bound(value: Any) -> int:
    """Bytes of a value written as JSON; no text has more tokens than bytes."""
    written = json.dumps(value, ensure_ascii=False, default=_as_plain, separators=(",", ":"))
    return len(written.encode("utf-8", "surrogatepass"))


def _input_bound(arguments: Mapping[str, Any]) -> int | None:
    found = _Found()
    prompt = {
        name: _plain(value, found)
        for name, value in arguments.items()
        if value is not None and name not in _NO_PROMPT
    }
    if found.unsized or not _UNSIZED.isdisjoint(prompt):
        return None
    return text_bound(prompt) + OVERHEAD_TOKENS + found.images * IMAGE_TOKENS


_NO_PROMPT: Final = frozenset({"model", "extra_headers", "extra_query", "timeout", "http_options"})


def _output_bound(arguments: Mapping[str, Any], output_limit: int | None) -> int | None:
    limit = output_limit
    for name in OUTPUT_LIMITS:
        value = arguments.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            limit = value
            break
    if limit is None:
        given = os.environ.get(OUTPUT_VARIABLE, "").strip()
        limit = int(given) if given.isdecimal() else None
    if limit is None:
        return None
    choices = arguments.get("n") or arguments.get("candidate_count") or 1
    return limit * (choices if isinstance(choices, int) else 1)


class _Found:
    """What a prompt holds besides text."""

    def __init__(self) -> None:
        self.images = 0
        self.unsized = False


def _plain(value: Any, found: _Found) -> Any:
    """A value as JSON can say it, pictures and references noted."""
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, bytes):
        found.images += 1
        return ""
    if isinstance(value, Mapping):
        return {str(name): _entry(str(name), one, found) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one, found) for one in value]
    return _plain(_as_plain(value), found)


def _entry(name: str, value: Any, found: _Found) -> Any:
    if name in _UNSIZED and value is not None:
        found.unsized = True
    if name in _IMAGES and value is not None:
        found.images += 1
        return ""
    return _plain(value, found)


def _signature(function: Any) -> str:
    try:
        return str(inspect.signature(function))
    except (TypeError, ValueError):
        return ""


def _as_plain(value: Any) -> Any:
    """Objects of client libraries: Pydantic's models, dataclasses, anything with fields."""
    for method in ("model_dump", "to_json_dict", "dict"):
        dump = getattr(value, method, None)
        if callable(dump) and not isinstance(value, type):
            try:
                return dump()
            except TypeError:
                continue
    if callable(value) and not isinstance(value, type):
        return {"name": repr(value), "told": inspect.getdoc(value), "takes": _signature(value)}
    schema = getattr(value, "model_json_schema", None)
    if callable(schema):
        return schema()
    fields = getattr(value, "__dict__", None)
    return dict(fields) if isinstance(fields, dict) and fields else repr(value)
