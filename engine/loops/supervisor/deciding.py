"""Decides on what was seen, makes it durable, and has it acted upon.  observe -> decide -> journal -> act.

Everything seen in one turn is decided upon, then committed to the journal with one write and one fdatasync, and only then
acted on: an act without its intent on disk cannot happen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress

from loops.errors import JournalError, LoopsError
from loops.supervisor.action import Action
from loops.supervisor.clock import Clock
from loops.supervisor.decide import decide, due
from loops.supervisor.events import AboutAgent, AboutNotices, AboutPhase, Event
from loops.supervisor.ledger import Ledger
from loops.supervisor.observation import Observation, Tick
from loops.supervisor.reactor import Reactor

SNAPSHOT_QUIET = 2.0
"""Seconds without an event after which a snapshot is worth its 40 ms (with a thousand agents), if enough events came."""
SNAPSHOT_WORTH = 500
JOURNAL_RETRY = 1.0
"""Seconds until a journal that could not be written (a full disk) is tried again; nothing is acted on meanwhile."""
TICK_PAUSE = 1.0
"""Seconds, at least, between two ticks of an agent whose time lies in the past even after a tick."""
MOST_ROUNDS = 100
"""Rounds of deciding and acting in one turn of the loop; then its descriptors and timers have theirs."""


class Deciding:
    """Keeps the state, which begins as *ledger* has it.

    *act* carries one action out.  *decided* is told of each event, which is not durable yet; *touched* of the agents that
    something was decided about (``""``: the project itself), once all of it is acted on.  *is_looking*: an agent whose time
    comes is being looked at already.  *leave*: the journal has another writer.
    """

    def __init__(
        self,
        ledger: Ledger,
        reactor: Reactor,
        clock: Clock,
        *,
        act: Callable[[Action], None],
        decided: Callable[[Event], None],
        touched: Callable[[set[str]], None],
        is_looking: Callable[[str], bool],
        leave: Callable[[int], None],
        say: Callable[[str], None],
    ) -> None:
        self.state = ledger.state
        self.trouble = ""
        """What keeps us from acting."""
        self._ledger = ledger
        self._reactor = reactor
        self._clock = clock
        self._act = act
        self._tell_decided = decided
        self._tell_touched = touched
        self._is_looking = is_looking
        self._leave = leave
        self._say = say
        self._seen: deque[Observation] = deque()
        self._acts: deque[Action] = deque()
        self._touched: set[str] = {""}
        self._ticked: dict[str, float] = {}
        self._flushing = False

    def see(self, observation: Observation) -> None:
        """Take in one observation; it is decided upon in `flush`."""
        self._seen.append(observation)

    def touch(self, name: str) -> None:
        """Set this agent's timer anew at the end of the round."""
        self._touched.add(name)

    def flush(self) -> None:
        """Decide on all that was seen, make it durable, act; until nothing is left."""
        if self._flushing:
            return
        self._flushing = True
        try:
            rounds = 0
            while self._seen or self._acts or self.trouble:
                rounds += 1
                if rounds > MOST_ROUNDS:
                    self._reactor.at("flush", self._clock.now(), self.flush)
                    break
                self.decide()
                if not self._commit():
                    return
                while self._acts:
                    self._act(self._acts.popleft())
            self._set_timers()
        finally:
            self._flushing = False

    def decide(self) -> None:
        """Decide on all that was seen; nothing of it is durable yet, and nothing is acted on."""
        while self._seen:
            self.state, events, actions = decide(self.state, self._seen.popleft())
            self._ledger.append(events)
            self._acts.extend(actions)
            for event in events:
                self._tell_decided(event)
                if isinstance(event, AboutAgent):
                    self._touched.add(event.agent)
                elif isinstance(event, AboutNotices):
                    self._touched.add("")
                elif not isinstance(event, AboutPhase):
                    self._touched.update(("", *self.state.agents))

    # ---- the journal -----------------------------------------------------------------------------------------------

    def _commit(self) -> bool:
        try:
            if self._ledger.commit():
                self._reactor.at("snapshot", self._clock.now() + SNAPSHOT_QUIET, self._keep_snapshot)
        except JournalError as error:
            if str(error) != self.trouble:  # once, not at every retry; `loops status` goes on saying it
                self.trouble = str(error)
                self._say(self.trouble)
            if not self._ledger.writable:
                self._leave(error.exit_code)
            self._reactor.at("journal", self._clock.now() + JOURNAL_RETRY, self.flush)
            return False
        if self.trouble:
            self.trouble = ""
            self._say("the journal can be written again, and nothing that was seen meanwhile is missing from it")
        try:
            self._ledger.keep_snapshot(self.state)
        except JournalError as error:  # a start takes longer without it: no reason to keep anything waiting
            self._say(str(error))
        return True

    def _keep_snapshot(self) -> None:
        """In a quiet moment: a supervisor that is killed after it comes back without replaying much."""
        if self._acts or self._seen:
            return
        with suppress(JournalError):
            self._ledger.keep_snapshot(self.state, least=SNAPSHOT_WORTH)

    def close(self) -> None:
        """Make durable what was decided, act on none of it, and close the journal."""
        try:
            self._ledger.commit()
            self._ledger.keep_snapshot(self.state, least=0)
        except JournalError as error:
            if str(error) != self.trouble:
                self._say(str(error))
        finally:
            with suppress(LoopsError):
                self._ledger.close()

    # ---- time ------------------------------------------------------------------------------------------------------

    def _set_timers(self) -> None:
        now = self._clock.now()
        for name in self._touched:
            when = None if self._is_looking(name) else due(self.state, name)
            if when is not None and when <= now:
                when = max(when, self._ticked.get(name, 0.0) + TICK_PAUSE)
            self._reactor.at(f"agent {name}", when, lambda n=name: self._tick(n))  # type: ignore[misc]
        if self._touched:
            self._tell_touched(self._touched)
        self._touched.clear()

    def _tick(self, name: str) -> None:
        self._ticked[name] = self._clock.now()
        self.see(Tick(self._ticked[name], (name,)))
        self._touched.add(name)
