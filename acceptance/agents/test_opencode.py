"""opencode through the engine, headless: its server, its events, and what becomes of both when something ends them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from loops.supervisor import events as ev
from one_agent import NewReal, begin, conversations, turns, worked, wrote
from real_project import Real, RealProject

SLOW = 180.0
"""Seconds for a turn: on a busy machine opencode alone takes half a minute to start."""
PORT = re.compile(rb"listening on http://127\.0\.0\.1:(\d+)")


def prompts(project: RealProject) -> list[str]:
    return [message.text.strip() for message in project.received("one")]


def types(project: RealProject, text: str) -> None:
    """Type a line into the agent's pane, as a person does."""
    tmux = ["tmux", "-S", project.runtime.tmux_socket, "send-keys", "-t", f"={project.prefix}one:", text, "Enter"]
    project.wait_for(
        lambda: subprocess.run(tmux, capture_output=True, check=False).returncode == 0, "a pane to type in"
    )


def recorded(project: RealProject, name: str) -> list[Path]:
    """Every file that the engine keeps of an agent's runs."""
    runs = project.log_dir.glob(f"**/runs/{name}/*/**/*")
    return [path for path in runs if path.is_file()]


def test_a_turn_is_driven_to_its_end_and_its_conversation_is_known(new_real: NewReal) -> None:
    project = worked(new_real, "opencode", seconds=SLOW)
    assert wrote(project)
    assert prompts(project)[0].endswith("Write the greeting file.")
    ((how, conversation),) = conversations(project)
    assert how == "started"
    assert project.wait_event(ev.ConversationKnown, "the conversation").conversation == conversation
    assert b"MOCK-DONE" in project.log("one")
    titles = [request for request in project.provider.requests("opencode") if not request["tools"]]
    assert titles == [], "a model is asked for the task only, not for a title of the conversation"


def test_a_nudge_is_a_message_that_waits_for_the_end_of_a_turn(new_real: NewReal) -> None:
    project = begin(new_real, "opencode", scenario="slow")
    project.wait_event(ev.TurnStarted, "the first turn")
    project.loops("nudge", "one", "look at the second file")
    delivered = project.wait_event(ev.NudgeDelivered, "the nudge")
    turns(project, 2, SLOW)
    assert "look at the second file" in prompts(project)[1]
    assert any(turn.nudge == delivered.id for turn in project.events(ev.TurnStarted))


def test_a_message_that_waited_for_a_turn_that_was_refused_is_taken_up_and_once(new_real: NewReal) -> None:
    """Sent at the failure it meets a server that keeps it, and that the end of the refused turn lets it lie."""
    project = begin(new_real, "opencode", scenario="e403")
    project.wait_event(ev.TurnStarted, "the first turn")
    types(project, "look at the second file")
    assert [turn.failed for turn in turns(project, 2, SLOW)] == [True, True]
    assert [text.splitlines()[-1] for text in prompts(project)] == [
        "Write the greeting file.",
        "look at the second file",
    ]
    assert len(project.provider.requests("opencode")) == 2


def test_what_was_approved_is_done(new_real: NewReal) -> None:
    project = begin(new_real, "opencode", permissions="ask")
    assert "hello.txt" in project.wait_event(ev.QuestionAsked, "the question").text
    assert not wrote(project)
    project.loops("approve", "one")
    turns(project, 1, SLOW)
    assert wrote(project)
    assert project.wait_event(ev.QuestionEnded, "its end").outcome == "granted"


def test_what_was_denied_is_not_done_and_the_agent_hears_why(new_real: NewReal) -> None:
    project = begin(new_real, "opencode", permissions="ask")
    project.wait_event(ev.QuestionAsked, "the question")
    project.loops("deny", "one", "--reason", "use the other file")
    assert project.wait_event(ev.QuestionEnded, "its end").outcome == "denied"
    done = project.wait_normalized("one", "tool.completed", status="declined")
    assert "use the other file" in done["data"]["output"]
    turns(project, 1, SLOW)
    assert not wrote(project)


def test_an_agent_that_may_only_read_writes_nothing_and_is_never_asked(new_real: NewReal) -> None:
    project = worked(new_real, "opencode", seconds=SLOW, permissions="read")
    assert not wrote(project)
    assert project.events(ev.QuestionAsked) == []


@pytest.mark.parametrize("victim", ["server", "runner"])
def test_a_killed_agent_goes_on_in_its_conversation(new_real: NewReal, victim: str) -> None:
    project = worked(new_real, "opencode", seconds=SLOW)
    ((_, conversation),) = conversations(project)
    server = project.program("one")
    os.kill(server if victim == "server" else project.runner("one"), signal.SIGKILL)
    project.wait_event(ev.SessionStarting, "a second start", lambda event: event.incarnation == 2)
    project.wait_for(lambda: server not in project.pids(), "the first server gone")
    project.wait_for(lambda: len(conversations(project)) == 2, "the second run's conversation")
    assert conversations(project)[1] == ("resumed", conversation)
    project.loops("nudge", "one", "go on")
    project.wait_for(lambda: any("go on" in text for text in prompts(project)), "the nudge as a message")
    turns(project, 2, SLOW)


def test_a_server_that_is_killed_in_a_turn_loses_no_work_and_repeats_no_message(new_real: NewReal) -> None:
    project = begin(new_real, "opencode", scenario="slow")
    project.wait_event(ev.TurnStarted, "the first turn")
    os.kill(project.program("one"), signal.SIGKILL)
    project.wait_event(ev.SessionStarting, "a second start", lambda event: event.incarnation == 2)
    project.wait_for(lambda: wrote(project), "the work done")
    assert sum(text.endswith("Write the greeting file.") for text in prompts(project)) <= 2


def test_a_conversation_that_is_lost_is_begun_afresh_once_and_it_is_said(new_real: NewReal) -> None:
    project = worked(new_real, "opencode", seconds=SLOW)
    ((_, conversation),) = conversations(project)
    project.loops("down", "one")
    for kept in project.log_dir.glob("state/homes/one/.local/share/opencode/opencode.db*"):
        kept.unlink()
    project.loops("up", "one")
    dropped = project.wait_event(ev.ConversationDropped, "the conversation given up")
    assert (dropped.conversation, dropped.rule) == (conversation, "resume-failed")
    project.wait_for(lambda: len(conversations(project)) == 2, "a fresh conversation")
    how, fresh = conversations(project)[1]
    assert how == "started"
    assert fresh != conversation
    turns(project, 2, SLOW)


def test_another_model_takes_effect_in_the_resumed_conversation(new_real: NewReal) -> None:
    project = worked(new_real, "opencode", seconds=SLOW)
    ((_, conversation),) = conversations(project)
    project.loops("down", "one")
    project.loops("up", "one", "--model", "mock/mock-large")
    project.wait_for(lambda: len(conversations(project)) == 2, "the resumed conversation")
    assert conversations(project)[1] == ("resumed", conversation)
    project.loops("nudge", "one", "go on")
    turns(project, 2, SLOW)
    assert project.provider.requests("opencode")[-1]["model"] == "mock-large"


def test_an_endless_loop_of_steps_that_were_cut_is_ended_by_the_engine(new_real: NewReal) -> None:
    project = begin(new_real, "opencode", scenario="cut")
    project.wait_normalized("one", "loop.suspected", pattern="finish_unknown")
    assert project.wait_event(ev.HoldBegan, "a hold").kind == "provider"
    asked = len(project.provider.requests("opencode"))
    assert asked < 20, "left alone it asks four times a second"
    project.provider.control("opencode", "ok")
    project.wait_for(lambda: wrote(project), "the work done")


def test_each_agent_has_a_server_of_its_own_whose_password_is_kept_nowhere(new_real: NewReal) -> None:
    project = new_real("opencode")
    project.write([Real(name, "opencode", scenario="slow") for name in ("one", "two")])
    project.loops("up")
    project.wait_for(lambda: wrote(project, "one") and wrote(project, "two"), "both at work")
    ports, secrets = set(), set()
    for name in ("one", "two"):
        ports |= {found[1] for path in recorded(project, name) if (found := PORT.search(path.read_bytes()))}
        environment = Path(f"/proc/{project.program(name)}/environ").read_bytes().split(b"\0")
        secrets |= {pair.partition(b"=")[2] for pair in environment if pair.startswith(b"OPENCODE_SERVER_PASSWORD=")}
    assert (len(ports), len(secrets)) == (2, 2)
    kept = [path for path in project.log_dir.rglob("*") if path.is_file()]
    assert not [path for path in kept if any(secret in path.read_bytes() for secret in secrets)]


def test_the_user_s_own_rules_do_not_loosen_what_the_agent_may(new_real: NewReal) -> None:
    project = new_real("opencode")
    project.write([Real("one", "opencode", permissions="ask")])
    text = project.config_path.read_text()
    assert '\\"autoupdate\\"' in text
    loose = '\\"permission\\": {\\"bash\\": {\\"*\\": \\"allow\\"}}, \\"autoupdate\\"'
    project.config_path.write_text(text.replace('\\"autoupdate\\"', loose))
    project.loops("up")
    project.wait_event(ev.QuestionAsked, "the question")
    assert not wrote(project)
