"""Deployments for the tests of parity: one to look at, and any number of made-up ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from hashlib import sha256

from hypothesis import strategies as st
from loops.projects.deployment.model import Deployment, Document, Form, Member, Relay, Step, Wakes
from loops.projects.parity.compare import compare
from loops.projects.parity.comparison import Comparison, Finding
from loops.projects.parity.rules import Rule

TODAY = date(2026, 6, 1)


def document(path: str, text: str) -> Document:
    return Document(path, sha256(text.encode()).hexdigest(), len(text))


def sample(**changes: object) -> Deployment:
    """Two loop agents, an orchestrator and a service, in four phases."""
    members = (
        Member("builder", "loop", "cc-builder", "/srv/builder", "builder", "claude", "small", "heal+stall", True, True),
        Member("adversary", "loop", "cc-adversary", "/srv/adv", "adversary", "claude", "small", "heal", True, True),
        Member(
            "boss",
            "persistent",
            "cc-boss",
            "/srv",
            backend="claude",
            model="large",
            watch="heal",
            enabled=True,
            resume=True,
            prompt=document("prompts/boss.md", "rule well\n"),
            wakes=Wakes(3600.0, document("prompts/wake.md", "look around\n")),
        ),
        Member("cleanlogs", "service", "cc-cleanlogs", "/srv", enabled=True, command=("bin/cleanlogs", "-q")),
    )
    steps = tuple(
        Step(id, f"plans/{id}.md", f"STATUS-{id}.md", {"builder": "large"} if id == "2w" else {})
        for id in ("1", "1c", "2w", "3")
    )
    whole = Deployment(
        source="live",
        form=Form.ENGINE,
        root="/srv/live",
        prefix="cc-",
        members=members,
        steps=steps,
        relay=Relay("/srv/builder", "main", "claim(", "review(", "machine-docs", ("builder",), ("adversary",)),
        on_complete="",
        clis={"claude": {"bin": "claude", "flags": "--dangerously-skip-permissions"}},
        times={"stall_grace": 180.0, "limit_reset_slack": 45.0},
        roles={role: document(f"prompts/{role}.md", f"you are the {role}\n") for role in ("builder", "adversary")},
        kickoffs={
            (step.id, agent): f"phase {step.id}\nplan {step.plan}\nyou are the {agent}\n"
            for step in steps
            for agent in ("builder", "adversary")
        },
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def changed(name: str, **changes: object) -> Deployment:
    """The sample with one member changed."""
    whole = sample()
    members = tuple(replace(m, **changes) if m.name == name else m for m in whole.members)  # type: ignore[arg-type]
    return replace(whole, members=members)


def without(name: str) -> Deployment:
    whole = sample()
    return replace(whole, members=tuple(m for m in whole.members if m.name != name))


def compared(live: Deployment, staged: Deployment, *rules: Rule, today: date = TODAY) -> Comparison:
    return compare(live, staged, rules, today)


def bad(found: Comparison) -> list[Finding]:
    return [finding for finding in found.findings if finding.verdict.bad]


def places(found: Comparison) -> list[str]:
    return [str(finding.place) for finding in bad(found)]


# ---- any deployment ----------------------------------------------------------------------------------------------------

NAMES = ("builder", "adversary", "second", "boss", "report", "cleanlogs")
PHASES = ("1", "1c", "2w", "3", "poe2e")
TEXTS = st.text(st.sampled_from("ab <&\n\t/*[é"), max_size=12)
VALUES = st.sampled_from(("a", "b", "c <d>", "x/y z"))
DIGESTS = st.sampled_from(("", "12ab", "34cd")).map(lambda d: Document("some/file.md", d, len(d)))


def maybe(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | strategy


def members(name: str) -> st.SearchStrategy[Member]:
    return st.builds(
        Member,
        st.just(name),
        kind=st.sampled_from(("loop", "persistent", "task", "service")),
        session=maybe(VALUES),
        dir=maybe(VALUES),
        role=maybe(VALUES),
        backend=maybe(VALUES),
        model=maybe(VALUES),
        watch=maybe(VALUES),
        enabled=maybe(st.booleans()),
        resume=maybe(st.booleans()),
        prompt=maybe(DIGESTS),
        wakes=maybe(st.builds(Wakes, st.floats(1, 9), maybe(DIGESTS))),
        command=maybe(st.lists(VALUES).map(tuple)),
        state=maybe(st.sampled_from(("RUNNING", "stopped"))),
        conversation=maybe(VALUES),
    )


def steps(id: str) -> st.SearchStrategy[Step]:
    models = maybe(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=2))
    return st.builds(Step, st.just(id), plan=maybe(VALUES), status=maybe(VALUES), models=models)


def several(names: tuple[str, ...], make: Callable[[str], st.SearchStrategy[object]]) -> st.SearchStrategy[object]:
    chosen = st.lists(st.sampled_from(names), unique=True, max_size=4)
    return chosen.flatmap(lambda some: st.tuples(*map(make, some)))


CONFIGURED = st.builds(
    Deployment,
    source=st.sampled_from(("live", "staged")),
    form=st.sampled_from((Form.LOOPS, Form.ENGINE, Form.LAUNCHERS)),
    prefix=maybe(VALUES),
    log_dir=maybe(VALUES),
    members=several(NAMES, members),
    steps=maybe(several(PHASES, steps)),
    at=maybe(st.integers(0, 4)),
    complete=maybe(st.booleans()),
    relay=maybe(st.builds(Relay, repo=maybe(VALUES), inbox=maybe(VALUES), builder=maybe(st.just(("builder",))))),
    on_complete=maybe(VALUES),
    clis=maybe(st.dictionaries(VALUES, st.dictionaries(VALUES, VALUES, max_size=2), max_size=2)),
    times=maybe(st.dictionaries(VALUES, st.floats(1, 9), max_size=2)),
    roles=maybe(st.dictionaries(VALUES, DIGESTS, max_size=2)),
    kickoffs=maybe(
        st.dictionaries(st.tuples(st.sampled_from(PHASES), st.sampled_from(NAMES)), TEXTS, max_size=3),
    ),
)
"""A configuration of any form."""

CAPTURED = st.builds(
    Deployment,
    source=st.just("status.txt"),
    form=st.just(Form.STATUS),
    members=several(
        NAMES,
        lambda name: st.builds(
            Member,
            st.just(name),
            kind=VALUES,
            backend=maybe(VALUES),
            model=maybe(VALUES),
            watch=maybe(VALUES),
            enabled=st.booleans(),
            state=st.just("RUNNING"),
        ),
    ),
    now=maybe(st.sampled_from(PHASES).flatmap(steps)),
    at=maybe(st.integers(0, 4)),
    complete=maybe(st.booleans()),
)
"""What a captured status gives."""

DEPLOYMENTS = CONFIGURED | CAPTURED
