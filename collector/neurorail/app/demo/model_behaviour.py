"""What the fake model answers: a pure function of the request and of how often it was asked.

The name of the model chooses the behaviour; the part before `+` is the model it claims to be:

    gpt-4o-mini           answers; with tools it asks for the first one once
    gpt-4o-mini+flaky     500, then 429, then answers, and so on
    gpt-4o-mini+down      always 500
    gpt-4o-mini+slow      answers after seconds
    gpt-4o-mini+loop      asks for a tool again and again, at length
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

SLOW_S: Final = 5.0
USUAL_S: Final = 0.5
CHARACTERS_PER_TOKEN: Final = 4
PROMPT_OVERHEAD_TOKENS: Final = 96
LOOP_WORDS: Final = 220
DIMENSIONS: Final = 8

_SENTENCES: Final = (
    "The sources agree on the main point and differ on its extent.",
    "Two of the five documents are older than the question and were set aside.",
    "The figures add up once the second quarter is counted only once.",
    "What remains open is named in the last paragraph, with the reason.",
    "A reader in a hurry needs the first sentence alone.",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a JSON body, and how long the model takes for it."""

    status: int
    body: dict[str, Any]
    delay_s: float = USUAL_S
    retry_after_s: int | None = None


def tokens(text: str) -> int:
    """How many tokens the fake model counts in a text."""
    return max(1, len(text) // CHARACTERS_PER_TOKEN)


def answer_chat(request: dict[str, Any], asked_before: int) -> Answer:
    """Answer a chat completion. `asked_before` counts earlier calls with this key and model."""
    name = str(request.get("model", ""))
    model, _, behaviour = name.partition("+")
    if behaviour == "down" or (behaviour == "flaky" and asked_before % 3 == 0):
        return _error(500, "the model crashed on purpose", "server_error")
    if behaviour == "flaky" and asked_before % 3 == 1:
        return _error(429, "too many requests, on purpose", "rate_limit_exceeded", 1)
    messages = request.get("messages") or []
    message, finish = _message(request, messages, behaviour, asked_before)
    prompt = PROMPT_OVERHEAD_TOKENS + tokens(json.dumps(messages))
    written = tokens(str(message["content"] or "") + json.dumps(message.get("tool_calls", "")))
    body = {
        "id": f"chatcmpl-{_digest(name, json.dumps(messages), str(asked_before))}",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": written,
            "total_tokens": prompt + written,
        },
    }
    return Answer(200, body, SLOW_S if behaviour == "slow" else USUAL_S)


def answer_embeddings(request: dict[str, Any]) -> Answer:
    """Answer with small vectors that depend on the text alone."""
    inputs = request.get("input")
    texts = [inputs] if isinstance(inputs, str) else [str(entry) for entry in inputs or []]
    counted = sum(tokens(text) for text in texts)
    data = [
        {"object": "embedding", "index": at, "embedding": _vector(text)}
        for at, text in enumerate(texts)
    ]
    body = {
        "object": "list",
        "data": data,
        "model": request.get("model"),
        "usage": {"prompt_tokens": counted, "total_tokens": counted},
    }
    return Answer(200, body, USUAL_S / 2)


def stream_chunks(body: dict[str, Any], with_usage: bool) -> list[dict[str, Any]]:
    """Cut a finished chat completion into the chunks of a stream."""
    head = {key: body[key] for key in ("id", "created", "model")}
    head["object"] = "chat.completion.chunk"
    choice = body["choices"][0]
    words = str(choice["message"]["content"] or "").split(" ")
    deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": " ".join(words[at : at + 6]) + " "}, None) for at in _steps(words)]
    deltas.append(({}, choice["finish_reason"]))
    chunks = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        for delta, finish in deltas
    ]
    if with_usage:
        chunks.append({**head, "choices": [], "usage": body["usage"]})
    return chunks


def _steps(words: list[str]) -> range:
    return range(0, len(words), 6)


def _message(
    request: dict[str, Any], messages: list[dict[str, Any]], behaviour: str, asked_before: int
) -> tuple[dict[str, Any], str]:
    tools = request.get("tools") or []
    last_role = messages[-1].get("role") if messages else "user"
    if tools and (behaviour == "loop" or last_role == "user"):
        call = _tool_call(tools[0], f"{request.get('model')}{len(messages)}{asked_before}")
        content = _prose(LOOP_WORDS, asked_before) if behaviour == "loop" else None
        return {"role": "assistant", "content": content, "tool_calls": [call]}, "tool_calls"
    return {"role": "assistant", "content": _prose(60, len(messages))}, "stop"


def _tool_call(tool: dict[str, Any], seed: str) -> dict[str, Any]:
    name = str(tool.get("function", {}).get("name", "tool"))
    return {
        "id": f"call_{_digest(name, seed)}",
        "type": "function",
        "function": {"name": name, "arguments": json.dumps({"query": "the same question again"})},
    }


def _prose(words: int, seed: int) -> str:
    text: list[str] = []
    while len(text) < words:
        text += _SENTENCES[(seed + len(text)) % len(_SENTENCES)].split(" ")
    return " ".join(text[:words])


def _error(status: int, message: str, code: str, retry_after_s: int | None = None) -> Answer:
    body = {"error": {"message": message, "type": code, "param": None, "code": code}}
    return Answer(status, body, USUAL_S, retry_after_s)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _vector(text: str) -> list[float]:
    return [byte / 255 for byte in hashlib.sha256(text.encode()).digest()[:DIMENSIONS]]
