"""The shipped prompts teach the protocol that the parsers read, and trip over none of it themselves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from loops.cli.verbs import VERBS
from loops.protocol.review import parse_review
from loops.protocol.status import DoneState, parse_status
from loops.protocol.waiting import newest_waiting, waiting_until

PROMPTS = Path(__file__).parents[2] / "prompts"
NAMES = ("builder", "adversary", "kickoff", "orchestrator", "upgrader", "supervise", "assistant", "solo")


@pytest.mark.parametrize("name", NAMES)
def test_a_prompt_holds_no_marker_that_could_be_taken_for_an_agents(name: str) -> None:
    text = (PROMPTS / f"{name}.md").read_text("utf-8")
    assert parse_status(text).done.state is DoneState.ABSENT
    assert not parse_status(text).gates
    assert not parse_review(text).vetoes
    assert waiting_until(text) is None
    assert newest_waiting(text.splitlines()) is None
    # The earlier engine's probe matched its own words for ever (incident 4).
    assert not re.search(r"(?i)usage limit|limit reached|spend limit|out of (?:credits|tokens)|hit your limit", text)


def test_the_kickoff_has_every_slot_and_no_other() -> None:
    text = (PROMPTS / "kickoff.md").read_text("utf-8")
    assert set(re.findall(r"\{([a-z_]+)\}", text)) == {"phase_id", "plan", "status", "role"}


@pytest.mark.parametrize("name", ["builder", "adversary", "solo"])
def test_all_loops_learn_to_pace_themselves_and_never_to_force(name: str) -> None:
    text = (PROMPTS / f"{name}.md").read_text("utf-8")
    for word in ("WAITING-UNTIL:", "git pull --rebase", "Never force a push", "INBOX.md"):
        assert word.lower() in text.lower()


@pytest.mark.parametrize("name", NAMES)
def test_every_command_that_a_prompt_names_is_there(name: str) -> None:
    text = (PROMPTS / f"{name}.md").read_text("utf-8")
    named = set(re.findall(r"(?:`|^)loops\s+([a-z-]+)", text, re.MULTILINE))
    assert named <= {verb.words.split()[0] for verb in VERBS}
