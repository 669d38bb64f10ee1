"""What holds of the brain whatever it sees, in whatever order: nonsense included."""

from __future__ import annotations

import ast
import json
import os
from dataclasses import replace
from typing import Any

import loops.supervisor.rules
from brain_world import (
    ADVERSARY,
    BUILDER,
    LOGS,
    ORCHESTRATOR,
    PHASE_1,
    PHASE_2,
    REPORT,
    START,
    agent,
    claimed,
    decoded,
    done,
    project,
    with_agents,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from loops.agents import port
from loops.config import encode as encode_config
from loops.config.model import Backoff, Budget, Kind, Phase, Watch
from loops.protocol.evidence import Commit, Documents
from loops.supervisor import events as ev
from loops.supervisor import observation as ob
from loops.supervisor import snapshot
from loops.supervisor.action import Send, Start
from loops.supervisor.decide import decide, due
from loops.supervisor.fold import fold
from loops.supervisor.rules import RULES
from loops.supervisor.state import State

NAMES = ("builder", "adversary", "orchestrator", "report", "cleanlogs", "nobody")
CONFIGS = (
    project(BUILDER, ADVERSARY, ORCHESTRATOR, REPORT, LOGS, on_complete="report"),
    project(BUILDER, digest="2", phases=(PHASE_2, PHASE_1), backoff=Backoff(park_after=2)),
    project(BUILDER, ADVERSARY, digest="3", phases=(Phase("3", status="STATUS-3.md"),), budget=Budget(tokens=500)),
    project(BUILDER, ADVERSARY, ORCHESTRATOR, digest="4", phases=(PHASE_1, PHASE_2, replace(PHASE_1, id="1b"))),
    project(
        with_agents(project(), builder={"enabled": False}).agents["builder"],
        agent("adversary", backend="forgetful", watch=Watch.NONE),
        agent("cleanlogs", Kind.TASK),
        digest="5",
        phases=(replace(PHASE_1, checks=("true",)),),
        on_complete="cleanlogs",
    ),
    project(BUILDER, digest="6", phases=()),
    project(BUILDER, agent("report", Kind.TASK, schedule="hourly"), ORCHESTRATOR, digest="7", on_complete="report"),
)

names = st.sampled_from(NAMES)
incarnations = st.integers(0, 3)
gaps = st.sampled_from((-1000.0, 0.0, 0.0, 0.5, 1.0, 30.0, 300.0, 1000.0, 4000.0, 100000.0))
texts = st.sampled_from(("", "usage limit", "resets 3pm", "thinking blocks"))
whens = st.one_of(st.none(), st.floats(START - 1e5, START + 1e6))
ids = st.sampled_from(("", "a1", "n1", "n2", "n3"))
signals = st.one_of(
    st.builds(port.Ready),
    st.builds(port.TurnStarted, ids),
    st.builds(port.TurnEnded, whens, st.booleans()),
    st.builds(port.Working),
    st.builds(port.Idle, whens),
    st.builds(port.LimitReached, texts, whens, st.booleans(), st.booleans()),
    st.builds(port.LimitCleared),
    st.builds(port.ProviderUnavailable, texts),
    st.builds(port.Blocked, st.sampled_from(("auth", "billing", "denied", "strange")), texts),
    st.builds(port.Fatal, texts, st.booleans()),
    st.builds(port.DialogShown, texts),
    st.builds(port.ApprovalAsked, ids, texts),
    st.builds(port.ApprovalEnded, ids, st.just("denied")),
    st.builds(port.ConversationNamed, ids),
    st.builds(
        port.UsageReported, st.integers(0, 400), st.integers(0, 400), st.none() | st.floats(0, 1), st.integers(0, 400)
    ),
)
spoken = st.lists(signals, max_size=4).map(tuple)
adopted = st.lists(
    st.builds(ob.Adopted, names, incarnations, st.just(5), st.booleans(), st.sampled_from((None, 0, 1))),
    max_size=5,
    unique_by=lambda each: each.name,
).map(tuple)
shas = st.sampled_from([f"{n:040x}" for n in range(6)])
documents = st.sampled_from(
    (
        None,
        Documents(None, None),
        Documents(claimed("D1"), None),
        Documents(done("D1"), "- D1: PASS\n"),
        Documents(done("E1"), "- E1: PASS\n"),
        Documents("# half", "## VETO: no\n"),
    )
)
commits = st.builds(
    Commit,
    shas,
    st.just("x"),
    st.sampled_from(("builder@x", "adversary@x")),
    st.floats(START - 1e5, START + 1e6),
    st.sampled_from(("claim(D1): a", "review(D1): D1: PASS", "review(D1): FAIL", "docs", "claim(E1)", "review: hm")),
    st.sampled_from((("src/a.py",), ("machine-docs/STATUS-1.md",), ("REVIEW-2.md",), ())),
    st.booleans(),
)
pushes = st.builds(
    ob.Pushed,
    st.just(0.0),
    shas,
    st.lists(st.tuples(commits, documents), max_size=4).map(tuple),
    st.sampled_from(((), (("BUILDER-INBOX.md", "d1", "c1"),), (("ADVERSARY-INBOX.md", "d2", "c2"),))),
    st.booleans(),
    st.booleans(),
)
now = st.just(0.0)
observations = st.one_of(
    st.builds(
        ob.Began,
        now,
        st.just(1),
        st.integers(1, 9),
        st.sampled_from(("a", "b", "c", "")),
        st.just("1"),
        adopted,
        st.booleans(),
    ),
    st.sampled_from(CONFIGS).map(lambda config: ob.ConfigRead(0.0, config, encode_config(config))),
    st.builds(ob.ConfigBroken, now, st.sampled_from("xy"), st.just(("line 1: no",))),
    st.builds(ob.Spawned, now, names, incarnations, st.just(5)),
    st.builds(ob.SpawnRefused, now, names, incarnations, texts),
    st.builds(ob.Exited, now, names, incarnations, st.sampled_from((None, 0, 1)), st.sampled_from((None, 9))),
    st.builds(ob.Signalled, now, names, incarnations, spoken, st.integers(-1, 50)),
    st.builds(ob.Looked, now, names, incarnations, spoken, st.floats(0, START + 1e5)),
    st.builds(ob.Sent, now, names, ids, st.sampled_from(("delivered", "unconfirmed", "human", "gone", "?"))),
    pushes,
    st.builds(ob.CheckEnded, now, st.sampled_from(("1", "2")), shas, st.booleans(), texts),
    st.builds(
        ob.Told,
        now,
        st.sampled_from(
            ("up", "up", "down", "estop", "phase", "nudge", "answered", "approve", "deny", "run", "due", "no")
        ),
        st.lists(names, max_size=2, unique=True).map(tuple),
        st.sampled_from(("", "next", "1", "2", "99", "hello")),
        approval=ids,
        fresh=st.booleans(),
        wall=st.floats(START, START + 1e5),
    ),
    st.builds(
        ob.Timed,
        now,
        names,
        st.sampled_from(("hourly", "hourly", "daily", "")),
        st.floats(START - 1e5, START + 1e5),
        st.sampled_from((0.0, START - 3600.0, START, START + 3600.0)),
        st.booleans(),
    ),
    st.builds(ob.Tick, now, st.lists(names, max_size=3).map(tuple)),
)


def obedient(state: State, action: Any, at: float) -> ob.Observation | None:
    """What a world without faults answers."""
    if isinstance(action, Start):
        return ob.Spawned(at, action.agent, action.incarnation, 5)
    if isinstance(action, Send):
        return ob.Sent(at, action.agent, action.nudge.id, "delivered")
    return None


@settings(max_examples=300)
@given(st.lists(st.tuples(gaps, observations, st.booleans()), max_size=40))
def test_whatever_is_seen_the_state_is_the_fold_of_the_journal(steps: list[tuple[float, Any, bool]]):
    at = START
    state = State()
    reboots = Reboots()
    begin: list[Any] = [
        ob.ConfigRead(at, CONFIGS[0], encode_config(CONFIGS[0])),
        ob.Began(at, 1, 1, "a", "1", (), True),
    ]
    todo = [(0.0, seen, True) for seen in begin] + steps
    for gap, seen, obey in todo:
        at += gap
        before = state
        state, events, actions = decide(state, replace(seen, at=at))
        told = [decoded(event) for event in events]
        assert fold(before, told) == state, "the events do not make the state"
        assert events or state is before, "a state that changed without an event"
        kept = snapshot.decode(json.loads(json.dumps(snapshot.encode(state))))
        assert kept == state, "the snapshot is another state"
        for event in events:
            assert getattr(event, "rule", "wanted") in RULES
        _hold_actions(before, state, events, actions)
        reboots.hold(before, seen, events, state)
        if obey:
            for action in actions:
                answer = obedient(state, action, at)
                if answer is not None:
                    state, _, more = decide(state, answer)
                    assert not any(isinstance(a, Start) for a in more if isinstance(action, Start))
        for name in state.agents:
            due(state, name)
        assert state.steady >= before.steady
        living = [a for a in state.agents.values() if a.runs and a.backend]
        assert state.running == len(living), "another number of agents counts as running"


class Reboots:
    """Counts apart from the brain: the boots that it saw, and whom it told of which."""

    def __init__(self) -> None:
        self.boot, self.count = "", 0
        self.told: set[tuple[str, str]] = set()

    def hold(self, before: State, seen: Any, events: list[ev.Event], after: State) -> None:
        recorded = [e for e in events if isinstance(e, ev.MachineRebooted)]
        nudges = [e for e in events if isinstance(e, ev.NudgeQueued) and e.kind == "reboot"]
        if not isinstance(seen, ob.Began):
            assert recorded == nudges == []
            return
        living = any(session.alive for session in seen.sessions)
        is_one = bool(self.boot) and seen.boot_id not in ("", self.boot) and not living
        self.count += is_one
        self.boot = seen.boot_id or self.boot
        assert [(e.count, e.boot_id) for e in recorded] == ([(self.count, self.boot)] if is_one else [])
        assert (after.reboots, after.boot_id) == (self.count, self.boot)
        for nudge in nudges:
            assert recorded, "nobody is told of what was no reboot"
            assert (nudge.agent, nudge.cause) not in self.told
            assert f"reboot {self.count} of this project" in nudge.text
            self.told.add((nudge.agent, nudge.cause))
        for event in recorded:
            assert event.down_since <= before.steady
            assert before.boot_id == event.previous


def _hold_actions(before: State, after: State, events: list[ev.Event], actions: list[Any]) -> None:
    starts = [a for a in actions if isinstance(a, Start)]
    assert len({a.agent for a in starts}) == len(starts), "two starts of one agent in one step"
    for start in starts:
        old = before.agents.get(start.agent)
        ended = any(isinstance(e, ev.SessionEnded | ev.SessionFailed) and e.agent == start.agent for e in events)
        # The intent that the holder never heard of is repeated; else nothing starts beside what lives.
        repeated = old is not None and old.incarnation == start.incarnation
        assert old is None or not old.alive or repeated or ended, "a start while the agent is alive"
    for agent_state in after.agents.values():
        assert sum(1 for n in agent_state.nudges if n.sending) <= 1, "two nudges are typed at once"
        assert all(n.sending in (0, agent_state.incarnation) for n in agent_state.nudges)


def test_every_rule_is_used_and_every_used_rule_is_in_words():
    """Each name that the deciding modules give as a rule stands in `RULES`, and nothing else does."""
    folder = os.path.dirname(loops.supervisor.rules.__file__)
    used: set[str] = set()
    deciding = (
        *("lives", "attention", "carrying", "holds", "conversations", "budgets", "nudging", "notices", "progress"),
        *("reboots", "scheduling", "step", "tasks", "decide", "fates"),
    )
    for module in deciding:
        with open(os.path.join(folder, f"{module}.py"), encoding="utf-8") as file:
            tree = ast.parse(file.read())
        used |= {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    assert set(RULES) <= used, f"nobody uses {set(RULES) - used}"


def test_every_event_survives_the_journal():
    for name, kind in ev.TYPES.items():
        assert kind.type == name
    assert ev.decode("of.a.later.engine", {}) is None
