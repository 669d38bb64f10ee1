"""The agent's program as a process: its end is that of all that it left in its group."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from loops.runner.child import Child, spawn
from loops.runner.link import Ended
from runner_seat import alive, until

LAUNCHER = 'sh -c "echo \\$\\$ >real; exec sleep 600" & wait'
"""Starts the real program as a child, and waits for it."""


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Child]:
    child = spawn(("sh", "-c", LAUNCHER), {"PATH": os.environ["PATH"]}, str(tmp_path))
    yield child
    child.signal(signal.SIGKILL)
    child.reap()
    child.close()


def test_a_killed_launcher_leaves_no_program_that_works_on(launcher: Child, tmp_path: Path) -> None:
    real = int(until(lambda: (tmp_path / "real").exists() and (tmp_path / "real").read_text(), "the real program"))
    os.kill(launcher.pid, signal.SIGKILL)
    select.select([launcher.pidfd], [], [])
    assert alive(real)

    assert launcher.reap() == Ended(signal=signal.SIGKILL)

    until(lambda: not alive(real), "the end of the real program")


def test_an_end_that_was_taken_in_is_signalled_no_more(launcher: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher.signal(signal.SIGKILL)
    select.select([launcher.pidfd], [], [])
    launcher.reap()
    monkeypatch.setattr(os, "killpg", lambda *_: pytest.fail("the number may be somebody else's by now"))

    launcher.signal(signal.SIGTERM)
