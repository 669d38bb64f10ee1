"""A run's directory, read and normalized again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from loops.streams import recording
from loops.streams.recording import Head, Raw

HEAD = Head("claude", "2.1.329", "builder.1", "builder", utc_offset=0)
LINES = [
    Raw("in", b'{"type":"user","message":{"role":"user","content":"[nudge n1] Go on"}}', 1_800_000_000.25),
    Raw("out", b'{"type":"system","subtype":"init","session_id":"s1"}', 1_800_000_000.5),
    Raw("err", b"a warning", 1_800_000_000.6),
    Raw("out", b'{"type":"result","subtype":"success","is_error":false,"result":"Done."}', 1_800_000_001.123456),
]


def record(run_dir: Path, lines: list[Raw]) -> None:
    (run_dir / "raw").mkdir()
    (run_dir / recording.HEAD).write_bytes(HEAD.encode())
    normaliser = HEAD.normaliser()
    for raw in lines:
        for name, content in (
            (recording.raw_file(raw.stream), raw.line + b"\n"),
            (recording.INDEX, recording.index_line(raw.stream, raw.recorded)),
        ):
            with open(run_dir / name, "ab") as file:
                file.write(content)
        with open(run_dir / recording.EVENTS, "ab") as file:
            for event in normaliser.feed(raw.stream, raw.line, raw.recorded):
                file.write(event.line + b"\n")


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    record(tmp_path, LINES)
    return tmp_path


def cut(path: Path, by: int) -> None:
    path.write_bytes(path.read_bytes()[:-by])


def test_the_lines_of_all_streams_come_back_in_their_order(run_dir: Path) -> None:
    assert list(recording.read(str(run_dir))) == LINES


def test_a_recording_gives_its_events_again_to_the_byte(run_dir: Path) -> None:
    assert b"".join(recording.replay(str(run_dir))) == (run_dir / recording.EVENTS).read_bytes()
    assert recording.compare(str(run_dir)) is None


def test_every_event_cites_its_line_and_digest(run_dir: Path) -> None:
    from hashlib import sha256

    for line in recording.replay(str(run_dir)):
        raw = json.loads(line)["data"]["raw"]
        content = (run_dir / raw["file"]).read_bytes()
        cited = content[raw["offset"] :].split(b"\n")[0]
        assert cited == content.split(b"\n")[raw["line"] - 1]
        assert sha256(cited).hexdigest() == raw["sha256"]


def test_a_torn_index_ends_the_recording_there(run_dir: Path) -> None:
    cut(run_dir / recording.INDEX, 3)
    assert list(recording.read(str(run_dir))) == LINES[:-1]


def test_a_line_that_is_missing_at_the_end_ends_the_recording_there(run_dir: Path) -> None:
    out = run_dir / "raw" / "out.jsonl"
    out.write_bytes(LINES[1].line + b"\n")
    assert list(recording.read(str(run_dir))) == LINES[:-1]


def test_a_last_line_without_its_newline_is_read(run_dir: Path) -> None:
    cut(run_dir / "raw" / "out.jsonl", 1)
    assert list(recording.read(str(run_dir))) == LINES


def test_stored_events_that_end_early_are_no_difference(run_dir: Path) -> None:
    cut(run_dir / recording.EVENTS, 40)
    assert recording.compare(str(run_dir)) is None


def test_an_event_that_was_changed_is_a_difference(run_dir: Path) -> None:
    events = run_dir / recording.EVENTS
    events.write_bytes(events.read_bytes().replace(b'"nudge":"n1"', b'"nudge":"n2"'))
    difference = recording.compare(str(run_dir))
    assert difference is not None
    assert difference.line == 1


def test_an_event_that_was_added_is_a_difference(run_dir: Path) -> None:
    with open(run_dir / recording.EVENTS, "ab") as file:
        file.write(b"{}\n")
    difference = recording.compare(str(run_dir))
    assert difference is not None
    assert difference.stored == b"{}\n"


def test_a_head_of_another_shape_is_said(run_dir: Path) -> None:
    (run_dir / recording.HEAD).write_text("{}")
    with pytest.raises(ValueError, match=r"run\.json"):
        recording.head(str(run_dir))


def test_a_newer_head_with_more_fields_is_read(run_dir: Path) -> None:
    fields = json.loads((run_dir / recording.HEAD).read_bytes()) | {"newer": 1}
    (run_dir / recording.HEAD).write_text(json.dumps(fields))
    assert recording.head(str(run_dir)) == HEAD
