"""The conversation with a server: health, events, requests, what drops and what hangs."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from http_stub import CONNECTED, Stub, plain, raw, silent
from loops.runner import http_conversation
from loops.runner.http_conversation import HttpConversation, response


@pytest.fixture
def stub() -> Iterator[Stub]:
    server = Stub()
    yield server
    server.close()


@pytest.fixture
def talk(stub: Stub) -> Iterator[HttpConversation]:
    conversation = HttpConversation("opencode", "secret", "/global/health", "/event")
    conversation.begin(time.monotonic())
    yield conversation
    conversation.close()


def serve(talk: HttpConversation, until: Callable[[list[bytes]], bool]) -> list[bytes]:
    """Poll as the runner does until *until* holds of the lines."""
    lines: list[bytes] = []
    deadline = time.monotonic() + 60
    while not until(lines):
        assert time.monotonic() < deadline, lines
        poll = select.poll()
        for descriptor, events in talk.descriptors():
            poll.register(descriptor, events)
        wait = max(0.0, min(0.2, talk.due() - time.monotonic()))
        for descriptor, _ in poll.poll(wait * 1000 + 1):
            lines += talk.serve(descriptor, time.monotonic())
        lines += talk.tick(time.monotonic())
    return lines


def line(method: str, path: str, body: object = None) -> bytes:
    return json.dumps({"method": method, "path": path, "body": body}).encode()


def answers(lines: list[bytes]) -> list[dict[str, object]]:
    """The responses among *lines*; one may overtake the first event of the connection."""
    return [json.loads(found)["response"] for found in lines if b'"response"' in found]


def asked(stub: Stub) -> list[str]:
    return [name for name, _, _ in stub.requests]


def test_health_is_asked_then_events_are_heard_and_only_then_requests_done(stub, talk):
    stub.answers["POST /session"] = plain(b'{"id":"ses_1"}')
    talk.ask(line("POST", "/session", {"title": "é"}))
    talk.found(stub.port, time.monotonic())
    lines = serve(talk, lambda lines: len(lines) == 2)
    assert asked(stub) == ["GET /global/health", "GET /event", "POST /session"]
    assert CONNECTED in lines
    assert answers(lines) == [{"to": "POST /session", "status": 200, "body": {"id": "ses_1"}}]
    assert json.loads(stub.requests[2][2]) == {"title": "é"}
    assert all(b"Authorization: Basic b3BlbmNvZGU6c2VjcmV0\r\n" in head for _, head, _ in stub.requests)


def test_requests_are_done_one_after_the_other_in_their_order(stub, talk):
    talk.found(stub.port, time.monotonic())
    for number in range(20):
        stub.answers[f"POST /{number}"] = plain(b"true")
        talk.ask(line("POST", f"/{number}"))
    lines = serve(talk, lambda lines: len(lines) == 21)
    assert [found["to"] for found in answers(lines)] == [f"POST /{number}" for number in range(20)]
    assert asked(stub)[2:] == [f"POST /{number}" for number in range(20)]


def test_a_health_request_that_is_never_answered_is_asked_again(stub, talk, monkeypatch):
    monkeypatch.setattr(http_conversation, "HEALTH", 0.05)
    stub.answers["GET /global/health"] = silent
    talk.found(stub.port, time.monotonic())
    serve(talk, lambda lines: len(asked(stub)) >= 2)
    stub.answers["GET /global/health"] = plain(b"{}")
    assert serve(talk, lambda lines: bool(lines)) == [CONNECTED]


def test_a_server_that_is_not_healthy_yet_is_asked_again(stub, talk):
    stub.answers["GET /global/health"] = plain(b"no", 503)
    talk.found(stub.port, time.monotonic())
    serve(talk, lambda lines: len(asked(stub)) >= 2)
    stub.answers["GET /global/health"] = plain(b"{}")
    assert serve(talk, lambda lines: bool(lines)) == [CONNECTED]


def test_events_that_drop_are_heard_again_over_a_new_connection(stub, talk):
    talk.found(stub.port, time.monotonic())
    serve(talk, lambda lines: bool(lines))
    stub.emit(b'data: {"type":"a"}\n\ndata: {"ty')
    stub.hang_up()
    assert serve(talk, lambda lines: len(lines) == 2) == [b'{"type":"a"}', CONNECTED]
    assert asked(stub).count("GET /event") == 2


def test_requests_wait_while_no_events_are_heard(stub, talk):
    talk.found(stub.port, time.monotonic())
    serve(talk, lambda lines: bool(lines))
    listen = stub.answers["GET /event"]
    stub.answers["GET /event"] = plain(b"", 500)
    stub.hang_up()
    serve(talk, lambda lines: asked(stub).count("GET /event") >= 3)
    talk.ask(line("POST", "/session/s/abort"))
    serve(talk, lambda lines: asked(stub).count("GET /event") >= 5)
    assert "POST /session/s/abort" not in asked(stub)
    stub.answers["GET /event"] = listen
    lines = serve(talk, lambda lines: len(lines) == 2)
    assert [found["status"] for found in answers(lines)] == [404]


def test_silent_events_are_taken_for_a_dropped_connection(stub, talk, monkeypatch):
    monkeypatch.setattr(http_conversation, "SILENCE", 0.05)
    talk.found(stub.port, time.monotonic())
    serve(talk, lambda lines: lines.count(CONNECTED) == 2)


@pytest.mark.parametrize(
    "answer", [raw(b""), raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), raw(b"junk\r\n\r\n")]
)
def test_an_answer_that_breaks_off_is_status_zero_with_the_reason(stub, talk, answer):
    stub.answers["POST /x"] = answer
    talk.found(stub.port, time.monotonic())
    talk.ask(line("POST", "/x"))
    (found,) = answers(serve(talk, lambda lines: len(lines) == 2))
    assert found["status"] == 0
    assert str(found["body"]).startswith("no answer: ")


def test_an_answer_that_does_not_come_is_status_zero_and_the_next_request_is_done(stub, talk, monkeypatch):
    monkeypatch.setattr(http_conversation, "ANSWER", 1.0)
    stub.answers.update({"POST /hang": silent, "POST /next": plain(b"true")})
    talk.found(stub.port, time.monotonic())
    talk.ask(line("POST", "/hang"))
    talk.ask(line("POST", "/next"))
    lines = serve(talk, lambda lines: len(lines) == 3)
    assert [found["status"] for found in answers(lines)] == [0, 200]


def test_a_server_that_never_speaks_or_falls_silent_counts_as_lost(stub, talk):
    now = time.monotonic()
    assert not talk.lost(now)
    assert talk.lost(now + http_conversation.BOOT)
    talk.found(stub.port, now)
    serve(talk, lambda lines: bool(lines))
    assert not talk.lost(now + http_conversation.LOST / 2)
    assert talk.lost(time.monotonic() + http_conversation.LOST)


def test_a_port_where_nobody_listens_is_tried_again(stub, talk):
    with socket.socket() as silent_one:
        silent_one.bind(("127.0.0.1", 0))  # and listens not: so nobody else can take the port meanwhile
        talk.found(silent_one.getsockname()[1], time.monotonic())
        assert serve(talk, lambda lines: not talk.descriptors()) == []
    assert talk.due() <= time.monotonic() + http_conversation.AGAIN


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"a": [1,2]}', b'{"a": [1,2]}'),
        (b'{\n "a": 1\r\n}', b'{"a": 1}'),
        (b"", b"null"),
        (b"Internal \xff Error", b'"Internal \\ufffd Error"'),
        (b"[" * 100_000, None),
    ],
)
def test_every_body_is_told_on_one_line(body, told):
    found = response("GET /x", 200, body)
    assert b"\n" not in found
    assert json.loads(found)["response"]["to"] == "GET /x"
    assert told is None or found.endswith(b'"body": ' + told + b"}}")
