"""Where things stand on the page's time axis: pure geometry, bounded whatever the journal holds.

Positions are percent of the axis, so that the page scales without a script and its letters do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loops.projects.report.life import Cause, Lane, Mark, PhaseLife, Report, Session, Span, Window
from loops.projects.report.words import duration, shown, stamp

MOST_LANES = 60
MOST_BANDS = 120
MOST_MARKS = 2400
"""Markers on the whole page; a lane gets its share."""
FINE = 2000
"""Steps of the axis in which turns are told apart."""
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 432000)
_TICKS = 9

Point = tuple[float, str, str]
"""A time, the symbol that stands there, and what it says."""


@dataclass(frozen=True, slots=True)
class Tick:
    x: str
    label: str


@dataclass(frozen=True, slots=True)
class Bar:
    """``look``: the CSS class.  ``title``: what a reader sees who points at it."""

    x: str
    width: str
    look: str
    title: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Sign:
    """``look``: the id of the symbol."""

    x: str
    look: str
    title: str


@dataclass(frozen=True, slots=True)
class Row:
    """One agent's lane.  ``turns``: an SVG path over an axis of `FINE` steps."""

    name: str
    note: str
    bars: tuple[Bar, ...]
    turns: str
    holds: tuple[Bar, ...]
    signs: tuple[Sign, ...]
    nudges: tuple[Sign, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    ticks: tuple[Tick, ...]
    bands: tuple[Bar, ...]
    handoff: tuple[tuple[Sign, ...], ...]
    """What the Builder says; what the Adversary answers; what the engine says of its own checks and of done."""
    supervisor: tuple[Sign, ...]
    rows: tuple[Row, ...]
    hidden: int
    """Agents that have no row, because there are too many."""


def timeline(report: Report) -> Timeline:
    """Lay *report* out."""
    axis = Axis(_watched(report))
    lanes = sorted(report.lanes, key=lambda lane: -len(lane.sessions))[:MOST_LANES]
    kept = {lane.agent for lane in lanes}
    rows = [lane for lane in report.lanes if lane.agent in kept]
    slots = max(12, min(240, MOST_MARKS // (4 * max(1, len(rows)))))
    return Timeline(
        ticks=axis.ticks(),
        bands=tuple(_bands(axis, report.phases)),
        handoff=tuple(_signs(axis, 100, points) for points in _handoff(report.phases)),
        supervisor=_signs(axis, 120, _watches(report)),
        rows=tuple(_row(axis, slots, lane) for lane in rows),
        hidden=len(report.lanes) - len(rows),
    )


def _watched(report: Report) -> Span:
    """The time worth an axis: after the last phase only services run on, and they would squeeze all that matters."""
    if not report.complete or any(lane.kind == "persistent" and lane.sessions for lane in report.lanes):
        return report.span
    ends = [session.span.end for lane in report.lanes if lane.kind != "service" for session in lane.sessions]
    end = max((*ends, report.completions[-1].at)) if report.completions else report.span.end
    return Span(report.span.start, min(report.span.end, end + 0.03 * (end - report.span.start)))


class Axis:
    """Time to percent."""

    def __init__(self, span: Span) -> None:
        self.start = span.start
        self.length = max(span.length, 1e-3)

    def part(self, at: float) -> float:
        """The place of *at* as a part of the axis, 0 to 1."""
        return min(1.0, max(0.0, (at - self.start) / self.length))

    def x(self, at: float) -> str:
        return f"{self.part(at) * 100:.2f}%"

    def width(self, span: Span) -> str:
        return f"{max(0.12, (self.part(span.end) - self.part(span.start)) * 100):.2f}%"

    def ticks(self) -> tuple[Tick, ...]:
        step = next((step for step in _STEPS if self.length / step <= _TICKS), None)
        if step is None:
            step = _STEPS[-1] * (1 + int(self.length / _STEPS[-1] / _TICKS))
        count = int(self.length / step)
        return tuple(Tick(self.x(self.start + n * step), duration(n * step) if n else "0") for n in range(count + 1))


# ---- what stands on it -------------------------------------------------------------------------------------------------


def _bands(axis: Axis, phases: Sequence[PhaseLife]) -> Iterable[Bar]:
    for number, phase in enumerate(phases[-MOST_BANDS:]):
        name = shown(phase.id, 40)
        state = "done" if phase.done else "left" if phase.left else "under way"
        title = f"phase {name}: {state}, {duration(phase.span.length)} from {stamp(phase.span.start)} UTC"
        look = ("even" if number % 2 else "odd") if phase.done else "open"
        yield Bar(axis.x(phase.span.start), axis.width(phase.span), look, title, f"phase {name}")


_LOOKS = {
    Mark.CLAIM: (0, "claim"),
    Mark.DONE: (0, "done"),
    Mark.PASS: (1, "pass"),
    Mark.FAIL: (1, "fail"),
    Mark.UNCLEAR: (1, "message"),
    Mark.MESSAGE: (1, "message"),
    Mark.REFUSED: (2, "refused"),
    Mark.CHECKED: (2, "checked"),
    Mark.CHECK_FAILED: (2, "checkfailed"),
}
"""In which of the three lines of the handoff a mark stands, and as what."""


def _handoff(phases: Iterable[PhaseLife]) -> tuple[list[Point], ...]:
    found: tuple[list[Point], ...] = ([], [], [])
    for phase in phases:
        for entry in phase.entries:
            line, look = _LOOKS[entry.mark]
            who = f" by {shown(entry.author, 40)}" if entry.author else ""
            what = "; ".join(entry.details) or entry.text
            title = f"phase {shown(phase.id, 40)}: {entry.mark.value}{who}: {shown(what, 80)}"
            found[line].append((entry.at, look, title))
    return found


def _watches(report: Report) -> Iterable[Point]:
    for watch in report.watches:
        if watch.reboot:
            title = f"the machine was rebooted (reboot {watch.reboot}); supervisor {watch.epoch} took up what it had cut off"
            yield watch.at, "reboot", title
        elif watch.took_over:
            title = f"supervisor {watch.epoch} took over after a crash and adopted {watch.adopted} sessions"
            yield watch.at, "takeover", title
        else:
            yield watch.at, "begin", f"supervisor {watch.epoch} began"


def _row(axis: Axis, slots: int, lane: Lane) -> Row:
    holds = tuple(
        Bar(
            axis.x(window.span.start),
            axis.width(window.span),
            "hold",
            f"{window.kind}: {duration(window.span.length)}, {window.probes} probes; {shown(window.why, 80)}",
        )
        for window in _spread(lane.windows, 120)
    )
    nudges = (
        (nudge.delivered[0], "nudge", f"nudge {nudge.id} ({nudge.kind}), {_rule(nudge.rule)}: {shown(nudge.why, 80)}")
        for nudge in lane.nudges
        if nudge.delivered
    )
    note = " · ".join(
        part
        for part in (
            lane.kind,
            _many(len(lane.sessions), "session"),
            _many(len(lane.turns), "turn") if lane.turns else "",
            _many(lane.heals, "heal") if lane.heals else "",
        )
        if part
    )
    return Row(
        shown(lane.agent, 60),
        note,
        tuple(_bars(axis, slots, lane.sessions)),
        _path(axis, lane.turns),
        holds,
        _signs(axis, slots, _lives(lane.sessions)),
        _signs(axis, slots, nudges),
    )


def _bars(axis: Axis, slots: int, sessions: Sequence[Session]) -> Iterable[Bar]:
    """One bar a session, but one for all the short ones that begin in the same slot."""
    pending: list[Session] = []
    for session in sessions:
        slot = int(axis.part(session.span.start) * slots)
        if pending and slot != int(axis.part(pending[0].span.start) * slots):
            yield _bar(axis, pending)
            pending = []
        pending.append(session)
    if pending:
        yield _bar(axis, pending)


def _bar(axis: Axis, sessions: Sequence[Session]) -> Bar:
    first, last = sessions[0], sessions[-1]
    span = Span(first.span.start, last.span.end)
    look = "failed" if all(session.failed for session in sessions) else "session"
    if len(sessions) > 1:
        return Bar(axis.x(span.start), axis.width(span), look, f"{len(sessions)} sessions, {duration(span.length)}")
    about = ", ".join(shown(part, 40) for part in (f"phase {first.phase}" if first.phase else "", first.model) if part)
    title = f"session {first.incarnation}" + (f" ({about})" if about else "") + f": {duration(span.length)}; "
    title += f"{first.cause.value}: {shown(first.why, 80)}; {shown(first.ending, 100) or 'alive'}"
    return Bar(axis.x(span.start), axis.width(span), look, title)


def _lives(sessions: Sequence[Session]) -> Iterable[Point]:
    for session in sessions:
        if session.cause is Cause.HEAL:
            yield session.span.start, "heal", f"healed, session {session.incarnation}: {shown(session.why, 80)}"
        if session.killed:
            yield session.span.end, "kill", f"session {session.incarnation} was killed: {shown(session.ending, 80)}"
        elif session.failed:
            yield session.span.end, "fail", f"session {session.incarnation}: {shown(session.ending, 80)}"


def _path(axis: Axis, turns: Iterable[Span]) -> str:
    """All turns as one path; what lies closer together than one step of the axis runs into one."""
    found: list[list[int]] = []
    for turn in turns:
        begin = int(axis.part(turn.start) * FINE)
        end = max(begin + 1, round(axis.part(turn.end) * FINE))
        if found and begin <= found[-1][1]:
            found[-1][1] = max(found[-1][1], end)
        else:
            found.append([begin, end])
    return "".join(f"M{begin} 0h{end - begin}v1H{begin}z" for begin, end in found)


def _signs(axis: Axis, slots: int, points: Iterable[Point]) -> tuple[Sign, ...]:
    """One sign a point, but one for all of a look that fall into the same slot."""
    found: dict[tuple[int, str], tuple[float, str, int]] = {}
    for at, look, title in points:
        key = (int(axis.part(at) * slots), look)
        known = found.get(key)
        found[key] = (at, title, 1) if known is None else (known[0], known[1], known[2] + 1)
    return tuple(
        Sign(axis.x(at), look, f"{stamp(at)} UTC · {shown(title)}" + (f" (and {count - 1} more)" if count > 1 else ""))
        for (_, look), (at, title, count) in found.items()
    )


def _spread(windows: Sequence[Window], most: int) -> Sequence[Window]:
    return windows[:: max(1, -(-len(windows) // most))]


def _rule(rule: str) -> str:
    return f"rule {rule}" if rule else "no rule"


def _many(count: int, word: str) -> str:
    return f"{count} {word}" + ("" if count == 1 else "s")
