"""note: the orchestrator's journal, from the command line."""

from __future__ import annotations

import json

from cli_scratch import Scratch
from loops.protocol.session_journal import parse

SESSION = ("note", "--left-off", "M3 waits for its verdict", "--state", "2 of 5, both run")


def test_a_session_is_noted_once_and_printed_again(scratch: Scratch) -> None:
    journal = scratch.root / "JOURNAL.md"
    assert scratch.loops("note").out == f"{journal}: no session is noted yet\n"
    assert scratch.loops(*SESSION).out == f"{journal}: written\n"
    assert scratch.loops(*SESSION).out == f"{journal} says that already\n"
    assert scratch.loops("note", "--event", "rebooted", "--text", "by itself").code == 0

    said = scratch.loops("note").out
    assert said.startswith("## Session 20")
    assert "**Open items:** none" in said
    facts = json.loads(scratch.loops("note", "--json").out)
    assert (facts["sessions"], facts["fields"]["Left off"]) == (1, "M3 waits for its verdict")
    assert [event["label"] for event in facts["events"]] == ["rebooted"]


def test_an_agent_s_journal_lies_in_its_own_directory_wherever_it_is_now(scratch: Scratch) -> None:
    home = scratch.root / "work" / "orchestrator"
    home.mkdir(parents=True)
    agent = '\n[[agent]]\nname = "orchestrator"\nkind = "persistent"\ndir = "work/orchestrator"\n'
    scratch.write(scratch.config_path.read_text() + agent)

    me = {"LOOPS_AGENT": "orchestrator", "LOOPS_CONFIG": str(scratch.config_path)}
    scratch.loops(*SESSION, env=me, cwd=scratch.home)
    assert len(parse((home / "JOURNAL.md").read_text()).sessions) == 1

    scratch.config_path.write_text("not = [toml")  # a bad edit of the file must not cost anybody's memory
    assert scratch.loops(*SESSION, env=me, cwd=scratch.home).code == 0
    assert (scratch.home / "JOURNAL.md").exists()


def test_what_cannot_be_noted_is_told_with_its_remedy(scratch: Scratch) -> None:
    half = scratch.loops("note", "--left-off", "x")
    assert (half.code, "lacks Phase / loop state" in half.err) == (4, True)
    early = scratch.loops("note", "--event", "x")
    assert (early.code, "no session yet" in early.err) == (4, True)
    both = scratch.loops(*SESSION, "--event", "x")
    assert (both.code, "the one or the other" in both.err) == (2, True)
    nowhere = scratch.loops(*SESSION, "--file", "/nowhere/JOURNAL.md")
    assert (nowhere.code, "name another file with --file" in nowhere.err) == (1, True)
