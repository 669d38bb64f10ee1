"""What a run leaves on disk, also on a full one."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

from loops.runner.recorder import Appended, Recorder
from runner_seat import Seat

Make = Callable[..., Seat]


def test_a_full_disk_is_said_once_and_the_agent_goes_on(seat: Make, tmp_path: Path) -> None:
    raw = tmp_path / "run" / "raw"
    raw.mkdir(parents=True)
    (raw / "out.jsonl").symlink_to("/dev/full")
    one = seat(kickoff="say one; say two", task=True).start()
    assert one.ends() == 0
    assert one.shown.count("No space left on device") == 1
    assert one.received() == ["say one; say two"]
    (told,) = [event["data"] for event in one.events("warning")]
    assert told["code"] == "recording"


def test_what_found_no_room_is_written_in_order_when_there_is_some(tmp_path: Path) -> None:
    said: list[str] = []
    file = Appended(str(tmp_path / "file"), said.append)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6, hard))
    try:
        file.add(b"one\n")
        file.add(b"two\n")
        file.add(b"three\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert file.waits
    assert len(set(said)) == 1
    assert (tmp_path / "file").read_bytes() == b"one\ntw"
    file.flush()
    assert not file.waits
    file.close()
    assert (tmp_path / "file").read_bytes() == b"one\ntwo\nthree\n"


def test_a_run_in_a_directory_of_an_earlier_try_goes_on_at_the_end(tmp_path: Path) -> None:
    for word in (b"one", b"two"):
        recorder = Recorder(str(tmp_path / "run"), str(tmp_path / "signals"), print)
        recorder.raw("out", word, "1.000000")
        recorder.close()
    assert (tmp_path / "run" / "raw" / "out.jsonl").read_bytes() == b"one\ntwo\n"
    assert (tmp_path / "run" / "raw" / "index").read_text() == "out 1.000000\nout 1.000000\n"
