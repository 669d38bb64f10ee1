"""The scripted agent's bad days, each on a real pseudo-terminal."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from agent_terminal import DemoAgent, Project, until

KICKOFF = "You are the builder of phase 1. Status document: STATUS-1.md"
PASTE = b"\x1b[200~%b\x1b[201~"
Hire = Callable[..., DemoAgent]

WHOLE_PHASE = [
    "chore: begin",
    "feat(1): add src/1.py",
    "status(1): src/1.py is ready to be verified",
    "claim(1 M1): Gate M1 CLAIMED",
]


def script(mode: str, **facts: object) -> dict[str, object]:
    return {"rules": [{"mode": mode, **facts}]}


@pytest.mark.parametrize("after", range(1, 7))
def test_a_crash_after_any_step_is_made_good_by_the_resumed_agent(project: Project, hire: Hire, after: int) -> None:
    builder = hire("builder", {**script("crash", after=after), "items": {"1": ["M1", "M2"]}})
    builder.start(KICKOFF)
    assert builder.wait_exit() == 1
    assert builder.signals("turn.completed") == []

    builder.start(resume=True)
    builder.wait_turn()

    assert project.subjects() == [*WHOLE_PHASE, "claim(1 M2): Gate M2 CLAIMED"]
    assert [words[1] for words in builder.words] == ["M1", "M2"]
    assert [entry["kind"] for entry in builder.received] == ["kickoff"]


def test_a_message_cut_off_in_its_turn_is_not_forgotten_for_the_resume_prompt(project: Project, hire: Hire) -> None:
    builder = hire("builder", script("crash", phase="1", times=2, after=3))
    builder.start(KICKOFF)
    builder.wait_exit()
    builder.start("[nudge n1] the claim of M1 was refused", resume=True)
    builder.wait_exit()

    builder.start("Your session was restarted.", resume=True)
    builder.wait_turn()

    assert [entry["nudge"] for entry in builder.signals("turn.started")] == ["", "n1", "n1"]
    assert project.subjects() == WHOLE_PHASE


def test_a_killed_agent_leaves_a_lock_and_a_dirty_tree_and_goes_on_all_the_same(project: Project, hire: Hire) -> None:
    builder = hire("builder", script("hang", after=2))
    builder.start(KICKOFF)
    until(lambda: (builder.clone / "src/1.py").exists() and "Wrote" in builder.tail(), "the edit")
    builder.kill()
    (builder.clone / ".git/index.lock").touch()

    builder.start(resume=True)
    builder.wait_turn()

    assert project.subjects() == WHOLE_PHASE


def test_a_conversation_that_never_was_cannot_be_resumed(hire: Hire) -> None:
    builder = hire("builder")

    builder.start(KICKOFF, resume=True)

    assert builder.wait_exit() == 1
    until(lambda: "No conversation found with session ID" in builder.tail(), "the reason")
    assert builder.received == []


def test_a_hung_agent_is_silent_and_alive(hire: Hire) -> None:
    agent = hire("orchestrator", script("hang"))

    agent.start("Watch.")
    until(lambda: "Noted: Watch." in agent.tail(), "its last word")

    assert agent.process is not None
    assert agent.process.poll() is None
    assert agent.signals("turn.completed") == []


def test_a_slow_agent_shows_that_it_works(hire: Hire) -> None:
    agent = hire("orchestrator", script("slow", seconds=0.3))

    agent.start("Watch.")
    agent.wait_turn()

    until(lambda: "(esc to interrupt)" in agent.tail(), "the sign that it works")


def test_a_limited_agent_refuses_prompts_until_the_reset_even_after_a_restart(hire: Hire) -> None:
    agent = hire("orchestrator", script("limit", seconds=6))
    agent.start("Watch.")
    until(lambda: len(agent.signals("limit.reached")) == 1, "the limit")
    resets_at = agent.signals("limit.reached")[0]["resets_at"]
    agent.kill()

    agent.start("[nudge n1] and now?", resume=True)
    until(lambda: len(agent.signals("limit.reached")) == 2, "the limit again")
    assert len(agent.signals("turn.started")) == 1
    until(lambda: time.time() > resets_at, "the reset")
    agent.nudge("[nudge n2] and now?")

    assert [entry["nudge"] for entry in agent.signals("turn.started")] == ["", "n2"]
    assert "You've hit your session limit · resets 20" in agent.tail()


def test_an_unknown_dialog_waits_and_notes_every_key_pressed_at_it(hire: Hire) -> None:
    agent = hire("orchestrator", script("prompt-waiting"))
    agent.start("Watch.")
    until(lambda: "Enter to confirm" in agent.tail(), "the dialog")
    assert agent.signals("turn.completed") == []

    agent.type(b"\r")
    agent.wait_turn()

    assert [(entry["kind"], entry["text"]) for entry in agent.received] == [("kickoff", "Watch."), ("key", "\r")]


def test_garbage_pours_out_and_the_turn_still_ends(hire: Hire) -> None:
    agent = hire("orchestrator", script("garbage"))

    agent.start("Watch.")
    agent.wait_turn()

    until(lambda: bytes(range(128, 256)) in agent.output, "every byte")
    until(lambda: max(map(len, bytes(agent.output).split(b"\n"))) > 10_000_000, "the long line")


def test_a_truncated_agent_stops_within_a_line_and_exits_0(hire: Hire) -> None:
    agent = hire("orchestrator", script("truncated"))

    agent.start("Watch.")

    assert agent.wait_exit() == 0
    until(lambda: agent.tail().endswith("I will now wri"), "the torn line")


def test_incident_9_a_poisoned_conversation_fails_every_turn_and_a_fresh_one_works(hire: Hire) -> None:
    agent = hire("orchestrator", script("fatal"))
    agent.start("Watch.")
    until(lambda: len(agent.signals("error")) == 1, "the first failure")
    agent.kill()

    agent.start("[nudge n1] go on", resume=True)
    until(lambda: len(agent.signals("error")) == 2, "the same failure")
    assert agent.signals("turn.completed") == []
    agent.kill()
    agent.run([*agent_words(agent), "--session-id", "a-fresh-one", "Watch."])
    agent.wait_turn()

    assert "thinking` blocks cannot be modified" in agent.tail()


def agent_words(agent: DemoAgent) -> list[str]:
    assert agent.process is not None
    words = agent.process.args
    assert isinstance(words, list)
    return words[: words.index("--agent") + 2]


def test_incident_16_an_enter_swallowed_with_the_paste_leaves_the_text_in_the_composer(hire: Hire) -> None:
    agent = hire("orchestrator", {"swallow_enters": 1})
    agent.start()
    until(lambda: len(agent.signals("session.started")) == 1, "the prompt")

    agent.type(PASTE % b"[nudge n1] hello")
    agent.type(b"\r")
    until(lambda: "[nudge n1] hello" in agent.tail(), "the text in the composer")
    assert agent.received == []
    agent.type(b"\r")
    agent.wait_turn()

    assert [entry["text"] for entry in agent.received] == ["[nudge n1] hello"]


def test_an_enter_on_the_heels_of_a_paste_is_a_line_break_to_some_agents(hire: Hire) -> None:
    agent = hire("orchestrator", {"enter_deaf": 60})
    agent.start()
    until(lambda: len(agent.signals("session.started")) == 1, "the prompt")

    agent.type(PASTE % b"hello")
    agent.type(b"\r")

    until(lambda: "hello⏎" in agent.tail(), "the line break")
    assert agent.received == []


def test_what_is_typed_during_a_turn_waits_for_its_end(hire: Hire) -> None:
    agent = hire("orchestrator", script("slow", seconds=0.5))
    agent.start("Watch.")
    until(lambda: "(esc to interrupt)" in agent.tail(), "the turn")

    agent.type(PASTE % b"[nudge n1] next" + b"\r")
    agent.wait_turn(2)

    assert [entry["nudge"] for entry in agent.signals("turn.started")] == ["", "n1"]


def test_a_paste_cut_anywhere_arrives_whole(hire: Hire) -> None:
    agent = hire("orchestrator")
    agent.start()
    until(lambda: len(agent.signals("session.started")) == 1, "the prompt")

    for byte in PASTE % "[nudge n1] größer\nund mehr".encode() + b"\r":
        agent.type(bytes([byte]))
        time.sleep(0.001)  # apart, as a slow link delivers them: the reader must cope with every cut
    agent.wait_turn()

    assert [entry["text"] for entry in agent.received] == ["[nudge n1] größer\nund mehr"]


def test_a_script_that_says_something_unknown_is_refused_with_what_is_known(hire: Hire) -> None:
    agent = hire("builder", script("explode"))

    agent.start(KICKOFF)

    assert agent.wait_exit() == 2
    until(lambda: "rules[0]: unknown mode 'explode'; known: ok, slow, false-claim" in agent.tail(), "the reason")
