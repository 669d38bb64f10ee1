"""The adapter of the scripted agent (`loops.agents.demo_agent`)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from loops.agents import events
from loops.agents.port import DialogShown, Launch, Order, Screen, Signal, Typing
from loops.agents.screen import patterns_of, read_screen
from loops.config.model import Backend
from loops.sessions.send import bracketed

_PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "demo_agent", "__main__.py")
_TASK_ROLE = "task"
_DIALOG = patterns_of(Backend(name="demo", dialog_re="Enter to confirm"))


class DemoAdapter:
    """``[backend.demo]``: its ``flags`` are the agent's own (``--script FILE``, ``--mode MODE``)."""

    structured = True
    screens = False

    def __init__(self, backend: Backend) -> None:
        """Drive the scripted agent as *backend* says."""
        self._backend = backend

    def launch(self, order: Order) -> Launch:
        """Start, or resume, the agent with the kickoff as its last argument."""
        resume = order.resume and order.conversation
        conversation = order.conversation if resume else order.fresh_id
        words = [sys.executable, "-I", "-S", _PROGRAM, "--agent", order.agent]
        words += ["--role", _TASK_ROLE if order.task else order.role]
        if conversation:
            words += ["--resume" if resume else "--session-id", conversation]
        if order.model:
            words += ["--model", order.model]
        words += self._backend.flags
        if order.kickoff:
            words += ["--", order.kickoff]
        return Launch(tuple(words), self._backend.env, conversation=conversation)

    def typing(self, text: str) -> Typing:
        """Paste, then Enter, which this agent tells from a pasted line break at once."""
        return Typing(bracketed(text), b"\r", pause=0.01)

    def read_line(self, line: bytes) -> Sequence[Signal]:
        """Read one line of the engine's own signals format."""
        return events.read_line(line)

    def read_screen(self, screen: Screen, now: float) -> Sequence[Signal]:
        """Find the one thing that the agent does not report: its dialog."""
        return [signal for signal in read_screen(_DIALOG, screen, now) if isinstance(signal, DialogShown)]
