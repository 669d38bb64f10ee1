"""Gate: each thing that the operator is to be told happens once, and arrives once on every channel, without any key."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest
from loops.supervisor import events as ev
from loops.supervisor.run import supervisor_command
from scratch import Scratch, checked, contents, json_lines, persistent, service
from test_faults_of_surroundings import power_cut

KEY = "tk-planted-hunter2"

NOTIFY = """
[notify]
url_files = {files}
ntfy = "http://{host}/topic"
ntfy_token_file = "token"
command = ["sh", "-c", "cat >> told.jsonl"]
limit_after = 0
per_hour = 60
"""
TASK = """
[[agent]]
name = "breaker"
kind = "task"
role = "breaker"
prompt_file = "report.md"
dir = "."
enabled = false
"""
SCRIPT = {
    "pace": 0.05,
    "rules": [
        {"role": "builder", "phase": "1", "mode": "approval", "times": 1, "seconds": 60},
        {"role": "adversary", "phase": "1", "mode": "limit", "times": 1, "seconds": 1.0},
        {"role": "clerk", "mode": "auth", "times": 1},
        {"role": "task", "mode": "crash", "times": 1},
    ],
}
ONCE = (
    "phase-done",
    "finished",
    "crash-loop",
    "limit",
    "approval",
    "blocked",
    "budget",
    "task-failed",
    "takeover",
    "reboot",
)


@pytest.fixture
def posted() -> Iterator[tuple[str, list[tuple[str, dict[str, str], str]]]]:
    """A server that takes posts; its host, and path, headers and body of each."""
    posts: list[tuple[str, dict[str, str], str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            posts.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}", posts
    server.shutdown()
    server.server_close()
    thread.join()


def test_each_kind_happens_once_and_arrives_once(scratch: Scratch, posted: tuple[str, list]) -> None:
    host, posts = posted
    private(scratch.root / "token", f"{KEY}\n")
    private(scratch.root / "urls", f"json://user:{KEY}@{host}/hook\n")
    files = '["urls"]' if find_spec("apprise") else "[]"
    more = NOTIFY.format(files=files, host=host) + TASK + service("broken", "exit 1")
    more += persistent(scratch, "clerk") + persistent(scratch, "spender") + 'budget = { wall = "1s" }\n'
    scratch.create([checked("1")], script=SCRIPT, more=more, park_after=3)

    scratch.loops("up", LOOPS_BOOT_ID="0" * 32)
    approval = scratch.wait_event(ev.QuestionAsked, "an approval is asked for")
    scratch.loops("approve", approval.id)
    scratch.wait_event(ev.BudgetExceeded, "a budget is used up")
    scratch.wait_event(ev.SessionEnded, "a crash loop", lambda e: e.rule == "crash-loop")
    scratch.wait_event(ev.HoldTold, "a block", lambda e: e.kind == "auth")
    scratch.loops("nudge", "clerk", "go on")
    scratch.wait_event(ev.SequenceCompleted, "all phases are done")
    told(scratch, "finished", "task-failed", "limit", "blocked", "budget", "crash-loop")
    os.kill(scratch.supervisor, signal.SIGKILL)
    told(scratch, "takeover")
    power_cut(scratch)
    boots(scratch, "1" * 32)
    told(scratch, "reboot")
    scratch.wait_for(
        lambda: not (scratch.status() or {"notices": {"waiting": [1]}})["notices"]["waiting"], "all is sent"
    )

    expected = Counter(dict.fromkeys(ONCE, 1))
    assert Counter(kinds(scratch)) == expected
    topic = [(headers, body) for path, headers, body in posts if path == "/topic"]
    assert Counter(headers["tags"] for headers, _ in topic) == expected
    assert {headers["authorization"] for headers, _ in topic} == {f"Bearer {KEY}"}
    if find_spec("apprise"):
        hooked = [json.loads(body)["message"] for path, _, body in posts if path.rstrip("/") == "/hook"]
        assert sorted(hooked) == sorted(body for _, body in topic)
    assert "notices that" not in "\n".join(scratch.notes)
    explained = scratch.loops("explain", "notices").out
    assert KEY not in explained
    # Logs, journal, runtime directory; not the files that are there to hold the key.
    written = contents(scratch.log_dir, Path(scratch.runtime_root))
    assert [str(path) for path, content in written if KEY.encode() in content] == []


def private(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


def kinds(scratch: Scratch) -> list[str]:
    """What the command was told of, in order."""
    return [line["kind"] for line in json_lines(scratch.root / "told.jsonl")]


def told(scratch: Scratch, *wanted: str) -> None:
    """Wait until all of these have arrived, and nothing more waits."""
    scratch.wait_for(lambda: {*wanted} <= {*kinds(scratch)}, f"{wanted} are told")
    scratch.wait_for(lambda: ids(scratch, ev.NoticeDue) == ids(scratch, ev.NoticeSent), "no notice waits")


def ids(scratch: Scratch, kind: type[ev.NoticeDue] | type[ev.NoticeSent]) -> set[str]:
    return {
        id for event in scratch.events(kind) for id in (event.ids if isinstance(event, ev.NoticeSent) else (event.id,))
    }


def boots(scratch: Scratch, boot_id: str) -> None:
    """The supervisor comes as a service manager starts it; `loops up` would grant budgets and tries once more."""
    command = ["setsid", "-f", *supervisor_command(str(scratch.config_path))]
    quiet = subprocess.DEVNULL
    environment = {**scratch.environment, "LOOPS_BOOT_ID": boot_id}
    subprocess.run(command, env=environment, check=True, stdin=quiet, stdout=quiet, stderr=quiet)
