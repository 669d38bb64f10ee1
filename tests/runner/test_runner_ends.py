"""How a run ends: the task's way, the program's own way, and by force; nothing of it stays."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from runner_seat import CONVERSATION, Seat, alive, read_lines, until

Make = Callable[..., Seat]


def test_a_task_ends_well_after_its_turn(seat: Make) -> None:
    assert seat(kickoff="say done", task=True).start().ends() == 0


def test_a_task_whose_turn_failed_ends_badly_whatever_the_program_says(seat: Make) -> None:
    one = seat(kickoff="hang", task=True).start()
    one.sees("hanging")
    one.type("\x03")
    assert one.ends() == 1


def test_a_task_whose_program_leaves_before_the_end_of_its_turn_ends_badly(seat: Make) -> None:
    one = seat(kickoff="die 0", task=True).start()
    assert one.ends() == 1


def test_the_programs_end_is_the_runners_and_the_last_line_says_why(seat: Make) -> None:
    one = seat(kickoff="die 3 the battery is empty").start()
    assert one.ends() == 3
    assert "claude ended: exit 3: the battery is empty" in one.shown


def test_a_killed_program_is_told_as_a_shell_would(seat: Make) -> None:
    one = seat(kickoff="hang").start()
    one.sees("hanging")
    os.kill(one.starts()[0]["pid"], signal.SIGKILL)
    assert one.ends() == 137
    assert "killed by signal 9" in one.shown


def test_a_conversation_that_is_not_there_is_said_and_nothing_was_given_to_the_agent(seat: Make) -> None:
    one = seat(kickoff="say hello", conversation=CONVERSATION, fresh_id="").start()
    assert one.ends() == 1
    assert one.received() == []
    assert one.signals("turn.failed")[0]["class"] == "resume_failed"
    assert "No conversation found" in one.shown


def test_a_grandchild_that_holds_the_pipes_does_not_keep_the_runner(seat: Make) -> None:
    one = seat(kickoff="leave").start()
    assert one.ends() == 0
    pid = one.starts()[0]["pid"]
    until(lambda: not _group(pid), "the end of the program's whole group")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_program_before_the_runner(seat: Make, number: int) -> None:
    one = seat(kickoff="tool sleep 1000").start()
    one.sees("• Bash")
    one.signal(number)
    assert one.ends() == 128 + number
    pid = one.starts()[0]["pid"]
    until(lambda: not _group(pid), "the end of the program's whole group")


def test_a_killed_runner_takes_the_program_with_it(seat: Make) -> None:
    one = seat(kickoff="hang").start()
    one.sees("hanging")
    one.signal(signal.SIGKILL)
    one.ends()
    until(lambda: not alive(one.starts()[0]["pid"]), "the end of the program")


def test_a_lost_terminal_ends_the_run(seat: Make) -> None:
    one = seat(kickoff="hang").start()
    one.sees("hanging")
    one.hang_up()
    assert one.ends() == 128 + signal.SIGHUP
    until(lambda: not alive(one.starts()[0]["pid"]), "the end of the program")


def test_ctrl_d_ends_nothing_and_says_what_does(seat: Make) -> None:
    one = seat(kickoff="say hello").start()
    one.signalled("turn.completed")
    one.type("\x04")
    one.sees("loops down builder")
    one.paste("say still here")
    one.signalled("turn.completed", 2)


def test_a_program_that_is_not_there_is_said_with_the_remedy(seat: Make, tmp_path: Path) -> None:
    one = seat(kickoff="say hello", bin=str(tmp_path / "missing")).start()
    assert one.ends() == 127
    assert "cannot be started" in one.shown
    assert "loops doctor" in one.shown


def test_a_program_that_may_not_be_run_is_said(seat: Make, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    one = seat(kickoff="say hello", bin=str(tmp_path / "text")).start()
    assert one.ends() == 126
    assert "Permission denied" in one.shown


def test_a_missing_directory_is_named(seat: Make, tmp_path: Path) -> None:
    one = seat(kickoff="say hello", directory=str(tmp_path / "nowhere")).start()
    assert one.ends() == 127
    assert "nowhere" in one.shown


def test_a_run_that_cannot_be_recorded_is_not_begun(seat: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    one = seat(kickoff="say hello", run_dir=str(tmp_path / "file" / "run")).start()
    assert one.ends() == 1
    assert "Not a directory" in one.shown
    assert one.starts() == []


def test_signals_are_not_written_through_a_link_of_the_agents(seat: Make, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("")
    (tmp_path / "signals.jsonl").symlink_to("precious")
    one = seat(kickoff="say hello").start()
    assert one.ends() == 1
    assert (tmp_path / "precious").read_text() == ""


def test_a_terminal_that_takes_nothing_keeps_neither_the_agent_nor_the_end(seat: Make) -> None:
    one = seat(kickoff="long 3000000; tool touch made", task=True).start(drained=False)
    until(lambda: (one.work / "made").exists(), "the tool")
    assert one.ends() == 0


def test_messages_that_nobody_took_are_counted_at_the_end(seat: Make) -> None:
    one = seat(kickoff="hang").start()
    one.sees("hanging")
    one.paste("say later")
    one.sees("kept until")
    one.signal(signal.SIGTERM)
    one.ends()
    assert "not given to the agent" in one.shown


def test_the_end_is_recorded(seat: Make) -> None:
    one = seat(kickoff="die 3 gone").start()
    one.ends()
    ended = read_lines(one.root / "run" / "raw" / "runner.jsonl")[-1]
    assert ended == {"type": "process.ended", "code": 3, "signal": None}


def _group(leader: int) -> list[int]:
    """The living processes of a process group."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and alive(int(entry)):
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == leader:
                found.append(int(entry))
    return found
