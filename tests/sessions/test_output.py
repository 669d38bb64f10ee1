from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops.sessions.output import REOPEN_AFTER, RING_BYTES, Log, Ring


@given(st.lists(st.binary(max_size=9000), max_size=12), st.integers(0, 60_000))
def test_a_ring_is_the_end_of_the_stream_and_says_what_it_lost(chunks: list[bytes], offset: int) -> None:
    ring = Ring()
    for chunk in chunks:
        ring.add(chunk)
    stream = b"".join(chunks)
    offset = min(offset, len(stream))
    lost, data = ring.since(offset)
    assert ring.total == len(stream)
    assert ring.newest() == stream[-RING_BYTES:]
    assert data == stream[offset + lost :]
    assert lost == 0 or len(data) == RING_BYTES


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=40), st.integers(1, 4))
def test_a_rotated_log_is_the_end_of_the_stream_within_its_bound(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes], keep: int
) -> None:
    directory = tmp_path_factory.mktemp("log")
    log = Log(str(directory / "a.log"), 1000, keep)
    for chunk in chunks:
        log.write(chunk)
    log.close()
    names = ["a.log", *(f"a.log.{number}" for number in range(1, keep))]
    present = [directory / name for name in names if (directory / name).exists()]
    assert {path.name for path in directory.iterdir()} <= set(names)
    assert all(path.stat().st_size <= 1000 for path in present)
    kept = b"".join(path.read_bytes() for path in reversed(present))
    stream = b"".join(chunks)
    assert stream.endswith(kept)
    assert len(kept) >= min(len(stream), 700 * (keep - 1))


def test_a_log_goes_on_where_an_earlier_holder_stopped(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"x" * 990)
    log = Log(str(path), 1000, 2)
    log.write(b"y" * 5)
    log.write(b"z" * 20)
    assert path.read_bytes() == b"z" * 20
    assert (tmp_path / "a.log.1").read_bytes() == b"x" * 990 + b"y" * 5


def test_a_log_makes_its_directory_and_is_private(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "new" / "a.log"), 1000, 2)
    log.write(b"text")
    assert (tmp_path / "new" / "a.log").stat().st_mode & 0o777 == 0o600


def test_a_log_that_cannot_be_opened_costs_nothing_but_is_confessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "logs"
    place.write_text("a file where the directory should be")
    log = Log(str(place / "a.log"), 1000, 2)
    log.write(b"lost")
    assert log.dropped == 4
    later = time.monotonic() + 2 * REOPEN_AFTER
    place.unlink()
    monkeypatch.setattr(time, "monotonic", lambda: later)
    log.write(b"kept")
    assert (place / "a.log").read_bytes().endswith(b"4 bytes of output are missing here: Not a directory]\r\nkept")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("a full disk needs the right to mount a tmpfs (root)")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_drops_bytes_counts_them_and_says_so_when_there_is_room(small_disk: Path) -> None:
    path = small_disk / "a.log"
    (small_disk / "ballast").write_bytes(b"b" * 40_000)
    log = Log(str(path), 1_000_000, 3)
    for _ in range(20):
        log.write(b"x" * 3000)
    kept = path.stat().st_size
    assert log.dropped == 60_000 - kept > 0

    (small_disk / "ballast").unlink()
    log.write(b"and on")
    log.close()
    notice = f"\r\n[loops: {60_000 - kept} bytes of output are missing here: No space left on device]\r\n"
    assert path.read_bytes() == b"x" * kept + notice.encode() + b"and on"
    assert log.dropped == 0
