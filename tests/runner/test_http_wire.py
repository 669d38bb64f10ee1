"""HTTP answers and server-sent events from bytes, however these are cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops.runner.http_wire import HEAD_LIMIT, Answer, BrokenAnswer, Events, question

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Other: a: b\r\n\r\n"
    b"5\r\nhello\r\nA;name=value\r\n, chunked \r\n5\r\nworld\r\n0\r\nTrailer: x\r\n\r\n"
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[begin:end] for begin, end in itertools.pairwise(edges)]


def fed(data: bytes, cuts: list[int] | None = None) -> tuple[Answer, bytes]:
    answer = Answer()
    return answer, b"".join(answer.feed(piece) for piece in pieces(data, cuts or []))


@given(st.lists(st.integers(0, 500)))
def test_a_chunked_answer_is_the_same_however_it_is_cut(cuts):
    answer, body = fed(CHUNKED, cuts)
    assert (answer.status, answer.done, body) == (200, True, b"hello, chunked world")


@given(st.binary(max_size=300), st.lists(st.integers(0, 500)))
def test_an_answer_with_a_length_is_the_same_however_it_is_cut(content, cuts):
    answer, body = fed(b"HTTP/1.1 404 Not Found\r\ncontent-length: %d\r\n\r\n%s" % (len(content), content), cuts)
    assert (answer.status, answer.done, body) == (404, True, content)


def test_an_answer_without_length_ends_with_the_connection():
    answer, body = fed(b"HTTP/1.1 200 OK\r\n\r\nall of it")
    assert (body, answer.done) == (b"all of it", False)
    answer.close()
    assert answer.done


def test_no_content_has_no_body():
    assert fed(b"HTTP/1.1 204 No Content\r\nVary: Origin\r\n\r\n")[0].done


def test_a_continue_comes_before_the_answer():
    answer, body = fed(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert (answer.status, body) == (200, b"ok")


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcdef",
        b"x" * (HEAD_LIMIT + 1),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * (HEAD_LIMIT + 1),
    ],
)
def test_what_is_no_answer_is_refused(data):
    with pytest.raises(BrokenAnswer):
        fed(data)


@pytest.mark.parametrize("end", [10, 30, 60, 75, len(CHUNKED) - 3])
def test_an_answer_that_breaks_off_is_no_answer(end):
    answer, _ = fed(CHUNKED[:end])
    with pytest.raises(BrokenAnswer):
        answer.close()


@given(st.lists(st.binary(max_size=80), max_size=8))
def test_any_bytes_give_an_answer_or_one_error(parts):
    answer = Answer()
    try:
        for part in parts:
            answer.feed(part)
        answer.close()
    except BrokenAnswer:
        pass


@given(st.lists(st.integers(0, 500)))
def test_events_are_the_same_however_they_are_cut(cuts):
    stream = b': comment\r\nevent: x\ndata: {"a":1}\n\ndata:{"b":\xff}\r\n\r\nid: 3\n\ndata: {\ndata: }\n\ndata: half'
    events = Events()
    found = [payload for piece in pieces(stream, cuts) for payload in events.feed(piece)]
    assert found == [b'{"a":1}', b'{"b":\xff}', b"{ }"]


def test_a_long_event_in_many_pieces_is_one_line():
    events = Events()
    found = [payload for _ in range(2000) for payload in events.feed(b"data: " * (not _) + b"x" * 1000)]
    assert found == []
    assert events.feed(b"\n\n") == [b"x" * 2_000_000]


def test_a_question_says_who_asks_and_closes_its_connection():
    text = question("POST", "/a", "127.0.0.1", "Basic eA==", b"{}")
    assert text.startswith(b"POST /a HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic eA==\r\n")
    assert text.endswith(b"Connection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
    assert b"Content-Length" not in question("POST", "/a", "h", "b", None)
