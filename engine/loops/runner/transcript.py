"""Normalized events as a person reads them: calm, one thing a line, nothing of the agent's own escapes.  Pure."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from loops.sessions.text import clean
from loops.streams.event import Event

MESSAGE_LINES = 40
"""Lines of one message of ours; an answer of the agent is shown whole."""
LINE = 160
"""Characters of a tool's summary."""

_Data = Mapping[str, Any]

DIM, BOLD, RED, GREEN, YELLOW, CYAN = "2", "1", "31", "32", "33", "36"


class Transcript:
    """Turns events into text.  *colour*: for a terminal."""

    def __init__(self, *, colour: bool) -> None:
        """Remember the usage of the turn that runs."""
        self._colour = colour
        self._input = 0
        self._output = 0
        self._cost: float | None = None
        self._said = ""
        """The last trouble: a turn that fails for it need not repeat it."""

    def event(self, event: Event, now: float) -> str:
        """Return the lines for *event*, each ended by a newline; empty when it is nothing for a person.

        *now*: epoch seconds.
        """
        show = _SHOWN.get(event.type)
        return show(self, event.data, now) if show is not None else ""

    def note(self, text: str, style: str = DIM) -> str:
        """Return a line of the runner's own."""
        return "".join(f"{self._ink(style, line)}\n" for line in clean(text).split("\n"))

    # ---- messages ----------------------------------------------------------------------------------------------------

    def prompt(self, text: str) -> str:
        """Return a message that the agent is given."""
        lines = clean(text).split("\n")
        shown = lines[:MESSAGE_LINES]
        if len(lines) > MESSAGE_LINES:
            shown.append(f"… {len(lines) - MESSAGE_LINES} more lines")
        return "\n" + "".join(f"{self._ink(CYAN, '▌')} {self._ink(BOLD, line)}\n" for line in shown)

    def _assistant(self, data: _Data, _now: float) -> str:
        text = clean(_text(data, "text"))
        return f"\n{text}\n" if text.strip() else ""

    def _reasoning(self, data: _Data, _now: float) -> str:
        text = clean(_text(data, "text")).strip()
        return self.note(f"∴ {shortened(text)}") if text else ""

    # ---- tools -------------------------------------------------------------------------------------------------------

    def _tool_started(self, data: _Data, _now: float) -> str:
        tool = shortened(_text(data, "tool") or _text(data, "kind") or "tool", 40)
        return f"{self._ink(BOLD, f'• {tool}')}  {shortened(summary(data.get('input')))}\n"

    def _tool_completed(self, data: _Data, _now: float) -> str:
        status = _text(data, "status")
        code = data.get("exit_code")
        words = [] if status in ("", "completed") else [status]
        if isinstance(code, int) and code != 0:
            words.append(f"exit {code}")
        output = shortened(_output(data.get("output")))
        said = " · ".join([*words, output] if output else words) or "done"
        failed = status in ("failed", "declined") or (isinstance(code, int) and code != 0)
        return self._ink(RED if failed else DIM, f"  {'✗' if failed else '↳'} {said}") + "\n"

    # ---- turns -------------------------------------------------------------------------------------------------------

    def _turn_started(self, _data: _Data, now: float) -> str:
        self._input = self._output = 0
        self._cost, self._said = None, ""
        return ""

    def _usage(self, data: _Data, _now: float) -> str:
        usage, cost = data.get("usage"), data.get("cost")
        if isinstance(usage, Mapping):
            self._input += _count(usage.get("input_tokens"))
            self._output += _count(usage.get("output_tokens"))
        if isinstance(cost, Mapping) and isinstance(amount := cost.get("amount"), int | float):
            self._cost = (self._cost or 0.0) + amount
        return ""

    def _turn_completed(self, data: _Data, now: float) -> str:
        reason = _text(data, "stop_reason")
        words = [time.strftime("%H:%M:%S", time.localtime(now)), "turn ended"]
        if reason and reason != "end_turn":
            words[-1] += f" ({reason})"
        if self._input or self._output:
            words.append(f"{self._input:,} tokens in, {self._output:,} out")
        if self._cost is not None:
            words.append(f"{self._cost:.4f} USD")
        return self.note(f"── {' · '.join(words)} ──")

    def _turn_failed(self, data: _Data, now: float) -> str:
        kind, text = _text(data, "class") or "other", shortened(_text(data, "message") or _text(data, "text"), 400)
        clock = time.strftime("%H:%M:%S", time.localtime(now))
        why = f": {text}" if text and text != self._said else ""
        return self.note(f"✗ {clock} the turn failed ({kind}){why}", RED)

    # ---- trouble -----------------------------------------------------------------------------------------------------

    def _retry(self, data: _Data, _now: float) -> str:
        attempt, most, delay = data.get("attempt"), data.get("max_attempts"), data.get("delay_ms")
        words = f"retry {attempt}" if attempt is not None else "retry"
        if most is not None:
            words += f" of {most}"
        if isinstance(delay, int | float):
            words += f" in {delay / 1000:.0f} s"
        return self.note(f"↻ {words}: {shortened(_text(data, 'message') or _text(data, 'class'))}", YELLOW)

    def _limit(self, data: _Data, _now: float) -> str:
        resets = data.get("resets_at")
        until = f", resets {time.strftime('%H:%M', time.localtime(resets))}" if isinstance(resets, int | float) else ""
        return self.note(f"⏸ usage limit{until}: {shortened(_text(data, 'message') or _text(data, 'text'))}", YELLOW)

    def _provider(self, data: _Data, _now: float) -> str:
        return self.note(f"⏸ the provider does not answer: {shortened(_text(data, 'message'))}", YELLOW)

    def _trouble(self, data: _Data, _now: float) -> str:
        self._said = shortened(_text(data, "message") or _text(data, "text"), 400)
        return self.note(f"✗ {self._said}", RED)

    def _warning(self, data: _Data, _now: float) -> str:
        text = shortened(_text(data, "message") or _text(data, "text"), 400)
        if data.get("code") == "recording":  # the pane has said it
            return ""
        mark = "■ interrupted:" if data.get("code") == "interrupted" else "!"
        return self.note(f"{mark} {text}", YELLOW) if text else ""

    def _suspected(self, data: _Data, _now: float) -> str:
        pattern, count = _text(data, "pattern"), data.get("count")
        if pattern == "silence":
            return self.note(f"✗ nothing was heard for {count} s", RED)
        return self.note(f"✗ it goes in circles ({pattern}, {count} times): {shortened(_text(data, 'message'))}", RED)

    # ---- approvals ---------------------------------------------------------------------------------------------------

    def _asked(self, data: _Data, _now: float) -> str:
        tool, text = shortened(_text(data, "tool"), 40), shortened(_text(data, "text"), 400)
        id = _text(data, "approval_id")
        head = self._ink(YELLOW, f"? may it run {tool}: {text}")
        return f"\n{head}\n{self.note(f'  loops approve {id} · or type /approve, or /deny REASON')}"

    def _granted(self, data: _Data, _now: float) -> str:
        if data.get("by") == "preseed":  # before the start, so that no dialog asks it: nobody waited
            return ""
        return self.note(f"  ✓ allowed{_by(data)}", GREEN)

    def _denied(self, data: _Data, _now: float) -> str:
        reason = shortened(_text(data, "reason"))
        return self.note(f"  ✗ denied{_by(data)}{': ' if reason else ''}{reason}", RED)

    def _expired(self, _data: _Data, _now: float) -> str:
        return self.note("  ✗ nobody answered in time: refused", RED)

    def _ink(self, style: str, text: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._colour and text else text


_SHOWN: Mapping[str, Callable[[Transcript, _Data, float], str]] = {
    "message.assistant": Transcript._assistant,
    "message.reasoning": Transcript._reasoning,
    "tool.started": Transcript._tool_started,
    "tool.completed": Transcript._tool_completed,
    "turn.started": Transcript._turn_started,
    "turn.completed": Transcript._turn_completed,
    "turn.failed": Transcript._turn_failed,
    "usage.updated": Transcript._usage,
    "retry.scheduled": Transcript._retry,
    "limit.reached": Transcript._limit,
    "provider.unavailable": Transcript._provider,
    "error": Transcript._trouble,
    "warning": Transcript._warning,
    "loop.suspected": Transcript._suspected,
    "approval.requested": Transcript._asked,
    "approval.granted": Transcript._granted,
    "approval.denied": Transcript._denied,
    "approval.expired": Transcript._expired,
}

_TELLING = ("command", "cmd", "file_path", "path", "pattern", "query", "url", "description", "prompt")
"""The fields of a tool's input that say most, best first."""


def summary(given: object) -> str:
    """Return a tool's input in a few words: the field that tells most, else all of it."""
    if isinstance(given, str):
        return given
    if not isinstance(given, Mapping):
        return "" if given is None else json.dumps(given, ensure_ascii=False)
    for name in _TELLING:
        value = given.get(name)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, list) and value and all(isinstance(word, str) for word in value):
            return " ".join(value)
    return json.dumps(given, ensure_ascii=False) if given else ""


def shortened(text: str, most: int = LINE) -> str:
    """Return *text* cleaned, on one line of at most *most* characters."""
    line = " ".join(clean(text[: most * 8]).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _output(value: object) -> str:
    """Return the first line with something in it, and how many follow."""
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
    lines = [line for line in text.strip().splitlines() if line.strip()]
    if not lines:
        return ""
    return lines[0] if len(lines) == 1 else f"{shortened(lines[0], LINE - 20)}  (+{len(lines) - 1} lines)"


def _by(data: _Data) -> str:
    by = _text(data, "by")
    return f" by {by}" if by else ""


def _text(data: _Data, name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
