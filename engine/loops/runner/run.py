"""One run of one agent under its structured protocol: one thread, one poll, until the agent's program has ended."""

from __future__ import annotations

import os
import select
import signal
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from loops.runner import argv, home, registry
from loops.runner.link import NEVER, Received
from loops.runner.live import Live
from loops.runner.order import RunOrder
from loops.runner.recorder import Recorder

if TYPE_CHECKING:
    from loops.runner.approvals import Answer
    from loops.streams.event import Event

TERM_AFTER, KILL_AFTER = 3.0, 3.0
"""Seconds from the polite request to end until SIGTERM, and from there until SIGKILL."""
FLUSH_AFTER = 1.0
"""Seconds between two tries to write what a full disk refused."""
CALM = 2.0
"""Seconds after an interrupt in which another key press changes nothing."""
_MOST_SAID = 400
NOT_STARTED, NOT_FOUND = 126, 127


def run(order: RunOrder) -> int:
    """Run the agent; return the exit status of the runner.

    Raises:
        ConfigError: the order names what is not there, or its private home cannot be made ready.
    """
    return _Run(order).run()


class _Run:
    """What one run has: the link and the dialogue, the recording, the pane, the messages that wait."""

    def __init__(self, order: RunOrder) -> None:
        self._order = order
        self._known = registry.known(order.backend)
        self._dialogue = registry.dialogue(order, self._known)
        self._link = registry.link(order.backend)
        self._complaints: deque[str] = deque()
        self._complained: set[str] = set()
        self._recorder = Recorder(order.run_dir, order.signals, self._complain)
        self._live = Live(order, self._recorder)
        self._woken, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGWINCH):
            signal.signal(number, lambda *_: None)
        self._messages: deque[str] = deque([order.kickoff] if order.kickoff else [])
        self._turn = False
        self._turns = 0
        self._result: int | None = None
        """The exit status that is decided already; None: the program's own."""
        self._leaving = NEVER
        """When the next, firmer request to end is made."""
        self._asked = 0
        self._interrupted_at = -NEVER
        self._said_ready = False
        self._last_complaint = ""

    # ---- the loop ------------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Start, serve until the program has ended, say why it did."""
        started = self._start()
        # Only now what takes time to import: the program starts meanwhile.
        from loops.runner.approvals import Approvals
        from loops.runner.editor import Editor
        from loops.runner.terminal import Terminal
        from loops.runner.transcript import Transcript

        order = self._order
        self._terminal = Terminal()
        self._editor = Editor()
        self._transcript = Transcript(colour=self._terminal.interactive)
        self._approvals = Approvals(order.answers, order.approval_timeout)
        self._terminal.open()
        try:
            if started:
                return started
            self._introduce()
            self._settle()
            while self._link.ended is None:
                self._turn_of_the_loop()
            return self._farewell()
        finally:
            self._show_complaints()
            self._terminal.close()
            self._recorder.close()

    def _start(self) -> int:
        """Start the program and open the dialogue; return an exit status when it cannot be started."""
        order, known = self._order, self._known
        words = argv.command(order, known)
        try:
            env = argv.environment(order, known, os.environ, home.prepare(order, known), os.geteuid() == 0)
            self._link.start(words, env, order.directory)
        except OSError as error:
            return self._cannot_start(error)
        self._live.own("process.started", pid=self._link.pid, argv=list(words), cwd=order.directory)
        for line in self._dialogue.open():
            self._send(line)
        return 0

    def _turn_of_the_loop(self) -> None:
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        if self._terminal.interactive:
            poll.register(0, select.POLLIN)
        if self._terminal.wants():
            poll.register(1, self._terminal.wants())
        for descriptor, events in self._link.descriptors():
            poll.register(descriptor, events)
        wait = self._due() - time.monotonic()
        ready = poll.poll(None if wait == NEVER else max(0.0, wait * 1000 + 1))
        for descriptor, events in ready:
            if descriptor == self._woken:
                self._signalled()
            elif descriptor == 0:
                self._typed()
            elif descriptor == 1:
                self._terminal.write()
            else:
                self._received(self._link.serve(descriptor, events))
        self._tick(time.monotonic())
        self._settle()

    def _due(self) -> float:
        now = time.monotonic()
        flush = now + FLUSH_AFTER if self._complaints or self._recorder.waits else NEVER
        return min(self._link.due(), self._leaving, self._approvals.due(now), flush)

    def _tick(self, now: float) -> None:
        self._received(self._link.tick(now))
        if self._recorder.waits:
            self._recorder.flush()
        self._show_complaints()
        for answer in self._approvals.expired(now):
            self._answer(answer, expired=True)
        for answer in self._approvals.answered():
            self._answer(answer)
        if now >= self._leaving:
            self._ask_to_end()

    # ---- lines ---------------------------------------------------------------------------------------------------------

    def _send(self, line: bytes) -> None:
        """Record, then send."""
        self._live.take("in", line)
        self._link.send(line)

    def _received(self, lines: Sequence[Received]) -> None:
        for stream, line in lines:
            self._live.take(stream, line)
            if stream == "err":
                self._last_complaint = line.decode("utf-8", "replace")
            elif stream == "out":
                for answer in self._dialogue.heard(line):
                    self._send(answer)

    def _settle(self) -> None:
        """Act on everything that was recorded, until nothing new comes of it."""
        while True:
            events = self._live.events()
            for event in events:
                self._happened(event)
            if not events and not self._say_next():
                return

    def _happened(self, event: Event) -> None:
        from loops.streams.signals import concerns

        now = time.monotonic()
        self._show(self._transcript.event(event, time.time()))
        match event.type:
            case "turn.started":
                self._turn = True
            case "turn.completed" | "turn.failed":
                self._turn_ended(event.type == "turn.completed" and event.data.get("stop_reason") != "cancelled")
            case "loop.suspected":
                self._interrupt(str(event.data.get("pattern", "a loop")), by="runner")
            case "approval.requested":
                self._approvals.asked(event, now)
                self._tell_question()
                return
            case "approval.granted" | "approval.denied" | "approval.expired":
                if self._approvals.ended(event):
                    self._live.tell(event)
                self._tell_question()
                return
        if concerns(event):
            self._live.tell(event)
            self._live.told_alive(now)
        elif self._turn:
            self._live.sign_of_life(now)

    def _turn_ended(self, well: bool) -> None:
        self._turn = False
        self._turns += 1
        self._approvals.forget()
        if self._order.task and not self._messages and self._result is None:
            self._result = 0 if well else 1
            self._ask_to_end()

    # ---- messages ------------------------------------------------------------------------------------------------------

    def _say_next(self) -> bool:
        """Start the next turn, if there is something to say and nothing runs; whether it did."""
        if self._turn or self._asked or not self._dialogue.ready:
            return False
        if not self._messages:
            if not self._said_ready:  # nothing to begin with: the supervisor is told that it may
                self._said_ready = True
                self._live.own("ready")
                return True
            return False
        text = self._messages.popleft()
        self._said_ready = True
        self._show(self._transcript.prompt(text))
        self._turn = True
        for line in self._dialogue.say(text):
            self._send(line)
        return True

    def _typed(self) -> None:
        from loops.runner.editor import Key

        keys = self._terminal.read()
        if keys is None:
            self._terminal.interactive = False
            self._end_by(signal.SIGHUP)
            return
        for typed in self._editor.feed(keys):
            match typed:
                case Key.INTERRUPT:
                    self._interrupt_key()
                case Key.END:
                    self._note(f"the agent goes on; `loops down {self._order.agent}` ends it")
                case Key.REDRAW:
                    self._terminal.resized()
                case str():
                    self._submitted(typed)
        self._terminal.edit(self._editor.text)

    def _submitted(self, text: str) -> None:
        word, _, rest = text.strip().partition(" ")
        if word in ("/approve", "/deny"):
            answer = self._approvals.first(word == "/approve", rest.strip())
            if answer is None:
                self._note("nothing waits for an answer")
            else:
                self._answer(answer)
        elif text.strip():
            self._messages.append(text)
            if self._turn or not self._dialogue.ready:
                self._note("(kept until the turn has ended)" if self._turn else "(kept until the agent is ready)")

    # ---- interrupts and approvals --------------------------------------------------------------------------------------

    def _interrupt_key(self) -> None:
        now = time.monotonic()
        if not self._turn:
            self._note(f"no turn runs; `loops down {self._order.agent}` ends the agent")
        elif now - self._interrupted_at >= CALM:
            self._interrupted_at = now
            self._interrupt("Ctrl-C in the pane", by="human")

    def _interrupt(self, reason: str, by: str) -> None:
        if not self._turn or self._asked:
            return
        self._note(f"interrupting the turn: {reason}")
        self._live.own("interrupted", reason=reason, by=by)
        for line in self._dialogue.interrupt():
            self._send(line)

    def _answer(self, answer: Answer, *, expired: bool = False) -> None:
        self._approvals.take(answer)
        if expired:
            self._live.own("approval.expired", request=answer.request, reason=answer.reason)
        else:
            facts = {"request": answer.request, "allow": answer.allow, "reason": answer.reason}
            self._live.own("approval.answered", by="human", **facts)
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
                self._terminal.resized()
            elif number == signal.SIGINT:
                self._interrupt_key()
            else:
                self._end_by(number)

    def _end_by(self, number: int) -> None:
        if self._result is None or self._result < 128:
            self._result = 128 + number
        if self._asked < 2:
            self._asked = max(self._asked, 1)
            self._link.leave()
            self._ask_to_end()

    def _ask_to_end(self) -> None:
        """Ask the program to end: politely, then firmly, then not at all."""
        self._asked += 1
        if self._asked <= 2:
            self._link.leave()
            self._leaving = time.monotonic() + (TERM_AFTER if self._asked == 1 else KILL_AFTER)
        else:
            self._link.kill()
            self._leaving = NEVER

    def _farewell(self) -> int:
        """Say how it ended; return the exit status."""
        ended = self._link.ended
        assert ended is not None, "the loop has ended"
        self._link.kill()  # what it left behind in its group
        self._live.own("process.ended", code=ended.code, signal=ended.signal)
        while events := self._live.events():
            for event in events:
                self._happened(event)
        how = f"exit {ended.code}" if ended.code is not None else f"killed by signal {ended.signal}"
        why = f": {self._last_complaint[:_MOST_SAID]}" if self._last_complaint and self._result is None else ""
        if self._messages:
            self._note(f"not given to the agent any more: {len(self._messages)} messages")
        self._note(f"{self._known.name} ended: {how}{why}")
        if self._result is not None:
            return self._result
        code = ended.code if ended.code is not None else 128 + (ended.signal or 0)
        return 1 if self._order.task and code == 0 else code

    def _cannot_start(self, error: OSError) -> int:
        named = f"{error.filename}: " if error.filename else ""
        self._complain(
            f"{self._known.name} cannot be started: {named}{error.strerror}; "
            f"`loops doctor` says what is missing, [backend.{self._order.backend}] bin names the program"
        )
        code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_STARTED
        self._live.own("process.ended", code=code, reason=str(error))
        return code

    # ---- the pane ------------------------------------------------------------------------------------------------------

    def _introduce(self) -> None:
        order = self._order
        conversation = order.conversation or order.fresh_id
        words = [
            self._known.name,
            order.model,
            f"permissions {order.permissions}",
            f"{'resumes' if order.conversation else 'begins'} {conversation}" if conversation else "",
        ]
        self._note(" · ".join(word for word in words if word))

    def _note(self, text: str) -> None:
        self._show(self._transcript.note(text))

    def _show(self, text: str) -> None:
        if text:
            self._terminal.show(text)

    def _complain(self, text: str) -> None:
        """Keep words for the pane, once: who complains may do so before there is one."""
        if text not in self._complained:
            self._complained.add(text)
            self._complaints.append(text)

    def _show_complaints(self) -> None:
        while self._complaints:
            self._show(self._transcript.note(self._complaints.popleft(), "31"))
