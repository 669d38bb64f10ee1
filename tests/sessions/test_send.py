"""Verified sending: typed at most once, submitted apart, and only called delivered when a turn started."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops.agents.port import DialogShown, TurnStarted, Typing
from loops.errors import SessionError
from loops.sessions import send
from loops.sessions.send import (
    Accepted,
    Finished,
    Outcome,
    Refused,
    Seen,
    Sending,
    SessionGone,
    Stage,
    Step,
    Tick,
    Write,
    advance,
    begin,
    bracketed,
    clean,
    one_line,
    resume,
)

TYPING = Typing(paste=bracketed("hello"), submit=b"\r", pause=0.15, confirm=5.0, presses=3)
PASTE = Write("n1.paste", TYPING.paste)
FIRST_SUBMIT = Write("n1.submit.1", b"\r")


def run(*events: tuple[float, Seen]) -> tuple[Sending, list[Step]]:
    """Send n1 from time 0 on, feed it *events* and return where it stands and what the last one made it do."""
    sending, steps = begin("n1", 1, TYPING, 0.0)
    for now, seen in events:
        sending, steps = advance(sending, seen, now)
    return sending, steps


PASTED = (0.1, Accepted("n1.paste"))
PAUSED = (0.3, Tick())
SUBMITTED = (0.4, Accepted("n1.submit.1"))


def test_the_text_goes_first_and_alone() -> None:
    _, steps = run()
    assert steps == [PASTE]


def test_the_submit_key_follows_the_accepted_text_after_a_pause() -> None:
    assert run(PASTED)[1] == []
    assert run(PASTED, (0.2, Tick()))[1] == []
    assert run(PASTED, PAUSED)[1] == [FIRST_SUBMIT]


def test_a_turn_that_starts_after_the_submit_key_is_delivery() -> None:
    assert run(PASTED, PAUSED, SUBMITTED, (1.0, TurnStarted()))[1] == [Finished(Outcome.DELIVERED)]


def test_the_turn_may_be_seen_before_the_holder_answers() -> None:
    assert run(PASTED, PAUSED, (0.35, TurnStarted()))[1] == [Finished(Outcome.DELIVERED)]


def test_a_turn_that_started_before_our_submit_key_does_not_count() -> None:
    assert run((0.05, TurnStarted()))[1] == []
    assert run(PASTED, (0.2, TurnStarted()))[1] == []


def test_a_turn_that_names_another_message_does_not_count() -> None:
    assert run(PASTED, PAUSED, SUBMITTED, (1.0, TurnStarted("n2")))[1] == []
    assert run(PASTED, PAUSED, SUBMITTED, (1.0, TurnStarted("n1")))[1] == [Finished(Outcome.DELIVERED)]


def test_without_a_turn_the_key_is_pressed_again_and_never_the_text() -> None:
    sending, steps = run(PASTED, PAUSED, SUBMITTED, (5.5, Tick()))
    assert steps == [Write("n1.submit.2", b"\r")]
    assert sending.presses == 2


def test_after_the_last_key_it_ends_unconfirmed() -> None:
    presses = [
        PASTED, PAUSED, SUBMITTED,
        (5.5, Tick()), (5.6, Accepted("n1.submit.2")),
        (11.0, Tick()), (11.1, Accepted("n1.submit.3")),
        (17.0, Tick()),
    ]  # fmt: skip
    assert run(*presses)[1] == [Finished(Outcome.UNCONFIRMED)]


def test_a_human_line_holds_the_paste_back_until_it_is_closed() -> None:
    assert run((0.1, Refused("n1.paste", "human")), (0.5, Tick()))[1] == []
    assert run((0.1, Refused("n1.paste", "human")), (1.2, Tick()))[1] == [PASTE]


def test_a_human_line_that_stays_open_blocks_the_message_untyped() -> None:
    sending, steps = begin("n1", 1, TYPING, 0.0)
    now = 0.0
    while sending.stage is not Stage.ENDED:
        now = max(now, sending.due)
        if sending.stage is Stage.HELD:
            sending, steps = advance(sending, Tick(), now)
        else:
            sending, steps = advance(sending, Refused("n1.paste", "human"), now)
    assert steps == [Finished(Outcome.BLOCKED_BY_HUMAN)]


def test_a_refused_submit_key_is_pressed_later_under_the_same_number() -> None:
    assert run(PASTED, PAUSED, (0.4, Refused("n1.submit.1", "human")), (1.5, Tick()))[1] == [FIRST_SUBMIT]


def test_a_person_who_submits_the_line_with_our_text_ends_it_without_another_key() -> None:
    held = (0.4, Refused("n1.submit.1", "human"))
    assert run(PASTED, PAUSED, held, (0.9, TurnStarted()))[1] == [Finished(Outcome.UNCONFIRMED)]


def test_an_unanswered_write_is_repeated_under_its_own_id() -> None:
    assert run((5.1, Tick()))[1] == [PASTE]
    assert run(PASTED, PAUSED, (5.4, Tick()))[1] == [FIRST_SUBMIT]


def test_no_key_is_pressed_at_a_dialog() -> None:
    assert run(PASTED, PAUSED, SUBMITTED, (1.0, DialogShown("Trust?")))[1] == [Finished(Outcome.UNCONFIRMED)]
    assert run((0.1, Refused("n1.paste", "full")), (0.2, DialogShown("?")))[1] == [Finished(Outcome.BLOCKED)]


@pytest.mark.parametrize("before", [[], [PASTED], [PASTED, PAUSED], [PASTED, PAUSED, SUBMITTED]])
def test_nothing_is_typed_once_the_session_is_gone(before: list[tuple[float, Seen]]) -> None:
    sending, steps = run(*before, (1.0, SessionGone()))
    assert steps == [Finished(Outcome.GONE)]
    assert advance(sending, Tick(), 100.0) == (sending, [])


def test_the_holder_saying_gone_ends_it() -> None:
    assert run((0.1, Refused("n1.paste", "gone")))[1] == [Finished(Outcome.GONE)]


def test_after_a_crash_the_last_write_is_repeated_under_its_own_id() -> None:
    assert resume("n1", 1, TYPING, 0, 9.0)[1] == [PASTE]
    assert resume("n1", 1, TYPING, 2, 9.0)[1] == [Write("n1.submit.2", b"\r")]


# ---- any order of events -------------------------------------------------------------------------------------------


@dataclass
class Terminal:
    """A holder as `wire` demands it: it types an id once, and acknowledges it again when it is repeated."""

    typed: list[str] = field(default_factory=list)

    def write(self, step: Write, refusal: str) -> Seen:
        if step.write_id in self.typed:
            return Accepted(step.write_id)
        if refusal:
            return Refused(step.write_id, refusal)
        self.typed.append(step.write_id)
        return Accepted(step.write_id)


NOISE = st.sampled_from(
    [TurnStarted(), TurnStarted("n1"), TurnStarted("n2"), Tick(), Accepted("n0.paste"), Refused("n1.submit.9", "human"),
     DialogShown("?"), SessionGone(), "answer", "answer", "answer", "lose", "crash", "human", "full"]
)  # fmt: skip


@given(st.lists(st.tuples(NOISE, st.floats(0, 4)), max_size=60))
def test_in_any_order_the_text_is_typed_once_the_keys_follow_it_and_it_ends(events: list[tuple[object, float]]) -> None:
    terminal, now, submitted = Terminal(), 0.0, False
    sending, steps = begin("n1", 1, TYPING, now)
    writes = [step for step in steps if isinstance(step, Write)]
    forever = [(event, wait) for _ in range(60) for event, wait in (("answer", 0.0), (Tick(), 6.0))]
    for event, wait in [*events, *forever]:
        now += wait
        steps = []
        if isinstance(event, str):
            if event == "crash" and sending.stage is not Stage.ENDED:
                writes.clear()
                sending, steps = resume("n1", 1, TYPING, sending.presses, now)
            elif event == "lose":
                writes.clear()
            elif event in ("answer", "human", "full") and writes:
                answer = terminal.write(writes.pop(0), "" if event == "answer" else event)
                sending, steps = advance(sending, answer, now)
        else:
            sending, steps = advance(sending, event, now)  # type: ignore[arg-type]
        for step in steps:
            if isinstance(step, Write):
                submitted |= "submit" in step.write_id
                writes.append(step)
            elif step.outcome is Outcome.DELIVERED:
                assert isinstance(event, TurnStarted)
                assert submitted or event.nudge == "n1"
        assert sending.presses <= TYPING.presses
        assert sending.due == float("inf") or sending.stage is not Stage.ENDED
    assert sending.stage is Stage.ENDED
    assert terminal.typed.count("n1.paste") <= 1
    assert terminal.typed[:1] in ([], ["n1.paste"])
    assert len(set(terminal.typed)) == len(terminal.typed)


# ---- what is safe to type ------------------------------------------------------------------------------------------


@given(st.text())
def test_a_text_cannot_end_its_own_paste_or_act_on_the_terminal(text: str) -> None:
    send.check(bracketed(text[:10_000]))
    send.check(one_line(text[:500]))
    assert bracketed(text).count(b"\x1b") == 2


def test_an_escape_within_the_text_is_removed_whole() -> None:
    assert clean("a\x1b[201~\x1b[31mb\r\nc\x07\n") == "ab\nc"


def test_lines_of_a_paste_are_parted_by_carriage_returns() -> None:
    assert bracketed("one\ntwo\r\nthree\n") == b"\x1b[200~one\rtwo\rthree\x1b[201~"


@pytest.mark.parametrize(
    ("paste", "rule"),
    [
        (b"\x1b[200~" + b"x" * send.LARGEST + b"\x1b[201~", "too long"),
        (b"\x1b[200~a\x1b[201~rm -rf\x1b[201~", "0x1b"),
        (b"first line\rsecond", "0x0d"),
        (b"x" * 4096, "line mode"),
    ],
)
def test_what_would_not_arrive_whole_is_refused_with_its_remedy(paste: bytes, rule: str) -> None:
    with pytest.raises(SessionError, match=rule):
        begin("n1", 1, Typing(paste, b"\r"), 0.0)
