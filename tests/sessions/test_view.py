"""The views on a real tmux server and a real holder, with people played by pexpect.

``LOOPS_TEST_TMUX`` names another tmux than the one on the PATH.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from holder_room import PATIENCE, eventually, python
from loops.sessions.tmux import LISTING, panes
from loops.sessions.view import Failed, Ready, ServerGone, TmuxMissing, View, ViewEvent
from view_project import RELAY, Project, end, project

TMUX = os.environ.get("LOOPS_TEST_TMUX", "tmux")
ECHO = (
    "import os,sys,tty; tty.setraw(0); os.write(1, b'I am %s\\r\\n' % sys.argv[1].encode())\n"
    "while True: os.write(1, repr(os.read(0, 4096)).encode())"
)


@pytest.fixture
def held() -> Iterator[Project]:
    with project() as made:
        yield made


def view_of(held: Project, eager: int = 24) -> View:
    return View(str(held.root / "t"), [*RELAY, "--no-detach", held.socket], eager=eager, program=TMUX)


@pytest.fixture
def view(held: Project) -> Iterator[View]:
    made = view_of(held)
    yield made
    made.close()


@pytest.fixture
def parked(held: Project) -> Iterator[View]:
    made = view_of(held, eager=0)
    yield made
    made.close()


def next_event(view: View, seconds: float = PATIENCE) -> ViewEvent:
    """Wait as the supervisor does: for the descriptor, and for what is due."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        events = view.poll(time.monotonic())
        if events:
            return events[0]
        due = view.due()
        select.select([view], [], [], max(min(due if due is not None else end, end) - time.monotonic(), 0))
    raise AssertionError("no event")


def ensure(view: View, wanted: dict[str, str]) -> ViewEvent:
    view.ensure(wanted, time.monotonic())
    return next_event(view)


def tmux(view: View, *words: str) -> str:
    argv = [TMUX, "-u", "-S", view._socket, *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout


def attached(view: View, name: str) -> pexpect.spawn:
    environment = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    environment.pop("TMUX", None)
    argv = ["-u", "-S", view._socket, "attach", "-t", name]
    return pexpect.spawn(TMUX, argv, dimensions=(30, 100), timeout=PATIENCE, env=environment)


def echo(held: Project, *names: str) -> None:
    for name in names:
        held.spawn(name, python(ECHO, name))


def relays(view: View) -> list[str]:
    """The sessions whose pane has a process."""
    lines = tmux(view, "list-panes", "-a", "-F", "#{pane_dead} #{session_name}").splitlines()
    return sorted(line[2:] for line in lines if line[0] == "0")


def test_a_person_attaches_sees_the_session_and_types_into_it(held: Project, view: View) -> None:
    echo(held, "a", "b")
    assert ensure(view, {"p-a": "a", "p-b": "b"}) == Ready()
    assert tmux(view, "list-sessions", "-F", "#S").split() == ["p-a", "p-b"]
    seat = attached(view, "p-b")
    seat.expect_exact("I am b")
    seat.send("hello")
    seat.expect_exact(repr(b"hello"))


def test_a_parked_view_gets_its_relay_when_a_person_attaches(held: Project, parked: View) -> None:
    echo(held, "a", "b")
    assert ensure(parked, {"p-a": "a", "p-b": "b"}) == Ready()
    eventually(lambda: relays(parked) == [])
    seat = attached(parked, "p-a")
    seat.expect_exact("I am a")
    seat.send("x")
    seat.expect_exact(repr(b"x"))
    assert relays(parked) == ["p-a"]


def test_a_parked_view_gets_its_relay_when_a_person_switches_to_it(held: Project, parked: View) -> None:
    echo(held, "a", "b")
    assert ensure(parked, {"p-a": "a", "p-b": "b"}) == Ready()
    seat = attached(parked, "p-a")
    seat.expect_exact("I am a")
    tmux(parked, "switch-client", "-t", "p-b")
    seat.expect_exact("I am b")
    assert relays(parked) == ["p-a", "p-b"]


def test_a_view_that_its_person_left_is_parked_again(held: Project, parked: View) -> None:
    echo(held, "a")
    assert ensure(parked, {"p-a": "a"}) == Ready()
    seat = attached(parked, "p-a")
    seat.expect_exact("I am a")
    tmux(parked, "detach-client", "-s", "=p-a")
    seat.expect(pexpect.EOF)
    assert ensure(parked, {"p-a": "a"}) == Ready()
    eventually(lambda: relays(parked) == [])


def test_a_dead_relay_stays_visible_and_is_started_again(held: Project, view: View) -> None:
    echo(held, "a")
    assert ensure(view, {"p-a": "a"}) == Ready()
    end(int(tmux(view, "display-message", "-p", "-t", "=p-a:", "#{pane_pid}")))
    eventually(lambda: relays(view) == [])
    assert ensure(view, {"p-a": "a"}) == Ready()
    assert relays(view) == ["p-a"]


def test_killing_the_tmux_server_costs_no_session_and_the_views_come_back(held: Project, view: View) -> None:
    pid = held.spawn("a", python(ECHO, "a"))
    assert ensure(view, {"p-a": "a"}) == Ready()
    first = view.server_pid
    end(first)
    assert next_event(view) == ServerGone()
    os.kill(pid, 0)
    assert ensure(view, {"p-a": "a"}) == Ready()
    assert view.server_pid not in (0, first)
    seat = attached(view, "p-a")
    seat.expect_exact("I am a")
    seat.send("alive")
    seat.expect_exact(repr(b"alive"))


def test_a_server_whose_socket_was_removed_makes_it_again(held: Project, view: View) -> None:
    assert ensure(view, {"p-a": "a"}) == Ready()
    server = view.server_pid
    os.unlink(view._socket)
    assert ensure(view, {"p-a": "a", "p-b": "b"}) == Ready()
    assert view.server_pid == server


def test_a_server_that_cannot_be_reached_any_more_is_not_left_behind(held: Project, view: View) -> None:
    assert ensure(view, {"p-a": "a"}) == Ready()
    lost = os.pidfd_open(view.server_pid)
    os.unlink(view._socket)
    other = View(view._socket, [*RELAY, held.socket], program=TMUX)
    assert ensure(other, {"p-a": "a"}) == Ready()
    assert ensure(view, {"p-a": "a"}) == Ready()
    assert view.server_pid == other.server_pid
    assert select.select([lost], [], [], PATIENCE)[0]
    os.close(lost)
    other.close()


def test_a_stopped_server_fails_the_errand_and_never_the_caller(held: Project, view: View) -> None:
    assert ensure(view, {"p-a": "a"}) == Ready()
    server = view.server_pid
    os.kill(server, signal.SIGSTOP)
    try:
        now = time.monotonic()
        view.ensure({"p-a": "a", "p-b": "b"}, now)
        assert view.poll(now) == []
        (event,) = view.poll(now + 6.0)
    finally:
        os.kill(server, signal.SIGCONT)
    assert isinstance(event, Failed)
    assert f"kill -CONT {server}" in event.reason
    assert ensure(view, {"p-a": "a", "p-b": "b"}) == Ready()


def test_a_persons_own_session_on_our_socket_is_left_alone(held: Project, view: View) -> None:
    assert ensure(view, {"p-a": "a"}) == Ready()
    tmux(view, "new-session", "-d", "-s", "mine", "sleep", "100")
    event = ensure(view, {"mine": "b"})
    assert isinstance(event, Failed)
    assert "is not ours" in event.reason
    assert tmux(view, "list-sessions", "-F", "#S").split() == ["mine"]
    tmux(view, "kill-server")


def test_a_persons_own_window_ends_with_its_command_as_usual(held: Project, view: View) -> None:
    assert ensure(view, {"p-a": "a"}) == Ready()
    tmux(view, "new-session", "-d", "-s", "mine", "true")
    tmux(view, "split-window", "-d", "-t", "=p-a:", "true")
    tmux(view, "new-window", "-d", "-t", "=p-a:", "true")
    eventually(lambda: tmux(view, "list-panes", "-a", "-F", "#S").split() == ["p-a"])


def test_closing_ends_our_views_and_keeps_a_persons_session(held: Project) -> None:
    view = view_of(held)
    assert ensure(view, {"p-a": "a"}) == Ready()
    tmux(view, "new-session", "-d", "-s", "mine", "sleep", "100")
    view.close()
    assert tmux(view, "list-sessions", "-F", "#S").split() == ["mine"]
    tmux(view, "kill-server")


def test_closing_ends_even_a_stopped_server(held: Project) -> None:
    view = view_of(held)
    assert ensure(view, {"p-a": "a"}) == Ready()
    server = view.server_pid
    watch = os.pidfd_open(server)
    os.kill(server, signal.SIGSTOP)
    view.close(within=0.2)
    assert select.select([watch], [], [], PATIENCE)[0]
    os.close(watch)


def test_a_dropped_view_goes_and_the_others_stay(held: Project, view: View) -> None:
    assert ensure(view, {"p-a": "a", "p-b": "b"}) == Ready()
    view.drop(["p-a"], time.monotonic())
    assert next_event(view) == Ready()
    assert tmux(view, "list-sessions", "-F", "#S").split() == ["p-b"]


def test_a_change_during_an_errand_is_not_forgotten(held: Project, view: View) -> None:
    view.ensure({"p-a": "a"}, time.monotonic())
    view.ensure({"p-b": "b"}, time.monotonic())
    assert next_event(view) == Ready()
    assert tmux(view, "list-sessions", "-F", "#S").split() == ["p-b"]


def test_names_of_every_kind_get_a_view_of_their_own(held: Project, view: View) -> None:
    names = ["=eq", "-dash", "a:b", "a.b", "$(touch x)", "#(touch y)", "it's", 'say "x"', "träger", "0", "{", "%1", "*"]
    echo(held, *names)
    assert ensure(view, {f"p{name}": name for name in names if name != "a.b"} | {"other": "a.b"}) == Ready()
    shown = {pane.holder: pane.id for pane in panes(tmux(view, "list-panes", "-a", "-F", LISTING))}
    assert sorted(shown) == sorted(names)
    for name, id in shown.items():
        eventually(lambda id=id, name=name: f"I am {name}" in tmux(view, "capture-pane", "-p", "-t", id))


def test_two_names_that_tmux_cannot_tell_apart_are_reported(held: Project, view: View) -> None:
    event = ensure(view, {"a:b": "one", "a.b": "two"})
    assert isinstance(event, Failed)
    assert "rename 'two'" in event.reason


def test_without_tmux_the_remedy_is_named(tmp_path: Path) -> None:
    view = View(str(tmp_path / "t"), RELAY, program="no-such-tmux")
    event = ensure(view, {"p-a": "a"})
    assert isinstance(event, TmuxMissing)
    assert "loops attach" in event.reason
    view.close()
