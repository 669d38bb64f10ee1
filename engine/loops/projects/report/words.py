"""Words for people: untrusted text made harmless, times, and one sentence an event."""

from __future__ import annotations

from datetime import UTC, datetime

from loops.supervisor import events as ev

CLIP = 240
"""Characters of one text from outside that are shown."""


def shown(text: object, limit: int = CLIP) -> str:
    """Return *text* on one line, bounded, and with nothing in it that a terminal or a bidirectional layout would obey."""
    line = " ".join(harmless(str(text)[: limit * 4]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def harmless(text: str) -> str:
    """Return *text* with every character that could be obeyed as a picture of itself, and every blank as a space."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c in _BLANKS else _picture(c) for c in text)


_BLANKS = "\t\n\r\xa0\u2007\u202f"


def _picture(character: str) -> str:
    code = ord(character)
    return chr(0x2400 + code) if code < 0x20 else "�"


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units: ``0.4 s``, ``1 min 5 s``, ``3 d 4 h``."""
    if seconds < 10 and seconds != int(seconds):
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, small, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"


def stamp(at: float) -> str:
    """Return a moment in UTC, to the second."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{at:.0f}"


def how(code: int | None, signal: int | None) -> str:
    """Say how a process ended."""
    if code is not None:
        return f"exit {code}"
    return f"signal {signal}" if signal is not None else "unknown end"


SILENT = (ev.SignalsRead, ev.EvidenceTaken, ev.TurnGoesOn, ev.WakeScheduled, ev.UsageUpdated)
"""Bookkeeping: in the journal, but no event in the life of a project."""


def group(event: ev.Event) -> str:
    """The part of the life that the event belongs to."""
    first = event.type.split(".", 1)[0]
    return _GROUPS.get(first, "supervisor")


_GROUPS = {
    "session": "sessions",
    "turn": "turns",
    "stall": "sessions",
    "limit": "limits",
    "budget": "limits",
    "nudge": "nudges",
    "wake": "nudges",
    "approval": "turns",
    "commit": "handoff",
    "check": "handoff",
    "done": "handoff",
    "phase": "handoff",
    "sequence": "handoff",
    "history": "handoff",
}


def sentence(event: ev.Event) -> str:
    """Say what happened."""
    match event:
        case ev.SupervisorStarted(pid=pid, epoch=epoch, adopted=adopted):
            return f"supervisor {epoch} began (pid {pid})" + (f" and adopted {adopted} sessions" if adopted else "")
        case ev.SupervisorEnded(why=why):
            return f"the supervisor ended: {why}"
        case ev.ConfigLoaded(digest=digest):
            return f"agents.toml was read ({digest[:10]})"
        case ev.ConfigRefused(problems=problems):
            return "an edit of agents.toml was refused: " + "; ".join(str(each) for each in problems)
        case ev.OperatorAsked(verb=verb, names=names):
            return f"the operator said {verb}" + (f" {', '.join(names)}" if names else "")
        case ev.SessionStarting(incarnation=number, phase=phase, model=model):
            return (
                f"session {number} is started" + (f", phase {phase}" if phase else "") + (f", {model}" if model else "")
            )
        case ev.SessionStarted(incarnation=number, pid=pid):
            return f"session {number} runs (pid {pid})"
        case ev.SessionFailed(incarnation=number, reason=reason):
            return f"session {number} could not be started: {reason}"
        case ev.SessionEnding(incarnation=number):
            return f"session {number} is ended"
        case ev.SessionEnded(incarnation=number, code=code, signal=signal):
            return f"session {number} ended ({how(code, signal)})"
        case ev.NudgeQueued(id=id, kind=kind):
            return f"nudge {id} ({kind}) waits"
        case ev.NudgeSending(id=id):
            return f"nudge {id} is typed"
        case ev.NudgeDelivered(id=id):
            return f"nudge {id} came through: a turn began"
        case ev.NudgeReturned(id=id, reason=reason):
            return f"nudge {id} did not come through: {reason}"
        case ev.NudgeDropped(id=id):
            return f"nudge {id} is dropped"
        case ev.TurnStarted(nudge=nudge):
            return "a turn began" + (f" (nudge {nudge})" if nudge else "")
        case ev.TurnCompleted():
            return "the turn ended"
        case ev.HoldBegan(kind=kind, probes=probes):
            return f"{kind}: " + (f"probe {probes}" if probes else "the agent is left alone")
        case ev.HoldEnded():
            return "the window is over"
        case ev.QuestionAsked(text=text):
            return f"waits for an answer: {text}"
        case ev.QuestionEnded(outcome=outcome):
            return f"the question is settled: {outcome}"
        case ev.CommitSeen(author=author, subject_line=subject, kind=kind):
            return f"{kind} by {author}: {subject}"
        case ev.CheckStarted(number=number, commit=commit):
            return f"checks {number} run in a fresh clone of {commit[:10]}"
        case ev.CheckCompleted(ok=ok, text=text):
            return ("checks succeeded: " if ok else "checks FAILED: ") + text
        case ev.DoneRefused(reasons=reasons):
            return "done was refused: " + "; ".join(reasons)
        case ev.PhaseStarted(phase=phase):
            return f"phase {phase} began"
        case ev.PhaseDone(phase=phase, commit=commit):
            return f"phase {phase} is done at {commit[:10]}"
        case ev.SequenceCompleted(phases=phases, task=task):
            return f"all {phases} phases are done" + (f"; {task} is run" if task else "")
        case ev.HistoryRewritten(old=old, new=new):
            return f"the branch was rewritten: {old[:10]} became {new[:10]}"
    return event.type.replace(".", " ").replace("_", " ")
