"""The loop: timers in order, descriptors never starved, no wait that the kernel refuses."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops.supervisor.reactor import Reactor


class World:
    """A clock that a test sets, and what was called."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.called: list[str] = []
        self.reactor = Reactor(lambda: self.now)

    def set(self, key: str, when: float | None, word: str = "") -> None:
        self.reactor.at(key, when, lambda: self.called.append(word or key))

    def turn_at(self, now: float) -> list[str]:
        self.now = now
        self.called.clear()
        self.reactor.at("end the wait", now, lambda: None)
        self.reactor.turn()
        return list(self.called)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe2(os.O_NONBLOCK)
    yield ends
    for end in ends:
        os.close(end)


def test_timers_run_once_in_the_order_of_their_times(world: World) -> None:
    for key, when in (("c", 1003.0), ("a", 1001.0), ("b", 1002.0), ("later", 1010.0)):
        world.set(key, when)
    assert world.turn_at(1005.0) == ["a", "b", "c"]
    assert world.turn_at(1006.0) == []
    assert world.turn_at(1011.0) == ["later"]


def test_a_timer_is_moved_and_cleared_by_its_name(world: World) -> None:
    world.set("moved", 1001.0)
    world.set("moved", 1005.0)
    world.set("none", 1001.0)
    world.set("none", None)
    world.set("never", 1001.0)
    world.set("never", float("inf"))
    world.set("cancelled", 1001.0)
    world.reactor.cancel("cancelled")
    assert world.turn_at(1002.0) == []
    assert world.turn_at(1005.0) == ["moved"]


def test_the_newest_callback_of_a_timer_counts(world: World) -> None:
    world.set("t", 1001.0, "old")
    world.set("t", 1001.0, "new")
    assert world.turn_at(1001.0) == ["new"]


def test_a_timer_that_sets_itself_in_the_past_does_not_keep_descriptors_waiting(
    world: World, pipe: tuple[int, int]
) -> None:
    def again() -> None:
        world.called.append("timer")
        world.reactor.at("storm", 0.0, again)

    world.reactor.at("storm", 0.0, again)
    world.reactor.watch(pipe[0], lambda: world.called.append("descriptor"))
    os.write(pipe[1], b"x")
    for _ in range(3):
        world.called.clear()
        world.reactor.turn()
        assert world.called == ["timer", "descriptor"]


def test_a_time_in_a_hundred_years_is_waited_for(world: World, pipe: tuple[int, int]) -> None:
    world.set("far", 1000.0 + 100 * 365 * 86400.0)
    world.reactor.watch(pipe[0], lambda: world.called.append("descriptor"))
    os.write(pipe[1], b"x")
    world.reactor.turn()
    assert world.called == ["descriptor"]


def test_a_descriptor_that_is_forgotten_by_an_earlier_callback_is_not_called(world: World) -> None:
    pipes = [os.pipe() for _ in range(2)]

    def first_come(other: int) -> None:
        world.called.append("one")
        world.reactor.forget(other)

    for (end, writing), (other, _) in zip(pipes, reversed(pipes), strict=True):
        world.reactor.watch(end, lambda other=other: first_come(other))  # type: ignore[misc]
        os.write(writing, b"x")
    world.reactor.turn()
    assert world.called == ["one"]
    for end in (end for pair in pipes for end in pair):
        world.reactor.forget(end)
        os.close(end)


def test_who_waits_to_write_is_not_called_for_what_it_does_not_read(world: World) -> None:
    import socket

    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        while True:
            try:
                ours.send(b"x" * 65536)
            except BlockingIOError:
                break
        theirs.send(b"unread")
        world.reactor.watch(ours.fileno(), lambda: world.called.append("write"), write=True)
        assert world.turn_at(1001.0) == []


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.none() | st.floats(0, 100)), max_size=30))
def test_exactly_the_last_word_on_each_timer_holds(words: list[tuple[str, float | None]]) -> None:
    world = World()
    for key, when in words:
        world.set(key, when)
    expected = {key: when for key, when in words if when is not None and dict(words)[key] is not None}
    assert sorted(world.turn_at(1000.0)) == sorted(expected)


def test_a_loop_can_wait_for_another_by_its_descriptor_and_its_next_time(world: World, pipe: tuple[int, int]) -> None:
    outer = World()
    inner = world.reactor
    served: list[bytes] = []
    inner.watch(pipe[0], lambda: served.append(os.read(pipe[0], 16)))
    outer.reactor.watch(inner.fileno(), lambda: inner.turn(waiting=False))
    inner.at("late", world.now + 7.0, lambda: None)

    os.write(pipe[1], b"x")
    outer.turn_at(1001.0)

    assert served == [b"x"]
    assert inner.wait() == 7.0


def test_a_turn_that_does_not_wait_runs_what_is_due_and_returns(world: World) -> None:
    world.set("due", 999.0)
    world.set("later", 5000.0)

    world.reactor.turn(waiting=False)

    assert world.called == ["due"]


def test_a_closed_loop_forgets_without_complaint(world: World, pipe: tuple[int, int]) -> None:
    world.reactor.watch(pipe[0], lambda: None)
    world.set("never", 1.0)

    world.reactor.close()
    world.reactor.forget(pipe[0])

    assert world.called == []
