"""Notices with real processes: sent once, whatever happens to the supervisor meanwhile, and never with a key in sight."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from loops.supervisor import events as ev
from shell_project import ShellProject, alive

KEY = "tk-planted-hunter2"
KEEP = "cat >> got.jsonl"
"""A command that takes a notice in."""
SLOW = f"{KEEP}; echo $$ > pid; while [ ! -e go ]; do sleep 0.05; done"
"""One that is still at it until it may go on."""


def notifying(project: ShellProject, script: str, more: str = "") -> None:
    command = json.dumps(["sh", "-c", script])
    project.write("one", more=f"[notify]\ncommand = {command}\n{more}")


def got(project: ShellProject) -> list[dict[str, str]]:
    path = project.root / "got.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_notice_is_sent_and_the_journal_says_so(project: ShellProject) -> None:
    notifying(project, KEEP)
    project.start("--up")
    project.wait_running("one")
    answer = project.ask("notify")
    assert answer["notice"] == "notice-1"
    project.until(lambda: project.events(ev.NoticeSent), "it is sent")
    (notice,) = got(project)
    assert (notice["id"], notice["kind"], notice["project"]) == ("notice-1", "test", "shell")
    order = [e.type for e in project.events(ev.AboutNotices)]
    assert order == ["notice.due", "notice.sending", "notice.sent"]


def test_a_supervisor_killed_between_sending_and_outcome_never_sends_it_again(project: ShellProject) -> None:
    notifying(project, SLOW)
    first = project.start("--up")
    project.wait_running("one")
    project.ask("notify")
    project.until(lambda: got(project), "it arrives")
    pid = project.root / "pid"
    sender = int(project.until(lambda: pid.exists() and pid.read_text(), "its sender is known"))
    first.kill()
    first.wait()
    assert alive(sender), "the sending outlives the supervisor"
    (project.root / "go").touch()
    project.until(lambda: len(got(project)) > 1, "the successor tells of itself")
    project.until(lambda: project.events(ev.NoticeSent), "that is sent")
    assert [notice["kind"] for notice in got(project)] == ["test", "takeover"]
    (unknown,) = project.events(ev.NoticeFailed)
    assert (unknown.ids, unknown.retry_at, unknown.rule) == (("notice-1",), 0.0, "notice-unknown")


def test_a_supervisor_that_ends_in_good_order_is_no_takeover(project: ShellProject) -> None:
    notifying(project, KEEP)
    project.leave(_running(project))
    assert [e.why for e in project.events(ev.SupervisorEnded)] == ["asked to"]
    second = _running(project)
    project.leave(second)
    assert got(project) == []
    assert len(project.events(ev.SupervisorEnded)) == 2


def _running(project: ShellProject):
    process = project.start("--up")
    project.wait_running("one")
    return process


def test_a_failure_is_tried_again_after_the_channel_was_mended(project: ShellProject) -> None:
    notifying(project, f"[ -e ok ] && {KEEP}")
    first = project.start("--up")
    project.wait_running("one")
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    (failed,) = project.until(lambda: project.events(ev.NoticeFailed), "the takeover's notice fails")
    assert failed.retry_at > failed.at
    status = project.ask("status")
    assert status["notices"]["waiting"][0]["reason"] == "command: sh ended with exit code 1"
    assert any("tried again" in note for note in status["notes"])


def test_no_key_is_in_any_file_of_the_project(project: ShellProject) -> None:
    urls = project.root / "urls"
    urls.write_text(f"json://user:{KEY}@127.0.0.1:1/{KEY}\nnosuchservice://{KEY}\n")
    urls.chmod(0o600)
    notifying(project, f"echo {KEY[:3]}; exit 1", more=f'url_files = ["urls"]\nurls = ["nosuchservice://{KEY}"]\n')
    process = project.start("--up")
    project.wait_running("one")
    project.ask("notify")
    (failure,) = project.until(lambda: project.events(ev.NoticeFailed), "it fails everywhere")
    assert "not to be found" not in dict(failure.failed)["urls 1 (nosuchservice)"]  # the sender found it in agents.toml
    said = project.leave(process)
    assert KEY not in said
    roots = (project.root / ".loops", Path(project.runtime_root))
    files = [path for root in roots for path in root.rglob("*") if path.is_file()]
    assert files
    assert [str(path) for path in files if KEY.encode() in path.read_bytes()] == []
