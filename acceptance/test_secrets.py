"""Gate: a credential reaches the agent that it is for, and is found nowhere else: not in a log, the journal, an argv."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from loops.secrets.key_shapes import KEY_SHAPES
from loops.supervisor import events as ev
from scratch import Scratch, contents, service
from test_structured_agent import Agent

SHAPED = KEY_SHAPES[0].sample
SHAPELESS = "planted correct horse battery staple"
"""A secret that looks like none: nothing but never being written keeps it out of an artifact."""


@pytest.fixture
def vault(tmp_path: Path, scratch: Scratch) -> Path:
    """Where the credentials of these tests lie."""
    directory = tmp_path / "vault"
    directory.mkdir()
    for name, value in (("shaped", SHAPED), ("shapeless", SHAPELESS)):
        (directory / name).write_text(f"{value}\n")
        (directory / name).chmod(0o600)
    scratch.environment["LOOPS_CREDENTIALS"] = str(directory)
    return directory


def planted(scratch: Scratch, vault: Path) -> Iterator[tuple[str, str]]:
    """Every file of the project that holds a secret, and which; but for the places that are there to hold it."""
    meant = (vault, scratch.log_dir / "state" / "homes")
    for path, content in sorted(contents(scratch.root)):
        if not any(path.is_relative_to(place) for place in meant):
            for secret in (SHAPED, SHAPELESS):
                if secret.encode() in content:
                    yield str(path.relative_to(scratch.root)), secret


def spoken(scratch: Scratch) -> str:
    """What the commands say of it all."""
    verbs = (("status", "--json"), ("logs", "solo"), ("events", "solo"), ("explain", "--json"))
    return "".join(scratch.loops(*verb).out for verb in (*verbs, ("config", "show", "--origin")))


def command_lines(scratch: Scratch) -> str:
    return "\n".join(scratch.pids().values())


def test_a_credential_reaches_its_agent_and_nothing_else(scratch: Scratch, vault: Path) -> None:
    named = 'credentials = { SHAPED = "shaped", SHAPELESS = "shapeless" }'
    agent = Agent(scratch, "say ready", more=named).up()
    agent.turns()

    env = agent.starts[0]["env"]
    assert (env["SHAPED"], env["SHAPELESS"]) == (SHAPED, SHAPELESS)
    assert "LOOPS_CREDENTIALS" not in env
    assert list(planted(scratch, vault)) == []
    words = spoken(scratch)
    for secret in (SHAPED, SHAPELESS):
        assert secret not in words
        assert secret not in command_lines(scratch)


def test_a_key_that_an_agent_prints_is_cut_out_of_what_is_kept_for_people(scratch: Scratch, vault: Path) -> None:
    talker = service(
        "talker", 'echo "my key is $SHAPED"; printf %s "${SHAPED%????????}"; sleep 1; echo rest; sleep 600'
    )
    more = f'credentials = {{ SHAPED = "shaped" }}\n{talker}credentials = {{ SHAPED = "shaped" }}\n'
    agent = Agent(scratch, "tool printenv SHAPED", more=more)
    agent.scratch.loops("up")
    agent.scratch.wait_event(ev.TurnCompleted, "the turn")
    scratch.wait_for(lambda: b"my key is [redacted: provider key]" in scratch.log("talker"), "the talk")
    scratch.wait_for(lambda: scratch.log("talker").count(b"redacted") == 2, "the key that came in two pieces")

    for name in ("solo", "talker"):
        assert "[redacted: provider key]" in scratch.loops("logs", name).out
    assert SHAPED not in spoken(scratch)
    assert {Path(place).parent.name for place, _ in planted(scratch, vault)} == {
        "raw"
    }  # byte for byte, for the user alone


def test_a_missing_credential_keeps_its_agent_from_starting_and_says_what_to_do(scratch: Scratch, vault: Path) -> None:
    (vault / "shaped").unlink()
    agent = Agent(scratch, more='credentials = { SHAPED = "shaped" }').up()
    refused = agent.scratch.wait_event(ev.SessionFailed, "the refusal")
    assert "credential 'shaped', wanted as SHAPED of solo" in refused.reason
    assert str(vault) in refused.reason


def test_a_key_in_the_file_itself_is_refused_before_it_is_copied_anywhere(scratch: Scratch, vault: Path) -> None:
    agent = Agent(scratch, more=f'env = {{ SHAPED = "{SHAPED}" }}')
    refused = agent.scratch.loops("up", code=3)
    assert "looks like a secret (provider key)" in refused.err
    assert SHAPED not in refused.err
    assert {place for place, _ in planted(scratch, vault)} == {"agents.toml"}
