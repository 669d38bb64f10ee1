"""What is said and when: texts for agents, the table for people, the clock, the service manager."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops import sd_notify
from loops.config.model import Agent, Config, Kind, Loop, Phase, Wake, Watchdog
from loops.errors import ConfigError
from loops.protocol.moment import span
from loops.supervisor import table, texts
from loops.supervisor.clock import Clock, boot_id
from loops.supervisor.state import AgentState, Hold, Life, LoopState, Nudge, NudgeKind, State, Turn

NOW = 1_800_000_000.0


def agent(name: str, kind: Kind = Kind.LOOP, **facts: object) -> Agent:
    return replace(Agent(name, f"t-{name}", kind, "/p", role=name), **facts)  # type: ignore[arg-type]


def project(*agents: Agent, **loop: object) -> Config:
    return Config(
        "/p/agents.toml",
        "/p",
        "1",
        "t-",
        "/p/.loops",
        Watchdog(),
        {},
        {each.name: each for each in agents},
        replace(Loop(), **loop),  # type: ignore[arg-type]
    )


# ---- texts ---------------------------------------------------------------------------------------------------------


def test_the_slots_of_the_kickoff_are_filled_and_other_braces_left_alone(tmp_path: Path) -> None:
    template = tmp_path / "kickoff.md"
    template.write_text("{phase_id} {plan} {status} {role} {other} {} {{plan}}")
    (tmp_path / "builder.md").write_text("Build.")
    builder = agent("builder")
    config = project(builder, kickoff_template=str(template), roles_dir=str(tmp_path))
    phase = Phase("{role}", "{status}.md", "S.md")
    said = texts.kickoff(config, builder, phase, "kickoff")
    assert said == "{role} {status}.md S.md builder {other} {} {{status}.md}\n\nBuild.\n"


def test_a_resumed_agent_of_the_loop_is_told_who_it_is_for_its_conversation_may_have_been_cut_off_at_once() -> None:
    builder, phase = agent("builder"), Phase("2w", "plans/two.md", status="STATUS-2w.md")
    said = texts.kickoff(project(builder), builder, phase, "resume")
    assert "Phase 2w: you are the builder; the plan is plans/two.md, its state is STATUS-2w.md." in said
    assert "you are" not in texts.kickoff(project(builder), agent("helper", Kind.PERSISTENT), phase, "resume")


def test_who_went_down_with_the_machine_is_told_so_when_it_is_resumed() -> None:
    builder, phase = agent("builder"), Phase("2w", "plans/two.md")
    assert "rebooted" not in texts.kickoff(project(builder), builder, phase, "resume")
    said = texts.kickoff(project(builder), builder, phase, "resume", rebooted=True)
    assert said.startswith("The machine rebooted: your session was restarted and this conversation goes on.")
    assert "you are the builder" in said


def test_the_engines_own_texts_stand_in_where_the_project_has_none() -> None:
    builder = agent("builder")
    said = texts.kickoff(project(builder), builder, Phase("1", "plan.md", "STATUS-1.md"), "kickoff")
    assert "plan.md" in said
    assert "STATUS-1.md" in said


@pytest.mark.parametrize("kind", [Kind.LOOP, Kind.PERSISTENT])
def test_an_agent_whose_orders_cannot_be_read_is_not_started_without_them(tmp_path: Path, kind: Kind) -> None:
    missing = str(tmp_path / "missing.md")
    one = agent("builder", kind, prompt_file=missing)
    with pytest.raises(ConfigError, match=r"missing\.md"):
        texts.kickoff(project(one, kickoff_template=missing), one, Phase("1"), "kickoff")


def test_a_nudge_is_headed_by_its_id_and_a_wake_has_the_text_of_its_file(tmp_path: Path) -> None:
    prompt = tmp_path / "wake.md"
    one = agent("one", Kind.PERSISTENT, wake=Wake(60.0, str(prompt)))
    wake = Nudge("n7", NudgeKind.WAKE, "", "", NOW)
    assert texts.nudge(project(one), one, wake).startswith("[nudge n7] It is time")
    prompt.write_bytes(b"Look \xff around")
    assert texts.nudge(project(one), one, wake) == "[nudge n7] Look \ufffd around"
    assert texts.nudge(project(one), one, replace(wake, kind=NudgeKind.CLAIM, text="go")) == "[nudge n7] go"


# ---- the table -----------------------------------------------------------------------------------------------------

hostile = st.text() | st.sampled_from(["\x1b[2J", "a\nb", "\x9b31m", "\u202eevil", "\r", "\x07", "\ud800"])


@given(hostile, hostile, hostile, st.sampled_from(Life), st.sampled_from(Turn))
def test_no_text_of_an_agent_acts_on_the_terminal(
    why: str, question: str, refusal: str, life: Life, turn: Turn
) -> None:
    hold = Hold("limit", NOW, 0, why)
    one = AgentState("one", life=life, turn=turn, why=why, question=question, hold=hold, incarnation=1, since=NOW - 5)
    state = State(config=project(agent("one")), agents={"one": one}, loop=LoopState(refused=("c", refusal)))
    text = table.text(state, NOW, supervisor_pid=1, started=NOW - 1)
    assert all(c.isprintable() or c == "\n" for c in text)
    assert len(text.splitlines()) == 3 + len(table.notes(state))
    json.dumps(table.as_json(state, NOW, 1, NOW - 1))


def test_the_table_says_what_runs_what_waits_and_for_what() -> None:
    running = AgentState(
        "a", life=Life.RUNNING, turn=Turn.WORKING, turn_since=NOW - 200, since=NOW - 7200, incarnation=1
    )
    parked = AgentState("b", life=Life.PARKED, restart_at=NOW + 90, why="exit 1", since=NOW - 5, incarnation=9)
    config = project(agent("a"), agent("b"), agent("c", Kind.SERVICE, enabled=False))
    text = table.text(State(config=config, agents={"a": running, "b": parked}), NOW)
    lines = {line.split()[0]: line for line in text.splitlines()}
    assert "RUNNING" in lines["a"]
    assert "working for 3m 20s" in lines["a"]
    assert "2h 00m" in lines["a"]
    assert "CRASH LOOP" in lines["b"]
    assert "next try in 1m 30s: exit 1" in lines["b"]
    assert "stopped (disabled)" in lines["c"]
    assert "stopped" in lines["watchdog"]


def test_without_a_configuration_the_table_is_only_its_head() -> None:
    assert table.text(State(), NOW).split() == list(table.HEAD)
    assert table.as_json(State(), NOW)["agents"] == []


@given(st.floats(-10, 1e9))
def test_a_span_has_at_most_two_units(seconds: float) -> None:
    assert 1 <= len(span(seconds).split()) <= 2


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0s"), (59.9, "59s"), (60, "1m 00s"), (18120, "5h 02m"), (187200, "2d 04h")]
)
def test_spans_read_as_people_say_them(seconds: float, text: str) -> None:
    assert span(seconds) == text


# ---- the clock -----------------------------------------------------------------------------------------------------


class Machine:
    wall, boot = 1_000_000.0, 50.0

    def clock(self, floor: float = 0.0) -> Clock:
        return Clock(floor, wall=lambda: self.wall, boottime=lambda: self.boot)


def test_a_wall_clock_that_jumps_moves_no_timer() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wall += 86400.0
    machine.boot += 1.0
    assert clock.now() == 1_000_001.0
    assert clock.wall() == 1_086_400.0


def test_steady_time_never_falls_below_that_of_an_earlier_run() -> None:
    machine = Machine()
    assert machine.clock(floor=2_000_000.0).now() == 2_000_000.0
    assert machine.clock(floor=5.0).now() == 1_000_000.0


def test_a_named_time_keeps_its_distance_from_now() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wall += 3600.0
    assert clock.steady(machine.wall + 60.0) == clock.now() + 60.0
    assert clock.from_boottime(machine.boot - 5.0) == clock.now() - 5.0


def test_the_boot_has_an_id(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(boot_id()) == 32
    monkeypatch.setenv("LOOPS_BOOT_ID", "ab-cd")
    assert boot_id() == "abcd"


# ---- the service manager -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("abstract", [False, True])
def test_the_service_manager_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool) -> None:
    address = f"@loops-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address.replace("@", "\0"))
        manager.settimeout(5.0)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        sd_notify.tell("READY=1")
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "/nonexistent/notify", "x" * 200])
def test_a_manager_that_is_not_there_is_no_reason_to_stop(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    sd_notify.tell("WATCHDOG=1")


@pytest.mark.parametrize(
    ("allowed", "meant_for", "interval"),
    [
        ("10000000", "", 5.0),
        ("10000000", "me", 5.0),
        ("10000000", "1", None),
        ("", "", None),
        ("0", "", None),
        ("x", "", None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_needed(
    monkeypatch: pytest.MonkeyPatch, allowed: str, meant_for: str, interval: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", allowed)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if meant_for == "me" else meant_for)
    assert sd_notify.watchdog_interval() == interval
