"""The demo, as a user runs it: on a terminal and in a pipe.  It must reach its end and leave nothing but the report."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pexpect
import pytest
from scratch import GLANCE, LINGER

pytestmark = pytest.mark.heavy

PATIENCE = 400
"""Seconds after which the demo is held to be stuck (it takes about fifteen, and gives up by itself after three minutes)."""


@pytest.fixture
def place(tmp_path: Path) -> dict[str, str]:
    """An environment in which all that the demo writes lies below *tmp_path*, but for its sockets."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "home").mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG") if name in os.environ}
    return {**kept, "HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp"), "LC_ALL": "C.UTF-8"}


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "loops", "demo", *words]


def processes_of(place: dict[str, str]) -> list[str]:
    """What still runs below the demo's temporary directory."""
    mark = place["TMPDIR"].encode()
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if mark in environment + words and int(pid) != os.getpid():
            found.append(words.replace(b"\0", b" ").decode(errors="replace"))
    return found


def assert_nothing_runs_on(place: dict[str, str]) -> None:
    deadline = time.monotonic() + LINGER
    while (left := processes_of(place)) and time.monotonic() < deadline:
        time.sleep(GLANCE)
    assert left == []


def leftovers(place: dict[str, str], report: Path) -> list[str]:
    """Files that the demo left behind, the report apart."""
    roots = [Path(place["TMPDIR"]), Path(place["HOME"])]
    return [str(path) for root in roots for path in root.rglob("*") if path != report]


def check_report(report: Path) -> None:
    page = report.read_text()
    assert not re.findall(r"(?:src|href)=[\"']?(?:https?:)?//", page), "the page asks the network for something"
    for word in ("claims refused", "heals", "limits waited out", "supervisor took over", "done refused"):
        assert word in page, f"the page does not show {word!r}"


def test_in_a_pipe_it_tells_its_story_line_by_line_and_leaves_only_the_report(
    place: dict[str, str], tmp_path: Path
) -> None:
    report = tmp_path / "report.html"

    done = subprocess.run(
        command("--report", str(report)), env=place, capture_output=True, text=True, timeout=PATIENCE, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "\x1b" not in done.stdout
    story = [
        r"builder pushed a claim in phase 1: \w+ claim\(1 M1\)",
        r"adversary ended \(killed by signal 9\) after .*; it is started again at once",
        r"adversary is started .* \(number 2\), resuming conversation",
        r"phase 1 is not done at \w+: M1: no verdict",
        r"adversary pushed a verdict in phase 1: \w+ review\(1\): M1 FAIL",
        r"adversary pushed a verdict in phase 1: \w+ review\(1\): M1 PASS",
        r"the checks of phase 1 at \w+ succeeded",
        r"phase 1 is done",
        r"builder is started on demo with model demo-large for phase 2",
        r"builder waits for its usage limit",
        r"the supervisor started .*epoch 2.* took over 3 sessions",
        r"builder waits for its usage limit .*1 probe",
        r"phase 2 is done",
        r"all 2 phases are done, the loop agents are ended; report is run",
        r"report ended \(exit 0\)",
        r"complete, 2 of 2 phases done",
        r"0 doubled",
        r"chain verified",
    ]
    missing = [part for part in story if not re.search(part, done.stdout)]
    assert not missing, f"not told: {missing}\n{done.stdout}"
    assert str(report) in done.stdout
    check_report(report)
    assert_nothing_runs_on(place)
    assert leftovers(place, report) == []


def test_on_a_terminal_it_shows_a_live_view_and_ends_with_a_short_report(place: dict[str, str], tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    words = command("--report", str(report))

    child = pexpect.spawn(
        words[0], words[1:], env={**place, "TERM": "xterm-256color"}, dimensions=(40, 120), timeout=PATIENCE
    )
    child.expect("loops demo")
    child.expect("builder")
    child.expect("phase 2")
    child.expect("complete, 2 of 2 phases done")
    child.expect(re.escape(str(report)))
    child.expect(pexpect.EOF)
    child.close()

    assert child.exitstatus == 0
    check_report(report)
    assert_nothing_runs_on(place)
    assert leftovers(place, report) == []


def test_interrupted_by_ctrl_c_it_takes_everything_down(place: dict[str, str], tmp_path: Path) -> None:
    words = command("--plain", "--report", str(tmp_path / "report.html"))

    child = pexpect.spawn(words[0], words[1:], env={**place, "TERM": "dumb"}, timeout=PATIENCE)
    child.expect("builder is started")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()

    assert child.exitstatus == 130
    assert_nothing_runs_on(place)
    assert leftovers(place, tmp_path / "report.html") == []


def test_as_json_it_prints_one_object(place: dict[str, str], tmp_path: Path) -> None:
    report = tmp_path / "report.html"

    done = subprocess.run(
        command("--json", "--report", str(report)),
        env=place,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    facts = json.loads(done.stdout)
    assert facts["ok"] is True
    assert facts["problems"] == []
    assert facts["report_path"] == str(report)
