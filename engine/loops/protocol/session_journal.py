"""The orchestrator's own ``JOURNAL.md``: what one life of it leaves to the next, as ``## Session`` blocks.

A block has four sections, each a bold label with its text, and below them the events worth keeping::

    ## Session 2026-11-22T03:00:00Z

    **Left off:** phase 2 waits for the verdict on M3
    **Phase / loop state:** 2 of 5, both agents run
    **Open items:** the certificate ends on Friday
    **Notes:** none

    ### Event 03:12 — the Builder was restarted

    It had taken up no nudge for an hour.

`parse` never raises, and takes what people and models write.  The writers read back what they wrote and refuse, with
ProtocolError, what would be read as something else; so ``parse(write(x)) == x`` holds for all that they write.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from loops.errors import ProtocolError
from loops.protocol.markdown import Line, LineKind, rows, scan
from loops.protocol.moment import first_moment, iso
from loops.protocol.writers import appended

FIELDS = ("Left off", "Phase / loop state", "Open items", "Notes")

_SESSION = re.compile(r"session\b", re.IGNORECASE)
_EVENT = re.compile(r"event\b\s*(?P<clock>\d{1,2}:\d{2}(?::\d{2})?Z?)?\s*(?:[—–-]+\s*)?(?P<label>.*)", re.IGNORECASE)
_LABEL = re.compile(
    r"\s{0,3}(?:[-*+]\s+)?(?:\*\*|__)?(" + "|".join(map(re.escape, FIELDS)) + r")\s*[:.](?:\*\*|__)?[ \t]*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth keeping.  ``clock``: the time of day as written, empty when there is none."""

    clock: str
    label: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """One block.  ``at``: epoch seconds, None where the heading fixes no instant.  ``fields``: by the names of `FIELDS`."""

    at: float | None
    fields: Mapping[str, str]
    events: tuple[Event, ...] = ()
    source: str = ""
    """The block as it is written."""

    @property
    def complete(self) -> bool:
        """Whether every section is there and says something."""
        return all(self.fields.get(name) for name in FIELDS)


@dataclass(frozen=True, slots=True)
class SessionJournal:
    """A whole file: its blocks in the order of the file."""

    sessions: tuple[Session, ...]

    @property
    def newest(self) -> Session | None:
        """The latest by its time, where every block has one; else the last in the file."""
        if not self.sessions:
            return None
        if any(session.at is None for session in self.sessions):
            return self.sessions[-1]
        return max(reversed(self.sessions), key=lambda session: session.at or 0.0)  # of equal ones the last


def parse(text: str) -> SessionJournal:
    """Read the file's text."""
    lines, source = scan(text).lines, rows(text)
    heads = [line for line in lines if line.kind is LineKind.HEADING and line.level <= 2]
    found = []
    for head, following in zip_longest(heads, heads[1:]):
        if head.level == 2 and _SESSION.match(head.text):
            end = following.number - 1 if following is not None else len(source)
            inner = [line for line in lines if head.number < line.number <= end]
            found.append(_session(head, inner, source, end))
    return SessionJournal(tuple(found))


def _session(head: Line, inner: Sequence[Line], source: Sequence[str], end: int) -> Session:
    events = [line for line in inner if line.kind is LineKind.HEADING and line.level == 3]
    ends = [line.number - 1 for line in events[1:]] + [end] * bool(events)
    moment = first_moment(head.text)
    first = events[0].number - 1 if events else end
    return Session(
        at=moment.epoch if moment is not None else None,
        fields=_fields([line for line in inner if line.number <= first], source, first),
        events=tuple(_event(line, _text(source, line.number, last)) for line, last in zip(events, ends, strict=True)),
        source=_text(source, head.number - 1, end),
    )


def _fields(lines: Sequence[Line], source: Sequence[str], end: int) -> dict[str, str]:
    """The text of each section: the rest of its label's line and what follows, up to the next label."""
    marks = []
    for line in lines:
        label = _LABEL.match(line.source) if line.text else None
        if label is not None:
            name = next(name for name in FIELDS if name.lower() == label[1].lower())
            marks.append((name, line.number, line.source[label.end() :]))
    found: dict[str, str] = {}
    for place, (name, number, rest) in enumerate(marks):
        last = marks[place + 1][1] - 1 if place + 1 < len(marks) else end
        text = "\n".join([rest, *source[number:last]]).strip()
        if text:
            found.setdefault(name, text)
    return found


def _event(head: Line, text: str) -> Event:
    shape = _EVENT.match(head.text)
    return Event("", head.text, text) if shape is None else Event(shape["clock"] or "", shape["label"].strip(), text)


def _text(source: Sequence[str], first: int, last: int) -> str:
    return "\n".join(source[first:last]).strip()


# ---- writing -----------------------------------------------------------------------------------------------------------


def session_block(fields: Mapping[str, str], now: float) -> str:
    """The block of a session that rests at *now*; *fields* has a text for each of `FIELDS`."""
    wanted = {name: fields.get(name, "").strip() for name in FIELDS}
    missing = [name for name, text in wanted.items() if not text]
    if missing:
        raise ProtocolError(
            f"the session's block lacks {', '.join(missing)}: your next self knows only what stands there"
        )
    block = f"## Session {iso(now)}\n\n" + "\n\n".join(f"**{name}:** {text}" for name, text in wanted.items()) + "\n"
    read = parse(block).sessions
    unclosed = scan(block).unclosed
    if unclosed or len(read) != 1 or read[0].fields != wanted or read[0].events or read[0].source != block.strip():
        said = read[0].fields if len(read) == 1 else {}
        wrong = next(
            (name for name in FIELDS if said.get(name) != wanted[name] or scan(wanted[name]).unclosed), FIELDS[0]
        )
        raise ProtocolError(
            f"{wrong} holds a heading, an open fence or another section's label; indent such lines by four spaces or put "
            "them between closed ``` lines"
        )
    return block


def event_block(label: str, text: str, now: float) -> str:
    """The entry of something worth keeping; its time of day is UTC."""
    event = Event(time.strftime("%H:%MZ", time.gmtime(now)), " ".join(label.split()), text.strip())
    block = f"### Event {event.clock} — {event.label}\n" + (f"\n{event.text}\n" if event.text else "")
    read = parse(f"## Session\n\n{block}").sessions
    if not event.label or scan(block).unclosed or len(read) != 1 or read[0].events != (event,):
        raise ProtocolError(
            "an event has a label, which is one plain line, and a text without headings and open fences; indent such lines "
            "by four spaces or put them between closed ``` lines"
        )
    return block


def with_session(text: str, block: str) -> str:
    """*text* with *block* at its end; as it is, when its newest block says the very same, whenever that was written.

    An agent that was cut off behind the writing writes again, and must not double it.
    """
    newest, own = parse(text).newest, parse(block).newest
    if newest is not None and own is not None and newest.fields == own.fields:
        return text
    if scan(text).unclosed:
        raise ProtocolError(
            "the journal has a code fence or a comment without an end, which would hide a new block: close it"
        )
    return appended(text, block)


def with_event(text: str, block: str) -> str:
    """*text* with the event below its newest session; as it is, when that session's last event says the very same."""
    newest = parse(text).newest
    if newest is None:
        raise ProtocolError("the journal has no session yet: an event belongs below one, so write that first")
    (own,) = parse(f"## Session\n\n{block}").sessions[0].events
    if newest.events and (newest.events[-1].label, newest.events[-1].text) == (own.label, own.text):
        return text
    if scan(text).unclosed:
        raise ProtocolError(
            "the journal has a code fence or a comment without an end, which would hide an event: close it"
        )
    plain = "\n".join(rows(text))
    end = plain.rindex(newest.source) + len(newest.source)
    after = plain[end:].strip("\n")
    return appended(plain[:end], block) + (f"\n{after}\n" if after else "")
