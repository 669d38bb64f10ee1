"""The server as a process: its port found, its words kept apart, its death the link's end."""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator

import http_stub
import pytest
from loops.runner import http_link
from loops.runner.http_link import HttpLink
from loops.runner.link import NEVER, Ended, Received


@pytest.fixture
def link(tmp_path) -> Iterator[HttpLink]:
    server = HttpLink()
    yield server
    server.kill()
    if server.pid:
        until(server, lambda _: server.ended is not None)


def started(link: HttpLink, tmp_path, answers: str = "") -> HttpLink:
    (tmp_path / "answers").write_text(answers)
    argv = (sys.executable, http_stub.__file__, str(tmp_path / "answers"))
    link.start(argv, {"PATH": os.environ["PATH"]}, str(tmp_path))
    return link


def until(link: HttpLink, done: Callable[[list[Received]], bool]) -> list[Received]:
    lines: list[Received] = []
    deadline = time.monotonic() + 60
    while not done(lines):
        assert time.monotonic() < deadline, lines
        poll = select.poll()
        for descriptor, events in link.descriptors():
            poll.register(descriptor, events)
        wait = max(0.0, min(0.5, link.due() - time.monotonic()))
        for descriptor, events in poll.poll(wait * 1000 + 1):
            lines += link.serve(descriptor, events)
        lines += link.tick(time.monotonic())
    return lines


def test_the_port_is_read_from_what_the_server_prints_and_events_are_out_lines(link, tmp_path):
    lines = until(started(link, tmp_path), lambda lines: sum(stream == "out" for stream, _ in lines) == 1)
    assert link.port
    assert Received("err", b"booting") in lines
    assert [line for stream, line in lines if stream == "out"] == [http_stub.CONNECTED]


def test_each_run_has_a_password_of_its_own(link, tmp_path):
    started(link, tmp_path)
    link.send(b'{"method":"GET","path":"/secret","body":null}')
    lines = until(link, lambda lines: any(b"response" in line for _, line in lines))
    told = json.loads(next(line for _, line in lines if b"response" in line))
    assert told["response"]["body"] == link.password != HttpLink().password


def test_a_killed_server_ends_the_link_with_its_signal_and_nothing_is_left_open(link, tmp_path):
    gc.collect()  # what an earlier test of this process forgot to close is not to be missed below
    before = set(os.listdir("/proc/self/fd"))
    until(started(link, tmp_path), lambda lines: any(stream == "out" for stream, _ in lines))
    os.kill(link.pid, signal.SIGKILL)
    until(link, lambda _: link.ended is not None)
    assert link.ended == Ended(signal=signal.SIGKILL)
    assert (link.descriptors(), link.due()) == ((), NEVER)
    assert set(os.listdir("/proc/self/fd")) == before


def test_leaving_ends_the_server_at_once(link, tmp_path):
    until(started(link, tmp_path), lambda lines: any(stream == "out" for stream, _ in lines))
    link.leave()
    until(link, lambda _: link.ended is not None)
    assert link.ended == Ended(signal=signal.SIGTERM)


def test_a_program_that_ends_before_it_listens_has_its_complaint_told(link, tmp_path):
    link.start(("/bin/sh", "-c", "echo 'no such option' >&2; exit 3"), {}, str(tmp_path))
    lines = until(link, lambda _: link.ended is not None)
    assert (link.ended, lines) == (Ended(code=3), [Received("err", b"no such option")])


def test_pipes_that_a_grandchild_holds_do_not_keep_the_link_open(link, tmp_path):
    link.start(("/bin/sh", "-c", "sleep 60 & printf half; exit 0"), {"PATH": os.environ["PATH"]}, str(tmp_path))
    lines = until(link, lambda _: link.ended is not None)
    assert lines == [Received("err", b"half")]


def test_a_server_that_says_nothing_any_more_is_killed(link, tmp_path, monkeypatch):
    until(started(link, tmp_path), lambda lines: any(stream == "out" for stream, _ in lines))
    os.kill(link.pid, signal.SIGSTOP)
    monkeypatch.setattr(http_link.HttpConversation, "lost", lambda self, now: True)
    until(link, lambda _: link.ended is not None)
    assert link.ended == Ended(signal=signal.SIGKILL)


def test_a_program_that_is_not_there_is_an_error_at_once(link, tmp_path):
    with pytest.raises(FileNotFoundError, match="nonesuch"):
        link.start(("/nonesuch",), {}, str(tmp_path))
