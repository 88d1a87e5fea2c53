from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import openai
import pytest
import uvicorn

from neurorail.app.demo import model_behaviour as model
from neurorail.app.demo.model_server import ModelServer

TOOL: Any = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}
USER: Any = {"role": "user", "content": "hello"}


@pytest.fixture
def client() -> Iterator[openai.OpenAI]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(ModelServer(speed=1_000), lifespan="off", log_level="error")
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    try:
        with openai.OpenAI(base_url=address, api_key="k", max_retries=0) as made:
            yield made
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def test_chat_answers_with_usage_under_the_plain_name(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=[USER])
    assert answer.model == "gpt-4o-mini"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_chat_ids_differ_between_equal_requests(client: openai.OpenAI) -> None:
    ids = {
        client.chat.completions.create(model="gpt-4o-mini", messages=[USER]).id for _ in range(3)
    }
    assert len(ids) == 3


def test_chat_streams_the_same_text_and_usage(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="gpt-4o-mini", messages=[USER])
    chunks = list(
        client.chat.completions.create(
            model="gpt-4o-mini",
            messages=[USER],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text.strip() == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage


def test_chat_flaky_fails_twice_and_then_answers(client: openai.OpenAI) -> None:
    for expected in (openai.InternalServerError, openai.RateLimitError):
        with pytest.raises(expected):
            client.chat.completions.create(model="gpt-4o-mini+flaky", messages=[USER])
    answer = client.chat.completions.create(model="gpt-4o-mini+flaky", messages=[USER])
    assert answer.model == "gpt-4o-mini"


def test_chat_down_never_answers(client: openai.OpenAI) -> None:
    for _ in range(4):
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(model="gpt-4o-mini+down", messages=[USER])


def test_chat_asks_for_a_tool_once(client: openai.OpenAI) -> None:
    messages = [USER]
    first = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=[TOOL])
    calls = first.choices[0].message.tool_calls
    assert calls is not None
    messages.append(first.choices[0].message.model_dump(exclude_none=True))
    messages.append({"role": "tool", "tool_call_id": calls[0].id, "content": "found"})
    second = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=[TOOL])
    assert second.choices[0].message.tool_calls is None


def test_chat_loop_asks_for_a_tool_for_ever() -> None:
    messages: list[Any] = [USER, {"role": "tool", "content": "found"}]
    for asked in range(5):
        answer = model.answer_chat(
            {"model": "gpt-4o-mini+loop", "messages": messages, "tools": [TOOL]}, asked
        )
        assert answer.body["choices"][0]["finish_reason"] == "tool_calls"
        assert answer.body["usage"]["completion_tokens"] > 200


def test_chat_slow_takes_longer_than_usual() -> None:
    slow = model.answer_chat({"model": "gpt-4o-mini+slow", "messages": [USER]}, 0)
    usual = model.answer_chat({"model": "gpt-4o-mini", "messages": [USER]}, 0)
    assert slow.delay_s > usual.delay_s


def test_embeddings_are_one_vector_a_text(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(model="text-embedding-3-small", input=["a", "b", "a"])
    assert answer.data[0].embedding == answer.data[2].embedding != answer.data[1].embedding
    assert answer.usage.prompt_tokens == 3


def test_server_unknown_path_is_404(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.moderations.create(input="x")
