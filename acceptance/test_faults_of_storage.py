"""Gate: faults of files (fault classes 4, 9, 10, 11): full disks, floods, damaged state, broken configuration."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from loops.journal import verify
from loops.sessions import wire
from loops.supervisor import events as ev
from scratch import LINGER, PlannedPhase, Scratch, alive, service
from test_faults_of_processes import COUNTER, assert_one_unbroken_life, counting, wait_ticks

MEGABYTE = 1 << 20
FULL = re.compile("No space left|disk or quota is full")


# ---- class 4: the disk is full -----------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_class_4_sessions_run_on_over_a_full_disk_and_everything_recovers_by_itself(
    small_disk: Path, scratch: Scratch
) -> None:
    scratch.log_dir = small_disk / "loops"
    beat = scratch.root / "beat"
    heart = f"n=0; while :; do n=$((n+1)); printf 'beat %0400d\\n' $n; echo $n >{beat}; sleep 0.02; done"
    scratch.create(more=service("heart", heart) + service("one", COUNTER))
    scratch.loops("up")
    pids = scratch.wait_running("heart", "one")
    wait_ticks(scratch, "one")
    ballast = _fill(small_disk)

    def kill_one_more() -> bool:
        """Something new to journal, until the last block of the journal is full as well."""
        if pid := scratch.agent("one").get("pid"):
            with suppress(ProcessLookupError):  # it has ended, and the supervisor does not know it yet
                os.kill(pid, signal.SIGKILL)
        return FULL.search("".join(scratch.notes)) is not None

    scratch.wait_for(kill_one_more, "the full disk in the status")
    assert FULL.search(scratch.loops("status").out)
    before = int(beat.read_text() or 0)
    scratch.wait_for(lambda: int(beat.read_text() or 0) > before + 30, "the heart beating on")
    assert alive(pids["heart"])

    assert scratch.wait_running("heart")["heart"] == pids["heart"]

    ballast.unlink()
    scratch.wait_for(lambda: scratch.wait_running("one")["one"] != pids["one"], "another process for one")
    scratch.wait_for(lambda: not scratch.notes, "no trouble in the status any more")
    assert scratch.wait_running("heart")["heart"] == pids["heart"]
    found = verify(scratch.journal_directory)
    assert found.sound, found.text
    assert {e.agent for e in scratch.events(ev.SessionEnded)} == {"one"}
    starts = [e.incarnation for e in scratch.events(ev.SessionStarted) if e.agent == "one"]
    assert starts == list(range(1, len(starts) + 1))
    scratch.wait_for(
        lambda: b"bytes of output are missing here: No space left" in scratch.log("heart"), "the gap, told"
    )


def _fill(place: Path) -> Path:
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(b"b" * size)
            except OSError:
                continue
    return ballast


# ---- class 9: floods ---------------------------------------------------------------------------------------------------


class StuckViewer:
    """Somebody who looks at a session, and then never reads again."""

    def __init__(self, path: str, name: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.connect(path)
        wire.send(self.sock, wire.pack("hello", role="viewer", name=name, rows=24, cols=80))


@pytest.mark.heavy
def test_class_9_a_gigabyte_of_output_is_bounded_and_its_neighbour_does_not_notice(scratch: Scratch) -> None:
    flood = "head -c 1000000000 /dev/zero | tr '\\0' x; printf '\\n'; sleep 1000"
    scratch.create(more=service("flood", flood) + service("one", COUNTER))
    scratch.loops("up")
    pids = scratch.wait_running("flood", "one")
    viewer = StuckViewer(scratch.runtime.holder_socket, "flood")
    scratch.wait_for(lambda: _printed(scratch, pids["flood"]) == "over", "the end of the flood", 600)
    viewer.sock.close()

    assert _peak_memory(scratch.holder) < 64 * MEGABYTE, f"holder: {_peak_memory(scratch.holder)} bytes"
    assert _peak_memory(scratch.supervisor) < 128 * MEGABYTE, f"supervisor: {_peak_memory(scratch.supervisor)} bytes"
    kept = sum(path.stat().st_size for path in scratch.log_dir.glob("flood.log*"))
    assert 0 < kept < 64 * MEGABYTE, f"the flood's logs have {kept} bytes"
    assert scratch.wait_running("flood", "one") == pids
    wait_ticks(scratch, "one")
    assert_one_unbroken_life(scratch, "one")


def _printed(scratch: Scratch, pid: int) -> str:
    """Whether the flood is over: its shell has no child but the last sleep."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    with suppress(OSError):  # one of them ends just now
        lines = [Path(f"/proc/{child}/cmdline").read_bytes() for child in children]
        return "over" if lines == [b"sleep\x001000\x00"] else ""
    return ""


def _peak_memory(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def test_class_9_garbage_a_line_of_ten_megabytes_and_every_byte_go_through_and_the_agent_works_on(
    scratch: Scratch,
) -> None:
    rules = [{"role": "builder", "mode": "garbage", "times": 1, "after": 1}]
    scratch.create([PlannedPhase("1", "plan.md", checks=("./check.sh 1",))], script={"rules": rules})
    scratch.loops("up")
    scratch.wait_event(ev.PhaseDone, "the phase's end in spite of the garbage")
    out = scratch.loops("status").out + scratch.complaints
    assert not [c for c in out if not c.isprintable() and c != "\n"], repr(out)
    assert sum(p.stat().st_size for p in scratch.log_dir.glob("builder.log*")) > 10 * MEGABYTE


# ---- class 10: damaged state -------------------------------------------------------------------------------------------


def _one_segment(scratch: Scratch) -> Path:
    (segment,) = Path(scratch.journal_directory).glob("*.jsonl")
    return segment


def test_class_10_a_torn_tail_is_cut_off_reported_and_nothing_else_is_lost(scratch: Scratch) -> None:
    counting(scratch, "one")
    scratch.loops("down")
    segment = _one_segment(scratch)
    for path in Path(scratch.journal_directory).glob("*snapshot*"):
        path.unlink()  # it would have to agree with the journal's end
    segment.write_bytes(segment.read_bytes()[:-7])
    scratch.forget_journal()
    scratch.loops("up")
    scratch.wait_running("one")
    assert "cut off" in scratch.complaints, scratch.complaints
    found = verify(scratch.journal_directory)
    assert found.sound, found.text
    assert len(scratch.events(ev.SessionStarted)) == 2


def test_class_10_a_flipped_bit_in_the_middle_is_refused_with_its_place(scratch: Scratch) -> None:
    counting(scratch, "one")
    scratch.loops("down")
    segment = _one_segment(scratch)
    for path in Path(scratch.journal_directory).glob("*snapshot*"):
        path.unlink()
    whole = segment.read_bytes()
    middle = len(whole) // 2
    segment.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    failed = scratch.loops("up", code=6)
    assert str(segment) in failed.err, failed.err
    assert re.search(r"byte \d+", failed.err), failed.err
    scratch.wait_for(lambda: not scratch.pids(), "nothing left running of a project that cannot start", LINGER)

    segment.write_bytes(whole)  # restored from a backup
    scratch.loops("up")
    scratch.wait_running("one")


def test_class_10_a_broken_snapshot_is_reported_and_the_journal_replayed(scratch: Scratch) -> None:
    counting(scratch, "one")
    scratch.loops("down", "one")
    scratch.wait_for(lambda: scratch.agent("one").get("state") == "stopped", "one down")
    scratch.loops("down")
    snapshots = list(Path(scratch.journal_directory).glob("*snapshot*"))
    assert snapshots, os.listdir(scratch.journal_directory)
    for path in snapshots:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    scratch.loops("up")
    assert "snapshot" in scratch.complaints, scratch.complaints
    assert scratch.wait_running("one")
    assert verify(scratch.journal_directory).last > 0


@pytest.mark.parametrize("damage", [b"", b"{", b"\x00" * 100, b'{"format": 99}'])
def test_class_10_a_broken_configuration_cache_is_made_anew(scratch: Scratch, damage: bytes) -> None:
    counting(scratch, "one")
    scratch.loops("down")
    cache = Path(scratch.runtime.root, "config.json")
    assert cache.exists()
    cache.write_bytes(damage)
    scratch.loops("up")
    scratch.wait_running("one")
    assert cache.read_bytes() != damage


# ---- class 11: configuration and documents -----------------------------------------------------------------------------


def test_class_11_a_broken_edit_is_refused_once_and_a_good_one_is_taken_up_at_once(scratch: Scratch) -> None:
    pids = counting(scratch, "one")
    good = scratch.config_path.read_text()

    scratch.config_path.write_text(good + "\n[[service]\nname = ")
    refused = scratch.wait_event(ev.ConfigRefused, "the refusal")
    assert "agents.toml" in refused.problems[0], refused
    assert re.search(r"line \d+|:\d+", "".join(refused.problems)), refused
    assert "agents.toml was changed and refused" in scratch.loops("status").out
    os.utime(scratch.config_path)
    os.kill(scratch.supervisor, signal.SIGHUP)  # look again: it is as broken as before
    assert scratch.wait_running("one") == pids
    assert len(scratch.events(ev.ConfigRefused)) == 1

    half_written = scratch.config_path.with_suffix(".new")
    half_written.write_text(good + service("two", COUNTER))
    os.replace(half_written, scratch.config_path)
    scratch.wait_running("two")
    assert scratch.notes == []
    assert scratch.wait_running("one") == pids
    assert_one_unbroken_life(scratch, "one")

    scratch.config_path.write_text(good)
    scratch.wait_for(lambda: "two" not in {row["name"] for row in scratch.rows}, "two gone with its table")
    assert len(scratch.events(ev.ConfigRefused)) == 1
    assert len(scratch.events(ev.ConfigLoaded)) == 3


def test_class_11_a_project_that_is_down_refuses_a_broken_configuration_with_its_line(scratch: Scratch) -> None:
    scratch.create(more=service("one", COUNTER))
    scratch.config_path.write_text(scratch.config_path.read_text().replace("command", "comand"))
    failed = scratch.loops("up", code=3)
    assert re.search(r"agents\.toml:\d+|line \d+", failed.err), failed.err
    assert "comand" in failed.err
    assert "command" in failed.err.replace("comand", ""), "no suggestion"
    assert not scratch.pids()


def test_class_11_an_inbox_of_ten_megabytes_wakes_its_owner_once(scratch: Scratch) -> None:
    scratch.create([PlannedPhase("1", "plan.md")], working=False)
    scratch.loops("up")
    scratch.wait_running("builder", "adversary")
    scratch.wait_event(ev.EvidenceTaken, "the first reading of the branch")
    clone = scratch.clone("adversary")
    (clone / "machine-docs" / "BUILDER-INBOX.md").write_bytes(b"# BUILDER-INBOX\n\n" + b"read this \xff\x00 " * 800_000)
    first = scratch.push(clone, "inbox: to the builder")
    scratch.wait_for(lambda: [m for m in scratch.received("builder") if "BUILDER-INBOX.md" in m.text], "the nudge")
    (clone / "note.txt").write_text("nothing\n")
    second = scratch.push(clone, "chore: something else")
    scratch.wait_event(ev.EvidenceTaken, "the next push read", lambda e: e.head == second != first)
    assert len([m for m in scratch.received("builder") if "BUILDER-INBOX.md" in m.text]) == 1
