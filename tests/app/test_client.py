from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from tests.app.scripted_server import STREAM, Script, event, scripted_server

from neurorail.client import Client, ClientError, Problem, StreamMessage, Unreachable
from neurorail.client.sse import Retry, parse_messages


def test_parse_messages_reads_ids_data_and_retry() -> None:
    lines = [b"retry: 250\n", b"\n", b": alive\n", b"\n", *event("1", "x", a=1).splitlines(True)]
    assert list(parse_messages(lines)) == [
        Retry(250),
        StreamMessage(
            "1",
            "lifecycle",
            "x",
            1.5,
            {"a": 1},
            '{"channel": "lifecycle", "event_type": "x", "timestamp": 1.5, "data": {"a": 1}}',
        ),
    ]


def test_parse_messages_gives_no_message_the_id_of_another() -> None:
    lagged = [b'data: {"event_type": "stream_lagged"}\n', b"\n"]
    lines = [*event("1", "x").splitlines(True), *lagged, *event("2", "y").splitlines(True)]
    found = [message for message in parse_messages(lines) if isinstance(message, StreamMessage)]
    assert [(message.id, message.event_type) for message in found] == [
        ("1", "x"),
        ("", "stream_lagged"),
        ("2", "y"),
    ]


def test_parse_messages_leaves_out_a_message_that_is_cut_off() -> None:
    lines = event("1", "x").splitlines(True)[:-1]
    assert list(parse_messages(lines)) == []


def test_parse_messages_without_an_object_is_an_error() -> None:
    with pytest.raises(ValueError, match="no JSON object"):
        list(parse_messages([b"data: 3\n", b"\n"]))


def test_get_json_sends_query_and_token() -> None:
    script = Script(json={"/x": (200, {"a": [1]})})
    with scripted_server(script):
        client = Client(script.url, "secret")
        assert client.get_json("/x", {"n": 3, "b": True, "c": ["p", "q"]}) == {"a": [1]}
    assert script.seen[0].query == {"n": ["3"], "b": ["true"], "c": ["p", "q"]}
    assert script.seen[0].headers["Authorization"] == "Bearer secret"


def test_get_json_error_of_the_server_is_a_problem() -> None:
    body = {"title": "conflict", "detail": "start is illegal", "code": "NR-E301"}
    script = Script(json={"/x": (409, body), "/y": (500, b"oops")})
    with scripted_server(script):
        with pytest.raises(Problem, match=r"start is illegal \(NR-E301\)") as caught:
            Client(script.url).get_json("/x")
        assert (caught.value.status, caught.value.code) == (409, "NR-E301")
        with pytest.raises(Problem, match="500"):
            Client(script.url).get_json("/y")


def test_get_json_answer_that_is_no_json_is_an_error() -> None:
    script = Script(json={"/x": (200, b"<html>")})
    with scripted_server(script), pytest.raises(ClientError, match="no JSON"):
        Client(script.url).get_json("/x")


def test_get_json_nobody_there_is_unreachable(free_port: Callable[[], int]) -> None:
    with pytest.raises(Unreachable, match="refused"):
        Client(f"http://127.0.0.1:{free_port()}").get_json("/x")


@pytest.mark.parametrize("address", ["ftp://x", "http://", ""])
def test_client_wrong_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="no server address"):
        Client(address)


def test_stream_events_ends_with_the_connection() -> None:
    script = Script(streams=[b"retry: 5\n\n" + event("1", "a") + event("2", "b")])
    with scripted_server(script):
        opened: list[bool] = []
        got = list(
            Client(script.url).stream_events(
                ["audit"], ["a", "b"], ["m_1"], replay=False, on_open=lambda: opened.append(True)
            )
        )
    assert [message.id for message in got] == ["1", "2"]
    assert opened == [True]
    assert script.seen[0].path == STREAM
    assert script.seen[0].query == {
        "channels": ["audit"],
        "event_types": ["a", "b"],
        "entity_ids": ["m_1"],
        "replay_buffer": ["false"],
    }


def test_stream_events_without_json_is_an_error() -> None:
    script = Script(streams=[b"data: {\n\n"])
    with scripted_server(script), pytest.raises(ClientError):
        list(Client(script.url).stream_events())


def test_follow_events_resumes_after_the_last_event() -> None:
    """Across an end of the stream and an error of the server."""
    script = Script(
        streams=[b"retry: 40\n\n" + event("1", "a") + event("2", "a"), 503, event("3", "a")]
    )
    waits: list[float] = []
    states: list[str] = []
    got: list[str] = []
    with scripted_server(script):
        messages = Client(script.url).follow_events(
            replay=False, on_state=states.append, wait=waits.append
        )
        with pytest.raises(Problem, match="410"):
            got.extend(message.id for message in messages)
    assert got == ["1", "2", "3"]
    assert [seen.headers.get("Last-Event-ID") for seen in script.seen] == [None, "2", "2", "3"]
    # The first connection asks for no replay; a resumption has to have it.
    assert [seen.query["replay_buffer"] for seen in script.seen] == [
        ["false"],
        ["true"],
        ["true"],
        ["true"],
    ]
    assert waits == [0.04, 0.08, 0.04]
    assert states[0] == "connected"
    assert "ended" in states[1]


def test_follow_events_request_that_is_refused_is_not_tried_again() -> None:
    script = Script(streams=[422])
    with scripted_server(script), pytest.raises(Problem):
        next(Client(script.url).follow_events(["nonsense"]))
    assert len(script.seen) == 1


def test_follow_events_server_that_is_away_is_tried_again(free_port: Callable[[], int]) -> None:
    client = Client(f"http://127.0.0.1:{free_port()}")
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(client.follow_events(wait=wait))
    assert waits == [2.0, 2.0, 2.0]


def test_client_imports_nothing_but_the_standard_library() -> None:
    code = (
        "import sys; before = set(sys.modules); import neurorail.client;"
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    foreign = set(done.stdout.split()) - set(sys.stdlib_module_names) - {"neurorail"}
    assert foreign == set()
