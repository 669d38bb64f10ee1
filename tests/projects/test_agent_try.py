"""`loops agent try`: one task by the real engine, judged by git, with nothing left behind."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import standin_acp
from loops.config import load
from loops.config.backends import BUILT_IN
from loops.config.model import Backend, Mode
from loops.errors import UsageError
from loops.projects import agent_try
from loops.projects.try_project import agents_toml


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("PYTHONPATH", str(Path(agent_try.__file__).parents[2]))


def backend(how: str) -> Backend:
    return Backend(name="stand-in", adapter="acp", bin=sys.executable, flags=(standin_acp.__file__, how))


def test_an_agent_that_does_the_task_is_ready_and_nothing_is_left(tmp_path):
    told: list[str] = []
    verdict = agent_try.run(backend("works"), tell=told.append)
    assert (verdict.ready, verdict.text, verdict.remedy) == (True, "It is done.", "")
    assert (verdict.conversation, verdict.input_tokens, verdict.output_tokens) == ("ses-1", 7, 3)
    assert verdict.first_event is not None
    assert any("turn.completed" in line for line in told)
    assert [list((tmp_path / name).iterdir()) for name in ("home", "tmp")] == [[], []]


@pytest.mark.parametrize(
    ("how", "problem", "text"),
    [
        ("claims", "no_result", "hello.txt was not made; it answered: It is done."),
        ("refuses", "auth", "Authentication required"),
        ("ends", "ended", "no such option: --acp"),
    ],
)
def test_an_agent_that_does_not_is_told_with_the_reason_and_a_remedy(how, problem, text):
    verdict = agent_try.run(backend(how))
    assert (verdict.ready, verdict.problem, verdict.text) == (False, problem, text)
    assert verdict.remedy


def test_an_agent_that_never_ends_is_not_waited_for_for_ever():
    verdict = agent_try.run(backend("hangs"), patience=1.0)
    assert verdict.problem in ("timeout", "silent")  # on a busy machine it may not have begun


def test_a_program_that_is_not_there_is_said_before_anything_is_made():
    verdict = agent_try.run(replace(BUILT_IN["opencode"], bin="nonesuch-agent"))
    assert (verdict.problem, verdict.text) == ("not_installed", "there is no program 'nonesuch-agent' in PATH")
    assert "npm install -g opencode-ai" in verdict.remedy


def test_a_backend_without_a_protocol_cannot_be_tried(tmp_path):
    with pytest.raises(UsageError, match=r"'demo' cannot be tried: .* claude, codex, opencode, pi"):
        agent_try.backend_of("demo", str(tmp_path / "agents.toml"))


def test_the_backend_is_tried_as_the_project_describes_it(tmp_path):
    odd = replace(
        BUILT_IN["opencode"],
        bin="/opt/open code",
        flags=("--print-logs", 'a"b\\c'),
        env={"OPENCODE_CONFIG_CONTENT": '{"a": "é\x7f"}'},
        home={".local/share/opencode/auth.json": "/keys/auth.json"},
        mode=Mode.TUI,
    )
    (tmp_path / "task.md").write_text("x")
    (tmp_path / "repo").mkdir()
    (tmp_path / "agents.toml").write_text(agents_toml(odd, "mock/mock-model", Mode.TUI))
    same = replace(odd, process_name="")  # another program than the built-in one has a name of its own
    assert load(str(tmp_path / "agents.toml")).backends["opencode"] == same
    found, model = agent_try.backend_of("opencode", str(tmp_path / "agents.toml"))
    assert (found, model) == (same, "mock/mock-model")
