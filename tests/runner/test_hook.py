"""The way from an agent's hook to the runner and back, with real sockets and the real hook program."""

from __future__ import annotations

import json
import os
import select
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loops.known.all import KNOWN
from loops.runner import tui_start
from loops.runner.hook_socket import MOST_WAITING, HookSocket, Left, Payload, line_of
from loops.runner.order import RunOrder
from loops.runner.record import Record

PATIENCE = 60.0
CLAUDE, CODEX, PI = KNOWN["claude"], KNOWN["codex"], KNOWN["pi"]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "s" / "a.hook")


@pytest.fixture
def hooks(path: str) -> Iterator[HookSocket]:
    listening = HookSocket(path)
    yield listening
    listening.close()


@pytest.fixture
def hook(path: str) -> Iterator[Callable[[bytes], subprocess.Popen[bytes]]]:
    """Run the hook program with a payload, as an agent does."""
    started: list[subprocess.Popen[bytes]] = []

    def run(payload: bytes) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-I", "-S", "-E", tui_start.HOOK, path]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdin is not None
        process.stdin.write(payload)
        process.stdin.close()
        process.stdin = None
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def next_of(hooks: HookSocket) -> Payload | Left:
    """Serve until something comes of it."""
    while True:
        poll = select.poll()
        for descriptor, events in hooks.descriptors():
            poll.register(descriptor, events)
        ready = poll.poll(PATIENCE * 1000)
        assert ready, "nothing came"
        for descriptor, events in ready:
            found = hooks.serve(descriptor, events)
            if found is not None:
                return found


def payload(event: str, **more: Any) -> bytes:
    return json.dumps({"hook_event_name": event, "session_id": "s", **more}).encode()


def test_a_report_ends_at_once_and_says_nothing(hooks: HookSocket, hook: Callable[..., Any]):
    process = hook(payload("Stop"))
    assert process.wait(PATIENCE) == 0  # before anybody has taken its payload
    found = next_of(hooks)
    assert isinstance(found, Payload)
    assert json.loads(found.data)["hook_event_name"] == "Stop"
    assert process.communicate() == (b"", b"")


def test_a_question_waits_for_its_answer_and_prints_it(hooks: HookSocket, hook: Callable[..., Any]):
    process = hook(payload("PermissionRequest", tool_name="Bash"))
    found = next_of(hooks)
    assert isinstance(found, Payload)
    assert process.poll() is None

    assert hooks.answer(found.connection, tui_start.hook_answer(False, "not today ✓"))

    said, _ = process.communicate(timeout=PATIENCE)
    decision = json.loads(said)["hookSpecificOutput"]
    assert decision == {
        "hookEventName": "PermissionRequest",
        "decision": {"behavior": "deny", "message": "not today ✓"},
    }


def test_a_question_that_is_let_go_leaves_the_agent_to_ask_by_itself(hooks: HookSocket, hook: Callable[..., Any]):
    process = hook(payload("PermissionRequest"))
    found = next_of(hooks)
    assert isinstance(found, Payload)
    hooks.close_connection(found.connection)
    assert process.communicate(timeout=PATIENCE) == (b"", b"")
    assert process.returncode == 0


def test_a_question_answered_in_the_agents_own_window_is_noticed(hooks: HookSocket, hook: Callable[..., Any]):
    process = hook(payload("PermissionRequest"))
    found = next_of(hooks)
    process.kill()
    assert next_of(hooks) == Left(found.connection)
    assert not hooks.answer(found.connection, b"{}")


def test_with_nobody_there_the_agent_is_not_disturbed(hook: Callable[..., Any]):
    process = hook(payload("PermissionRequest"))
    assert process.communicate(timeout=PATIENCE) == (b"", b"")
    assert process.returncode == 0


def test_reports_come_in_the_order_in_which_they_were_made(hooks: HookSocket, hook: Callable[..., Any]):
    for number in range(5):
        assert hook(payload("PreToolUse", number=number)).wait(PATIENCE) == 0
    found = []
    for _ in range(5):
        one = next_of(hooks)
        assert isinstance(one, Payload)
        hooks.close_connection(one.connection)
        found.append(json.loads(one.data)["number"])
    assert found == list(range(5))


def test_a_large_payload_arrives_whole(hooks: HookSocket, hook: Callable[..., Any]):
    process = hook(payload("PreToolUse", content="x" * 3_000_000))
    found = next_of(hooks)
    assert isinstance(found, Payload)
    assert len(json.loads(found.data)["content"]) == 3_000_000
    hooks.close_connection(found.connection)
    assert process.wait(PATIENCE) == 0


def test_only_we_may_report_and_what_stood_there_is_replaced(path: str):
    Path(path).parent.mkdir()
    Path(path).write_text("left behind")
    listening = HookSocket(path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    listening.close()
    assert not os.path.exists(path)


def test_connections_that_say_nothing_are_let_go(hooks: HookSocket, path: str, hook: Callable[..., Any]):
    import socket

    silent = []
    for _ in range(MOST_WAITING + 10):
        one = socket.socket(socket.AF_UNIX)
        one.connect(path)
        silent.append(one)
        hooks.serve(hooks.descriptors()[0][0], select.POLLIN)
    hook(payload("Stop"))
    assert isinstance(next_of(hooks), Payload)
    for one in silent:
        one.close()


@pytest.mark.parametrize(
    ("report", "stream", "line"),
    [
        (b'{"a": 1}\n', "hook", b'{"a": 1}'),
        (b'{"a":\n 1}', "hook", b'{"a":  1}'),
        (b'out\n{"a": 1}', "out", b'{"a": 1}'),
        (b'in\n{"a": 1}', "in", b'{"a": 1}'),
        (b'err\n{"a": 1}', "hook", b'err {"a": 1}'),
        (b"out", "hook", b"out"),
    ],
)
def test_a_report_is_one_line_of_one_stream(report: bytes, stream: str, line: bytes):
    assert line_of(report) == (stream, line)


def test_a_record_is_followed_from_where_this_run_began(tmp_path: Path):
    path = tmp_path / "home" / "record.jsonl"
    path.parent.mkdir()
    path.write_text("old\n")
    resumed, fresh = (Record(True, str(path.parent), from_start=start) for start in (False, True))
    for record in (resumed, fresh):
        record.named(payload("SessionStart", transcript_path=str(path)))
    with path.open("a") as file:
        file.write("new\nha")
    assert resumed.read() == [b"new"]
    assert fresh.read() == [b"old", b"new"]
    with path.open("a") as file:
        file.write("lf\n")
    assert resumed.read() == [b"half"]


@pytest.mark.parametrize("named", ["/etc/passwd", "../secret", "", None, 3, "/\0"])
def test_a_record_outside_the_home_is_not_read(named: Any, tmp_path: Path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "link").symlink_to("/etc/passwd")
    for path in (named, str(tmp_path / "home" / "link"), str(tmp_path / "home")):
        record = Record(True, str(tmp_path / "home"), from_start=True)
        record.named(payload("SessionStart", transcript_path=path))
        assert record.read() == []


# ---- the words of a start ------------------------------------------------------------------------------------------


def order(backend: str, **more: Any) -> RunOrder:
    facts = {
        "hook_socket": "/s/a.hook",
        "mode": "tui",
        "agent": "a",
        "run": "a.1",
        "directory": "/w",
        "run_dir": "/r",
        "home": "/h",
    }
    return RunOrder(backend=backend, signals="", answers="", bin=backend, **(facts | more))


def test_claude_is_told_of_the_hooks_by_a_word_and_begins_with_the_kickoff():
    words = tui_start.command(
        order("claude", fresh_id="u", kickoff="go", model="m", flags=("--allowedTools", "Bash")), CLAUDE
    )
    hooks = json.loads(words[words.index("--settings") + 1])["hooks"]
    assert set(hooks) == set(CLAUDE.hooks)
    assert words[-3:] == ("--session-id", "u", "go"), "after the user's flags: --allowedTools would swallow it"
    assert "/s/a.hook" in hooks["Stop"][0]["hooks"][0]["command"]


def test_a_hook_that_asks_waits_longer_than_we_do_and_the_others_do_not():
    hooks = tui_start.hooks(order("claude", approval_timeout=100.0), CLAUDE)
    assert hooks["PermissionRequest"][0]["hooks"][0]["timeout"] > 100
    assert hooks["PreToolUse"][0]["hooks"][0]["timeout"] == tui_start.HOOK_WITHIN
    for_ever = tui_start.hooks(order("claude", approval_timeout=0.0), CLAUDE)
    assert for_ever["PermissionRequest"][0]["hooks"][0]["timeout"] == tui_start.FOR_EVER


def test_codex_resumes_by_a_subcommand_behind_its_options():
    words = tui_start.command(order("codex", conversation="c", kickoff="go", permissions="edits"), CODEX)
    assert words[-3:] == ("resume", "c", "go")
    assert "--settings" not in words
    assert words[words.index("-a") + 1] == "on-request"


def test_codex_file_of_hooks_keeps_the_users_own_and_never_two_of_ours():
    own = {"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "mine"}]}], "Other": []}, "more": 1}
    once = tui_start.hooks_file(json.dumps(own).encode(), order("codex"), CODEX)
    twice = json.loads(tui_start.hooks_file(once, order("codex", hook_socket="/other"), CODEX))
    assert twice["more"] == 1
    commands = [entry["hooks"][0]["command"] for entry in twice["hooks"]["Stop"]]
    assert commands[0] == "mine"
    assert len(commands) == 2
    assert commands[1].endswith("/other")


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b'{"hooks": 3}', b'{"hooks": {"Stop": 3}}'])
def test_a_broken_file_of_hooks_is_no_obstacle(broken: bytes):
    assert set(json.loads(tui_start.hooks_file(broken, order("codex"), CODEX))["hooks"]) == set(CODEX.hooks)


@pytest.mark.parametrize("text", ["--help me", "/compact", "@file", "!ls", "# title"])
def test_a_kickoff_is_never_a_flag_a_command_or_a_file(text: str):
    assert tui_start.kickoff(text) == (f" {text}",)
    assert tui_start.command(order("pi", kickoff=text), PI)[-1] == f" {text}"


def test_pi_asks_by_its_extension_only_where_it_shall():
    assert "--loops-gate" not in tui_start.command(order("pi", permissions="skip"), PI)
    words = tui_start.command(order("pi", permissions="ask"), PI)
    assert words[words.index("-e") + 1] == "/h/.pi/agent/loops/pi_report.ts"
    assert words[words.index("--loops-gate") + 1] == "ask"
