"""Real faults on real processes and filesystems: kill -9, two writers, a full disk, a failing flush."""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from journal_samples import SOURCE, exits, fill
from loops.errors import JournalError
from loops.journal import Journal, read, verify

Open = Callable[..., Journal]

KILLS = int(os.environ.get("LOOPS_TEST_KILLS", "20"))

WRITER = """
import os, random, sys
from loops.journal import Event, Journal
chance = random.Random(int(sys.argv[2]))
journal = Journal.open(sys.argv[1], source="urn:loops:project:sample", segment_size=60_000)
while True:
    texts = ["x" * chance.randrange(20_000) for _ in range(chance.randrange(1, 4))]
    last = journal.append(Event("message.user", "builder", {"text": text}) for text in texts)[-1]
    journal.commit()
    os.write(1, last.sequence.to_bytes(4, "big"))
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def write_until_killed(directory: str, seed: int) -> int:
    """Let a child write, kill it -9 inside its work, and return the last sequence that it acknowledged."""
    command = [sys.executable, "-c", WRITER, directory, str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as child:
        assert child.stdout is not None
        stop_after = random.Random(seed).randrange(1, 60)
        acknowledged = b""
        while len(acknowledged) < 4 * stop_after:
            acknowledged += (chunk := os.read(child.stdout.fileno(), 4096))
            assert chunk, "the writer ended by itself"
        child.send_signal(signal.SIGKILL)
        acknowledged += child.stdout.read()
    return int.from_bytes(acknowledged[: len(acknowledged) // 4 * 4][-4:], "big")


def test_no_acknowledged_record_is_lost_by_kill_9_and_the_same_journal_lives_on(tmp_path: Path) -> None:
    for seed in range(KILLS):
        directory, earlier = str(tmp_path / f"journal-{seed // 20}"), seed % 20
        acknowledged = write_until_killed(directory, seed)
        verdict = verify(directory)
        assert verdict.sound, verdict.text
        assert verdict.last >= acknowledged
        epochs = {record.epoch for record in read(directory, after=max(0, acknowledged - 1))}
        assert epochs == {earlier + 1}


def test_a_kill_between_any_two_bytes_of_a_write_is_survived(directory: str) -> None:
    """What kill -9 inside write(2) can leave is a prefix; every prefix of the last batch is tried."""
    fill(directory, 2)
    path = Path(directory, "00000001.jsonl")
    whole = path.read_bytes()
    begin = whole.rfind(b"\n", 0, -1) + 1
    for length in range(begin, len(whole)):
        path.write_bytes(whole[:length])
        with Journal.open(directory, source=SOURCE) as journal:
            assert [record.sequence for record in journal.replay()][:2] == [1, 2]
        assert verify(directory).sound


# ---- one writer ----------------------------------------------------------------------------------------------------


def test_a_second_writer_is_refused_with_the_pid_of_the_first(directory: str, opened: Open) -> None:
    opened(directory)
    with pytest.raises(JournalError, match=f"process {os.getpid()} writes this journal"):
        Journal.open(directory, source=SOURCE)


CONTENDER = """
import sys
from loops.errors import JournalError
from loops.journal import Journal
sys.stdin.buffer.read(1)  # all begin when the parent closes the pipe
try:
    journal = Journal.open(sys.argv[1], source="urn:loops:project:sample")
except JournalError as error:
    print("refused" if "writes this journal" in str(error) else error, flush=True)
else:
    print("won", flush=True)
    sys.stdin.close()
    import signal
    signal.pause()
"""


def test_of_fifty_writers_at_once_exactly_one_wins_and_its_death_frees_the_lock(directory: str) -> None:
    gate, start = os.pipe()
    contenders = [
        subprocess.Popen(
            [sys.executable, "-c", CONTENDER, directory],
            stdin=gate,
            stdout=subprocess.PIPE,
            env=environment(),
            text=True,
        )
        for _ in range(50)
    ]
    os.close(gate)
    try:
        os.close(start)
        answers = [child.stdout.readline().strip() for child in contenders if child.stdout]
        assert sorted(answers) == ["refused"] * 49 + ["won"]
    finally:
        for child in contenders:
            child.kill()
            child.communicate()
    with Journal.open(directory, source=SOURCE) as journal:
        assert journal.epoch == 2


def test_a_stale_lock_file_locks_nothing(directory: str) -> None:
    os.makedirs(directory)
    Path(directory, "lock").write_text("1\n")
    fill(directory, 1)
    assert verify(directory).records == 2


@pytest.mark.parametrize("replace", [False, True])
def test_a_deleted_or_replaced_lock_file_stops_the_writer(directory: str, opened: Open, replace: bool) -> None:
    journal = opened(directory)
    lock = Path(directory, "lock")
    lock.rename(lock.with_name("taken"))
    if replace:
        lock.touch()
    journal.append(exits(1))
    with pytest.raises(JournalError, match="lock file was deleted or replaced"):
        journal.commit()
    assert verify(directory).records == 1
    lock.with_name("taken").replace(lock)


def test_foreign_bytes_in_the_segment_stop_the_writer(directory: str, opened: Open) -> None:
    journal = opened(directory)
    path = Path(directory, "00000001.jsonl")
    whole = path.read_bytes()
    path.write_bytes(whole + b"x")
    journal.append(exits(1))
    with pytest.raises(JournalError, match="somebody else wrote to it"):
        journal.commit()
    path.write_bytes(whole)


# ---- the disk ------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 64 KB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_said_and_recovered_from_without_loss(small_disk: Path, opened: Open) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(40_000))
    directory = str(small_disk / "journal")
    journal = opened(directory)
    appended = 0

    def write_until_refused() -> None:
        nonlocal appended
        while True:
            appended += len(journal.append(exits(7)))
            journal.commit()

    with pytest.raises(JournalError, match=r"No space left|disk or quota is full"):
        write_until_refused()
    assert verify(directory).torn == 0  # the short write was rolled back at once
    before = verify(directory).records
    appended += len(journal.append(exits(3)))
    with pytest.raises(JournalError):
        journal.commit()
    assert verify(directory).records == before

    ballast.unlink()
    journal.commit()
    assert verify(directory).records == 1 + appended
    assert [record.sequence for record in journal.replay()] == list(range(1, appended + 2))


def test_a_full_disk_leaves_the_earlier_snapshot(small_disk: Path, opened: Open) -> None:
    journal = opened(str(small_disk / "journal"))
    journal.snapshot(1, "good")
    with pytest.raises(JournalError, match="earlier snapshot stays"):
        journal.snapshot(1, "x" * 100_000)
    assert journal.latest_snapshot() == (1, "good")
    assert not (small_disk / "journal" / "snapshot.json.new").exists()


def test_a_file_size_limit_is_rolled_back_and_recovered_from(directory: str, opened: Open) -> None:
    journal = opened(directory)
    journal.append(exits(2))
    journal.commit()
    size = os.path.getsize(os.path.join(directory, "00000001.jsonl"))
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 144, old[1]))  # a short write of 144 bytes
    try:
        journal.append(exits(2))
        with pytest.raises(JournalError, match=r"cannot write 2 records.*kept in memory"):
            journal.commit()
        assert os.path.getsize(os.path.join(directory, "00000001.jsonl")) == size
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    journal.commit()
    assert verify(directory).records == 5


def test_after_a_failed_flush_the_file_is_opened_and_verified_anew(
    directory: str, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(directory)
    flushed: list[int] = []
    faults = [OSError(errno.EIO, "Input/output error")]
    real, real_open = os.fdatasync, os.open
    reopened: list[str] = []

    def flush(descriptor: int) -> None:
        flushed.append(descriptor)
        if faults:
            raise faults.pop()
        real(descriptor)

    def spy(path: str, *rest: int) -> int:
        reopened.append(path)
        return real_open(path, *rest)

    monkeypatch.setattr(os, "fdatasync", flush)
    journal.append(exits(2))
    with pytest.raises(JournalError, match="Input/output error"):
        journal.commit()
    assert len(flushed) == 1  # never again on the same descriptor without writing anew
    assert verify(directory).records == 1
    monkeypatch.setattr(os, "open", spy)
    journal.commit()
    assert reopened == [os.path.join(directory, "00000001.jsonl")]
    assert verify(directory).records == 3


def test_an_acknowledged_record_that_the_disk_lost_is_noticed(
    directory: str, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(directory)
    journal.append(exits(1))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", lambda _descriptor: (_ for _ in ()).throw(OSError(errno.EIO, "I/O error")))
        with pytest.raises(JournalError):
            journal.commit()
    path = Path(directory, "00000001.jsonl")
    whole = path.read_bytes()
    path.write_bytes(whole[:-10] + bytes(10))
    with pytest.raises(JournalError, match=r"sequence 1\) cannot be read back"):
        journal.commit()
    path.write_bytes(whole)


def test_a_rotation_that_fails_is_done_again(directory: str, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(directory, segment_size=1)
    real = os.fsync
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: (_ for _ in ()).throw(OSError(errno.EIO, "I/O error")))
        journal.append(exits(1))
        with pytest.raises(JournalError):
            journal.commit()
    assert os.fsync is real
    journal.commit()
    assert verify(directory).records == 2
    assert verify(directory).segments == 2


def test_a_read_only_place_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="cannot make the journal's directory: Not a directory"):
        Journal.open(str(tmp_path / "file" / "journal"), source=SOURCE)
