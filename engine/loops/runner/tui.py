"""One run of one agent in its own terminal interface: it has the terminal, its hooks tell us what it does.

One thread, one poll.  The terminal is never read here and nothing is drawn on it while the agent lives: what is to be
said to the agent is pasted by the supervisor, as a person would, and what it did comes through the hook socket.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from loops.runner import home, registry, tui_start
from loops.runner.approvals import Answer, Approvals
from loops.runner.argv import environment
from loops.runner.foreground import Foreground
from loops.runner.hook_socket import HookSocket, Left, Payload, line_of
from loops.runner.link import NEVER
from loops.runner.live import Live
from loops.runner.order import RunOrder
from loops.runner.record import Record
from loops.runner.recorder import Recorder

if TYPE_CHECKING:
    from loops.streams.event import Event

KILL_AFTER = 5.0
"""Seconds from the polite request to end until SIGKILL."""
FLUSH_AFTER = 1.0
"""Seconds between two tries to write what a full disk refused."""
LAST_HOOKS = 0.2
"""Seconds after the end in which hooks that were under way are still taken in."""
NOT_STARTED, NOT_FOUND = 126, 127


def run_tui(order: RunOrder) -> int:
    """Run the agent; return the exit status of the runner.

    Raises:
        ConfigError: the order names what is not there, or its private home cannot be made ready.
    """
    if order.backend == "opencode":
        from loops.runner.tui_attached import AttachedRun

        return AttachedRun(order).run()
    return TuiRun(order).run()


class TuiRun:
    """What one run has: the program, the socket of its hooks, the recording, the questions."""

    def __init__(self, order: RunOrder) -> None:
        self._order = order
        self._known = registry.known(order.backend)
        self._complaints: list[str] = []
        self._recorder = Recorder(order.run_dir, order.signals, self._complaints.append)
        self._live = Live(order, self._recorder)
        self._approvals = Approvals(order.answers, order.approval_timeout)
        self._program = Foreground()
        self._asking: dict[str, int] = {}
        """Connections of hooks that wait, by the raw id of their request."""
        self._record = Record(bool(self._known.transcript), order.home, from_start=not order.conversation)
        self._opened = False
        """The agent has reported: its conversation is open."""
        self._turn = False
        self._begun = not order.kickoff
        """A turn has begun, or may be begun by anybody."""
        self._kill_at = NEVER
        self._result: int | None = None
        self._woken, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)

    # ---- the loop ------------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Start, serve until the program has ended, say why it did."""
        try:
            self._hooks = HookSocket(self._order.hook_socket)
        except OSError as error:
            return self._cannot_start(error)
        try:
            started = self._start()
            if started:
                return started
            self._settle()
            while self._running():
                self._turn_of_the_loop()
            return self._farewell()
        finally:
            self._hooks.close()
            self._recorder.close()
            for words in dict.fromkeys(self._complaints):
                sys.stderr.write(f"{words}\r\n")

    def _start(self) -> int:
        """Start the program; return an exit status when it cannot be started."""
        order, known = self._order, self._known
        words = tui_start.command(order, known)
        try:
            env = environment(order, known, os.environ, home.prepare(order, known), os.geteuid() == 0)
            if known.hooks_file:
                home.change(order, known.hooks_file, lambda before: tui_start.hooks_file(before, order, known))
            env["LOOPS_HOOK_SOCKET"] = order.hook_socket
            self._program.start(words, env, order.directory)
        except OSError as error:
            return self._cannot_start(error)
        self._live.own("process.started", pid=self._program.pid, argv=list(words), cwd=order.directory)
        for name, text in home.grants(order, known):
            self._live.own("approval.preseeded", name=name, text=text)
        return 0

    def _turn_of_the_loop(self) -> None:
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        if self._program.pidfd >= 0:
            poll.register(self._program.pidfd, select.POLLIN)
        for descriptor, events in self._descriptors():
            poll.register(descriptor, events)
        wait = self._due() - time.monotonic()
        for descriptor, events in poll.poll(None if wait == NEVER else max(0.0, wait * 1000 + 1)):
            if descriptor == self._woken:
                self._signalled()
            elif descriptor == self._program.pidfd:
                self._program.reap()
            else:
                self._serve(descriptor, events)
        self._tick(time.monotonic())
        self._settle()

    def _running(self) -> bool:
        return self._program.ended is None

    def _descriptors(self) -> Sequence[tuple[int, int]]:
        return self._hooks.descriptors()

    def _serve(self, descriptor: int, events: int) -> None:
        self._hooked(descriptor, events)

    def _due(self) -> float:
        now = time.monotonic()
        flush = now + FLUSH_AFTER if self._recorder.waits else NEVER
        return min(self._kill_at, self._approvals.due(now), flush, self._record.due(now, self._turn))

    def _tick(self, now: float) -> None:
        if self._recorder.waits:
            self._recorder.flush()
        self._read_record()
        for answer in self._approvals.expired(now):
            self._answer(answer, expired=True)
        for answer in self._approvals.answered():
            self._answer(answer)
        if now >= self._kill_at:
            self._kill_at = NEVER
            self._kill()

    # ---- what the agent reports ----------------------------------------------------------------------------------------

    def _hooked(self, descriptor: int, events: int) -> None:
        match self._hooks.serve(descriptor, events):
            case Payload(connection, data):
                self._opened |= b'"SessionEnd"' not in data  # which comes also when nothing could be opened
                stream, line = line_of(data)
                self._live.take(stream, line)
                self._record.named(line)
                self._settle(connection)
                if connection not in self._asking.values():
                    self._hooks.close_connection(connection)
            case Left(connection):  # answered in the agent's own window, or its turn was ended
                self._asking = {request: c for request, c in self._asking.items() if c != connection}

    def _read_record(self) -> None:
        for line in self._record.read():
            self._live.take(self._known.transcript, line)

    def _settle(self, connection: int = -1) -> None:
        """Act on everything that was recorded.  *connection*: the hook that the newest line came from."""
        for event in self._live.events():
            self._happened(event, connection)

    def _happened(self, event: Event, connection: int) -> None:
        from loops.streams.signals import concerns

        now = time.monotonic()
        match event.type:
            case "turn.started":
                self._turn = self._begun = True
            case "state.changed" if event.data.get("state") == "waiting_input" and not self._begun:
                return  # not for long: it is about to take the kickoff up
            case "turn.completed" | "turn.failed":
                self._turn = False
                self._record.turn_ended(now)
                self._approvals.forget()
                if self._order.task and self._result is None:
                    self._result = 0 if event.type == "turn.completed" else 1
                    self._end()
            case "loop.suspected":
                self._interrupt(str(event.data.get("pattern", "a loop")))
            case "approval.requested":
                self._approvals.asked(event, now)
                self._asking[str(event.data.get("request"))] = connection
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

    def _interrupt(self, reason: str) -> None:
        """End a turn that goes nowhere; an interface that only a person can interrupt is left to the supervisor."""

    # ---- approvals -----------------------------------------------------------------------------------------------------

    def _answer(self, answer: Answer, *, expired: bool = False) -> None:
        self._approvals.take(answer)
        if expired:
            self._live.own("approval.expired", request=answer.request, reason=answer.reason)
        else:
            facts = {"request": answer.request, "allow": answer.allow, "reason": answer.reason}
            self._live.own("approval.answered", by="human", **facts)
        self._reply(answer)

    def _reply(self, answer: Answer) -> None:
        connection = self._asking.pop(answer.request, -1)
        encoded = tui_start.hook_answer if self._known.hooks else tui_start.plain_answer
        self._hooks.answer(connection, encoded(answer.allow, answer.reason))

    def _tell_question(self) -> None:
        event = self._approvals.untold()
        if event is not None:
            self._live.tell(event)

    # ---- the end -------------------------------------------------------------------------------------------------------

    def _signalled(self) -> None:
        for number in os.read(self._woken, 4096):
            if number == signal.SIGCHLD:
                self._program.waken()
            elif number in (signal.SIGTERM, signal.SIGHUP):
                self._result = 128 + number
                self._end()

    def _end(self) -> None:
        """Ask the program to end; a little later it must."""
        self._program.signal(signal.SIGTERM)
        self._program.signal(signal.SIGCONT)
        self._kill_at = min(self._kill_at, time.monotonic() + KILL_AFTER)

    def _kill(self) -> None:
        self._program.signal(signal.SIGKILL)

    def _farewell(self) -> int:
        """Take in what was under way, say how it ended; return the exit status."""
        ended = self._program.ended
        assert ended is not None, "the loop has ended"
        self._last_hooks()
        self._read_record()
        if self._order.conversation and not self._opened and ended.code:
            self._live.own("resume.failed", reason=f"{self._known.name} ended with {ended.code} before it was open")
        self._live.own("process.ended", code=ended.code, signal=ended.signal)
        self._settle()
        if self._result is not None:
            return self._result
        code = ended.code if ended.code is not None else 128 + (ended.signal or 0)
        return 1 if self._order.task and code == 0 else code

    def _last_hooks(self) -> None:
        until = time.monotonic() + LAST_HOOKS
        while (wait := until - time.monotonic()) > 0:
            poll = select.poll()
            for descriptor, events in self._hooks.descriptors():
                poll.register(descriptor, events)
            ready = poll.poll(wait * 1000)
            for descriptor, events in ready:
                self._hooked(descriptor, events)
            if not ready:
                return

    def _cannot_start(self, error: OSError) -> int:
        named = f"{error.filename}: " if error.filename else ""
        self._complaints.append(
            f"{self._known.name} cannot be started: {named}{error.strerror}; "
            f"`loops doctor` says what is missing, [backend.{self._order.backend}] bin names the program"
        )
        code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_STARTED
        self._live.own("process.ended", code=code, reason=str(error))
        return code
