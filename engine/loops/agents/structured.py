"""The adapter of the agents with a protocol of their own: claude, codex, opencode, pi, and whatever speaks ACP.

What runs in the terminal is the runner (`loops.runner`): it drives the agent, records and normalizes its stream, and
writes what concerns the engine into the signals file.  It reads its terminal as any agent does, so a nudge is pasted
and submitted there, and becomes a message of the protocol.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence

from loops.agents import events
from loops.agents.port import DialogShown, Launch, Order, Ready, Screen, Signal, Typing
from loops.config.model import Backend, Mode
from loops.errors import ConfigError
from loops.known.all import KNOWN
from loops.runner.order import RunOrder, encode
from loops.secrets import credentials
from loops.sessions.send import bracketed

PROGRAM = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "runner", "program.py")
HEADLESS_PAUSE = 0.01
TUI_PAUSE = 0.5
"""Seconds between paste and Enter: codex takes an Enter within 0.12 s of typing for a line break (facts: 3.2)."""

SILENT_PART = 1 / 3
"""Of ``hang_after``: a model that says nothing while no tool runs hangs sooner than a tool."""


class StructuredAdapter:
    """Starts the runner with an order; everything else is told by its signals."""

    structured = True

    def __init__(self, backend: Backend) -> None:
        """Drive what *backend* describes.

        Raises:
            ConfigError: no program is named (ACP has no default).
        """
        self._backend = backend
        self._known = KNOWN[backend.adapter]
        self.screens = backend.mode is Mode.TUI
        self._bin = backend.bin or self._known.bin
        if not self._bin:
            raise ConfigError(
                f'[backend.{backend.name}] command: names no program; write command = ["the-agent", "acp"]'
            )

    def launch(self, order: Order) -> Launch:
        """Return the runner's command line, and the files that it reads: its order, and logins that are credentials.

        LoopsError: a credential cannot be read.
        """
        backend, known = self._backend, self._known
        resume = order.conversation if order.resume else ""
        fresh = "" if resume else order.fresh_id
        run = f"{order.agent}.{order.incarnation}"
        run_dir = os.path.join(order.state_dir, "runs", order.agent, str(order.incarnation))
        path = os.path.join(run_dir, "order.json")
        home_files, logins = self._home_files(order)
        run_order = RunOrder(
            backend=backend.adapter,
            mode=backend.mode.value,
            agent=order.agent,
            run=run,
            directory=order.directory,
            run_dir=run_dir,
            home=os.path.join(order.state_dir, "homes", order.agent),
            signals=order.signals,
            answers=os.path.join(order.state_dir, "answers", run),
            bin=self._bin,
            flags=tuple(flag for flag in backend.flags if flag not in known.own_permission_flags),
            model=order.model,
            effort=order.effort,
            permissions=order.permissions.value,
            conversation=resume,
            fresh_id=fresh,
            kickoff=f"{backend.preamble}\n\n{order.kickoff}" if backend.preamble else order.kickoff,
            task=order.task,
            approval_timeout=order.approval_timeout,
            silent_after=order.hang_after * SILENT_PART,
            home_files=home_files,
            wrap=order.wrap,
            hook_socket=os.path.join(order.runtime_dir, f"{order.agent}.hook"),
        )
        conversation = resume or (fresh if known.fresh else "")
        argv = (sys.executable, "-I", "-S", "-E", PROGRAM, path)
        return Launch(argv, backend.env, conversation=conversation, files=(*logins, (path, encode(run_order))))

    def _home_files(self, order: Order) -> tuple[tuple[tuple[str, str], ...] | None, list[tuple[str, bytes]]]:
        """Return the files for the private home, and those of them that are to be written first.

        A credential stands in a file of ours that is as old as its content: the home keeps a token that the agent has
        refreshed until a newer login comes (`loops.runner.home`).
        """
        if self._backend.home is None:
            return None, []
        files: list[tuple[str, str]] = []
        logins: list[tuple[str, bytes]] = []
        for place, source in self._backend.home.items():
            if source.startswith(credentials.PREFIX):
                name = source.removeprefix(credentials.PREFIX)
                content = credentials.read(name, f"as {place} in the home of {order.agent}")
                source = os.path.join(order.state_dir, "credentials", order.agent, name)
                logins.append((source, content))
            files.append((place, source))
        return tuple(files), logins

    def typing(self, text: str) -> Typing:
        """Paste, a pause, Enter: the runner reads pastes as terminal interfaces do."""
        pause = HEADLESS_PAUSE if self._backend.mode is Mode.HEADLESS else TUI_PAUSE
        return Typing(bracketed(text), b"\r", pause=pause)

    def read_line(self, line: bytes) -> Sequence[Signal]:
        """Read one normalized event."""
        return events.read_line(line)

    def read_screen(self, screen: Screen, now: float) -> Sequence[Signal]:
        """Find what the agent's own terminal interface shows before it can report: a dialog that is known, or its prompt.

        The runner's transcript shows nothing that its events do not say better.
        """
        if not self.screens:
            return ()
        shown = "\n".join(line for line in screen.lines if line.strip())
        if any(re.search(dialog.marker, shown) for dialog in self._known.dialogs):
            return (DialogShown(shown),)
        if self._known.ready and re.search(self._known.ready, shown, re.MULTILINE):
            return (Ready(),)
        return ()
