"""The loop of a supervisor's process: one supervisor, or many that share it and cannot stop one another.

Each supervisor has an epoll of its own, and epolls can be waited for: the loop outside waits for all of them and for the
earliest of their timers, and gives a turn to whom it concerns.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from loops.supervisor.clock import Clock
from loops.supervisor.reactor import Reactor
from loops.supervisor.run import Supervisor
from loops.supervisor.shell import Shell

LONGEST_TURN = 20.0
"""Seconds after which a turn that should take milliseconds is broken off, where others wait."""


class Stuck(Exception):
    """A supervisor did not come back from its turn."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a supervisor's time in the crew ended: with an exit *code* (0: it was asked to), or by an *error* of its own."""

    code: int = 0
    error: Exception | None = None


Ended = Callable[[Ending], None]


class Crew:
    """The supervisors of one process."""

    def __init__(self, look_again: Callable[[], None] = lambda: None, *, limit: float = 0.0) -> None:
        """*look_again*: SIGHUP came; the supervisors look again by themselves.  *limit*: seconds of a turn; 0: no matter."""
        self._clock = Clock()
        self.now = self._clock.now
        self.reactor = Reactor(self.now)
        self.shell = Shell(self.reactor, self.now, leave=self.leave, look_again=self._look_again)
        self._tell_look_again = look_again
        self._limit = limit
        self._turning = False
        if limit:
            signal.signal(signal.SIGALRM, self._too_long)
        self._members: dict[str, Member] = {}
        self._leaving: int | None = None

    def add(self, supervisor: Supervisor, ended: Ended, ready: Callable[[], None] = lambda: None) -> Member:
        """Let *supervisor* begin, and give it its turns until it wants to end or fails; then it is closed, and *ended* is told.

        *ready*: its holder is found.  LoopsError: it could not begin, and is closed; *ended* is not told.
        """
        member = Member(supervisor, ended)
        try:
            with self.limited():
                supervisor.begin(ready)
        except BaseException as error:
            _close(supervisor, error)
            raise
        self._members[member.key] = member
        self.reactor.watch(supervisor.fileno(), lambda: self.turn(member))
        self._after(member)
        return member

    def turn(self, member: Member) -> None:
        """Give *member* a turn.  Whatever goes wrong in it ends that one alone."""
        if member.key not in self._members:
            return
        began = time.monotonic()
        try:
            with self.limited():
                member.supervisor.turn()
        except Exception as error:
            self._end(member, error)
            return
        member.longest = max(member.longest, time.monotonic() - began)
        self._after(member)

    @contextmanager
    def limited(self) -> Iterator[None]:
        """What is done inside is one supervisor's concern, and broken off with `Stuck` when it takes too long."""
        if not self._limit or self._turning:
            yield
            return
        self._turning = True
        signal.setitimer(signal.ITIMER_REAL, self._limit)
        try:
            yield
        finally:
            self._turning = False  # first of all: an alarm from now on is nobody's
            signal.setitimer(signal.ITIMER_REAL, 0.0)

    def _too_long(self, _number: int, _frame: object) -> None:
        if self._turning:
            self._turning = False
            raise Stuck(f"its supervisor did not come back from its turn within {self._limit:.0f} s")

    def _after(self, member: Member) -> None:
        supervisor = member.supervisor
        if supervisor.leaving is not None:
            self._end(member)
            return
        self.reactor.at(member.key, self.now() + supervisor.wait(), lambda: self.turn(member))

    def _end(self, member: Member, error: Exception | None = None) -> None:
        supervisor = member.supervisor
        del self._members[member.key]
        self.reactor.cancel(member.key)
        self.reactor.forget(supervisor.fileno())
        try:
            with self.limited():
                error = _close(supervisor, error)
        except Stuck as stuck:
            error = error or stuck
        member.ended(Ending(supervisor.leaving or 0, error))

    def leave(self, code: int = 0) -> None:
        """End the process with *code*; the agents live on with their holders."""
        self._leaving = code

    def _look_again(self) -> None:
        self._tell_look_again()
        for member in list(self._members.values()):
            member.supervisor.look_again()
            self.turn(member)

    def run(self) -> int:
        """Turn the loop until somebody asks us to leave; return the exit code."""
        try:
            while self._leaving is None:
                self.reactor.turn()
        finally:
            self.shell.stopping()
            for member in list(self._members.values()):
                if self._leaving == 0:
                    member.supervisor.leave()
                self._end(member)
        return self._leaving


class Member:
    """One supervisor in its crew.  ``longest``: seconds of its longest turn, for which the others waited."""

    __slots__ = ("ended", "key", "longest", "supervisor")

    def __init__(self, supervisor: Supervisor, ended: Ended) -> None:
        self.supervisor = supervisor
        self.ended = ended
        self.key = f"member {supervisor.config_path}"
        self.longest = 0.0


def _close(supervisor: Supervisor, error: BaseException | None) -> Exception | None:
    """Close it; return what went wrong: *error*, else what went wrong now."""
    try:
        supervisor.close()
    except Exception as late:
        return error if isinstance(error, Exception) else late
    return error if isinstance(error, Exception) else None


def run_alone(config_path: str, *, up: bool = False, holder: bool = True) -> int:
    """Be the supervisor of the project at *config_path* and of no other, as `Supervisor` says; return the exit code.

    LoopsError: it cannot be supervised.
    """
    crew = Crew()
    endings: list[Ending] = []

    def ended(ending: Ending) -> None:
        endings.append(ending)
        crew.leave(ending.code)

    supervisor = Supervisor(config_path, up=up, holder=holder)
    crew.shell.listen()
    crew.add(supervisor, ended, crew.shell.ready)
    code = crew.run()
    for ending in endings:
        if ending.error is not None:
            raise ending.error
    return code
