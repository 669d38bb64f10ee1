"""What a try of an agent came to, judged from its normalized events and from git, never from its words.  Pure."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from loops.known.model import Meaning
from loops.streams.event import PREFIX
from loops.supervisor.remedies import LOGIN, LOGINS

Event = Mapping[str, Any]

_REMEDIES: Mapping[str, str] = MappingProxyType(
    {
        Meaning.LIMIT.value: "try again after the limit's reset",
        Meaning.BILLING.value: "add credit or raise the plan at the provider",
        Meaning.AUTH.value: "{login}",
        Meaning.MODEL.value: "name another model: --model NAME",
        Meaning.CONTEXT.value: "name a model with a larger context: --model NAME",
        Meaning.RATE.value: "try again in a few minutes",
        Meaning.PROVIDER.value: "see whether the provider's address is right and can be reached from here",
        Meaning.DENIED.value: "it was refused what the task needs: see what its own configuration forbids",
        Meaning.TRUNCATED.value: "try again; when it comes back, see what stands between here and the provider",
        "not_installed": "{install}name its program as `bin` in [backend.{backend}], and give that file with --config",
        "asks": "it asked although it may do everything: see what its own configuration wants to be asked",
        "dialog": "answer the question once by hand, in the agent's own terminal interface",
        "silent": "run it once by hand; a longer --timeout helps only when the machine is slow",
        "timeout": "see the last events; --timeout gives it longer",
        "ended": "run it once by hand to see what it complains about",
        "no_result": "see what it answered; a stronger model may do the task: --model NAME",
    }
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``problem``: "" when the agent is ready; else a failure class (`loops.known.model.Meaning`), or what else hindered it."""

    backend: str
    mode: str
    model: str
    problem: str
    text: str
    """What it said of the problem, or its last answer."""
    remedy: str
    version: str
    conversation: str
    first_event: float | None
    """Seconds from the start of its program to the first event of its own."""
    seconds: float
    input_tokens: int
    output_tokens: int
    usd: float | None
    asked: tuple[str, ...]
    events: tuple[Event, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether it did the task."""
        return not self.problem


@dataclass(slots=True)
class Course:
    """What the events have told so far."""

    events: list[Event] = field(default_factory=list)
    conversation: str = ""
    model: str = ""
    version: str = ""
    answer: str = ""
    completed: bool = False
    ended: bool = False
    """The agent's program is gone."""
    failure: tuple[str, str] | None = None
    """Class and text of what ended the turn, or of what makes waiting senseless."""
    trouble: tuple[str, str] | None = None
    """The same of what the agent may still get over."""
    asked: list[str] = field(default_factory=list)
    began: float | None = None
    """Epoch seconds of the start of the agent's program."""
    first: float | None = None
    """Epoch seconds of the first event of the agent's own."""
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = None
    complaint: str = ""

    @property
    def to_first(self) -> float | None:
        """Seconds from the start of the agent's program to its first event; None: there was none."""
        return None if self.first is None or self.began is None else round(max(0.0, self.first - self.began), 3)

    @property
    def over(self) -> bool:
        """Whether nothing more is to be waited for."""
        return self.completed or self.ended or self.failure is not None

    def see(self, event: Event) -> None:
        """Take in one normalized event."""
        self.events.append(event)
        data = event.get("data", {})
        if kind(event) == "run.started":
            self.began = _moment(event)
        if self.first is None and data.get("raw", {}).get("file") in ("raw/out.jsonl", "raw/hook.jsonl"):
            self.first = _moment(event)
        told = _text(data)
        match kind(event):
            case "session.started" | "session.resumed":
                self.conversation = str(data.get("conversation", ""))
                self.model = str(data.get("model", "")) or self.model
                self.version = str(data.get("engine_version", "")) or self.version
            case "turn.completed":
                self.completed, self.answer = True, str(data.get("text", ""))
            case "turn.failed" | "limit.reached":
                self.failure = self.failure or (str(data.get("class", Meaning.OTHER.value)), told)
            case "provider.unavailable" | "retry.scheduled" | "error":
                self.trouble = (str(data.get("class", Meaning.OTHER.value)), told)
            case "approval.requested":
                self.asked.append(told)
                self.failure = self.failure or ("asks", told)
            case "state.changed" if data.get("state") == "unknown":
                self.asked.append(told)
                self.failure = self.failure or ("dialog", told)
            case "usage.updated":
                self._used(data)
            case "warning":
                self.complaint = told
            case "run.ended":
                self.ended = True

    def _used(self, data: Mapping[str, Any]) -> None:
        usage, cost = data.get("usage") or {}, data.get("cost")
        self.input_tokens += int(usage.get("input_tokens", 0))
        self.output_tokens += int(usage.get("output_tokens", 0))
        if cost:
            self.usd = (self.usd or 0.0) + float(cost.get("amount", 0.0))


def problem(course: Course, lacking: str, patience: float) -> tuple[str, str]:
    """Return class and text of what hindered the agent; ("", its answer) when nothing did.

    *lacking*: what git says is missing of the task's result; *patience*: the seconds that it was given.
    """
    if course.failure is not None:
        return course.failure
    if course.completed:
        return ("no_result", f"{lacking}; it answered: {course.answer[:200]}") if lacking else ("", course.answer)
    if course.trouble is not None:
        return course.trouble
    if course.ended:
        return "ended", course.complaint or "its program ended before it had done anything"
    if course.first is None:
        return "silent", f"not one event of its own in {patience:.0f} s"
    return "timeout", f"the turn had not ended after {patience:.0f} s"


def remedy(problem: str, backend: str, adapter: str, package: str) -> str:
    """Say what helps against *problem*; "" when there is none, or nothing is known to help."""
    install = f"install it (npm install -g {package}), or " if package else ""
    words = _REMEDIES.get(problem, "see the events" if problem else "")
    return words.format(login=LOGINS.get(adapter, LOGIN), install=install, backend=backend)


def lines(verdict: Verdict) -> list[str]:
    """Return the verdict for people, the events first."""
    found = [*_story(verdict.events), ""]
    name = " ".join(word for word in (verdict.backend, verdict.version) if word)
    found.append(f"{name}: ready" if verdict.ready else f"{name}: FAILED: {verdict.problem}")
    rows = [
        ("said" if verdict.ready else "why", _short(verdict.text, 400)),
        ("remedy", verdict.remedy),
        ("mode", verdict.mode),
        ("model", verdict.model),
        ("conversation", verdict.conversation),
        ("first event", "" if verdict.first_event is None else f"after {verdict.first_event:.1f} s"),
        ("in all", f"{verdict.seconds:.1f} s"),
        ("tokens", f"{verdict.input_tokens} in, {verdict.output_tokens} out" if verdict.input_tokens else ""),
        ("cost", "" if verdict.usd is None else f"{verdict.usd:.4f} USD"),
        ("asked", "; ".join(verdict.asked)),
    ]
    return [*found, *(f"  {label:<14}{value}" for label, value in rows if value)]


def kind(event: Event) -> str:
    """The type of an event, without its prefix."""
    return str(event.get("type", "")).removeprefix(PREFIX)


def sentence(event: Event) -> str:
    """One line for one event: when it came, what it is, what it says."""
    at = _moment(event)
    clock = time.strftime("%H:%M:%S", time.localtime(at))
    return f"{clock}.{int(at * 10) % 10}  {kind(event):<22}{_short(_text(event.get('data', {})), 90)}".rstrip()


def _moment(event: Event) -> float:
    return datetime.fromisoformat(event["recordedtime"]).timestamp()


def _story(events: Sequence[Event]) -> list[str]:
    return [sentence(event) for event in events]


def _text(data: Mapping[str, Any]) -> str:
    """What an event says, in a few words: the first of its fields that is a text for people."""
    for name in ("message", "text", "reason", "title", "tool", "state", "path", "conversation", "outcome"):
        value = data.get(name)
        if isinstance(value, str) and value:
            given = data.get("input")
            return f"{value}: {_input(given)}" if name == "tool" and given else value
    usage = data.get("usage")
    if isinstance(usage, Mapping):
        return f"{usage.get('input_tokens', 0)} in, {usage.get('output_tokens', 0)} out"
    return str(data.get("raw_type", ""))


def _input(given: Any) -> str:
    if isinstance(given, Mapping):
        return next((value for value in given.values() if isinstance(value, str)), "")
    return str(given)


def _short(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 3]}..."
