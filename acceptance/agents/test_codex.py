"""codex through the engine, headless: what is its own."""

from __future__ import annotations

from loops.supervisor import events as ev
from one_agent import NewReal
from real_project import Real


def test_commands_inside_the_sandbox_are_nobodys_question(new_real: NewReal) -> None:
    project = new_real("codex")
    project.write([Real("one", "codex", permissions="edits")])
    project.loops("up")
    project.wait_event(ev.TurnCompleted, "a turn")
    assert (project.clone("one") / "hello.txt").exists()
    assert project.events(ev.QuestionAsked) == []


def test_leaving_the_sandbox_is_asked_for(new_real: NewReal) -> None:
    project = new_real("codex")
    project.write([Real("one", "codex", scenario="escalate", permissions="edits")])
    project.loops("up")
    project.wait_event(ev.QuestionAsked, "the question")
    assert not (project.clone("one") / "hello.txt").exists()
    project.loops("approve", "one")
    project.wait_event(ev.TurnCompleted, "a turn")
    assert (project.clone("one") / "hello.txt").exists()


def test_a_limit_is_known_by_its_structure_and_held_until_its_reset(new_real: NewReal) -> None:
    project = new_real("codex")
    project.write([Real("one", "codex", scenario="limit")])
    project.loops("up")
    hold = project.wait_event(ev.HoldBegan, "a hold")
    assert hold.kind == "limit"
    assert 3000 < hold.until - hold.at < 3700, "the mock's limits end in an hour"


def test_an_effort_reaches_the_provider(new_real: NewReal) -> None:
    project = new_real("codex")
    project.write([Real("one", "codex", options={"effort": "high"})])
    project.loops("up")
    project.wait_event(ev.TurnCompleted, "a turn")
    sent = b"".join(path.read_bytes() for path in project.run_files("one", "raw/in.jsonl"))
    assert b'"effort":"high"' in sent
