"""Sending into real programs through a real holder; a turn counts as started when the program says so."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from holder_room import PATIENCE, eventually, python
from loops.agents.port import TurnStarted, Typing
from loops.sessions.send import Outcome, Sending, Stage, Tick, Write, advance, begin, bracketed, resume
from test_attach import person
from view_project import Project, project

COMPOSER = (
    "import os,sys,tty; tty.setraw(0); text, enters = b'', 0\n"
    "os.write(1, b'\\x1b[?2004hready\\r\\n')\n"
    "while True:\n"
    "  text += os.read(0, 100)\n"
    "  paste, end, keys = text.partition(b'\\x1b[201~')\n"
    "  if end and keys:\n"
    "    enters += keys.count(b'\\r'); text = paste + end\n"
    "    if enters >= int(sys.argv[1]):\n"
    "      os.write(1, b'turn: %d pastes, %d lines' % (text.count(b'\\x1b[200~'), paste.count(b'\\r') + 1))\n"
    "      text, enters = b'', 0\n"
)
"""A program that takes up what was pasted at the n-th Enter: the ones before are swallowed (upstream incident 16)."""
TYPING = Typing(
    bracketed("\n".join(f"line {number}" for number in range(1000))), b"\r", pause=0.02, confirm=0.3, presses=100
)
"""More presses than any of these programs needs: on a busy machine one of them may take up an Enter late."""


@pytest.fixture
def held() -> Iterator[Project]:
    with project() as made:
        yield made


def run(held: Project, sending: Sending, steps: list[object], seconds: float = PATIENCE) -> Outcome:
    """Be the supervisor of one sending until it ends."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for step in steps:
            if isinstance(step, Write):
                sending, steps = advance(sending, held.type("a", step), time.monotonic())
            else:
                return step.outcome  # type: ignore[attr-defined,no-any-return]
        if not steps:
            seen = TurnStarted() if b"turn:" in held.logged("a") else Tick()
            sending, steps = advance(sending, seen, time.monotonic())
            time.sleep(0 if steps else 0.01)
    raise AssertionError(sending.stage)


def test_a_message_of_a_thousand_lines_arrives_whole_and_starts_its_turn(held: Project) -> None:
    held.spawn("a", python(COMPOSER, "1"))
    seat = person(held, "a")
    seat.expect("ready")
    assert run(held, *begin("n1", 1, TYPING, time.monotonic())) is Outcome.DELIVERED
    seat.expect_exact("turn: 1 pastes, 1000 lines")


def test_a_swallowed_enter_is_pressed_again_and_the_text_is_not(held: Project) -> None:
    held.spawn("a", python(COMPOSER, "3"))
    seat = person(held, "a")
    seat.expect("ready")
    assert run(held, *begin("n1", 1, TYPING, time.monotonic())) is Outcome.DELIVERED
    seat.expect_exact("turn: 1 pastes, 1000 lines")


def test_a_program_that_never_starts_a_turn_ends_unconfirmed(held: Project) -> None:
    held.spawn("a", python(COMPOSER, "99"))
    eventually(lambda: b"ready" in held.logged("a"))
    typing = replace(TYPING, presses=3)
    assert run(held, *begin("n1", 1, typing, time.monotonic())) is Outcome.UNCONFIRMED


def test_a_persons_draft_holds_the_message_back_until_it_is_sent(held: Project) -> None:
    held.spawn("a", python(COMPOSER, "1"))
    seat = person(held, "a")
    seat.expect("ready")
    seat.send("my draft")
    held.wait_for_draft("a")
    sending, (paste,) = begin("n1", 1, TYPING, time.monotonic())
    sending, _ = advance(sending, held.type("a", paste), time.monotonic())  # type: ignore[arg-type]
    assert sending.stage is Stage.HELD
    seat.send("\x15")
    assert run(held, sending, []) is Outcome.DELIVERED
    seat.expect_exact("turn: 1 pastes")


def test_a_successor_after_a_crash_types_nothing_twice(held: Project) -> None:
    held.spawn("a", python(COMPOSER, "2"))
    eventually(lambda: b"ready" in held.logged("a"))
    sending, steps = begin("n1", 1, TYPING, time.monotonic())
    for step in steps:
        sending, _ = advance(sending, held.type("a", step), time.monotonic())  # type: ignore[arg-type]
    assert run(held, *resume("n1", 1, TYPING, sending.presses, time.monotonic())) is Outcome.DELIVERED
    assert b"turn: 1 pastes, 1000 lines" in held.logged("a")
