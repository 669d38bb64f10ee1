"""The configuration of the simulated project."""

from __future__ import annotations

from dataclasses import replace

from loops.config.model import (
    Agent,
    Backend,
    Budget,
    Config,
    Done,
    Handoff,
    Item,
    Kind,
    Loop,
    Notify,
    Phase,
    Wake,
    Watch,
    Watchdog,
)


def phase(number: int) -> Phase:
    items = tuple(Item(f"P{number}-{n}") for n in range(1, 1 + number % 2 + 1))
    checks = ("./check.sh",) if number % 3 == 0 else ()
    return Phase(f"p{number}", f"plan-{number}.md", f"STATUS-p{number}.md", items=items, checks=checks)


def project() -> Config:
    """A Builder, an Adversary, an orchestrator with a wake, a service, a nightly task, and a report when all is done."""
    loop = Agent("", "", Kind.LOOP, "/p", backend="coder", model="m", watch=Watch.HEAL_STALL, resume=True)
    members = [replace(loop, name=name, session=name, role=name) for name in ("builder", "adversary")]
    wake = Wake(6 * 3600.0, "/p/wake.md")
    members.append(
        replace(
            loop, name="orchestrator", session="orchestrator", kind=Kind.PERSISTENT, watch=Watch.HEAL_STALL, wake=wake
        )
    )
    members.append(replace(loop, name="report", session="report", kind=Kind.TASK))
    members.append(replace(loop, name="upgrader", session="upgrader", kind=Kind.TASK, schedule="03:00 UTC"))
    members.append(
        replace(loop, name="cleanlogs", session="cleanlogs", kind=Kind.SERVICE, backend="", watch=Watch.HEAL)
    )
    return Config(
        path="/p/agents.toml",
        root="/p",
        digest="1",
        session_prefix="s-",
        log_dir="/p/.loops",
        watchdog=Watchdog(budget=Budget(tokens=100_000)),
        backends={"coder": Backend("coder", supports_resume=True)},
        agents={each.name: each for each in members},
        loop=Loop(
            handoff=Handoff("/p/builder"),
            on_complete="report",
            done=Done(),
            phases=tuple(phase(n) for n in range(1, 7)),
        ),
        notify=Notify(ntfy="https://ntfy.invalid/topic", command=("tell",)),
    )
