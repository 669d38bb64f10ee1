"""The ends of whole process trees: of sessions that shall end, and of what sessions that ended by themselves left behind.

A start waits for them: what an agent's last session left would work in the same clone as the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from loops.places import Runtime
from loops.sessions import client as held
from loops.sessions import tree
from loops.supervisor import commission
from loops.supervisor.clock import Clock
from loops.supervisor.reactor import Reactor

TREE_STEP = 0.02
"""Seconds between two steps of ending a tree."""
SWEEP_AFTER = 0.02
"""Seconds in which the ends of sessions are gathered before their children are looked for: once for a whole storm."""
ALONE_WITHIN = 5.0
"""Seconds that a start waits at most: a process that a stuck disk holds must not keep the agent away for ever."""


class Endings:
    """What is being ended.  Sessions are known by (name, incarnation)."""

    def __init__(self, reactor: Reactor, clock: Clock, runtime: Runtime, over: Callable[[str, int], None]) -> None:
        """*over* is told of each tree that has ended."""
        self._reactor = reactor
        self._clock = clock
        self._runtime = runtime
        self._over = over
        self._holder = 0
        self._leaders: dict[int, str] = {}
        self._outlived: set[str] = set()
        self._under_way: dict[tuple[str, int], tree.Ending] = {}
        self._left: list[held.Exited] = []
        self._looked = 0
        """How many of `_left` were looked for already, for the sake of a start."""
        self._waiting: dict[str, Callable[[], None]] = {}

    def adopted(self, holder_pid: int, sessions: Sequence[held.Held]) -> None:
        """Take in what the holder holds.  A session that is no child of it outlived an earlier one."""
        self._holder = holder_pid
        ours = set(tree.children(holder_pid))
        self._leaders.clear()  # in place: what is under way looks at it
        self._leaders.update((session.pid, session.name) for session in sessions if session.alive)
        self._outlived = {session.name for session in sessions if session.alive and session.pid not in ours}

    def began(self, name: str, pid: int) -> None:
        """A session was started as *pid*."""
        self._leaders[pid] = name
        self._outlived.discard(name)

    # ---- a tree --------------------------------------------------------------------------------------------------------

    def begin(self, name: str, incarnation: int, leader: tree.Process | None, grace: float) -> None:
        """End a session's whole tree, step by step; asked for again without *grace*, at once."""
        if (name, incarnation) not in self._under_way or grace <= 0:
            self._begin(name, incarnation, leader, grace)

    def _begin(self, name: str, incarnation: int, leader: tree.Process | None, grace: float) -> None:
        mark = commission.marker(self._runtime, name, incarnation)
        reapers = {self._holder, *(tree.heirs() if name in self._outlived else ())}
        now = self._clock.now()
        key = (name, incarnation)
        self._under_way[key] = tree.Ending(leader, reapers, mark, grace=grace, now=now, leaders=self._leaders)
        self._step(key)

    def _step(self, key: tuple[str, int]) -> None:
        name, incarnation = key
        ending = self._under_way.get(key)
        if ending is None:
            return
        try:
            done = ending.step(self._clock.now())
        except PermissionError:
            done = True  # a setuid descendant: not ours to end
        if not done:
            when = self._clock.now() + TREE_STEP
            self._reactor.at(f"end {name} {incarnation}", when, partial(self._step, key))
            return
        del self._under_way[key]
        self._reactor.cancel(f"end {name} {incarnation}")
        self._over(name, incarnation)
        if not self._is_busy(name):
            self._go_on(name)

    # ---- what ended sessions left --------------------------------------------------------------------------------------

    def exited(self, event: held.Exited) -> bool:
        """Take in the end of a leader; False while the rest of its tree is being ended, which somebody asked for."""
        self._leaders.pop(event.pid, None)
        if (event.name, event.incarnation) in self._under_way:
            return False
        if not self._left:
            self._reactor.at("sweep", self._clock.now() + SWEEP_AFTER, self._sweep)
        self._left.append(event)
        return True

    def _sweep(self) -> None:
        """Look for what is left of all, also of those that nobody starts again."""
        left, self._left, self._looked = self._left, [], 0
        self._look_for(left)

    def _look_for(self, left: Sequence[held.Exited]) -> None:
        """End what these sessions left: one look for all of them, for a thousand children cost a third of a millisecond.

        What carries the mark of an old incarnation cannot be taken for the new one.
        """
        if not left:
            return
        strays = [pid for pid in tree.children(self._holder) if pid not in self._leaders]
        marks = {tree.mark_of(pid) for pid in strays}
        for event in left:
            if (event.name, event.incarnation) in self._under_way:
                continue
            if event.name in self._outlived or commission.marker(self._runtime, event.name, event.incarnation) in marks:
                self._begin(event.name, event.incarnation, None, 0.0)

    # ---- starts --------------------------------------------------------------------------------------------------------

    def alone(self, name: str, start: Callable[[], None]) -> None:
        """Call *start* when nothing of an earlier session of *name* is at work any more, or after `ALONE_WITHIN`."""
        self._look_for(self._left[self._looked :])
        self._looked = len(self._left)
        if not self._is_busy(name):
            start()
            return
        self._waiting[name] = start
        self._reactor.at(f"start {name}", self._clock.now() + ALONE_WITHIN, partial(self._go_on, name))

    def _is_busy(self, name: str) -> bool:
        return any(name == ending for ending, _ in self._under_way)

    def _go_on(self, name: str) -> None:
        self._reactor.cancel(f"start {name}")
        start = self._waiting.pop(name, None)
        if start is not None:
            start()
