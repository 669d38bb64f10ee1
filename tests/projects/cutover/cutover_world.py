"""A small world in which a cutover is played: two sides, a unit, state files; things fail, break off, and come back unasked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from loops.projects.cutover.conduct import Answer, Outcome
from loops.projects.cutover.plan import Command, Ground, Member, Plan, Side, Step
from loops.projects.cutover.position import Entry
from loops.projects.cutover.say import Words
from loops.projects.cutover.steps import build


class BrokenOff(Exception):
    """The process that conducted the cutover was killed."""


def ground(*, unit: str = "live.service") -> Ground:
    members = (
        Member("builder", "loop", "x-builder", True, {"1a": "opus", "1b": "sonnet"}),
        Member("overseer", "persistent", "x-overseer", True, {"": "opus"}),
    )
    return Ground(
        live="/srv/live",
        live_root="/srv/live",
        form="launchers",
        live_digest="a" * 64,
        staged_root="/srv/staged",
        staged_config="/srv/staged/agents.toml",
        staged_digest="b" * 64,
        log_dir="/srv/staged/.loops",
        prefix="x-",
        scripts=("/srv/live/launch.py",),
        watchdogs=("x-watchdog",),
        tmux="/run/live.sock",
        unit=unit,
        unit_file="",
        personal=False,
        phases=("1a", "1b"),
        members=members,
        soak=60.0,
    )


def words(*, unit_starts: bool = True) -> Words:
    return Words(
        stop=(Command(("./launch.py", "stop"), cwd="/srv/live"),),
        start=(Command(("./launch.py", "start"), cwd="/srv/live", env=(("RESUME_PHASE", "1"),)),),
        status=Command(("./launch.py", "status"), cwd="/srv/live"),
        unit_starts=unit_starts,
    )


def plan(*, unit: str = "live.service", unit_starts: bool = True) -> Plan:
    return build(ground(unit=unit), words(unit_starts=unit_starts))


@dataclass(frozen=True)
class Standing:
    """What a cutover must leave as it was when it is taken back."""

    supervises: frozenset[Side]
    agents: frozenset[Side]
    live_unit: bool
    own_unit: bool


@dataclass
class World:
    """Interprets the plan's own commands."""

    live: bool = True
    live_agents: bool = True
    staged: bool = False
    staged_agents: bool = False
    live_unit: bool = True
    own_unit: bool = False
    carried: bool = False
    noted: bool = False
    fails: frozenset[int] = frozenset()
    """Numbers of the commands and checks that fail, counted from 0."""
    half: frozenset[int] = frozenset()
    """Of these, those that do their work all the same, and only say that they failed."""
    breaks: int = -1
    """The number of the command before which the conductor is killed."""
    breaks_after: int = -1
    returns: frozenset[int] = frozenset()
    """Before these, somebody starts the live side again (a reboot, a colleague), unless the staged side runs."""
    count: int = 0
    clock: float = 0.0
    both: bool = False
    said: list[str] = field(default_factory=list)

    @property
    def standing(self) -> Standing:
        sides = {Side.LIVE: self.live, Side.STAGED: self.staged}
        agents = {Side.LIVE: self.live_agents, Side.STAGED: self.staged_agents}
        return Standing(
            frozenset(side for side, there in sides.items() if there),
            frozenset(side for side, there in agents.items() if there),
            self.live_unit,
            self.own_unit,
        )

    # ---- the ports -----------------------------------------------------------------------------------------------------

    def run(self, command: Command) -> Outcome:
        number, self.count = self.count, self.count + 1
        self.clock += 1.0
        if number == self.breaks:
            raise BrokenOff
        if number in self.returns and not self.staged and command.starts is None:
            self.live = self.live_agents = True
        fails = number in self.fails
        code = 1 if fails and number not in self.half else self._do(command.words)
        self.both = self.both or (self.live and self.staged)
        if number == self.breaks_after:
            raise BrokenOff
        return Outcome(1 if fails else code, "it was made to fail" if fails else "", 1.0)

    def settle(self, say: Callable[[str], None]) -> None:
        pass  # what is broken off here leaves nothing running

    def lives(self, side: Side) -> str:
        there = self.live or self.live_agents if side is Side.LIVE else self.staged or self.staged_agents
        return f"a supervisor of the {side.value} side" if there else ""

    def now(self) -> float:
        return self.clock

    def ask(self, step: Step, number: int, *, back: bool, again: bool) -> Answer:
        return Answer.YES

    def say(self, line: str) -> None:
        self.said.append(line)

    # ---- what the commands do ------------------------------------------------------------------------------------------

    def _do(self, words: tuple[str, ...]) -> int:
        match words:
            case ("./launch.py", "status"):
                return 0 if self.live else 1
            case ("./launch.py", "stop"):
                self.live = self.live_agents = False
            case ("./launch.py", "start"):
                self.live = self.live_agents = True
            case ("systemctl", "disable", "--now", _):
                self.live = self.live_unit = False
            case ("systemctl", "start", _):
                self.live = self.live_agents = True
            case ("systemctl", "is-enabled", _):
                return 0 if self.live_unit else 1
            case ("systemctl", "enable", _):
                self.live_unit = True
            case ("tmux", *_):
                if not self.live:
                    return 1
                self.live = False
            case ("loops", "up", *_):
                self.staged = self.staged_agents = True
            case ("loops", "down", *_):
                self.staged_agents = False
                self.staged = self.own_unit
            case ("loops", "service", "install", *_):
                self.own_unit = self.staged = True
            case ("loops", "service", "uninstall", *_):
                self.own_unit = self.staged = self.staged_agents = False
            case ("loops", "cutover", "note", _):
                self.noted = True
            case ("loops", "cutover", "carry", _):
                self.carried = True
            case ("loops", "cutover", "check", what, _):
                return 0 if self._holds(what) else 1
            case ("loops", "parity" | "validate" | "doctor" | "untouched", *_) | ("loops", "cutover", "carry", _, _):
                pass
            case _:
                raise AssertionError(f"a command that this world does not know: {words}")
        return 0

    def _holds(self, what: str) -> bool:
        ended = not self.staged_agents
        holds = {
            "space": True,
            "at-rest": not self.staged and ended,
            "no-task": True,
            "noted": self.noted,
            "live-runs": self.live and self.live_agents,
            "live-stopped": not self.live and not self.live_agents,
            "staged-stopped": not self.staged and ended,
            "staged-ended": ended,
            "carried": self.carried,
            "live-state": True,
            "service": self.own_unit and self.staged,
            "soak": self.staged_agents,
        }
        running = ("staged-runs", "conversations", "phase", "models", "views")
        return holds.get(what, self.staged and self.staged_agents and self.carried and what in running)


@dataclass
class Pages:
    """A record in memory."""

    entries: list[Entry] = field(default_factory=list)

    def append(self, entry: Entry) -> None:
        self.entries.append(entry)
