"""A world in which the brain is tested: configuration in code, `see`, `tick`, and questions in plain words.

The holder, the agents' terminals and the git remote are played in the most obedient way; a test that wants them otherwise
turns the switches (``spawns``, ``ends``) off and tells the brain by hand.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from loops.agents import port
from loops.config import encode as encode_config
from loops.config.model import (
    Agent,
    Backend,
    Backoff,
    Budget,
    Config,
    Done,
    Handoff,
    Item,
    Kind,
    Loop,
    Phase,
    Wake,
    Watch,
    Watchdog,
)
from loops.protocol.evidence import Commit, Documents
from loops.supervisor import events as ev
from loops.supervisor import observation as ob
from loops.supervisor.action import Action, End, Leave, Look, Notice, ReadHistory, RunChecks, Send, Start
from loops.supervisor.decide import decide, due
from loops.supervisor.fold import fold
from loops.supervisor.state import AgentState, Life, Nudge, State

START = 1_800_000_000.0
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

FIELDS = "**WHAT:** all of it\n**HOW:** `pytest`\n**EXPECTED:** 12 passed\n**WHERE:** src at HEAD\n"


def claimed(*items: str) -> str:
    """A STATUS with complete claims of *items*."""
    return "\n".join(f"## Gate: {item} — CLAIMED, awaiting Adversary\n\n{FIELDS}" for item in items)


def done(*items: str) -> str:
    """The same with the done marker."""
    return f"{claimed(*items)}\n## DONE\n\nEverything was verified.\n"


def agent(name: str, kind: Kind = Kind.LOOP, **facts: Any) -> Agent:
    base = Agent(
        name, f"t-{name}", kind, f"/p/{name}", name, "coder", "small", Watch.HEAL_STALL, command=("true",), resume=True
    )
    return replace(base, **facts)


BUILDER, ADVERSARY = agent("builder"), agent("adversary")
ORCHESTRATOR = agent(
    "orchestrator", Kind.PERSISTENT, watch=Watch.HEAL, wake=Wake(HOUR, "/p/supervise.md"), model="large"
)
REPORT = agent("report", Kind.TASK, watch=Watch.NONE)
LOGS = agent("cleanlogs", Kind.SERVICE, backend="", watch=Watch.HEAL)
PHASE_1 = Phase("1", "plan-1.md", "STATUS-1.md", items=(Item("D1"),))
PHASE_2 = Phase("2", "plan-2.md", "STATUS-2.md", {"builder": "large"}, items=(Item("E1"),))


def project(
    *agents: Agent,
    phases: Iterable[Phase] = (PHASE_1, PHASE_2),
    on_complete: str = "",
    backoff: Backoff | None = None,
    budget: Budget | None = None,
    adversaries: tuple[str, ...] = ("adversary",),
    digest: str = "1",
    **watchdog: Any,
) -> Config:
    members = agents or (BUILDER, ADVERSARY)
    return Config(
        path="/p/agents.toml",
        root="/p",
        digest=digest,
        session_prefix="t-",
        log_dir="/p/.loops",
        watchdog=Watchdog(restart_backoff=backoff or Backoff(), budget=budget or Budget(), **watchdog),
        backends={
            "coder": Backend("coder", supports_resume=True),
            "forgetful": Backend("forgetful", supports_resume=False),
        },
        agents={each.name: each for each in members},
        loop=Loop(
            handoff=Handoff("/p/builder", adversary=adversaries),
            on_complete=on_complete,
            done=Done(),
            phases=tuple(phases),
        ),
    )


class World:
    """One project, its brain, and everything around it."""

    def __init__(self, config: Config | None = None, *, up: bool = True) -> None:
        self.state = State()
        self.now = START
        self.boot = "boot-1"
        self.epoch = 0
        self.journal: list[ev.Event] = []
        self.all: list[tuple[float, Action]] = []
        self.actions: list[Action] = []
        """Those of the last step."""
        self.events: list[ev.Event] = []
        """Those of the last step."""
        self.spawns = self.ends = True
        self.unsure: tuple[str, ...] = ()
        """Notices that were being sent when the last supervisor ended."""
        self.screens: dict[str, tuple[port.Signal, ...]] = {}
        self.outputs: dict[str, float] = {}
        self.held: dict[str, ob.Adopted] = {}
        self.texts: dict[str, Documents] = {}
        """By phase: the documents as they are now."""
        self.history: list[tuple[Commit, dict[str, Documents]]] = []
        self.config = config or project()
        self.see(ob.ConfigRead(self.now, self.config, encode_config(self.config)))
        self.begin(up=up)

    # ---- what happens --------------------------------------------------------------------------------------------

    def see(self, seen: ob.Observation) -> list[Action]:
        """Let the brain see one thing; hold that its answer is exactly the fold of its events."""
        before = self.state
        self.state, self.events, self.actions = decide(before, seen)
        told = [decoded(event) for event in self.events]
        assert fold(before, told) == self.state
        self.journal += self.events
        actions = self.actions
        self.all += [(self.now, action) for action in actions]
        for action in actions:
            self._carry_out(action)
        self.actions = actions
        return actions

    def _carry_out(self, action: Action) -> None:
        if isinstance(action, Start) and self.spawns:
            self.held[action.agent] = ob.Adopted(action.agent, action.incarnation, 1000 + action.incarnation, True)
            self.see(ob.Spawned(self.now, action.agent, action.incarnation, 1000 + action.incarnation))
        elif isinstance(action, End) and self.ends:
            self.exits(action.agent, signal=15)
        elif isinstance(action, Look):
            signals = self.screens.get(action.agent, ())
            self.see(
                ob.Looked(self.now, action.agent, action.incarnation, signals, self.outputs.get(action.agent, 0.0))
            )
        elif isinstance(action, ReadHistory):
            self.read_history()

    def begin(self, *, up: bool = False, boot: str = "") -> list[Action]:
        """A supervisor comes (again); what the holder holds is in ``held``."""
        self.boot = boot or self.boot
        return self.began(up=up)

    def began(self, *, up: bool = False, down_since: float = 0.0) -> list[Action]:
        """The same, with ``boot`` as it is."""
        self.epoch += 1
        unsure, self.unsure = self.unsure, ()
        return self.see(
            ob.Began(self.now, 7, self.epoch, self.boot, "1", tuple(self.held.values()), up, down_since, unsure)
        )

    def crash(self) -> None:
        """The supervisor is killed: what comes back is the fold of its journal."""
        self.unsure = tuple(notice.id for notice in self.state.notices.waiting if notice.sending)
        self.state = fold(State(), (decoded(event) for event in self.journal))

    def reboot(self) -> None:
        """The machine goes down with all its sessions, and comes back."""
        self.held.clear()
        self.crash()
        self.begin(boot=f"{self.boot}+")

    def exits(
        self, name: str, code: int | None = None, signal: int | None = None, incarnation: int = 0
    ) -> list[Action]:
        held = self.held.pop(name, None)
        incarnation = incarnation or (held.incarnation if held is not None else self.agent(name).incarnation)
        return self.see(ob.Exited(self.now, name, incarnation, code, signal))

    def says(self, name: str, *signals: port.Signal) -> list[Action]:
        """The agent's own events say something."""
        return self.see(ob.Signalled(self.now, name, self.agent(name).incarnation, signals))

    def shows(self, name: str, *signals: port.Signal) -> list[Action]:
        """The agent's screen, read now, shows something."""
        self.screens[name] = signals
        output = self.outputs.get(name, 0.0)
        return self.see(ob.Looked(self.now, name, self.agent(name).incarnation, signals, output))

    def works(self, *names: str, nudge: str = "") -> None:
        for name in names or tuple(self.config.agents):
            self.says(name, port.TurnStarted(nudge))

    def rests(self, *names: str, until: float | None = None) -> None:
        """Their turns end."""
        for name in names or tuple(self.config.agents):
            self.says(name, port.TurnStarted(), port.TurnEnded(until))

    def takes(self, name: str) -> Nudge:
        """The nudge that is being typed into *name* is verified: its turn begins, a second later."""
        self.now += 1.0
        nudge = next(n for n in self.agent(name).nudges if n.sending)
        self.see(ob.Sent(self.now, name, nudge.id, "delivered"))
        self.works(name, nudge=nudge.id)
        return nudge

    def told(self, verb: str, *names: str, **facts: str) -> list[Action]:
        return self.see(ob.Told(self.now, verb, names, **facts))

    def edit(self, config: Config) -> list[Action]:
        self.config = config
        return self.see(ob.ConfigRead(self.now, config, encode_config(config)))

    def tick(self, seconds: float) -> None:
        """Let time go by; every timer that falls due is seen at its time."""
        end = self.now + seconds
        for _ in range(10_000):
            timers = [(when, name) for name in ("", *self.state.agents) if (when := due(self.state, name)) is not None]
            when, name = min(timers, default=(end + 1, ""))
            if when > end:
                self.now = end
                return
            self.now = max(self.now, when)
            before = self.state
            self.see(ob.Tick(self.now, (name,)))
            assert self.state is not before or self.actions, f"a timer of {name} that never stops: {self.agent(name)}"
        raise AssertionError("timers storm")

    # ---- git -----------------------------------------------------------------------------------------------------

    def push(
        self,
        subject: str,
        *paths: str,
        by: str = "builder",
        status: str | None = None,
        review: str | None = None,
        inbox: str = "",
        quiet: bool = False,
    ) -> str:
        """A commit is pushed; *status* and *review* are new texts of the phase's documents."""
        sha = self.commit(subject, *paths, by=by, status=status, review=review)
        standing = ((inbox, f"digest-of-{sha}", sha),) if inbox else ()
        self.see(ob.Pushed(self.now, sha, self._documented(self.history[-1:]), standing, quiet))
        return sha

    def _documented(
        self, commits: list[tuple[Commit, dict[str, Documents]]]
    ) -> tuple[tuple[Commit, Documents | None], ...]:
        phase = self.state.loop.phase
        return tuple((commit, texts.get(phase, Documents(None, None))) for commit, texts in commits)

    def commit(
        self, subject: str, *paths: str, by: str = "builder", status: str | None = None, review: str | None = None
    ) -> str:
        """A commit that nobody has seen yet."""
        touched = list(paths)
        phase = self.state.loop.phase
        known = self.texts.get(phase, Documents(None, None))
        if status is not None:
            known = replace(known, status=status)
            touched.append(f"machine-docs/STATUS-{phase}.md")
        if review is not None:
            known = replace(known, review=(known.review or "") + review)
            touched.append(f"machine-docs/REVIEW-{phase}.md")
        self.texts = {**self.texts, phase: known}
        sha = hashlib.sha1(f"commit {len(self.history)}".encode()).hexdigest()
        self.history.append((Commit(sha, by, f"{by}@x", self.now, subject, tuple(touched)), self.texts))
        return sha

    def read_history(self) -> None:
        """The repository answers `ReadHistory`."""
        head = self.history[-1][0].sha if self.history else "0" * 40
        self.see(ob.Pushed(self.now, head, self._documented(self.history), quiet=True))

    def claims(self, item: str = "D1") -> str:
        return self.push(f"claim({item}): ready", "src/a.py", status=claimed(item))

    def passes(self, item: str = "D1") -> str:
        return self.push(f"review({item}): {item}: PASS", by="adversary", review=f"- {item}: PASS\n")

    def marks_done(self, item: str = "D1") -> str:
        return self.push("docs: done", status=done(item))

    def finish_phase(self, item: str) -> None:
        self.claims(item)
        self.passes(item)
        self.marks_done(item)

    # ---- questions -------------------------------------------------------------------------------------------------

    def agent(self, name: str) -> AgentState:
        return self.state.agents[name]

    def life(self, name: str) -> Life:
        return self.agent(name).life

    def acted(self, kind: type, name: str = "", since: float = 0.0) -> list[Any]:
        """The actions of *kind* so far, those about *name* only when it is given."""
        return [
            a for at, a in self.all if isinstance(a, kind) and at >= since and name in ("", getattr(a, "agent", ""))
        ]

    def starts(self, name: str) -> int:
        return len(self.acted(Start, name))

    def sent(self, name: str) -> list[Nudge]:
        """The nudges that were typed into *name*, in order."""
        return [action.nudge for action in self.acted(Send, name)]

    def waiting(self, name: str) -> list[str]:
        """The kinds of the nudges that wait for *name*."""
        return [nudge.kind.value for nudge in self.agent(name).nudges]

    def notices(self) -> list[str]:
        return [notice.text for notice in self.acted(Notice)]

    def happened(self, kind: type[ev.Event], name: str = "") -> list[Any]:
        return [e for e in self.journal if isinstance(e, kind) and name in ("", e.subject)]

    def rules(self, name: str = "") -> list[str]:
        """The rules by which was decided, in order."""
        return [rule for e in self.journal if name in ("", e.subject) and (rule := getattr(e, "rule", ""))]


def decoded(event: ev.Event) -> ev.Event:
    """The event as the journal gives it back."""
    found = ev.decode(event.type, json.loads(json.dumps(ev.encode(event))))
    assert found is not None
    return found


def with_agents(config: Config, changes: Mapping[str, Any] | None = None, **edits: Mapping[str, Any]) -> Config:
    """*config* after an edit of single agents: ``with_agents(config, builder={"enabled": False})``."""
    agents = {name: replace(each, **edits.get(name, {})) for name, each in config.agents.items()}
    return replace(config, agents=agents, digest=f"{config.digest}+", **(changes or {}))


__all__ = [
    "ADVERSARY",
    "BUILDER",
    "DAY",
    "HOUR",
    "LOGS",
    "MINUTE",
    "ORCHESTRATOR",
    "PHASE_1",
    "PHASE_2",
    "REPORT",
    "Leave",
    "RunChecks",
    "World",
    "agent",
    "claimed",
    "done",
    "project",
    "with_agents",
]
