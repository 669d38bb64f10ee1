"""What a session leaves behind is ended before its successor starts, by a real supervisor and a real holder."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from loops.supervisor import events as ev
from shell_project import ShellProject, alive

LEAVER = """\
for pid in $(cat left 2>/dev/null); do
  if grep -qs '^State:.[^ZX]' "/proc/$pid/status"; then echo "$pid lives" >>beside; fi
done
setsid sh -c 'trap "" TERM HUP; echo $$ >>left; while :; do sleep 600; done' &
while [ "$(grep -c . left)" -lt "$LOOPS_INCARNATION" ]; do sleep 0.01; done
echo "$LOOPS_INCARNATION" >ready
exec sleep 600
"""
"""Looks for what its forerunners left, then leaves something itself: in a session of its own, deaf to polite signals."""
STARTS = 5


def test_what_a_killed_session_left_is_gone_before_the_next_one_starts(project: ShellProject) -> None:
    root = project.root
    (root / "leaver.sh").write_text(LEAVER)
    project.write(more='[[service]]\nname = "leaver"\ncommand = ["sh", "leaver.sh"]\nwatch = "heal"\n')
    project.start("--up")
    for number in range(1, STARTS + 1):
        project.until(lambda n=number: _said(root / "ready") == str(n), f"start {number}")  # type: ignore[misc]
        if number < STARTS:
            os.kill(project.wait_running("leaver")["leaver"], signal.SIGKILL)

    assert not (root / "beside").exists(), (root / "beside").read_text()
    left = [int(pid) for pid in (root / "left").read_text().split()]
    assert [alive(pid) for pid in left] == [False] * (STARTS - 1) + [True]


def test_what_a_session_left_is_ended_though_nobody_starts_it_again(project: ShellProject) -> None:
    (project.root / "leaver.sh").write_text(LEAVER)
    project.write(more='[[service]]\nname = "leaver"\ncommand = ["sh", "leaver.sh"]\nwatch = "none"\n')
    project.start("--up")
    project.until(lambda: _said(project.root / "ready") == "1", "the start")

    os.kill(project.wait_running("leaver")["leaver"], signal.SIGKILL)

    project.until(lambda: project.events(ev.SessionEnded), "the end is seen")
    left = int((project.root / "left").read_text())
    project.until(lambda: not alive(left), "the end of what it left")


def _said(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""
