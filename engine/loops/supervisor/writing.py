"""Writes, for as long as it takes, what others read in files: answers to approvals, rows of the token log and of REBOOTS.md.

On a full disk the agent waits on, and so does its answer; no row is lost, and none is written twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from loops.places import State as StatePlaces
from loops.supervisor import answering
from loops.supervisor.action import Answer, LogReboots, LogTokens
from loops.supervisor.clock import Clock
from loops.supervisor.events import Event
from loops.supervisor.reactor import Reactor
from loops.supervisor.reboot_log import RebootLog
from loops.supervisor.token_log import TokenLog

RETRY = 1.0
"""Seconds until a file that could not be written is tried again."""


class Writing:
    """*root*: the project's directory; *past* reads all events of the journal anew; *say* is told each trouble once."""

    def __init__(
        self,
        places: StatePlaces,
        root: str,
        reactor: Reactor,
        clock: Clock,
        *,
        past: Callable[[], Iterable[Event]],
        say: Callable[[str], None],
    ) -> None:
        self._places = places
        self._reactor = reactor
        self._clock = clock
        self._say = say
        self._token_log = TokenLog(places.token_log, past)
        self._reboot_log = RebootLog(root, past)

    def answer(self, act: Answer) -> None:
        """Write the answer where the agent's runner finds it."""
        what = f"the answer to {act.approval}"
        self._until_written(what, partial(answering.write, self._places, act), partial(self.answer, act))

    def tokens(self, act: LogTokens) -> None:
        """Bring the token log up to ``act.upto``."""
        again = partial(self.tokens, LogTokens(act.upto))
        self._until_written(self._places.token_log, partial(self._token_log.bring, act), again)

    def reboots(self, act: LogReboots) -> None:
        """Bring REBOOTS.md up to ``act.upto``."""
        again = partial(self.reboots, LogReboots(act.upto))
        self._until_written(self._reboot_log.path, partial(self._reboot_log.bring, act), again)

    def _until_written(self, what: str, write: Callable[[], None], again: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            self._say(f"{what} cannot be written: {error}; it is tried again")
            self._reactor.at(f"write {what}", self._clock.now() + RETRY, again)
