"""The process that many projects share, as each of their holders starts it: once, and not again and again."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from loops.sessions.respawn import SPREAD, TAKEN, TAKEN_PAUSE, Respawn, is_locked
from loops.sessions.terminal import Ended


def respawn(lock: str = "") -> Respawn:
    made = Respawn(1024)
    made.command(["/bin/true"], {"PATH": os.defpath}, lock)
    return made


def test_who_found_another_at_work_is_started_again_only_after_a_pause() -> None:
    made = respawn()
    made.start(0.0)
    os.waitpid(made.pid, 0)

    made.ended(Ended(code=TAKEN), 1.0)

    assert made.at == 1.0 + TAKEN_PAUSE
    assert made.pid == 0


def test_while_somebody_has_the_lock_nothing_is_started(tmp_path: Path) -> None:
    path = tmp_path / "crew.lock"
    path.touch()
    made = respawn(str(path))
    with open(path, "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        said = made.start(5.0)

        assert (said, made.pid, made.at) == ("", 0, 5.0 + TAKEN_PAUSE)
    made.start(20.0)
    assert made.pid != 0
    os.waitpid(made.pid, 0)


def test_holders_of_one_process_do_not_start_it_at_the_same_moment(tmp_path: Path) -> None:
    times = set()
    for _ in range(20):
        made = respawn(str(tmp_path / "crew.lock"))
        made.ended(Ended(signal=9), 1.0)
        times.add(made.at)
        assert 1.0 <= made.at <= 1.0 + SPREAD

    assert len(times) > 10


def test_the_supervisor_of_one_project_is_started_again_at_once() -> None:
    made = respawn()

    made.ended(Ended(signal=9), 1.0)

    assert made.at == 1.0


def test_what_gives_a_project_up_is_watched_no_more() -> None:
    made = respawn()
    made.adopt(os.getpid(), 0.0)
    pidfd = made.pidfd

    made.let_go()

    assert (made.pid, made.pidfd) == (0, -1)
    assert not os.path.exists(f"/proc/self/fd/{pidfd}")


def test_a_holder_that_replaces_another_knows_the_lock_and_an_older_ones_state_has_none(tmp_path: Path) -> None:
    made, other, older = respawn(str(tmp_path / "crew.lock")), respawn(), respawn()
    state = made.state()

    other.restore(state, 1.0)
    older.restore({key: value for key, value in state.items() if key != "lock"}, 1.0)

    assert other.lock == str(tmp_path / "crew.lock")
    assert older.lock == ""


def test_a_file_that_is_not_there_is_not_locked(tmp_path: Path) -> None:
    assert not is_locked(str(tmp_path / "none"))
