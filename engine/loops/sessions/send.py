"""Verified sending: one message into one terminal, as a pure state machine.

No clock, no file, no process: the supervisor feeds `advance` with what it saw, hands each `Write` to the holder, and
calls again at `due`.  What it promises, whatever the order of events:

* the text is typed at most once: every write has a fixed id and the holder types an id once, so that repeating it after
  a crash or a lost answer is safe;
* the submit key goes apart from the text, after a pause (a key within a paste is swallowed: upstream incident 16), and
  only when the text is known to be in the terminal;
* nothing is typed while a person's line is open, at a dialog, or into another incarnation of the session;
* "delivered" means that a turn started after the submit key, never that bytes were written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum

from loops.agents.port import DialogShown, TurnStarted, Typing
from loops.errors import SessionError
from loops.sessions.text import clean

LARGEST = 48_000
"""Most bytes of one message: what one write to the holder carries, and more than any agent should be told in one."""
LONGEST_LINE = 4_000
"""Most bytes without bracketed paste: a terminal in line mode drops what follows 4,095 of them (termios(3))."""
ANSWER_WITHIN = 5.0
"""Seconds in which the holder answers a write; then the same write is repeated under its id."""
LOOK_AGAIN = 1.0
"""Seconds between two attempts while a person's line is open or the terminal takes nothing."""
PATIENCE = 30.0
"""Seconds after which waiting for a person, or for an answer, is given up and left to the caller."""

_PASTE_BEGINS = b"\x1b[200~"
_PASTE_ENDS = b"\x1b[201~"
_UNSAFE = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_UNSAFE_TYPED = re.compile(rb"[\x00-\x1f\x7f]")


# ---- what is safe to type ------------------------------------------------------------------------------------------


def bracketed(text: str) -> bytes:
    """Return *text*, cleaned, as a bracketed paste.  CR parts its lines, as terminals do it for a pasted newline."""
    return _PASTE_BEGINS + clean(text).replace("\n", "\r").encode("utf-8", "replace") + _PASTE_ENDS


def one_line(text: str) -> bytes:
    """Return *text*, cleaned, on one line: for a program without bracketed paste, where CR submits."""
    return clean(text).replace("\n", " ").replace("\t", " ").encode("utf-8", "replace")


def check(paste: bytes) -> None:
    """Refuse bytes that would not arrive whole, or would do more than be text.

    Raises:
        SessionError: names the rule and the remedy.
    """
    if len(paste) > LARGEST:
        raise SessionError(
            f"a message of {len(paste)} bytes is too long to type (at most {LARGEST}): "
            "write it to a file and send its path"
        )
    is_bracketed = paste.startswith(_PASTE_BEGINS) and paste.endswith(_PASTE_ENDS)
    body = paste[len(_PASTE_BEGINS) : -len(_PASTE_ENDS)] if is_bracketed else paste
    unsafe = (_UNSAFE if is_bracketed else _UNSAFE_TYPED).search(body)
    if unsafe:
        raise SessionError(
            f"a message holds the control byte 0x{unsafe[0][0]:02x}, which would act on the terminal: "
            "make it with bracketed() or one_line()"
        )
    if not is_bracketed and len(body) > LONGEST_LINE:
        raise SessionError(
            f"a line of {len(body)} bytes would be cut by a terminal in line mode (at most {LONGEST_LINE}): "
            "write it to a file and send its path, or use a backend with bracketed paste"
        )


# ---- facts ---------------------------------------------------------------------------------------------------------


class Stage(Enum):
    """Where a message is on its way."""

    PASTING = "pasting"
    """The paste is with the holder; its answer is awaited."""
    HELD = "held"
    """The paste was refused (a person's line, a full terminal); it is tried again at ``due``."""
    PAUSING = "pausing"
    """The text is in the terminal; the submit key follows at ``due``."""
    SUBMITTING = "submitting"
    """A submit key is with the holder."""
    CONFIRMING = "confirming"
    """The submit key was pressed; the turn must start before ``due``."""
    ENDED = "ended"


class Outcome(Enum):
    """How a message ended.  Only the first means that the agent took it up; only BLOCKED_* may be sent anew."""

    DELIVERED = "delivered"
    UNCONFIRMED = "unconfirmed"
    """The text may be, or is, in the terminal, but no turn was seen to start.  Not to be typed again."""
    BLOCKED_BY_HUMAN = "blocked by a human's line"
    BLOCKED = "blocked"
    """A dialog was open, or the terminal took nothing: nothing was typed."""
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Sending:
    """One message on its way.  Times are those the caller passes as ``now``, in seconds of a clock that never jumps."""

    id: str
    incarnation: int
    typing: Typing
    stage: Stage
    presses: int
    """Submit keys issued so far."""
    due: float
    """When `advance` wants a `Tick`; infinite when it waits for nothing."""
    give_up: float
    """When waiting for a person, for room or for an answer ends."""
    refused: str = ""
    """Why the holder refused the last write; empty when it did not."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The holder typed this write, now or earlier."""

    write_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The holder typed nothing of this write.  ``reason``: human, full or gone."""

    write_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class SessionGone:
    """The process ended, or another incarnation runs."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; `now` tells how much."""


Seen = Accepted | Refused | TurnStarted | DialogShown | SessionGone | Tick


@dataclass(frozen=True, slots=True)
class Write:
    """Ask the holder to type *data* under *write_id*; with *guard* only when no person's line is open."""

    write_id: str
    data: bytes
    guard: bool = True


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing more will come of this sending."""

    outcome: Outcome


Step = Write | Finished
Advance = tuple[Sending, list[Step]]


# ---- the machine ---------------------------------------------------------------------------------------------------


def begin(id: str, incarnation: int, typing: Typing, now: float) -> Advance:
    """Start to send.

    Raises:
        SessionError: the paste is not safe to type (see `check`).
    """
    check(typing.paste)
    return _paste(Sending(id, incarnation, typing, Stage.PASTING, 0, now, now + PATIENCE), now)


def resume(id: str, incarnation: int, typing: Typing, presses: int, now: float) -> Advance:
    """Go on after a crash of the supervisor, from what the journal knows: *presses* submit keys had been issued.

    Repeats the last write under its own id: the holder either typed it, and says so, or types it now.
    """
    sending, steps = begin(id, incarnation, typing, now)
    if presses == 0:
        return sending, steps
    return _submit(replace(sending, presses=presses - 1), now)


def due(sending: Sending) -> float:
    """When to call `advance` with a `Tick`; infinite once the sending has ended."""
    return sending.due


def advance(sending: Sending, seen: Seen, now: float) -> Advance:
    """Take in one thing seen and return what to do.  Whatever does not concern this stage changes nothing."""
    if sending.stage is Stage.ENDED:
        return sending, []
    match seen:
        case SessionGone():
            return _end(sending, Outcome.GONE)
        case Refused(write_id, "gone") if write_id == _awaited(sending):
            return _end(sending, Outcome.GONE)
        case Accepted(write_id) if write_id == _awaited(sending):
            return _accepted(sending, now)
        case Refused(write_id, reason) if write_id == _awaited(sending):
            return _hold(sending, reason, now)
        case TurnStarted(nudge):
            return _turn_started(sending, nudge)
        case DialogShown():
            nothing_typed = sending.stage is Stage.HELD
            return _end(sending, Outcome.BLOCKED if nothing_typed else Outcome.UNCONFIRMED)
        case Tick() if now >= sending.due:
            return _time_passed(sending, now)
    return sending, []


def _awaited(sending: Sending) -> str:
    """The id of the write whose answer is awaited; empty when none is."""
    if sending.stage is Stage.PASTING:
        return f"{sending.id}.paste"
    return f"{sending.id}.submit.{sending.presses}" if sending.stage is Stage.SUBMITTING else ""


def _paste(sending: Sending, now: float) -> Advance:
    pasting = replace(sending, stage=Stage.PASTING, due=now + ANSWER_WITHIN, refused="")
    return pasting, [Write(_awaited(pasting), pasting.typing.paste)]


def _submit(sending: Sending, now: float) -> Advance:
    """Press the submit key once more; a key that the holder refused keeps its number."""
    number = sending.presses if sending.refused else sending.presses + 1
    pressing = replace(sending, stage=Stage.SUBMITTING, presses=number, due=now + ANSWER_WITHIN, refused="")
    return pressing, [Write(_awaited(pressing), pressing.typing.submit)]


def _accepted(sending: Sending, now: float) -> Advance:
    if sending.stage is Stage.PASTING:
        pause = now + sending.typing.pause
        return replace(sending, stage=Stage.PAUSING, due=pause, give_up=pause + PATIENCE), []
    confirm = now + sending.typing.confirm
    return replace(sending, stage=Stage.CONFIRMING, due=confirm, give_up=confirm + PATIENCE), []


def _hold(sending: Sending, reason: str, now: float) -> Advance:
    """Wait before the refused write is tried again: the text is in the terminal already when it was a submit key."""
    if sending.stage is Stage.PASTING:
        if now < sending.give_up:
            return replace(sending, stage=Stage.HELD, due=now + LOOK_AGAIN, refused=reason), []
        return _end(sending, Outcome.BLOCKED_BY_HUMAN if reason == "human" else Outcome.BLOCKED)
    if now < sending.give_up:
        return replace(sending, stage=Stage.PAUSING, due=now + LOOK_AGAIN, refused=reason), []
    return _end(sending, Outcome.UNCONFIRMED)


def _turn_started(sending: Sending, nudge: str) -> Advance:
    if nudge:
        return _end(sending, Outcome.DELIVERED) if nudge == sending.id else (sending, [])
    if sending.stage in (Stage.SUBMITTING, Stage.CONFIRMING):
        return _end(sending, Outcome.DELIVERED)
    if sending.stage is Stage.PAUSING and sending.refused == "human":
        # A person held the line that our text stands in, and submitted it, or something: another key would be a guess.
        return _end(sending, Outcome.UNCONFIRMED)
    return sending, []


def _time_passed(sending: Sending, now: float) -> Advance:
    match sending.stage:
        case Stage.HELD:
            return _paste(sending, now)
        case Stage.PAUSING:
            return _submit(sending, now)
        case Stage.CONFIRMING if sending.presses < sending.typing.presses:
            return _submit(sending, now)
        case Stage.PASTING | Stage.SUBMITTING if now < sending.give_up:
            data = sending.typing.paste if sending.stage is Stage.PASTING else sending.typing.submit
            return replace(sending, due=now + ANSWER_WITHIN), [Write(_awaited(sending), data)]
    return _end(sending, Outcome.UNCONFIRMED)


def _end(sending: Sending, outcome: Outcome) -> Advance:
    return replace(sending, stage=Stage.ENDED, due=float("inf")), [Finished(outcome)]
