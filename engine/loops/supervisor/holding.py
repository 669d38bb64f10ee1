"""The supervisor's way to its holder: found or started, waited for, replaced by a newer one, and found again when it died.

Without a service manager the holder is started here and starts the supervisor again when that dies.  With one the two are
sibling units: a holder is only waited for, however long that takes, since the terminals of all sessions hang on our
descriptors alone meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from loops import sd_notify
from loops.errors import SessionError
from loops.places import Runtime
from loops.sessions import launch, program
from loops.sessions.client import Held, HolderClient
from loops.supervisor.clock import Clock
from loops.supervisor.reactor import Reactor

AGAIN_FIRST, AGAIN_MOST = 0.1, 5.0
"""Seconds between two tries for a new holder."""
ANSWER = 5.0
"""Seconds that a holder has for an answer which takes a millisecond."""
ANSWER_BESIDE_OTHERS, AGAIN_BESIDE_OTHERS = 0.5, 30.0
"""The same where other projects wait meanwhile: one holder that was stopped must not stop them."""
MORE_TIME = "EXTEND_TIMEOUT_USEC=60000000"
"""What a service manager is told while a start waits, so that it does not take us for stuck."""


@dataclass(frozen=True, slots=True)
class Found:
    """A holder that we are connected to.  *again*: in place of one that we had."""

    pid: int
    sessions: tuple[Held, ...]
    again: bool


class Holding:
    """Calls *adopt* with each holder that it is connected to.

    *command*: by which the holder starts us again; None: a service manager starts both of us.  *log*: where a holder that
    is started here writes.  *may_go_on*: False when another supervisor has taken over, which *leave* is then told.
    """

    def __init__(
        self,
        runtime: Runtime,
        holder: HolderClient,
        reactor: Reactor,
        clock: Clock,
        *,
        command: Sequence[str] | None,
        log: str,
        adopt: Callable[[Found], None],
        may_go_on: Callable[[], bool],
        leave: Callable[[int], None],
        say: Callable[[str], None],
        lock: str = "",
    ) -> None:
        """*lock*: held by this process, which supervises other projects too, and must not keep them waiting."""
        self._runtime = runtime
        self._holder = holder
        self._reactor = reactor
        self._clock = clock
        self._command = command
        self._log = log
        self._adopt = adopt
        self._may_go_on = may_go_on
        self._leave = leave
        self._say = say
        self._lock = lock
        self._within, self._longest = (ANSWER_BESIDE_OTHERS, AGAIN_BESIDE_OTHERS) if lock else (ANSWER, AGAIN_MOST)
        self._had_one = False
        self._renewing = False
        self._renewed = False

    def start(self) -> None:
        """Connect, or begin to wait for a service manager's holder.

        Raises:
            SessionError: no holder answers, or could be started.
        """
        if self._command is not None or launch.find_holder(self._runtime, self._within) is not None:
            self._connect()
            return
        self._say(f"no holder runs yet: waiting for {_unit()} (`systemctl start {_unit()}`)")
        self._try_again(AGAIN_FIRST)

    def lost(self) -> None:
        """The connection ended: the holder died, or becomes another program."""
        if self._renewing:
            self._renewing = False
        elif self._command is None:
            self._say(f"the holder is gone: waiting for {_unit()} to be started again")
        else:
            self._say("the holder died; its sessions go on under a new one")
        self._connect_again(AGAIN_FIRST, told=False)

    def _connect_again(self, pause: float, told: bool) -> None:
        """Try for as long as it takes."""
        try:
            self._connect()
        except (SessionError, OSError) as error:
            if not self._may_go_on():  # the holder refused us for the sake of our successor
                self._leave(SessionError.exit_code)
                return
            if not told:  # once, not at every try
                self._say(f"{error}; the sessions run on, and it is tried again")
            self._try_again(pause)

    def _try_again(self, pause: float) -> None:
        if not self._had_one and not self._lock:
            sd_notify.tell(f"STATUS=waiting for {_unit()}\n{MORE_TIME}")
        longer = partial(self._connect_again, min(pause * 2, self._longest), True)
        self._reactor.at("holder", self._clock.now() + pause, longer)

    def _connect(self) -> None:
        if self._command is not None:
            launch.ensure_holder(
                self._runtime,
                supervisor=self._command,
                env=sd_notify.left_out(os.environ),
                log_path=self._log,
                itself=True,
                answer=self._within,
                lock=self._lock,
            )
        found = launch.find_holder(self._runtime, self._within)
        if found is None:
            raise SessionError(f"{self._runtime.holder_socket}: no holder runs there")
        sessions = self._holder.connect(self._within)
        again, self._had_one = self._had_one, True
        self._renew(found)
        self._adopt(Found(found.pid, sessions, again))

    def _renew(self, found: launch.Holder) -> None:
        """Have an older holder, or a newer one, replaced in place by ours; its process and all sessions stay.

        Once: a program that is ours by its path and another one by its content would be replaced for ever.
        """
        if found.program != program.DIGEST and not self._renewed:
            self._renewed = self._renewing = True
            self._say(f"the holder (pid {found.pid}) is of another version: it is replaced in place")
            self._holder.renew(launch.holder_command())


def _unit() -> str:
    """The holder's unit, for a message."""
    name = os.environ.get("LOOPS_UNIT")
    return f"{name}-holder.service" if name else "the holder's unit"
