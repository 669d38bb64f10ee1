"""The simulated operator: brings the project up, stops agents, edits the file well and badly, and panics now and then."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from loops.config import encode as encode_config
from loops.config.model import Budget, Config
from loops.supervisor import observation as ob

from simulation.project import phase

if TYPE_CHECKING:
    from simulation.world import Simulation

HOUR = 3600.0
AGENTS = ("builder", "adversary", "orchestrator")


class Operator:
    """``down``: the agents that were stopped by name and not asked for since."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.down: set[str] = set()
        self.stopped = False
        """After an emergency stop, until up."""
        self.project_up = False
        self._edits = 1
        self.said: dict[str, bool] = {}
        """By approval: what was answered."""

    def begin(self) -> None:
        self.up()
        self._something()
        self._budget()

    def supervisor_left(self) -> None:
        """It ended as asked."""
        self.sim.supervisor_dies("as asked", down=10**9)

    # ---- words -----------------------------------------------------------------------------------------------------

    def up(self, *names: str) -> None:
        if not self.sim.alive:
            self.sim.supervisor_comes()
        self.stopped = False
        if names:
            self.down -= set(names)
        else:
            self.down.clear()
            self.project_up = True
        self._tell("up", names)

    def _down(self, *names: str) -> None:
        if not self._tell("down", names):
            return
        self.down |= set(names)
        if not names:
            self.down.clear()
            self.project_up = False

    def _estop(self) -> None:
        if self._tell("estop", ()):
            self.stopped = True
            self.project_up = False
            self.down.clear()

    def answers(self, name: str, id: str) -> None:
        """A person answers an approval, if it still waits as far as the supervisor knows."""
        agent = self.sim.state.agents.get(name)
        waits = agent is not None and any(each.id == id and not each.answer for each in agent.approvals)
        if self.sim.alive and waits:
            self.said[id] = self.sim.rng.random() < 0.6
            self._tell("approve" if self.said[id] else "deny", (name,), approval=id)

    def mends(self, name: str, says: bool) -> None:
        """What blocked the agent is put right; a probe finds it out where nobody says so."""
        self.sim.blocked.pop(name, None)
        if says and not self.sim.calm:
            self._tell("nudge", (name,), "it is mended, go on")

    def _budget(self) -> None:
        """A budget that is used up is raised some hours later, or granted once more."""
        sim = self.sim
        if sim.calm:
            return
        sim.after(sim.rng.uniform(4 * HOUR, 12 * HOUR), self._budget)
        if not any(agent.over is not None for agent in sim.state.agents.values()):
            return
        if sim.rng.random() < 0.3 and self.project_up:
            self.up()
        elif sim.alive:
            watchdog = sim.config.watchdog
            more = replace(watchdog.budget, tokens=watchdog.budget.tokens + 100_000)
            self._edit(replace(sim.config, watchdog=replace(watchdog, budget=more)))

    def _tell(self, verb: str, names: tuple[str, ...], detail: str = "", approval: str = "") -> bool:
        """Say it until the supervisor has it in its journal, as a person does who gets no answer."""
        sim = self.sim
        if not sim.alive:
            return False
        sim.heard = False
        while not sim.heard:
            if not sim.alive:
                sim.supervisor_comes()
            sim.see(ob.Told(sim.now, verb, names, detail, approval=approval))
        return True

    # ---- a day's work ------------------------------------------------------------------------------------------------

    def _something(self) -> None:
        sim = self.sim
        if sim.calm:
            return
        sim.after(sim.rng.expovariate(1 / (10 * HOUR)), self._something)
        if sim.steps < 10:
            return
        rng = sim.rng
        who = rng.choice(AGENTS)
        back = rng.uniform(0, 6 * HOUR)
        match rng.randrange(10):
            case 0:
                self._down(who)
                sim.after(back, lambda: self.up(who) if not sim.calm and self.project_up else None)
            case 1:
                self._down()
                sim.after(back, lambda: self.up() if not sim.calm else None)
            case 2:
                self._estop()
                sim.after(back, lambda: self.up() if not sim.calm else None)
            case 3 | 4:
                self._tell("nudge", (who,), f"words {rng.random()}")
            case 5:
                self._break_the_file()
            case 6:
                self._edit(with_watch(sim.config, who, enabled=False))
                sim.after(back, lambda: self._edit(with_watch(sim.config, who, enabled=True)))
            case 7 if len(sim.config.loop.phases) < 12:
                self._append_phase()
            case 8:
                self.up()
            case _:
                self._edit(sim.config)

    def _edit(self, config: Config) -> None:
        self._edits += 1
        self.sim.config = replace(config, digest=str(self._edits))
        self.sim.see(ob.ConfigRead(self.sim.now, self.sim.config, encode_config(self.sim.config)))

    def _break_the_file(self) -> None:
        self._edits += 1
        sim = self.sim
        sim.see(ob.ConfigBroken(sim.now, str(self._edits), ("agents.toml line 3: unknown key",)))
        sim.after(sim.rng.uniform(60, 3600), lambda: self._edit(sim.config))

    def _append_phase(self) -> None:
        sim = self.sim
        new = phase(len(sim.config.loop.phases) + 1)
        sim.remote.add_phase(new.id, tuple(item.id for item in new.items))
        self._edit(replace(sim.config, loop=replace(sim.config.loop, phases=(*sim.config.loop.phases, new))))

    def sets_all_right(self) -> None:
        """The calm begins: everything is enabled and brought up."""
        sim = self.sim
        config = sim.config
        for name in config.agents:
            config = with_watch(config, name, enabled=True)
        config = replace(config, watchdog=replace(config.watchdog, budget=Budget()))
        if not sim.alive:
            sim.supervisor_comes()
        self._edit(config)
        self.up()
        for name in config.agents:
            process = sim.held.get(name)
            if process is not None and process.hung:
                process.exit(signal=9)


def with_watch(config: Config, name: str, *, enabled: bool) -> Config:
    return replace(config, agents={**config.agents, name: replace(config.agents[name], enabled=enabled)})
