"""The scripted agent, started through its adapter."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from agent_terminal import DemoAgent, until
from loops.agents.demo import DemoAdapter
from loops.agents.port import ConversationNamed, DialogShown, Order, Screen, TurnEnded, TurnStarted
from loops.config.model import Backend

ORDER = Order(
    agent="watcher",
    session="x-watcher",
    role="orchestrator",
    model="m",
    directory="",
    kickoff="--Watch.",
    fresh_id="f-1",
)
ADAPTER = DemoAdapter(Backend(name="demo", adapter="demo"))


def test_launch_typing_and_signals_fit_the_program(hire: Callable[..., DemoAgent]) -> None:
    agent = hire("orchestrator")
    launch = ADAPTER.launch(ORDER)

    agent.run(list(launch.argv))
    agent.wait_turn()
    typing = ADAPTER.typing("[nudge n1] well?")
    agent.type(typing.paste)
    agent.type(typing.submit)
    agent.wait_turn(2)

    told = [signal for line in agent.signals_file.read_bytes().splitlines() for signal in ADAPTER.read_line(line)]
    assert [told[0], told[1], told[3]] == [ConversationNamed("f-1"), TurnStarted(""), TurnStarted("n1")]
    assert isinstance(told[2], TurnEnded)
    assert launch.conversation == "f-1"
    assert [entry["text"] for entry in agent.received] == ["--Watch.", "[nudge n1] well?"]


def test_a_resumed_launch_goes_on_with_the_same_conversation(hire: Callable[..., DemoAgent]) -> None:
    agent = hire("orchestrator", {"rules": [{"mode": "crash"}]})
    agent.run(list(ADAPTER.launch(ORDER).argv))
    assert agent.wait_exit() == 1

    agent.run(list(ADAPTER.launch(replace(ORDER, resume=True, conversation="f-1", kickoff="")).argv))
    agent.wait_turn()

    assert [entry["text"] for entry in agent.received] == ["--Watch."]


def test_the_dialog_is_the_only_thing_read_from_the_screen(hire: Callable[..., DemoAgent]) -> None:
    agent = hire("orchestrator", {"rules": [{"mode": "prompt-waiting"}]})
    agent.run(list(ADAPTER.launch(ORDER).argv))
    until(lambda: "Esc to cancel" in agent.tail(), "the dialog")

    (shown,) = ADAPTER.read_screen(Screen(tuple(agent.tail().splitlines())), now=0.0)
    assert isinstance(shown, DialogShown)
    assert "frobnicating renderer" in shown.text
    assert ADAPTER.read_screen(Screen(("usage limit reached",)), now=0.0) == []


def test_a_task_runs_once_and_exits(hire: Callable[..., DemoAgent]) -> None:
    agent = hire("report")

    agent.run(list(ADAPTER.launch(replace(ORDER, agent="report", task=True)).argv))

    assert agent.wait_exit() == 0
    until(lambda: os.path.exists(agent.clone / "REPORT.md"), "the report")
