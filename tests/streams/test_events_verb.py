"""loops events: the recorded runs of an agent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import recordings
from loops.cli import entry
from loops.streams import recording

AGENTS_TOML = """\
[defaults]
session_prefix = "events-"
log_dir = ".loops"
backend = "stub"
model = "tiny"

[backend.stub]
bin = "sleep 600"
prompt_delivery = "exec"

[[agent]]
name = "builder"
kind = "persistent"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "agents.toml").write_text(AGENTS_TOML)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOOPS_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.delenv("LOOPS_CONFIG", raising=False)
    for number, name in ((1, "claude-ok"), (3, "codex-deny")):
        store(tmp_path / ".loops" / "state" / "runs" / "builder" / str(number), name)
    return tmp_path


def store(run_dir: Path, name: str) -> None:
    """Lay a recording down as the runner does."""
    (run_dir / "raw").mkdir(parents=True)
    (run_dir / recording.HEAD).write_bytes(recordings.head(name).encode())
    for raw in recordings.lines(name):
        with open(run_dir / recording.raw_file(raw.stream), "ab") as file:
            file.write(raw.line + b"\n")
        with open(run_dir / recording.INDEX, "ab") as file:
            file.write(recording.index_line(raw.stream, raw.recorded))
    (run_dir / recording.EVENTS).write_bytes(b"".join(event.line + b"\n" for event in recordings.events(name)))


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert entry.run(words) == code
    return capsys.readouterr().out


def test_without_a_name_it_lists_the_runs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [line.split()[:2] for line in said(capsys, "events").splitlines()]
    assert rows == [["AGENT", "RUN"], ["builder", "1"], ["builder", "3"]]


def test_it_prints_a_line_an_event_of_the_newest_run(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "events", "builder").splitlines()
    assert len(lines) == len(recordings.events("codex-deny"))
    assert any("approval.denied" in line and "builder.1-a1" in line for line in lines)
    assert "turn.failed" in said(capsys, "events", "builder")


def test_a_run_is_named_by_its_number(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "events", "builder", "--run", "1")
    assert "MOCK-DONE" in out
    assert "1200 in, 34 out" not in out  # claude says a request's output late


def test_json_prints_the_events_themselves(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = [json.loads(line) for line in said(capsys, "events", "builder", "--json").splitlines()]
    assert found == [json.loads(event.line) for event in recordings.events("codex-deny")]


def test_raw_prints_the_protocol_in_its_order(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "events", "builder", "--raw").splitlines()
    assert [line.split()[0] for line in lines] == [raw.stream for raw in recordings.lines("codex-deny")]


def test_again_says_that_nothing_differs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "every event is the same" in said(capsys, "events", "builder", "--again")


def test_again_shows_the_first_event_that_differs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = project / ".loops" / "state" / "runs" / "builder" / "3" / recording.EVENTS
    events.write_bytes(events.read_bytes().replace(b'"class":"denied"', b'"class":"other"'))
    out = said(capsys, "events", "builder", "--again", code=1)
    assert '"class":"other"' in out
    assert '"class":"denied"' in out


def test_an_unknown_run_is_said_with_those_that_are(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.run(("events", "builder", "--run", "2")) == 2
    assert "has the runs 1, 3" in capsys.readouterr().err


def test_an_agent_without_a_recording_is_said(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import shutil

    shutil.rmtree(project / ".loops" / "state" / "runs" / "builder")
    assert entry.run(("events", "builder")) == 1
    assert "no recorded run" in capsys.readouterr().err
