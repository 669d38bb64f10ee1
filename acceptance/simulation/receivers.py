"""Those who are told: two channels, each of which takes a notice, refuses it, or loses its answer."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

from loops.supervisor import action as act
from loops.supervisor import observation as ob

if TYPE_CHECKING:
    from simulation.world import Simulation

HOUR = 3600.0
CHANNELS = ("command", "ntfy")


class Receivers:
    """What really reached whom.  A generator of its own: the rest of a world is the same with and without notices."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self._rng = random.Random(f"notices {sim.seed}")
        self.got: Counter[tuple[str, str]] = Counter()
        self.first: list[float] = []
        """When something that nobody had tried to send before was sent."""

    def send(self, action: act.Notify) -> None:
        """Deliver it, or not; the supervisor hears of it later, if it still lives."""
        sim = self.sim
        if not any(notice.tries for notice in action.notices):
            self.first.append(sim.now)
            most = sim.config.notify.per_hour
            if len(self.first) > most and sim.now - self.first[-most - 1] < HOUR:
                sim.fail(f"more than {most} notices in an hour: {self.first[-most - 1 :]}")
        ids = tuple(notice.id for notice in action.notices)
        fates = {name: self._fate() for name in CHANNELS if name not in action.notices[0].settled}
        for name, fate in fates.items():
            if fate != "failed":
                for id in ids:
                    self._arrives(name, id)
        seen = ob.NoticeTried(
            sim.now,
            ids,
            tuple(name for name, fate in fates.items() if fate == "delivered"),
            tuple((name, "down") for name, fate in fates.items() if fate == "failed"),
            tuple((name, "no answer") for name, fate in fates.items() if fate == "unknown"),
        )
        epoch = sim.epoch
        sim.after(self._rng.uniform(0.1, 50), lambda: self._answer(seen) if epoch == sim.epoch else None)

    def _answer(self, seen: ob.NoticeTried) -> None:
        self.sim.see(ob.NoticeTried(self.sim.now, seen.ids, seen.delivered, seen.failed, seen.unknown))

    def _fate(self) -> str:
        return "delivered" if self.sim.calm else self._rng.choice(("delivered", "delivered", "failed", "unknown"))

    def _arrives(self, channel: str, id: str) -> None:
        self.got[channel, id] += 1
        if self.got[channel, id] > 1:
            self.sim.fail(f"{channel} gets {id} twice")

    def at_the_end(self) -> None:
        """After calm days nothing waits."""
        waiting = self.sim.state.notices.waiting
        if waiting:
            self.sim.fail(f"these notices still wait after calm days: {waiting}")
