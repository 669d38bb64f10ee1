"""`loops approvals`, `approve` and `deny`, `tokens` and budgets, with a scripted agent that asks and uses."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_scratch import Scratch, until
from loops.supervisor import events as ev
from loops.supervisor.ledger import history

PROJECT = """\
[defaults]
session_prefix = "{prefix}"
log_dir = ".loops"
backend = "demo"
model = "tiny"
watch = "heal+stall"

[watchdog]
stop_grace = 1
signal_interval = 1

[backend.demo]
flags = ["--script", "script.json"]

[[agent]]
name = "helper"
role = "helper"
kind = "persistent"
prompt_file = "helper.md"
dir = "."
"""


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Scratch]:
    """A project whose agent asks for an approval in its first turn."""
    scratch = Scratch(tmp_path, PROJECT)
    play(scratch, [{"mode": "approval", "seconds": 600, "after": 1}])
    yield scratch
    scratch.teardown()


def play(scratch: Scratch, rules: list[dict[str, Any]], **facts: object) -> None:
    (scratch.root / "script.json").write_text(json.dumps({"rules": rules, **facts}))
    (scratch.root / "helper.md").write_text("You are helper.\n")


def wait_approval(scratch: Scratch) -> dict[str, Any]:
    scratch.wait(lambda status: status["agents"][0]["state"] == "ASKS")
    found: dict[str, Any] = scratch.loops("approvals", "--json").facts["approvals"][0]
    return found


def received(scratch: Scratch) -> list[str]:
    path = scratch.root / ".loops/state/received/helper.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [entry["text"] for entry in map(json.loads, lines) if entry["kind"] == "answer"]


def happened(scratch: Scratch, kind: type[ev.Event]) -> list[Any]:
    return [e for _, e in history(str(scratch.root / ".loops/state/journal")) if isinstance(e, kind)]


def test_an_approval_is_listed_granted_and_reaches_the_agent(asking: Scratch) -> None:
    asking.loops("up")
    waiting = wait_approval(asking)
    assert (waiting["id"], waiting["agent"], waiting["text"]) == ("helper.1-a1", "helper", "Bash: make install")
    assert "helper.1-a1" in asking.loops("approvals").out
    assert "approval: Bash: make install (loops approve helper.1-a1)" in asking.loops("status").out

    said = asking.loops("approve", "a1")

    assert said.out == "granted: helper.1-a1 of helper: Bash: make install\n"
    until(lambda: received(asking) == ["allowed"])
    until(lambda: happened(asking, ev.QuestionEnded))
    assert happened(asking, ev.QuestionEnded)[0].outcome == "granted"
    assert "helper was granted approval helper.1-a1 (by human) and goes on" in asking.loops("explain", "helper").out
    assert asking.loops("approvals").out == "nothing waits for an approval\n"
    again = asking.loops("approve", "a1")
    assert again.code == 6
    assert "nothing waits for an approval" in again.err


def test_a_refusal_brings_its_reason_to_the_agent(asking: Scratch) -> None:
    asking.loops("up")
    wait_approval(asking)
    asking.loops("deny", "helper", "--reason", "not as root")
    until(lambda: received(asking) == ["refused not as root"])
    until(lambda: happened(asking, ev.QuestionEnded))
    assert happened(asking, ev.QuestionEnded)[0].outcome == "denied"


def test_an_approval_survives_the_supervisors_death(asking: Scratch) -> None:
    asking.loops("up")
    wait_approval(asking)
    before = asking.status()["pid"]
    os.kill(before, signal.SIGKILL)
    asking.wait(lambda status: status.get("pid") not in (0, before, None))
    asking.loops("approve", "helper.1-a1")
    until(lambda: received(asking) == ["allowed"])


def test_an_unknown_id_is_refused_with_the_open_ones(asking: Scratch) -> None:
    asking.loops("up")
    wait_approval(asking)
    said = asking.loops("deny", "a9")
    assert said.code == 6
    assert "waiting: helper.1-a1" in said.err


def test_one_that_nobody_answers_expires(asking: Scratch) -> None:
    play(asking, [{"mode": "approval", "seconds": 0.2, "after": 1}])
    asking.loops("up")
    until(lambda: received(asking) == ["nobody answered"])
    until(lambda: happened(asking, ev.QuestionEnded))
    assert happened(asking, ev.QuestionEnded)[0].outcome == "expired"


def test_a_missing_login_is_shown_with_its_remedy_and_a_message_ends_the_block(asking: Scratch) -> None:
    play(asking, [{"mode": "auth", "after": 1}])
    asking.loops("up")
    row = asking.wait(lambda status: status["agents"][0]["state"] == "BLOCKED")["agents"][0]
    assert row["doing"] == "auth: give it a valid login or key, then `loops nudge helper go on`"
    asking.loops("nudge", "helper", "go on")
    asking.wait(lambda status: status["agents"][0]["state"] == "RUNNING" and "waits" in status["agents"][0]["doing"])
    assert [e.rule for e in happened(asking, ev.HoldEnded)] == ["operator"]


# ---- what is used ------------------------------------------------------------------------------------------------------


def test_a_budget_that_is_used_up_stops_the_agent_until_it_is_raised(asking: Scratch) -> None:
    play(asking, [], tokens=1000)
    asking.write(PROJECT + "budget = { tokens = 2000 }\n")
    asking.loops("up")
    row = asking.wait(lambda status: status["agents"][0]["state"] == "OVER BUDGET")["agents"][0]
    assert row["doing"].startswith("the agent's budget is used up: raise it in agents.toml, or `loops up helper`")
    starts = len(happened(asking, ev.SessionStarting))

    asking.write(PROJECT + "budget = { tokens = 100_000 }\n")

    asking.wait(lambda status: status["agents"][0]["state"] == "RUNNING")
    assert len(happened(asking, ev.SessionStarting)) == starts + 1
    assert happened(asking, ev.BudgetRenewed)[0].rule == "budget-raised"
    tokens = asking.loops("tokens", "--by", "model", "--json").facts["tokens"]
    assert [(row["model"], row["usd"]) for row in tokens] == [("tiny", None)]
    assert re.search(r"helper +- .* \? +journal", asking.loops("tokens").out)
