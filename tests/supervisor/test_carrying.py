"""What another supervisor left is gone on with: the phase, and each agent's conversation."""

from __future__ import annotations

from pathlib import Path

import pytest
from loops.config.model import Config
from loops.errors import LoopsError
from loops.places import State as StatePlaces
from loops.supervisor import events as ev
from loops.supervisor.carrying import Carried, carry
from loops.supervisor.config_file import compiled
from loops.supervisor.decide import decide
from loops.supervisor.ledger import peek
from loops.supervisor.observation import Told

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


def starts(config: Config) -> dict[str, ev.SessionStarting]:
    """What the operator's `up` would start."""
    state = peek(StatePlaces(config.log_dir).journal)
    _, events, _ = decide(state, Told(state.steady + 1, "up"))
    return {each.agent: each for each in events if isinstance(each, ev.SessionStarting)}


def test_the_first_start_resumes_the_carried_conversation_in_the_carried_phase(config: Config) -> None:
    carry(config, Carried("the launchers", 1, conversations={"builder": "b-1", "overseer": "o-1"}))

    found = starts(config)

    assert found["builder"].conversation == "b-1"
    assert found["builder"].phase == "1b"
    assert found["overseer"].conversation == "o-1"
    assert found["ticker"].conversation == ""


def test_an_agent_without_a_carried_conversation_begins_afresh(config: Config) -> None:
    carry(config, Carried("the launchers", 1, conversations={"builder": "b-1"}))
    carry(config, Carried("the launchers", 1))

    found = starts(config)

    assert found["builder"].conversation == ""
    assert found["builder"].kickoff == "kickoff"


def test_what_is_carried_last_counts(config: Config) -> None:
    carry(config, Carried("the launchers", 2, conversations={"builder": "b-1"}))
    carry(config, Carried("the launchers", 0, conversations={"builder": "b-2"}))

    state = peek(StatePlaces(config.log_dir).journal)

    assert (state.loop.index, state.loop.phase, state.loop.done) == (0, "1a", ())
    assert starts(config)["builder"].conversation == "b-2"


def test_earlier_phases_count_as_done_and_a_complete_sequence_starts_no_loop_agent(config: Config) -> None:
    state = carry(config, Carried("the launchers", 2, complete=True))

    found = starts(config)

    assert state.loop.done == ("1a", "1b", "1c")
    assert state.loop.complete
    assert "builder" not in found
    assert "overseer" in found


@pytest.mark.parametrize(
    ("carried", "complaint"),
    [
        (Carried("x", 3), "phase number 4"),
        (Carried("x", 0, conversations={"nobody": "c"}), "no such agent"),
        (Carried("x", 0, conversations={"builder": "c", "overseer": "c"}), "the same conversation"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(config: Config, carried: Carried, complaint: str) -> None:
    with pytest.raises(LoopsError, match=complaint):
        carry(config, carried)

    assert not Path(StatePlaces(config.log_dir).journal).exists()


def test_a_project_that_is_up_is_not_overwritten(config: Config) -> None:
    from loops.supervisor import offline

    offline.tell(config, "up")

    with pytest.raises(LoopsError, match="was not brought down"):
        carry(config, Carried("x", 1))
