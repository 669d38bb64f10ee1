"""What another supervisor left is gone on with, also when it has moved since it was carried over first."""

from __future__ import annotations

from pathlib import Path

import pytest
from loops.config.model import Config
from loops.places import State as StatePlaces
from loops.supervisor import events as ev
from loops.supervisor import offline
from loops.supervisor.config_file import compiled
from loops.supervisor.decide import decide
from loops.supervisor.ledger import peek
from loops.supervisor.observation import Told
from loops.supervisor.state import State

TOML = """
[defaults]
session_prefix = "moved-"
log_dir = ".loops"
backend = "claude"
watch = "heal"
[[agent]]
name = "builder"
kind = "loop"
role = "builder"
[[agent]]
name = "overseer"
kind = "persistent"
resume = true
[[service]]
name = "ticker"
command = ["true"]
[loop]
phases = [
  { id = "1a", plan = "a.md", items = ["M1"] },
  { id = "1b", plan = "b.md", items = ["M1"] },
  { id = "1c", plan = "c.md", items = ["M1"] },
]
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "agents.toml"
    path.write_text(TOML)
    return compiled(str(path))


def carry(config: Config, index: int, *, complete: bool = False, **conversations: str) -> State:
    return offline.carry(config, "the launchers", index, tuple(conversations.items()), complete=complete, again=True)


def starts(config: Config) -> dict[str, ev.SessionStarting]:
    """What the operator's `up` would start."""
    state = peek(StatePlaces(config.log_dir).journal)
    _, events, _ = decide(state, Told(state.steady + 1, "up"))
    return {each.agent: each for each in events if isinstance(each, ev.SessionStarting)}


def test_the_first_start_resumes_the_carried_conversation_in_the_carried_phase(config: Config) -> None:
    carry(config, 1, builder="b-1", overseer="o-1")

    found = starts(config)

    assert (found["builder"].conversation, found["builder"].phase) == ("b-1", "1b")
    assert found["overseer"].conversation == "o-1"
    assert found["ticker"].conversation == ""


def test_what_is_carried_last_counts(config: Config) -> None:
    carry(config, 2, builder="b-1", overseer="o-1")
    carry(config, 0, builder="b-2")

    state = peek(StatePlaces(config.log_dir).journal)
    found = starts(config)

    assert (state.loop.index, state.loop.phase, state.loop.done) == (0, "1a", ())
    assert found["builder"].conversation == "b-2"
    assert found["overseer"].conversation == ""


def test_a_complete_sequence_starts_no_loop_agent(config: Config) -> None:
    state = carry(config, 2, complete=True)

    assert state.loop.done == ("1a", "1b", "1c")
    assert "builder" not in starts(config)
    assert "overseer" in starts(config)


def test_a_project_that_is_up_is_not_overwritten(config: Config) -> None:
    carry(config, 0, builder="b-1")
    offline.tell(config, "up")

    state = carry(config, 1, builder="b-2")

    assert (state.loop.index, state.agents["builder"].conversation) == (0, "b-1")
