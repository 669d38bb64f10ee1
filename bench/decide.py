"""How long one decision takes with a thousand agents in the state: the median for each kind of observation.

Target: below 50 us for everything that can come a hundred times a second; what comes once a start, an edit or a command
looks at every agent, and has a table of its own.
"""

from __future__ import annotations

import gc
import statistics
import time
from dataclasses import replace

from loops.agents import port
from loops.config import encode as encode_config
from loops.config.model import Agent, Backend, Budget, Config, Handoff, Item, Kind, Loop, Phase, Wake, Watch, Watchdog
from loops.protocol.evidence import Commit, Documents
from loops.supervisor import observation as ob
from loops.supervisor.decide import decide, due
from loops.supervisor.state import State

from bench.table import Row, Table

AGENTS = 1000
REPEATS = 400
START = 1_800_000_000.0
SELDOM = ("Began", "ConfigRead", "Told down")
"""Once a start, an edit or a command: it looks at every agent, and may take as long as that takes."""


def project(agents: int = AGENTS, budget: Budget | None = None) -> Config:
    """A project with a Builder, an Adversary and many persistent agents."""
    base = Agent("", "", Kind.LOOP, "/p", backend="coder", model="m", watch=Watch.HEAL_STALL)
    members = [replace(base, name=name, session=name, role=name) for name in ("builder", "adversary")]
    wake = Wake(3600.0, "/p/wake.md")
    members += [
        replace(base, name=f"a{n}", session=f"a{n}", kind=Kind.PERSISTENT, wake=wake)
        for n in range(agents - len(members))
    ]
    phase = Phase("1", "plan.md", "STATUS-1.md", items=(Item("D1"),))
    return Config(
        path="/p/agents.toml",
        root="/p",
        digest="1",
        session_prefix="t-",
        log_dir="/p/.loops",
        watchdog=Watchdog(budget=budget or Budget()),
        backends={"coder": Backend("coder", supports_resume=True)},
        agents={each.name: each for each in members},
        loop=Loop(handoff=Handoff("/p"), phases=(phase,)),
    )


def running(config: Config) -> tuple[State, float]:
    """A state in which every agent runs and is idle."""
    at = START
    state = State()
    first: list[ob.Observation] = [
        ob.ConfigRead(at, config, encode_config(config)),
        ob.Began(at, 1, 1, "boot", "1", (), True),
    ]
    first.append(ob.Pushed(at, "0" * 40, (), quiet=True))
    for seen in first:
        state, _, _ = decide(state, seen)
    for name in config.agents:
        at += 0.001
        state, _, _ = decide(state, ob.Spawned(at, name, 1, 99))
        state, _, _ = decide(state, ob.Signalled(at, name, 1, (port.TurnStarted(), port.TurnEnded()), 10))
    return state, at


def observations(config: Config, at: float) -> dict[str, ob.Observation]:
    """One of each kind, as they come to a running project."""
    names = tuple(config.agents)
    commit = Commit("1" * 40, "builder", "b@x", at, "claim(D1): ready", ("src/a.py", "machine-docs/STATUS-1.md"))
    status = "## Gate: D1 — CLAIMED\n\n**WHAT:** a\n**HOW:** b\n**EXPECTED:** c\n**WHERE:** d\n"
    held = tuple(ob.Adopted(name, 1, 99, True) for name in names)
    return {
        "Tick (nothing due)": ob.Tick(at, ("a5",)),
        "Tick (wake due)": ob.Tick(at + 3601, ("a5",)),
        "Spawned (late)": ob.Spawned(at, "a5", 1, 99),
        "Exited, healed": ob.Exited(at + 100, "a5", 1, 1, None),
        "Signalled: a turn begins": ob.Signalled(at, "a5", 1, (port.TurnStarted(),), 20),
        "Signalled: a turn ends": ob.Signalled(at, "a5", 1, (port.TurnEnded(at + 600),), 30),
        "Signalled: usage": ob.Signalled(at, "a5", 1, (port.UsageReported(1000, 50, 0.01),), 40),
        "Signalled: a limit": ob.Signalled(at, "a5", 1, (port.LimitReached("limit", at + 3600, True),), 50),
        "Looked: idle": ob.Looked(at, "a5", 1, (port.Idle(),), at),
        "Looked: works": ob.Looked(at, "a5", 1, (port.Working(),), at),
        "Sent (unknown)": ob.Sent(at, "a5", "n1", "delivered"),
        "Told nudge": ob.Told(at, "nudge", ("a5",), "hello"),
        "Pushed: no signal": ob.Pushed(at, "2" * 40, ((replace(commit, subject="fix", paths=("a.py",)), None),)),
        "Pushed: a claim": ob.Pushed(at, "1" * 40, ((commit, Documents(status, None)),)),
        "CheckEnded (stale)": ob.CheckEnded(at, "1", "1" * 40, True, ""),
        "Told down": ob.Told(at, "down"),
        "ConfigRead": ob.ConfigRead(at, replace(config, digest="2"), encode_config(config)),
        "Began": ob.Began(at, 2, 2, "boot", "1", held, False),
    }


def measure(state: State, seen: ob.Observation, repeats: int = REPEATS) -> float:
    """The median of one `decide`, in microseconds."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        decide(state, seen)
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


def tables(quick: bool) -> list[Table]:
    """Measure and return the tables: what may come often, and what comes once a start, an edit or a command."""
    config = project()
    state, at = running(config)
    repeats = REPEATS // 4 if quick else REPEATS
    often = Table(f"decide: one decision with {AGENTS} agents in the state", ["us"], "", scenario="decide")
    seldom = Table(f"decide, what comes once a start, an edit or a command; {AGENTS} agents", ["us"], "")
    gc.collect()
    gc.freeze()  # as the supervisor's own state is by then: nothing of it is garbage
    try:
        for name, seen in observations(config, at).items():
            rare = name in SELDOM
            (seldom if rare else often).rows.append(Row(name, (measure(state, seen, 20 if rare else repeats),)))
        rich, at = running(project(budget=Budget(tokens=10**12)))
        usage = ob.Signalled(at, "a5", 1, (port.UsageReported(1000, 50, 0.01),), 40)
        often.rows.append(Row("Signalled: usage, project budget", (measure(rich, usage, repeats),)))
        began = time.perf_counter()
        for _ in range(repeats):
            due(state, "a5")
        often.rows.append(Row("due()", ((time.perf_counter() - began) / repeats * 1e6,)))
    finally:
        gc.unfreeze()
    often.rows.append(Row("the slowest of them", (max(row.figures[0] or 0.0 for row in often.rows),)))
    return [often, seldom]


if __name__ == "__main__":
    print("\n\n".join(table.text() for table in tables(quick=False)))
