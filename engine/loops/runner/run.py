"""One run of one agent under its structured protocol: one thread, one poll, until the agent's program has ended."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from loops.runner import argv, home, registry, waiting, words
from loops.runner.ending import Ending
from loops.runner.link import NEVER, Received
from loops.runner.live import Live
from loops.runner.order import RunOrder
from loops.runner.recorder import Recorder

if TYPE_CHECKING:
    from loops.runner.approvals import Answer
    from loops.streams.event import Event

FLUSH_AFTER = 1.0
"""Seconds between two tries to write what a full disk refused."""
CALM = 2.0
"""Seconds after an interrupt in which another key press changes nothing."""
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGWINCH)


def run(order: RunOrder) -> int:
    """Run the agent; return the exit status of the runner.

    Raises:
        ConfigError: the order names what is not there, or its private home cannot be made ready.
        OSError: nothing can be recorded: a run that nobody could check is not begun.
    """
    return _Run(order).run()


class _Run:
    """What one run has: the link and the dialogue, the recording, the pane, the messages that wait."""

    def __init__(self, order: RunOrder) -> None:
        self._order = order
        self._known = registry.known(order.backend)
        self._dialogue = registry.dialogue(order, self._known)
        self._link = registry.link(order.backend)
        self._ending = Ending(self._link)
        self._complaints: deque[str] = deque()
        self._recorder = Recorder(order.run_dir, order.signals, self._complaints.append)
        self._live = Live(order, self._recorder)
        self._woken = waiting.wake_up(_SIGNALS)
        self._messages: deque[str] = deque([order.kickoff] if order.kickoff else [])
        self._begun = False
        """Whether anything was said, or the supervisor was told that it may say something."""
        self._turn = False
        self._interrupted_at = -NEVER
        self._last_complaint = ""

    # ---- the loop ------------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Start, serve until the program has ended, say why it did."""
        failed = self._start()
        # Only now what takes time to import: the program starts meanwhile.
        from loops.runner.approvals import Approvals
        from loops.runner.pane import Pane
        from loops.runner.silence import Silence

        self._pane = Pane()
        self._approvals = Approvals(self._order.answers, self._order.approval_timeout)
        self._silence = Silence(self._order.silent_after)
        self._pane.open()
        try:
            if failed is not None:
                return self._not_started(failed)
            self._pane.note(words.introduction(self._order, self._known))
            self._settle()
            while self._link.ended is None:
                self._wait()
                self._tick(time.monotonic())
                self._settle()
            return self._farewell()
        finally:
            self._pass_on_complaints()
            self._recorder.close()
            self._pane.close()

    def _start(self) -> OSError | None:
        """Start the program and open the dialogue; return why that cannot be."""
        order, known = self._order, self._known
        command = argv.command(order, known)
        try:
            env = argv.environment(order, known, os.environ, home.prepare(order, known), os.geteuid() == 0)
            self._link.start(command, env, order.directory)
        except OSError as error:
            return error
        self._live.own("process.started", pid=self._link.pid, argv=argv.told(command), cwd=order.directory)
        for line in self._dialogue.open():
            self._send(line)
        for name, text in home.grants(order, known):
            self._live.own("approval.preseeded", name=name, text=text)
        return None

    def _wait(self) -> None:
        """Wait for the next thing and take it in."""
        now = time.monotonic()
        due = min(self._link.due(), self._ending.due, self._approvals.due(now), self._silent_at())
        due = min(due, now + FLUSH_AFTER) if self._recorder.waits else due
        for descriptor, events in waiting.ready(self._woken, self._pane.terminal, self._link, due):
            if descriptor == self._woken:
                self._signalled()
            elif descriptor == 0:
                self._typed()
            elif descriptor == 1:
                self._pane.terminal.write()
            else:
                self._received(self._link.serve(descriptor, events))

    def _tick(self, now: float) -> None:
        """Do what time asks for."""
        self._received(self._link.tick(now))
        self._ending.tick(now)
        self._recorder.flush()
        self._pass_on_complaints()
        for answer in self._approvals.expired(now):
            self._answer(answer, expired=True)
        for answer in self._approvals.answered():
            self._answer(answer)
        if now >= self._silent_at():
            self._live.own("silence", seconds=round(self._silence.lasted(now)))

    def _silent_at(self) -> float:
        return NEVER if self._approvals or self._ending.begun else self._silence.due()

    # ---- lines ---------------------------------------------------------------------------------------------------------

    def _send(self, line: bytes) -> None:
        """Record, then send."""
        self._live.take("in", line)
        self._link.send(line)

    def _received(self, lines: Sequence[Received]) -> None:
        heartbeat = self._known.heartbeat
        if any(not heartbeat or heartbeat not in line for _, line in lines):
            self._silence.heard(time.monotonic())
        for stream, line in lines:
            self._live.take(stream, line)
            if stream == "err":
                self._last_complaint = line.decode("utf-8", "replace")
            elif stream == "out":
                for answer in self._dialogue.heard(line):
                    self._send(answer)
                if self._dialogue.closed:
                    self._ending.ask(1, time.monotonic())

    def _settle(self) -> None:
        """Act on everything that was recorded, until nothing new comes of it."""
        while True:
            events = self._live.events()
            for event in events:
                self._happened(event)
            if not events and not self._say_next():
                return

    def _happened(self, event: Event) -> None:
        self._pane.happened(event)
        self._silence.happened(event)
        match event.type:
            case "turn.started":
                self._turn = True
            case "turn.completed" | "turn.failed":
                self._turn_ended(well=event.type == "turn.completed" and event.data.get("stop_reason") != "cancelled")
            case "loop.suspected":
                self._interrupt(f"suspected loop ({event.data.get('pattern')})", by="runner")
            case "approval.requested":
                self._approvals.asked(event, time.monotonic())
                self._tell_question()
                return
            case "approval.granted" | "approval.denied" | "approval.expired":
                if self._approvals.ended(event):
                    self._live.tell(event)
                self._tell_question()
                return
        self._live.tell_or_show_life(event, time.monotonic(), working=self._turn)

    def _turn_ended(self, *, well: bool) -> None:
        self._turn = False
        self._approvals.forget()
        if self._order.task and not self._messages:
            self._ending.ask(0 if well else 1, time.monotonic())

    # ---- messages ------------------------------------------------------------------------------------------------------

    def _say_next(self) -> bool:
        """Start the next turn if nothing runs, or say once that there is nothing to begin with; whether it did."""
        if self._turn or self._ending.begun or not self._dialogue.ready or (self._begun and not self._messages):
            return False
        self._begun = True
        if not self._messages:
            self._live.own("ready")
            return True
        text = self._messages.popleft()
        self._pane.prompt(text)
        self._turn = True
        self._silence.heard(time.monotonic())
        for line in self._dialogue.say(text):
            self._send(line)
        return True

    def _typed(self) -> None:
        from loops.runner.editor import Key

        typed = self._pane.typed()
        if typed is None:
            self._ending.ask(128 + signal.SIGHUP, time.monotonic(), firmly=True)
            return
        for entry in typed:
            if entry is Key.INTERRUPT:
                self._interrupt_key()
            elif entry is Key.END:
                self._pane.note(f"the agent goes on; `loops down {self._order.agent}` ends it")
            elif isinstance(entry, str):
                self._submitted(entry)

    def _submitted(self, text: str) -> None:
        word, _, rest = text.strip().partition(" ")
        if word in ("/approve", "/deny"):
            if answer := self._approvals.first(word == "/approve", rest.strip()):
                self._answer(answer)
            else:
                self._pane.note("nothing waits for an answer")
        elif text.strip():
            self._messages.append(text)
            if self._turn or not self._dialogue.ready:
                self._pane.note("(kept until the turn has ended)" if self._turn else "(kept until the agent is ready)")

    # ---- interrupts and approvals --------------------------------------------------------------------------------------

    def _interrupt_key(self) -> None:
        now = time.monotonic()
        if not self._turn:
            self._pane.note(f"no turn runs; `loops down {self._order.agent}` ends the agent")
        elif now - self._interrupted_at >= CALM:
            self._interrupted_at = now
            self._interrupt("Ctrl-C in the pane", by="human")

    def _interrupt(self, reason: str, by: str) -> None:
        if not self._turn or self._ending.begun:
            return
        self._live.own("interrupted", reason=reason, by=by)
        for line in self._dialogue.interrupt():
            self._send(line)

    def _answer(self, answer: Answer, *, expired: bool = False) -> None:
        self._approvals.take(answer)
        facts = {} if expired else {"allow": answer.allow, "by": "human"}
        what = "approval.expired" if expired else "approval.answered"
        self._live.own(what, request=answer.request, reason=answer.reason, **facts)
        for line in self._dialogue.answer(answer.request, answer.allow, answer.reason):
            self._send(line)

    def _tell_question(self) -> None:
        event = self._approvals.untold()
        if event is not None:
            self._live.tell(event)

    # ---- the end -------------------------------------------------------------------------------------------------------

    def _signalled(self) -> None:
        for number in os.read(self._woken, 4096):
            if number == signal.SIGWINCH:
                self._pane.terminal.resized()
            elif number == signal.SIGINT:
                self._interrupt_key()
            elif number in _SIGNALS:
                self._ending.ask(128 + number, time.monotonic(), firmly=True)

    def _farewell(self) -> int:
        """Say how it ended; return the exit status."""
        ended = self._link.ended
        assert ended is not None, "the loop has ended"
        self._live.own("process.ended", code=ended.code, signal=ended.signal)
        for event in self._live.events():
            self._happened(event)
        status = self._ending.status
        if self._messages:
            self._pane.note(f"not given to the agent any more: {len(self._messages)} messages")
        self._pane.note(words.farewell(self._known, ended, self._last_complaint if status is None else ""))
        return words.status_of(self._order, ended) if status is None else status

    def _not_started(self, error: OSError) -> int:
        """Say why the program did not start; return the exit status."""
        self._pane.complain(words.not_started(self._order, self._known, error))
        code = words.NOT_FOUND if isinstance(error, FileNotFoundError) else words.NOT_EXECUTABLE
        self._live.own("process.ended", code=code, signal=None)
        for event in self._live.events():
            self._happened(event)
        return code

    def _pass_on_complaints(self) -> None:
        while self._complaints:
            text = self._complaints.popleft()
            self._pane.complain(text)
            self._live.own("recording.failed", message=text)
