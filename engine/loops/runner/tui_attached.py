"""One run of an agent whose terminal interface is a client of its own server: opencode.

The server tells what happens and takes the kickoff and the answers, as without a terminal; the interface only shows the
conversation, and takes what a person or the supervisor types.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from loops.known import opencode as server
from loops.runner import argv, home
from loops.runner.approvals import Answer
from loops.runner.argv import fill, slots_of
from loops.runner.foreground import Foreground
from loops.runner.http_link import HttpLink
from loops.runner.link import Received
from loops.runner.opencode import OpencodeDialogue
from loops.runner.order import RunOrder
from loops.runner.tui import TuiRun


class AttachedRun(TuiRun):
    """A server without a terminal, and then its interface in ours."""

    def __init__(self, order: RunOrder) -> None:
        """Nothing is started."""
        super().__init__(order)
        self._link = HttpLink()
        self._dialogue = OpencodeDialogue(order, self._known)
        self._env: dict[str, str] = {}

    def _start(self) -> int:
        """Start the server; its interface follows when the conversation is open."""
        order, known = self._order._replace(mode="headless"), self._known
        words = argv.command(order, known)
        try:
            self._env = argv.environment(order, known, os.environ, home.prepare(order, known), os.geteuid() == 0)
            self._link.start(words, self._env, order.directory)
        except OSError as error:
            return self._cannot_start(error)
        self._live.own("process.started", pid=self._link.pid, argv=list(words), cwd=order.directory)
        for name, text in home.grants(order, known):
            self._live.own("approval.preseeded", name=name, text=text)
        self._send(self._dialogue.open())
        return 0

    def _attach(self) -> None:
        """Show the conversation, then begin: what is typed from now on has somebody to take it."""
        order, known = self._order, self._known
        slots = {**slots_of(order), "{url}": f"http://127.0.0.1:{self._link.port}", "{id}": self._dialogue.conversation}
        words = (*order.wrap, order.bin, *(fill(word, slots) for word in known.tui))
        env = {**self._env, server.SERVER_USER: server.USER, server.SERVER_PASSWORD: self._link.password}
        try:
            self._program.start(words, env, order.directory)
        except OSError as error:
            self._result = self._cannot_start(error)
            self._link.kill()
            return
        self._opened = True
        if order.kickoff:
            self._send(self._dialogue.say(order.kickoff))
        else:
            self._live.own("ready")

    # ---- the loop ------------------------------------------------------------------------------------------------------

    def _running(self) -> bool:
        return self._link.ended is None

    def _descriptors(self) -> Sequence[tuple[int, int]]:
        return (*self._link.descriptors(), *super()._descriptors())

    def _serve(self, descriptor: int, events: int) -> None:
        if any(descriptor == known for known, _ in self._link.descriptors()):
            self._received(self._link.serve(descriptor, events))
        else:
            super()._serve(descriptor, events)

    def _due(self) -> float:
        return min(super()._due(), self._link.due())

    def _tick(self, now: float) -> None:
        self._received(self._link.tick(now))
        if self._dialogue.ready and not self._program.pid and self._result is None:
            self._attach()
        if self._program.ended is not None:  # a person has left it, or it was killed: the run is over
            self._link.leave()
        super()._tick(now)

    def _received(self, lines: Sequence[Received]) -> None:
        for stream, line in lines:
            self._live.take(stream, line)
            if stream == "out":
                self._send(self._dialogue.heard(line))

    def _send(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            self._live.take("in", line)
            self._link.send(line)

    def _reply(self, answer: Answer) -> None:
        self._send(self._dialogue.answer(answer.request, answer.allow, answer.reason))

    def _interrupt(self, reason: str) -> None:
        self._live.own("interrupted", reason=reason, by="runner")
        self._send(self._dialogue.interrupt())

    # ---- the end -------------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        super()._end()
        self._link.leave()

    def _kill(self) -> None:
        super()._kill()
        self._link.kill()

    def _farewell(self) -> int:
        self._link.kill()
        program = self._program
        if program.pid and program.ended is None:
            program.signal(signal.SIGKILL)
            program.reap()
        elif not program.pid:  # the server ended before there was anything to show
            self._program = _Never(self._link)
        return super()._farewell()


class _Never(Foreground):
    """The interface that was never started: the run ended as its server did."""

    def __init__(self, link: HttpLink) -> None:
        super().__init__()
        self.ended = link.ended
