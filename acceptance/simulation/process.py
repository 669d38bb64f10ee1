"""One simulated agent process: it works in turns, waits, and fails in all the ways that agents are known for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from loops.agents import port

if TYPE_CHECKING:
    from simulation.world import Simulation

MINUTE, HOUR = 60.0, 3600.0
TIRED = ("crash", "hang", "limit", "outage", "block", "fatal", "dialog", "approval")


class Process:
    """A living or dead session as the holder has it."""

    def __init__(
        self, sim: Simulation, name: str, incarnation: int, *, resumed: bool, conversation: str, phase: str
    ) -> None:
        self.sim, self.name, self.incarnation = sim, name, incarnation
        self.conversation, self.phase = conversation, phase
        self.pid = 1000 + incarnation
        self.alive = True
        self.code: int | None = None
        self.signal: int | None = None
        self.signals: list[port.Signal] = []
        self.turn_began = 0.0
        """When the turn under way began; 0: idle."""
        self.hung = False
        self.question = ""
        self.asked = 0
        self.answered: dict[str, bool] = {}
        """What came to it of the answers to its approvals."""
        self.last_output = sim.now
        self.pasted: set[str] = set()
        self.received: list[str] = []
        self.typed: list[str] = []
        """Nudges that were typed in the middle of a turn: taken up after it."""
        sim.after(sim.rng.uniform(1, 20), self._ifalive(lambda: self._boot(resumed)))

    def _ifalive(self, do: Callable[[], None]) -> Callable[[], None]:
        return lambda: do() if self.alive else None

    def _later(self, seconds: float, do: Callable[[], None]) -> None:
        self.sim.after(seconds, self._ifalive(do))

    def _boot(self, resumed: bool) -> None:
        sim = self.sim
        if sim.broken_until.get(self.name, 0.0) > sim.now or (resumed and sim.chance("resume-failure")):
            self.exit(code=1)
        elif sim.is_service(self.name):
            if sim.chance("crash"):
                self._later(sim.rng.uniform(1, 12 * HOUR), lambda: self.exit(code=1))
        else:
            self.say(port.ConversationNamed(self.conversation))
            self.begin_turn("")

    # ---- turns -------------------------------------------------------------------------------------------------------

    def say(self, signal: port.Signal) -> None:
        self.last_output = self.sim.now
        self.signals.append(signal)
        self.sim.signals_soon(self.name)

    def output_at(self, now: float) -> float:
        """When it last printed something: a working agent prints all the time."""
        if self.turn_began and not self.hung and not self.question:
            self.last_output = now
        return self.last_output

    def begin_turn(self, nudge: str) -> None:
        sim = self.sim
        if self.turn_began or self.question:
            return
        reset = sim.limit_of(self.name)
        if reset is not None:
            self.say(reset)
            return
        self.turn_began = sim.now
        self.say(port.TurnStarted(nudge))
        if self.name in sim.blocked:
            self._later(2, lambda: self._blocked(sim.blocked.get(self.name, "auth")))
            return
        if self.conversation in sim.poisoned:
            self._later(2, lambda: self.say(port.Fatal("thinking blocks cannot be modified")))
            return
        fault = next((kind for kind in TIRED if sim.chance(kind)), "")
        length = sim.rng.uniform(2 * MINUTE, 90 * MINUTE)
        if fault:
            self._later(length * sim.rng.random(), lambda: self._fail(fault, length))
        else:
            self._later(length, self.end_turn)

    def end_turn(self) -> None:
        """The work of the turn is pushed, then the agent waits."""
        if not self.turn_began or self.hung or self.question:
            return
        sim = self.sim
        sim.work(self)
        self.turn_began = 0.0
        sim.usage(self)
        if self.typed:
            self.say(port.TurnEnded())
            self.take(self.typed.pop(0))
            return
        wait = sim.rng.uniform(10 * MINUTE, 60 * MINUTE)
        if sim.chance("no-marker"):
            self.say(port.TurnEnded())
            return
        self.say(port.TurnEnded(sim.wall + wait))
        if not sim.chance("oversleep"):
            self._later(wait + sim.rng.uniform(0, 60), lambda: self.begin_turn(""))

    def _fail(self, fault: str, length: float) -> None:
        sim = self.sim
        if not self.turn_began:
            return
        if sim.calm:
            self.end_turn()
        elif fault == "crash":
            if sim.rng.random() < 0.2:
                sim.broken_until[self.name] = sim.now + sim.rng.uniform(0, 20 * HOUR)
            self.exit(code=1) if sim.rng.random() < 0.5 else self.exit(signal=9)
        elif fault == "hang":
            self.hung = True
        elif fault == "limit":
            sim.begin_limit(self.name)
            self.turn_began = 0.0
            self.say(sim.limit_of(self.name) or port.LimitCleared())
        elif fault == "block":
            sim.block(self.name)
            self._blocked(sim.blocked[self.name])
        elif fault == "outage":
            self._outage(sim.now + sim.rng.uniform(0, 4 * HOUR), length)
        elif fault == "fatal":
            sim.poisoned.add(self.conversation)
            self.say(port.Fatal("thinking blocks cannot be modified"))
        else:
            self._ask(fault, length)

    def _outage(self, until: float, length: float) -> None:
        """The provider is away: the agent tries again each minute or so, then goes on or gives up."""
        sim = self.sim
        if not self.turn_began:
            return
        if sim.now < until:
            self.say(port.ProviderUnavailable("overloaded"))
            self._later(sim.rng.uniform(20, 200), lambda: self._outage(until, length))
        elif sim.rng.random() < 0.3:
            self.turn_began = 0.0
            self.say(port.TurnEnded(failed=True))
            self.say(port.ProviderUnavailable("overloaded"))
        else:
            sim.usage(self)
            self._later(length, self.end_turn)

    def _blocked(self, kind: str) -> None:
        """The turn fails, as all do until somebody mends what blocks the agent."""
        if self.turn_began:
            self.turn_began = 0.0
            self.say(port.TurnEnded(failed=True))
            self.say(port.Blocked(kind, "no"))

    def _ask(self, kind: str, length: float) -> None:
        """It waits for a person, who comes late."""
        self.question = kind
        late = self.sim.rng.uniform(MINUTE, 90 * MINUTE if kind == "approval" else 8 * HOUR)
        if kind == "approval":
            self._approval(late, length)
            return
        self.say(port.DialogShown("Trust this folder?"))

        def closed() -> None:
            self.question = ""
            self._later(length, self.end_turn)

        self._later(late, closed)

    def _approval(self, late: float, length: float) -> None:
        """A person answers through the supervisor, or nobody does and it expires."""
        self.asked += 1
        id = f"{self.name}.{self.incarnation}-a{self.asked}"
        self.say(port.ApprovalAsked(id, "run rm?"))

        def over(outcome: str) -> None:
            self.question = ""
            self.say(port.ApprovalEnded(id, outcome))
            self._later(length, self.end_turn)

        def look() -> None:
            if id in self.answered:
                over("granted" if self.answered[id] else "denied")
            elif self.sim.now > expires:
                over("expired")
            else:
                self._later(20.0, look)

        expires = self.sim.now + HOUR
        self._later(late, lambda: self.sim.operator.answers(self.name, id))
        look()

    # ---- what is typed -----------------------------------------------------------------------------------------------

    def paste(self, nudge: str) -> str:
        """Type a nudge and press Enter; return how it came out, as the verified send does."""
        if nudge in self.received:
            return "delivered"
        if self.question or self.sim.chance("human-line"):
            return "human"
        self.pasted.add(nudge)
        if self.hung:
            return "unconfirmed"
        if self.turn_began:
            if nudge not in self.typed:
                self.typed.append(nudge)
            return "unconfirmed"
        limit = self.sim.limit_of(self.name)
        if limit is not None:
            self.say(limit)
            return "unconfirmed"
        if self.sim.chance("deaf"):
            return "unconfirmed"
        self.take(nudge)
        return "delivered"

    def take(self, nudge: str) -> None:
        self.received.append(nudge)
        self.typed = [other for other in self.typed if other != nudge]
        self.sim.judges.received(self, nudge)
        self.begin_turn(nudge)

    # ---- the end -------------------------------------------------------------------------------------------------------

    def exit(self, code: int | None = None, signal: int | None = None) -> None:
        if not self.alive:
            return
        self.alive = False
        self.code, self.signal = code, signal
        self.sim.process_ended(self)
