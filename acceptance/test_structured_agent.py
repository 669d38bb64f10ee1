"""Gate: an agent with a protocol of its own lives under the supervisor as any other: started, nudged, watched, healed.

What plays claude is a stand-in that speaks its protocol; the real programs have gates of their own (agents/).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest
from loops.supervisor import events as ev
from scratch import PATIENCE, Scratch, alive, json_lines
from test_faults_of_surroundings import power_cut

STANDIN = Path(__file__).parents[1] / "tests" / "runner" / "standin_claude.py"

AGENT = """
[backend.claude]
bin = {bin}

[[agent]]
name = "{name}"
kind = "{kind}"
backend = "claude"
model = "some-model"
resume = true
prompt_file = "{name}.md"
dir = "."
{more}
"""


class Agent:
    """One agent of a scratch project, driven by its protocol."""

    def __init__(
        self, scratch: Scratch, prompt: str = "say hello", more: str = "", name: str = "solo", kind: str = "persistent"
    ) -> None:
        self.scratch, self.name = scratch, name
        program = scratch.root / "claude"
        program.write_text(f"#!{sys.executable} -IS\n{STANDIN.read_text()}")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        (scratch.root / f"{name}.md").write_text(prompt)
        scratch.create(more=AGENT.format(bin=json.dumps(str(program)), name=name, kind=kind, more=more))
        self.memory = scratch.log_dir / "state" / "homes" / name / ".claude"

    def up(self) -> Agent:
        self.scratch.loops("up")
        return self

    def _lines(self, name: str) -> list[Any]:
        return json_lines(self.memory / name)

    @property
    def received(self) -> list[str]:
        return self._lines("received")

    @property
    def starts(self) -> list[dict[str, Any]]:
        return self._lines("starts")

    def hears(self, text: str) -> str:
        """Wait for a message that holds *text*."""
        return self.scratch.wait_for(
            lambda: next((message for message in self.received if text in message), ""), f"{text!r} heard"
        )

    def turns(self, count: int = 1) -> None:
        """Wait for the end of so many turns."""
        self.scratch.wait_for(
            lambda: len([e for e in self.scratch.events(ev.TurnCompleted) if e.agent == self.name]) >= count,
            f"{count} turns completed",
        )

    @property
    def conversation(self) -> str:
        """The id that its latest start was given."""
        words = self.starts[-1]["words"]
        return words[words.index("--resume" if "--resume" in words else "--session-id") + 1]


def test_its_prompt_becomes_its_first_turn_and_the_pane_shows_it(scratch: Scratch) -> None:
    agent = Agent(scratch, "say good morning").up()
    agent.turns()
    assert agent.received == ["say good morning"]
    row = scratch.agent("solo")
    assert row["state"] == "RUNNING"
    scratch.wait_for(lambda: b"good morning" in scratch.log("solo"), "the pane's text in the log")
    known = scratch.events(ev.SessionStarting)[0]
    assert known.fresh_id == agent.conversation


def test_a_message_of_the_operator_is_delivered_as_a_turn(scratch: Scratch) -> None:
    agent = Agent(scratch).up()
    agent.turns()
    scratch.loops("nudge", "solo", "say two\nlines")
    delivered = scratch.wait_event(ev.NudgeDelivered, "the message")
    assert agent.hears("lines").startswith(f"[nudge {delivered.id}]")


@pytest.mark.parametrize("victim", ["program", "runner"])
def test_a_kill_is_healed_with_the_same_conversation(scratch: Scratch, victim: str) -> None:
    agent = Agent(scratch).up()
    agent.turns()
    first, conversation = agent.starts[0]["pid"], agent.conversation
    pid = scratch.wait_running("solo")["solo"]
    os.kill(first if victim == "program" else pid, signal.SIGKILL)
    scratch.wait_for(lambda: len(agent.starts) == 2, "another start")
    agent.turns(2)
    assert "--resume" in agent.starts[1]["words"]
    assert agent.conversation == conversation
    assert not alive(first)
    assert "this conversation goes on" in agent.hears("restarted")


def test_a_killed_supervisor_changes_nothing_for_it(scratch: Scratch) -> None:
    agent = Agent(scratch).up()
    agent.turns()
    before = scratch.supervisor
    os.kill(before, signal.SIGKILL)
    scratch.wait_for(lambda: scratch.supervisor not in (0, before), "another supervisor")
    scratch.loops("nudge", "solo", "say after")
    agent.hears("after")
    assert len(agent.starts) == 1


@pytest.mark.parametrize("prompt", ["say hello", "hang"], ids=["idle", "in a turn"])
def test_after_a_reboot_it_goes_on_in_the_same_conversation(scratch: Scratch, prompt: str) -> None:
    agent = Agent(scratch, prompt)
    scratch.loops("up", LOOPS_BOOT_ID="0" * 32)
    scratch.wait_for(lambda: agent.received, "the prompt")
    if prompt != "hang":
        agent.turns()
    conversation = agent.conversation
    power_cut(scratch)
    shutil.rmtree(scratch.runtime_root)  # as it goes at a reboot

    scratch.loops("up", LOOPS_BOOT_ID="1" * 32)
    scratch.wait_for(lambda: len(agent.starts) == 2, "another start")
    assert "--resume" in agent.starts[1]["words"]
    assert agent.conversation == conversation
    assert agent.hears("this conversation goes on")
    assert scratch.events(ev.ConversationDropped) == []


def test_a_task_runs_once_when_it_is_asked_for(scratch: Scratch) -> None:
    agent = Agent(scratch, "tool touch made", kind="task").up()
    assert agent.starts == []
    scratch.loops("up", "solo")
    ended = scratch.wait_event(ev.SessionEnded, "its end")
    assert (ended.code, ended.rule) == (0, "clean-task")
    assert (scratch.root / "made").exists()
    assert len(agent.starts) == 1


def test_a_wake_is_a_message_of_its_own(scratch: Scratch) -> None:
    (scratch.root / "wake.md").write_text("say awake")
    agent = Agent(scratch, more='wake = { interval = 0.5, prompt_file = "wake.md" }').up()
    assert agent.hears("say awake").startswith("[nudge ")


def test_what_a_person_types_becomes_a_turn_that_is_no_nudges(scratch: Scratch) -> None:
    agent = Agent(scratch).up()
    agent.turns()
    words = scratch.command("attach", "solo")
    seat = pexpect.spawn(
        words[0], words[1:], env=scratch.environment, cwd=scratch.root, dimensions=(30, 100), timeout=PATIENCE
    )
    try:
        seat.expect("hello")
        seat.send("say typed by hand")
        seat.expect("typed by hand")
        assert agent.received == ["say hello"]
        seat.send("\r")
        agent.turns(2)
        seat.send("\x1c\x1c")
        seat.expect(pexpect.EOF)
    finally:
        seat.close(force=True)
    assert agent.received == ["say hello", "say typed by hand"]
    assert [event.nudge for event in scratch.events(ev.TurnStarted)] == ["", ""]


def test_a_budget_ends_it_at_the_request_that_reaches_it_in_the_middle_of_its_turn(scratch: Scratch) -> None:
    turn = "; ".join(["say on"] * 5) + "; hang"
    agent = Agent(scratch, turn, more="budget = { tokens = 250 }").up()
    over = scratch.wait_event(ev.BudgetExceeded, "the budget")
    assert (over.scope, over.measure) == ("agent", "tokens")
    assert "202 tokens and 101 in flight of 250" in over.why
    scratch.wait_event(ev.SessionEnded, "its end")
    scratch.wait_for(lambda: not alive(agent.starts[0]["pid"]), "the end of the program too")


def test_its_cost_is_known_when_its_turn_has_ended(scratch: Scratch) -> None:
    agent = Agent(scratch, "say one; say two").up()
    agent.turns()
    [row] = json.loads(scratch.loops("tokens", "--by", "agent", "--json").out)["tokens"]
    assert (row["input_tokens"], row["cached_tokens"], row["output_tokens"]) == (200, 180, 5)
    assert (row["usd"], row["unpriced"]) == (0.01, 0)


def test_a_conversation_that_is_gone_is_dropped_and_one_fresh_start_is_made(scratch: Scratch) -> None:
    agent = Agent(scratch).up()
    agent.turns()
    old = agent.conversation
    (agent.memory / "known").write_text("")
    os.kill(agent.starts[0]["pid"], signal.SIGKILL)
    dropped = scratch.wait_event(ev.ConversationDropped, "the conversation dropped")
    assert dropped.conversation == old
    scratch.wait_for(lambda: len(agent.starts) == 2, "a fresh start")
    agent.turns(2)
    assert agent.conversation != old
    assert "--session-id" in agent.starts[1]["words"]


def test_an_approval_is_asked_and_answered_from_the_command_line(scratch: Scratch) -> None:
    agent = Agent(scratch, "ask touch made", more='permissions = "ask"').up()
    asked = scratch.wait_event(ev.QuestionAsked, "the question")
    assert "touch made" in asked.text
    scratch.loops("approve", asked.id)
    agent.turns()
    assert (scratch.root / "made").exists()
    assert scratch.events(ev.QuestionEnded)[0].outcome == "granted"


def test_down_leaves_nothing_of_it(scratch: Scratch) -> None:
    agent = Agent(scratch, "tool sleep 1000").up()
    scratch.wait_for(lambda: agent.received, "the prompt")
    scratch.loops("down")
    assert not alive(agent.starts[0]["pid"])


@pytest.mark.parametrize("victim", ["program", "runner"])
def test_a_tool_that_ran_when_its_agent_was_killed_does_not_run_on_beside_the_next(
    scratch: Scratch, victim: str
) -> None:
    agent = Agent(scratch, "tool echo $$ > tool.pid && exec sleep 1000").up()
    tool = scratch.root / "tool.pid"
    scratch.wait_for(lambda: tool.exists() and tool.read_text().strip(), "the tool")
    pid = int(tool.read_text())
    pids = {"program": agent.starts[0]["pid"], "runner": scratch.wait_running("solo")["solo"]}
    os.kill(pids[victim], signal.SIGKILL)
    scratch.wait_for(lambda: len(agent.starts) == 2, "another start")
    scratch.wait_for(lambda: not alive(pid), "the end of the tool")
