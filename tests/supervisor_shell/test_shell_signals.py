"""Signals files: whole lines once each, whatever an agent does to its file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loops.supervisor import signals


def all_lines(path: Path, offset: int = 0) -> tuple[list[bytes], int]:
    """Read as the supervisor does: until the offset stays."""
    found: list[bytes] = []
    while True:
        lines, end = signals.new_lines(str(path), offset)
        found += lines
        if end == offset:
            return found, end
        offset = end


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(st.lists(st.binary(max_size=20)))
def test_lines_come_once_each_however_they_are_cut_when_written(tmp_path: Path, pieces: list[bytes]) -> None:
    path = tmp_path / "a.1.jsonl"
    path.write_bytes(b"")
    found: list[bytes] = []
    offset = 0
    for piece in pieces:
        with path.open("ab") as file:
            file.write(piece)
        lines, offset = all_lines(path, offset)
        found += lines
    whole = b"".join(pieces)
    assert found == whole.split(b"\n")[:-1]
    assert offset == whole.rfind(b"\n") + 1


def test_half_a_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.1.jsonl"
    path.write_bytes(b'{"a": 1}\n{"b"')
    assert signals.new_lines(str(path), 0) == ([b'{"a": 1}'], 9)
    assert signals.new_lines(str(path), 9) == ([], 9)


def test_more_than_one_read_holds_comes_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.1.jsonl"
    line = b"x" * 1000
    path.write_bytes((line + b"\n") * 3000)
    lines, end = all_lines(path)
    assert len(lines) == 3000
    assert set(lines) == {line}
    assert end == path.stat().st_size


def test_a_line_without_end_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a.1.jsonl"
    path.write_bytes(b"y" * (signals.MOST * 2 + 5) + b"\ngood\n")
    assert all_lines(path)[0][-1] == b"good"


def test_a_truncated_or_replaced_file_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "a.1.jsonl"
    path.write_bytes(b"one\ntwo\n")
    _, offset = all_lines(path)
    path.write_bytes(b"new\n")
    assert all_lines(path, offset) == ([b"new"], 4)


def test_a_missing_file_gives_nothing_and_keeps_the_offset(tmp_path: Path) -> None:
    assert signals.new_lines(str(tmp_path / "none"), 7) == ([], 7)


@pytest.mark.parametrize("kind", ["link", "fifo", "directory"])
def test_what_is_no_plain_file_is_neither_followed_nor_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.1.jsonl"
    if kind == "link":
        (tmp_path / "secret").write_bytes(b"line\n")
        path.symlink_to(tmp_path / "secret")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    assert signals.new_lines(str(path), 0) == ([], 0)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("builder.3.jsonl", ("builder", 3)),
        ("a.b.12.jsonl", ("a.b", 12)),
        ("builder.jsonl", None),
        (".3.jsonl", None),
        ("builder.3", None),
        ("builder.x.jsonl", None),
        ("builder.٣.jsonl", None),
        ("3.jsonl", None),
    ],
)
def test_a_file_name_says_agent_and_incarnation(name: str, found: tuple[str, int] | None) -> None:
    assert signals.agent_of(name) == found
