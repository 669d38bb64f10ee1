"""What every mapping has: the run's state, and the lines that mean the same for every backend."""

from __future__ import annotations

from typing import Any

from loops.known.model import Meaning
from loops.streams.approvals import Approvals
from loops.streams.event import Fact
from loops.streams.reading import Document, count, first_text, flag, identity, number, text, whole
from loops.streams.texts import Failure, Texts
from loops.streams.turn import Turn, failed

Facts = list[Fact]
_CALLS = 2000
"""Tool calls whose names are kept: more never run at a time."""


class Reader:
    """One run of one backend.  A mapping overrides `heard` (stream out), `sent` (in) and `hooked` (hook)."""

    quiet: tuple[bytes, ...] = ()
    """Beginnings of lines from the agent that say nothing new (pieces of a text that comes whole), nor need be read."""

    def __init__(self, run: str, texts: Texts, conversation: str = "") -> None:
        self.texts = texts
        self._run = run
        self.turn = Turn()
        self.approvals = Approvals(run)
        self.conversation = ""
        """The backend's id, once it said it: the subject of the events."""
        self._open = False
        """That conversation was named, and nobody has said its end yet."""
        self.version = ""
        self.model = ""
        self._resumed = conversation
        """What the run was to resume."""
        self._state = ("", 0, False)
        self._complaint: Failure | None = None
        """What a line of plain text said last, if it had a meaning."""
        self._calls: dict[str, tuple[str, Any]] = {}

    # ---- a mapping's own part ----------------------------------------------------------------------------------------

    def heard(self, document: Document, now: float) -> Facts | None:
        """Read one line from the agent.  None: a kind of line that is not known."""
        return None

    def sent(self, document: Document, now: float) -> Facts | None:
        """Read one line to the agent."""
        return None

    def hooked(self, document: Document, now: float) -> Facts | None:
        """Read the payload of one hook."""
        return None

    # ---- every backend -----------------------------------------------------------------------------------------------

    def read(self, stream: str, document: Document, now: float) -> Facts | None:
        """Read one document of *stream*."""
        if stream == "out":
            return self.heard(document, now)
        if stream == "in":
            return self.sent(document, now)
        if stream == "hook":
            return self.hooked(document, now)
        return self.own(document, now) if stream == "runner" else None

    def complain(self, line: str, now: float) -> Facts:
        """Read a line of plain text: standard error, or what should have been JSON."""
        line = line.strip()
        if not line:
            return []
        meaning = self.texts.meaning(line)
        if meaning is None:
            return [Fact("warning", {"class": "other", "code": "stderr", "message": line})]
        self._complaint = self.texts.failure(line, now, named=meaning)
        return [Fact("error", failed(self._complaint))]

    def own(self, document: Document, now: float) -> Facts | None:
        """Read one fact of the runner (`loops.streams.recording` lists them)."""
        match document.get("type"):
            case "process.started":
                return [Fact("run.started", _some(document, "pid", "argv", "cwd", "engine_version"))]
            case "ready":
                return self.state("waiting_input", "runner")
            case "process.ended":
                return self._ended(document)
            case "interrupted":
                return self._interrupted(document)
            case "approval.answered":
                outcome = "granted" if flag(document, "allow") else "denied"
                by = text(document, "by") or "human"
                return self.approvals.end(identity(document.get("request")), outcome, by, text(document, "reason"))
            case "approval.preseeded":
                data = {"approval_id": f"{self._run}-{text(document, 'name')}", "by": "preseed", "decision": "allow"}
                return [Fact("approval.granted", {**data, "text": text(document, "text")})]
            case "recording.failed":
                words = text(document, "message")
                return [Fact("warning", {"class": "other", "code": "recording", "message": words})]
            case "resume.failed":
                return self.resume_failed(text(document, "reason"))
            case "approval.expired":
                request = identity(document.get("request"))
                return self.approvals.end(request, "expired", "runner", text(document, "reason"))
            case "silence":
                seconds = number(document, "seconds") or 0
                return [Fact("loop.suspected", {"pattern": "silence", "count": int(seconds)})]
            case _:
                return None

    def _interrupted(self, document: Document) -> Facts:
        self.turn.interrupted = text(document, "reason") or "interrupted"
        by = text(document, "by") or "runner"
        return [Fact("warning", {"class": "other", "code": "interrupted", "message": self.turn.interrupted, "by": by})]

    def _ended(self, document: Document) -> Facts:
        """The process is gone.  A turn without a known cause just stops: that the agent is gone says it all."""
        facts = self.last_words()
        cause = self.turn.failure or self._complaint
        if self.turn.open and cause:
            facts += self.turn.fail(cause)
        self.turn.open, self._complaint = False, None
        for request in self.approvals.waiting():
            facts += self.approvals.end(request, "expired", "runner", "the agent ended")
        code, signal = whole(document, "code"), whole(document, "signal")
        outcome = "completed" if code == 0 else "killed" if signal else "failed"
        facts += self.leaves(outcome)
        data: dict[str, Any] = {"outcome": outcome, "exit_code": code}
        if signal:
            data["signal"] = signal
        if reason := text(document, "reason"):
            data["reason"] = reason
        return [*facts, Fact("run.ended", data), *self.state("exited", "runner")]

    def last_words(self) -> Facts:
        """Return what the end of the stream itself says."""
        return []

    # ---- for the mappings --------------------------------------------------------------------------------------------

    def named(self, conversation: str, time: float | None = None, **more: Any) -> Facts:
        """The backend named its conversation: a fact when it is new."""
        if not conversation or conversation == self.conversation:
            return []
        self.conversation, self._open = conversation, True
        type_ = "session.resumed" if conversation == self._resumed else "session.started"
        data = {"conversation": conversation, **{name: value for name, value in more.items() if value}}
        if self.version:
            data["engine_version"] = self.version
        return [Fact(type_, data, time)]

    def leaves(self, outcome: str, time: float | None = None) -> Facts:
        """The run is out of its conversation: a fact once, though the agent says it and then its process ends."""
        if not self._open:
            return []
        self._open = False
        return [Fact("session.ended", {"conversation": self.conversation, "outcome": outcome}, time)]

    def resumes(self, conversation: str) -> None:
        """*conversation* is being resumed."""
        self._resumed = conversation or self._resumed

    def is_resumed(self) -> bool:
        """Return whether this conversation has a history from before this run."""
        return bool(self._resumed) and self._resumed == self.conversation

    def state(self, state: str, source: str = "event", time: float | None = None) -> Facts:
        """Return the change to *state*, if it is one; each turn starts anew, for its end is a state of its own."""
        if (state, self.turn.number, self.turn.open) == self._state:
            return []
        self._state = state, self.turn.number, self.turn.open
        return [Fact("state.changed", {"state": state, "source": source}, time)]

    def goes_on(self, time: float | None = None) -> Facts:
        """The agent made progress: what it tried again has worked."""
        self.turn.failure = None
        return self.state("working", time=time) if self._state[0] == "retrying" else []

    def calls(self, call: str, tool: str, given: Any) -> None:
        """Remember the tool of *call*, and what it was given."""
        if len(self._calls) >= _CALLS:
            self._calls.clear()
        self._calls[call] = tool, given

    def look_up(self, call: str) -> tuple[str, Any]:
        """Return the tool of *call*, which goes on, and what it was given."""
        return self._calls.get(call, ("", None))

    def call_of(self, call: str, otherwise: str = "") -> tuple[str, Any]:
        """Return the tool of *call* and what it was given; it is asked for once."""
        return self._calls.pop(call, (otherwise, None))

    def fails(self, failure: Failure, time: float | None = None) -> Facts:
        """Remember a failure of the turn, and say it."""
        self.turn.failure = failure
        return [Fact("error", failed(failure), time)]

    def limits(self, failure: Failure, window: str = "", time: float | None = None) -> Facts:
        """Say a usage limit."""
        data = failed(failure) | {"class": Meaning.LIMIT.value}
        if window:
            data["window"] = window
        return [Fact("limit.reached", data, time)]

    def opening_failed(self, failure: Failure, time: float | None = None) -> Facts:
        """There is no conversation: the turn that was to begin has failed before it could."""
        return self.turn.fail(failure, time=time) or [Fact("turn.failed", failed(failure), time)]

    def resume_failed(self, message: str, time: float | None = None) -> Facts:
        """The conversation that was to be resumed is not there."""
        failure = Failure(Meaning.RESUME, message)
        return self.turn.fail(failure, time=time) or [Fact("error", failed(failure), time)]


def unmapped(raw_type: str, **more: Any) -> Fact:
    """Return the fact that a line, or a part of one, is of no known kind."""
    return Fact("backend.unmapped", {"raw_type": raw_type[:200], **more})


def raw_type(document: Document) -> str:
    """Return what a document calls its kind."""
    name = first_text(document, "type", "method", "hook_event_name", "command")
    part = text(document, "subtype")
    return f"{name}/{part}" if part else name or "response" * bool(count(document, "id") or document.get("result"))


def _some(document: Document, *names: str) -> dict[str, Any]:
    """Return the fields *names*, where they are of the kinds that they should be."""
    kinds: dict[str, type] = {"pid": int, "argv": list, "cwd": str, "engine_version": str}
    found = {name: document[name] for name in names if isinstance(document.get(name), kinds[name])}
    if not all(isinstance(word, str) for word in found.get("argv", ())):
        del found["argv"]
    if isinstance(found.get("pid"), bool):
        del found["pid"]
    return found
