"""What doctor, status and the start say about isolation, on machines that have it and on others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

import pytest
from loops.config.model import Agent, Backend, Config, Handoff, Kind, Loop, Network, Watchdog
from loops.errors import LoopsError
from loops.isolation import able, confine
from loops.isolation.able import Ability
from loops.places import Runtime
from loops.projects import doctor_isolation
from loops.projects.doctor import Level
from loops.supervisor import events as ev
from loops.supervisor import explain, table
from loops.supervisor.fold import fold
from loops.supervisor.state import AgentState, Life, State

WORKS = Ability("/usr/bin/bwrap")
LACKS = Ability("", "bubblewrap is not installed")


def agent(name: str, **facts) -> Agent:
    return Agent(**{"name": name, "session": name, "kind": Kind.LOOP, "dir": "/p/a", "backend": "claude", **facts})


def config(*agents: Agent, root: str = "/p", **backends: Backend) -> Config:
    return Config(
        path=f"{root}/agents.toml",
        root=root,
        digest="",
        session_prefix="x-",
        log_dir=f"{root}/.loops",
        watchdog=Watchdog(),
        backends=MappingProxyType({"claude": Backend("claude", "claude"), "demo": Backend("demo", "demo"), **backends}),
        agents={each.name: each for each in agents},
        loop=Loop(handoff=Handoff("/p/a")),
    )


@pytest.fixture
def ability(monkeypatch: pytest.MonkeyPatch) -> Callable[[Ability], None]:
    def have(found: Ability) -> None:
        for module in (confine, doctor_isolation):
            monkeypatch.setattr(module, "ability", lambda **_: found)

    return have


def found(facts: Config) -> list[tuple[Level, str]]:
    return [(finding.level, finding.text) for finding in doctor_isolation.isolation(facts)]


def test_who_wants_it() -> None:
    claude, demo = Backend("claude", "claude"), Backend("demo", "demo")
    assert confine.is_wanted(agent("a"), claude)
    assert not confine.is_wanted(agent("a"), demo)
    assert confine.is_wanted(agent("a", isolate=True), demo)
    assert not confine.is_wanted(agent("a", isolate=False), claude)
    assert not confine.is_wanted(agent("a", kind=Kind.PERSISTENT), claude)
    assert not confine.is_wanted(agent("a", kind=Kind.SERVICE, isolate=True), claude)


def test_where_it_works_doctor_names_the_isolated(ability) -> None:
    ability(WORKS)
    assert found(config(agent("a"), agent("b"))) == [(Level.OK, "/usr/bin/bwrap works; isolated: a, b")]


def test_where_it_is_not_to_be_had_doctor_says_who_runs_without_and_who_not_at_all(ability) -> None:
    ability(LACKS)
    told = found(config(agent("a"), agent("b", isolate=True), agent("c", isolate=False)))
    assert [level for level, _ in told] == [Level.FAIL, Level.WARN]
    assert "b will not start" in told[0][1]
    assert "a will run without" in told[1][1]


def test_where_nobody_wants_it_nothing_is_wrong(ability) -> None:
    ability(LACKS)
    assert [level for level, _ in found(config(agent("a", backend="demo")))] == [Level.OK]


def test_a_key_that_stays_outside_is_told(ability, monkeypatch: pytest.MonkeyPatch) -> None:
    ability(WORKS)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    named = Backend("claude", "claude", home=MappingProxyType({}))
    told = found(config(agent("a"), claude=named))
    assert told[-1][0] is Level.WARN
    assert "a does not get ANTHROPIC_API_KEY" in told[-1][1]
    assert len(found(config(agent("a", env_keep=("ANTHROPIC_API_KEY",)), claude=named))) == 1
    assert len(found(config(agent("a")))) == 1  # its own login: it is handed on


def start(facts: Config, name: str) -> confine.Start:
    return confine.Start(facts, Runtime(facts.path), facts.agents[name], facts.backends["claude"], "/p/signals")


def test_isolate_true_refuses_the_start_with_the_reason(ability) -> None:
    ability(LACKS)
    with pytest.raises(LoopsError, match=r"isolate = true.*bubblewrap is not installed.*isolate = false"):
        confine.confine(start(config(agent("a", isolate=True)), "a"))


def test_the_default_runs_without_and_says_why(ability) -> None:
    ability(LACKS)
    how = confine.confine(start(config(agent("a")), "a"))
    assert how is not None
    assert not how
    assert how.lack == "bubblewrap is not installed"


def test_opencode_without_a_network_is_refused(ability) -> None:
    ability(WORKS)
    facts = config(agent("a", backend="claude", network=Network.NONE), claude=Backend("claude", "opencode"))
    with pytest.raises(LoopsError, match=r"127\.0\.0\.1"):
        confine.confine(start(facts, "a"))


def test_status_has_one_line_a_reason_for_those_who_live_without() -> None:
    state = State(config=config(agent("a"), agent("b"), agent("c")))
    living = {name: AgentState(name, life=Life.RUNNING) for name in "abc"}
    state = replace(state, agents=living)
    lack = "bubblewrap is not installed"
    state = fold(state, [ev.AgentConfined(name, 1.0, 0, (), (), "", lack) for name in "ab"])
    assert table.notes(state) == [f"not isolated: a, b: {lack}"]


def test_explain_says_what_was_seen() -> None:
    said = explain.sentence(ev.AgentConfined("a", 1.0, 1, ("/p/agents.toml",), ("/p/a", "/p/r"), "none"))
    assert said == "a can write /p/a, /p/r, can read /p/agents.toml, and has no network"
    assert "without isolation" in explain.sentence(ev.AgentConfined("a", 1.0, 1, (), (), "", "no bwrap"))


# ---- the trial -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("", "not installed"),
        ("echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1", "may map no user"),
        ("echo 'bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted' >&2; exit 1", "no network of its own"),
        (
            "echo 'bwrap: Creating new namespace failed: Operation not permitted' >&2; exit 1",
            "namespaces are forbidden",
        ),
        ("echo odd >&2; exit 3", "odd"),
        ("exit 3", "exit 3"),
    ],
)
def test_why_it_cannot_be_had_is_said_in_words(tmp_path, monkeypatch, program: str, reason: str) -> None:
    if program:
        (tmp_path / "bwrap").write_text(f"#!/bin/sh\n{program}\n")
        (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert reason in able.ability().reason


def test_what_worked_is_not_tried_again_and_what_did_not_is(tmp_path, monkeypatch) -> None:
    bwrap = tmp_path / "bwrap"
    bwrap.write_text("#!/bin/sh\nexit 3\n")
    bwrap.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not able.ability()
    bwrap.write_text("#!/bin/sh\nexit 0\n")
    assert able.ability()
    bwrap.write_text("#!/bin/sh\nexit 3\n")
    assert able.ability()
