"""The supervisor's hands, with a holder that may go away between any two acts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from loops.agents import port
from loops.config.model import Agent, Backend, Config, Handoff, Kind, Loop, Phase, Watchdog
from loops.errors import SessionError
from loops.places import Runtime
from loops.sessions import client as held
from loops.supervisor import acts, commission, endings, looking
from loops.supervisor.action import End, Look, RunChecks, Send, Start
from loops.supervisor.acts import Sessions
from loops.supervisor.clock import Clock
from loops.supervisor.observation import CheckEnded, Exited, Looked, Observation, Sent, Spawned, SpawnRefused
from loops.supervisor.reactor import Reactor
from loops.supervisor.state import AgentState, Check, Life, LoopState, Nudge, NudgeKind, State, Turn

ONE = Agent("one", "t-one", Kind.PERSISTENT, "/", backend="coder", command=("true",))


class Holder:
    """Plays the holder's client: notes the orders, or refuses them all while it is not linked."""

    def __init__(self) -> None:
        self.linked = True
        self.orders: list[tuple[str, Any]] = []
        self.held: dict[str, held.Held] = {}
        self.tag = 0

    def _order(self, kind: str, what: Any) -> None:
        if not self.linked:
            raise SessionError("there is no connection to the holder")
        self.orders.append((kind, what))

    def sessions(self) -> Mapping[str, held.Held]:
        return self.held

    def spawn(self, order: held.SpawnOrder) -> None:
        self._order("spawn", order)

    def write(self, name: str, incarnation: int, id: str, data: bytes, *, guard: bool) -> None:
        self._order("write", id)

    def ask_tail(self, name: str) -> int:
        self._order("tail", name)
        self.tag += 1
        return self.tag

    def watch(self, name: str, quiet: float) -> None:
        self._order("watch", name)

    def forget(self, name: str) -> None:
        self._order("forget", name)

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.orders]


class Hands:
    """Sessions over such a holder, with a clock that the test sets."""

    def __init__(self, root: Path) -> None:
        self.time = 1000.0
        self.holder = Holder()
        self.seen: list[Observation] = []
        self.config = Config(
            str(root / "agents.toml"),
            str(root),
            "1",
            "t-",
            str(root / ".loops"),
            Watchdog(),
            {"coder": Backend("coder", bin="true")},
            {"one": ONE},
            Loop(handoff=Handoff(str(root / "clone")), phases=(Phase("1", checks=("true",)),)),
        )
        agent = AgentState("one", life=Life.RUNNING, incarnation=1, backend="coder", turn=Turn.IDLE)
        self.state = State(config=self.config, agents={"one": agent})
        clock = Clock(wall=lambda: self.time, boottime=lambda: self.time)
        self.reactor = Reactor(clock.now)
        self.sessions = Sessions(
            self.reactor,
            clock,
            Runtime(self.config.path),
            self.holder,  # type: ignore[arg-type]
            state=lambda: self.state,
            see=self.seen.append,
            before_exit=lambda name: None,
        )

    def hold(self, incarnation: int = 1, alive: bool = True, name: str = "one") -> None:
        self.holder.held[name] = held.Held(
            name,
            incarnation,
            os.getpid(),
            1,
            alive,
            None if alive else 0,
            None,
            False,
            0,
            0.0,
            (),
            False,
            0.0,
            50,
            200,
            "",
            0,
            0,
        )

    def without(self, *, agent: bool = False, phases: bool = False) -> None:
        """agents.toml is replaced while acts are in flight."""
        loop = replace(self.config.loop, phases=()) if phases else self.config.loop
        config = replace(self.config, agents={} if agent else self.config.agents, loop=loop)
        self.state = replace(self.state, config=config, agents={} if agent else self.state.agents)

    def pass_time(self, seconds: float) -> None:
        self.time += seconds
        self.reactor.at("end the wait", self.time, lambda: None)
        self.reactor.turn()


@pytest.fixture
def hands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hands:
    monkeypatch.setenv("LOOPS_RUNTIME_DIR", str(tmp_path / "run"))
    return Hands(tmp_path)


NUDGE = Nudge("n1", NudgeKind.OPERATOR, "hello", "c", 1.0)


# ---- the configuration changes while acts are in flight ------------------------------------------------------------


def test_a_start_of_an_agent_that_is_gone_is_no_start(hands: Hands) -> None:
    hands.without(agent=True)
    hands.sessions.start(Start("one", 1))
    assert hands.holder.orders == []
    hands.state = replace(hands.state, agents={"one": AgentState("one", life=Life.STARTING, incarnation=1)})
    hands.sessions.start(Start("one", 1))
    assert isinstance(hands.seen[0], SpawnRefused)


def test_a_start_of_an_older_incarnation_is_none(hands: Hands) -> None:
    hands.sessions.start(Start("one", 7))
    assert hands.holder.orders == hands.seen == []


def test_a_nudge_for_an_agent_that_is_gone_is_returned(hands: Hands) -> None:
    hands.without(agent=True)
    hands.sessions.send(Send("one", 1, NUDGE))
    assert [seen.outcome for seen in hands.seen if isinstance(seen, Sent)] == ["gone"]


@pytest.mark.parametrize("missing", ["phase", "handoff"])
def test_checks_of_a_phase_that_is_gone_have_failed(hands: Hands, missing: str) -> None:
    if missing == "phase":
        hands.without(phases=True)
    else:
        config = replace(hands.config, loop=replace(hands.config.loop, handoff=None))
        hands.state = replace(hands.state, config=config)
    hands.sessions.run_checks(RunChecks("1", "abc", 1))
    seen = hands.seen[0]
    assert isinstance(seen, CheckEnded)
    assert seen.ok is False
    assert "'1'" in seen.text


def test_a_kickoff_that_cannot_be_read_refuses_the_start_with_its_path(hands: Hands) -> None:
    config = replace(hands.config, agents={"one": replace(ONE, prompt_file="/nonexistent/prompt.md")})
    hands.state = replace(hands.state, config=config)
    hands.sessions.start(Start("one", 1))
    seen = hands.seen[0]
    assert isinstance(seen, SpawnRefused)
    assert "/nonexistent/prompt.md" in seen.reason


# ---- the holder goes away ------------------------------------------------------------------------------------------


def test_a_look_that_met_no_holder_does_not_count_as_under_way(hands: Hands) -> None:
    hands.hold()
    hands.holder.linked = False
    with pytest.raises(SessionError):
        hands.sessions.look(Look("one", 1))
    assert not hands.sessions.is_looking("one")


def test_a_look_whose_answer_went_with_the_holder_can_be_asked_for_again(hands: Hands) -> None:
    hands.hold()
    hands.sessions.look(Look("one", 1))
    assert hands.sessions.is_looking("one")
    hands.sessions.adopted(1, tuple(hands.holder.held.values()))
    assert not hands.sessions.is_looking("one")
    hands.sessions.look(Look("one", 1))
    assert hands.holder.kinds() == ["tail", "tail"]


def test_a_look_without_an_answer_is_given_up(hands: Hands) -> None:
    hands.hold()
    hands.sessions.look(Look("one", 1))
    hands.pass_time(looking.LOOK_WITHIN + 1)
    assert not hands.sessions.is_looking("one")


def test_a_look_is_answered_once(hands: Hands) -> None:
    hands.hold()
    hands.sessions.look(Look("one", 1))
    hands.sessions.heard([held.Tail("one", 1, 5, b"$ "), held.Tail("one", 1, 5, b"$ "), held.Tail("none", 9, 0, b"")])
    assert [type(seen) for seen in hands.seen] == [Looked]
    assert not hands.sessions.is_looking("one")


def test_a_nudge_on_its_way_survives_the_loss_of_the_holder_under_the_same_id(hands: Hands) -> None:
    hands.sessions.send(Send("one", 1, NUDGE))
    first = hands.holder.orders[0]
    hands.holder.linked = False
    hands.pass_time(6.0)  # the answer is late, and the write is repeated into the void
    hands.holder.linked = True
    hands.sessions.send(Send("one", 1, NUDGE))  # asked for again by the brain
    assert hands.holder.orders == [first, first]


def test_what_the_holder_said_last_is_taken_in_though_it_hears_no_more(hands: Hands) -> None:
    hands.holder.linked = False
    check = Check("1", "abc", 1)
    hands.state = replace(hands.state, loop=LoopState(check=check))
    hands.sessions.heard(
        [
            held.Spawned("one", 1, 77, 1),
            held.Exited("check:1", 1, 78, 0, None, False),
            held.Activity("one", 1, 1.0),
            held.Exited("one", 1, 77, 3, None, False),
        ]
    )
    assert [type(seen) for seen in hands.seen] == [Spawned, CheckEnded, Exited]


# ---- ending --------------------------------------------------------------------------------------------------------


def test_the_end_of_a_session_that_nobody_has_is_told_at_once(hands: Hands) -> None:
    hands.sessions.end(End("one", 1, 10.0))
    assert hands.seen == [Exited(1000.0, "one", 1, None, None)]


def test_an_end_that_turns_forceful_leaves_no_timer_behind(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    done = [False, True]
    monkeypatch.setattr(endings.tree.Ending, "__init__", lambda *_, **__: None)
    monkeypatch.setattr(endings.tree.Ending, "step", lambda *_: done.pop(0))
    hands.hold()
    hands.sessions.end(End("one", 1, 10.0))
    hands.sessions.end(End("one", 1, 0.0))
    hands.pass_time(60.0)
    assert done == []


def test_a_start_waits_for_the_end_of_what_the_last_session_left_but_not_for_ever(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings.tree.Ending, "step", lambda *_: False)  # a stuck disk holds it
    monkeypatch.setattr(endings.tree, "children", lambda _: [77])
    monkeypatch.setattr(endings.tree, "mark_of", lambda _: commission.marker(Runtime(hands.config.path), "one", 1))
    hands.sessions.heard([held.Spawned("one", 1, 76, 1), held.Exited("one", 1, 76, None, 9, False)])
    hands.state = replace(
        hands.state, agents={"one": AgentState("one", life=Life.STARTING, incarnation=2, backend="coder")}
    )

    hands.sessions.start(Start("one", 2))
    hands.pass_time(endings.ALONE_WITHIN / 2)
    assert "spawn" not in hands.holder.kinds()
    hands.pass_time(endings.ALONE_WITHIN)
    assert "spawn" in hands.holder.kinds()


# ---- checks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer", ["", "[]", "{}", '{"ok": "yes", "commit": "abc", "text": ""}', '{"ok": true, "commit": "x", "text": ""}']
)
def test_an_answer_that_is_not_exactly_yes_is_a_failed_check(hands: Hands, answer: str) -> None:
    hands.state = replace(hands.state, loop=LoopState(check=Check("1", "abc", 1)))
    path = Path(commission.check_answer(acts.StatePlaces(hands.config.log_dir), 1))
    path.parent.mkdir(parents=True)
    path.write_text(answer)
    hands.sessions.heard([held.Exited("check:1", 1, 78, 0, None, False)])
    seen = hands.seen[0]
    assert isinstance(seen, CheckEnded)
    assert seen.ok is False


def test_a_run_of_the_checks_that_the_holder_has_is_not_begun_again(hands: Hands) -> None:
    hands.hold(name="check:1")
    hands.sessions.run_checks(RunChecks("1", "abc", 1))
    assert hands.holder.orders == []
    hands.sessions.run_checks(RunChecks("1", "abc", 2))
    assert hands.holder.kinds() == ["spawn"]


# ---- what is started -----------------------------------------------------------------------------------------------


def test_a_session_knows_nothing_of_our_own_terminal_or_service_manager(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TMUX", "NOTIFY_SOCKET", "WATCHDOG_USEC", "AGENT_MODEL", "LISTEN_FDS", "KEPT"):
        monkeypatch.setenv(name, "x")
    commission._inherited.cache_clear()
    environment = commission.environment(hands.config, Runtime(hands.config.path), "one", 3, "1", {"OWN": "1"})
    commission._inherited.cache_clear()
    assert environment["KEPT"] == "x"
    assert environment["OWN"] == "1"
    assert environment["LOOPS_INCARNATION"] == "3"
    assert not {"TMUX", "NOTIFY_SOCKET", "WATCHDOG_USEC", "AGENT_MODEL", "LISTEN_FDS"} & environment.keys()


def test_times_that_an_agent_names_become_steady_ones(hands: Hands) -> None:
    named = (port.TurnEnded(1100.0), port.LimitReached("x", 1200.0), port.Idle(None), port.Ready())
    assert hands.sessions.in_steady_time(named) == named  # the two clocks agree here
