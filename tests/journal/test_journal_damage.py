"""Every truncation and every flipped bit of a journal is told apart: cured and reported, or refused with its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from journal_samples import SOURCE, exits, fill
from loops.errors import JournalError
from loops.journal import Event, Journal, Json, read, verify
from loops.journal.record import GENESIS
from loops.journal.segments import START, Walk
from loops.journal.tail import Ending, classify, verified_lines

FIRST = "00000001.jsonl"


@pytest.fixture
def sample(directory: str) -> bytes:
    """A journal of four records, whose data tempts: a chain field of its own, newlines, what flips into them."""
    tempting: dict[str, Json] = {"chain": "0" * 64, "text": '\n*JZ"}\n{', "inner": {"chain": "f" * 64}}
    with Journal.open(directory, source=SOURCE) as journal:
        journal.append([Event("message.user", "builder", tempting), *exits(1), Event("message.user", "b", tempting)])
    return Path(directory, FIRST).read_bytes()


def survey(data: bytes) -> tuple[int, int, Ending]:
    """Return how many lines hold, where they end, and what stands there."""
    count, offset, chain = 0, 0, GENESIS
    for _line, offset, chain in verified_lines(data, 0, GENESIS):  # noqa: B007 the last ones are wanted
        count += 1
    return count, offset, classify(data, offset, chain)


def test_every_truncation_is_classified(sample: bytes) -> None:
    for length in range(len(sample)):
        count, offset, ending = survey(sample[:length])
        assert count == sample[:length].count(b"\n")
        if length == 0 or sample[length - 1] == 10:
            assert ending is Ending.CLEAN, length
        elif sample[length] == 10:
            assert ending is Ending.UNTERMINATED, length
        else:
            assert ending is Ending.TORN, length
        assert offset == sample.rfind(b"\n", 0, length) + 1


def test_every_truncation_filled_up_with_nul_bytes_is_classified_the_same(sample: bytes) -> None:
    for length in range(len(sample)):
        for nuls in (1, 600):
            count, _offset, ending = survey(sample[:length] + bytes(nuls))
            assert count == sample[:length].count(b"\n")
            assert ending is (Ending.UNTERMINATED if sample[length] == 10 else Ending.TORN), length


def test_every_flipped_bit_is_refused_at_its_line(sample: bytes) -> None:
    for position in range(len(sample)):
        for bit in range(8):
            flipped = bytearray(sample)
            flipped[position] ^= 1 << bit
            count, _offset, ending = survey(bytes(flipped))
            assert ending in (Ending.BROKEN, Ending.FUTURE), (position, bit)
            assert count == sample[:position].count(b"\n"), (position, bit)


def test_a_lost_sector_inside_the_last_write_is_torn(directory: str) -> None:
    with Journal.open(directory, source=SOURCE) as journal:
        journal.append([Event("message.user", "builder", {"text": "x" * 3000})])
    data = bytearray(Path(directory, FIRST).read_bytes())
    data[1024:1536] = bytes(512)
    assert survey(bytes(data)) == (1, data.index(10) + 1, Ending.TORN)


@pytest.mark.parametrize("cut", [1, 5, 300])
def test_a_torn_tail_is_cut_off_kept_and_reported(directory: str, cut: int) -> None:
    fill(directory, 9)
    path = Path(directory, FIRST)
    whole = path.read_bytes()
    last = whole.rfind(b"\n", 0, -1) + 1
    path.write_bytes(whole[: last + cut])

    with Journal.open(directory, source=SOURCE) as journal:
        repaired = journal.repaired
        assert repaired is not None
        assert (repaired.file, repaired.offset, repaired.size) == (str(path), last, cut)
        assert Path(repaired.kept).read_bytes() == whole[last : last + cut]
        records = list(journal.replay())

    assert [record.sequence for record in records] == [*range(1, 10), 10]
    assert records[-1].type == "journal.opened"
    assert f"{cut} bytes at byte {last}" in records[-1].data["repaired"]
    assert verify(directory).sound


@pytest.fixture
def together(directory: str) -> bytes:
    """A journal whose last write had two appends in it, of three records and of two."""
    with Journal.open(directory, source=SOURCE) as journal:
        journal.append(exits(3))
        journal.append(exits(2, 4))
    return Path(directory, FIRST).read_bytes()


def whole_after(data: bytes, length: int) -> tuple[int, int]:
    """How many records a reader believes when *length* bytes of *data* arrived, and how many a writer makes good:

    one newline that is missing is added.
    """
    ends = [place + 1 for place, byte in enumerate(data) if byte == 10]
    whole = (1, 4, 6)
    return max(n for n in whole if length >= ends[n - 1]), max(n for n in whole if length >= ends[n - 1] - (n > 1))


@pytest.mark.parametrize("nuls", [0, 600])
def test_at_every_byte_what_was_appended_at_once_is_read_whole_or_not_at_all(
    directory: str, together: bytes, nuls: int
) -> None:
    path = Path(directory, FIRST)
    for length in range(together.index(b"\n") + 1, len(together)):
        path.write_bytes(together[:length] + bytes(nuls))
        believed, _ = whole_after(together, length)
        assert [record.sequence for record in read(directory)] == list(range(1, believed + 1)), length
        assert verify(directory).sound


def test_a_writer_goes_on_behind_what_is_whole_and_keeps_what_it_cuts(directory: str, together: bytes) -> None:
    path = Path(directory, FIRST)
    ends = [place + 1 for place, byte in enumerate(together) if byte == 10]
    near = {end + step for end in ends for step in (-2, -1, 0, 1)}
    for length in sorted(near | set(range(ends[0], len(together), 191))):
        if not ends[0] <= length <= ends[-1]:
            continue
        path.write_bytes(together[:length])
        with Journal.open(directory, source=SOURCE) as journal:
            stored = [record.data.get("code") for record in journal.replay()]
            repaired = journal.repaired
        _, kept = whole_after(together, length)
        assert stored[1:-1] == list(range(1, kept)), length
        if repaired is None:
            assert length in (ends[0], ends[3], ends[5])
        elif repaired.kept:
            assert Path(repaired.kept).read_bytes() == together[repaired.offset : length]
            Path(repaired.kept).unlink()
        assert verify(directory).sound


def test_a_segment_that_is_not_the_last_may_not_end_between_records_that_belong_together(directory: str) -> None:
    fill(directory, 4, size=3, segment_size=1000)
    path = Path(directory, "00000001.jsonl")
    data = path.read_bytes()
    path.write_bytes(data[: data.rfind(b"\n", 0, -1) + 1])
    assert "only the last segment may end inside a record" in refusal(directory)


def test_nul_bytes_after_a_power_cut_are_cut_off(directory: str) -> None:
    fill(directory, 3)
    path = Path(directory, FIRST)
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(4096))
    with Journal.open(directory, source=SOURCE) as journal:
        assert journal.repaired is not None
        assert journal.repaired.size == 4096
    assert path.read_bytes().startswith(whole)
    assert [record.sequence for record in read(directory)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("nuls", [0, 17])
def test_a_whole_record_that_lacks_its_newline_is_completed(directory: str, nuls: int) -> None:
    fill(directory, 3)
    path = Path(directory, FIRST)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes(nuls))
    with Journal.open(directory, source=SOURCE) as journal:
        assert journal.repaired is not None
        assert (journal.epoch, journal.repaired.size, bool(journal.repaired.kept)) == (2, nuls, nuls > 0)
    assert path.read_bytes().startswith(whole)
    assert [record.sequence for record in read(directory)] == [1, 2, 3, 4, 5]


def test_what_two_crashes_leave_at_the_same_byte_is_all_kept(directory: str) -> None:
    fill(directory, 1)
    path = Path(directory, FIRST)
    whole = path.read_bytes()
    for tail in (b'{"spec', b'{"specversion"'):
        path.write_bytes(whole + tail)
        with Journal.open(directory, source=SOURCE) as journal:
            kept = journal.repaired.kept if journal.repaired else ""
    assert Path(kept).read_bytes() == b'{"spec{"specversion"'


def test_a_truncation_at_a_record_border_is_a_shorter_journal(directory: str) -> None:
    fill(directory, 3)
    path = Path(directory, FIRST)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]))
    with Journal.open(directory, source=SOURCE) as journal:
        assert journal.repaired is None
        assert [record.sequence for record in journal.replay()] == [1, 2, 3]


def refusal(directory: str) -> str:
    """Return why opening, reading and verifying refuse; they must agree, and change nothing."""
    before = {path.name: path.read_bytes() for path in Path(directory).glob("0*")}
    with pytest.raises(JournalError) as refused:
        Journal.open(directory, source=SOURCE)
    with pytest.raises(JournalError) as unread:
        list(read(directory))
    assert str(unread.value) == str(refused.value)
    verdict = verify(directory)
    assert not verdict.sound
    assert verdict.text.startswith(str(refused.value))
    assert {path.name: path.read_bytes() for path in Path(directory).glob("0*")} == before
    return str(refused.value)


@pytest.mark.parametrize("which", [0, 2, 3])
def test_a_flipped_bit_is_refused_with_file_line_byte_sequence_and_remedy(directory: str, which: int) -> None:
    fill(directory, 3)
    path = Path(directory, FIRST)
    lines = path.read_bytes().splitlines(keepends=True)
    place = sum(map(len, lines[:which]))
    damaged = bytearray(path.read_bytes())
    damaged[place + 120] ^= 4
    path.write_bytes(bytes(damaged))
    why = refusal(directory)
    assert why.startswith(f"{path}: line {which + 1}, byte {place}, sequence {which + 1}: the chain is broken")
    assert "restore this file from a backup" in why


def test_a_whole_last_record_without_newline_and_with_a_wrong_link_is_refused_not_cut(directory: str) -> None:
    fill(directory, 3)
    path = Path(directory, FIRST)
    path.write_bytes(path.read_bytes()[:-1].replace(b'"code":3', b'"code":7'))
    assert "line 4" in refusal(directory)


def test_a_line_taken_out_of_the_middle_is_refused(directory: str) -> None:
    fill(directory, 4)
    path = Path(directory, FIRST)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2] + lines[3:]))
    assert "line 3" in refusal(directory)


def test_text_that_was_never_a_record_is_refused(directory: str) -> None:
    fill(directory, 1)
    with open(Path(directory, FIRST), "ab") as file:
        file.write(b"oops")
    assert "the chain is broken" in refusal(directory)


def test_a_record_of_a_future_format_is_refused_as_such(directory: str) -> None:
    fill(directory, 1)
    path = Path(directory, FIRST)
    last = path.read_bytes().splitlines(keepends=True)[-1]
    with path.open("ab") as file:
        file.write(last.replace(b'"format":"1"', b'"format":"2"'))
    assert "written by a newer loops" in refusal(directory)


def test_a_missing_segment_is_refused_by_name(directory: str) -> None:
    fill(directory, 20, segment_size=1000)
    missing = Path(directory, "00000002.jsonl")
    missing.unlink()
    assert refusal(directory).startswith(f"{missing}: this segment is missing")


@pytest.mark.parametrize("cut", [1, 30, 0])
def test_a_segment_that_is_not_the_last_may_not_be_shortened(directory: str, cut: int) -> None:
    fill(directory, 20, segment_size=1000)
    path = Path(directory, "00000002.jsonl")
    data = path.read_bytes()
    path.write_bytes(data[:-cut] if cut else data[: data.rfind(b"\n", 0, -1) + 1])
    why = refusal(directory)
    assert ("only the last segment may end inside a record" if cut else "the chain is broken") in why


def test_an_empty_last_segment_is_taken_up(directory: str) -> None:
    fill(directory, 4, segment_size=1000)
    Path(directory, f"{len(list(Path(directory).glob('0*'))) + 1:08d}.jsonl").touch()
    with Journal.open(directory, source=SOURCE) as journal:
        assert journal.repaired is None
    assert verify(directory).records == 6


# ---- snapshots -----------------------------------------------------------------------------------------------------


@pytest.fixture
def snapshotted(directory: str) -> str:
    """Records 1 to 12 in several segments, a snapshot at 7."""
    with Journal.open(directory, source=SOURCE, segment_size=1000) as journal:
        for n in range(11):
            journal.append(exits(1, n))
            journal.commit()
        journal.snapshot(7, {"folded": "\ud800"})
    return directory


def test_a_snapshot_comes_back_and_replay_goes_on_from_it(snapshotted: str) -> None:
    with Journal.open(snapshotted, source=SOURCE) as journal:
        assert journal.latest_snapshot() == (7, {"folded": "\ud800"})
        assert [record.sequence for record in journal.replay(after=7)] == [8, 9, 10, 11, 12, 13]
        assert journal.epoch == 2
        assert journal.notes == ()


def test_damage_before_a_snapshot_is_not_read_at_the_start_but_found_by_verify_and_by_replay(snapshotted: str) -> None:
    path = Path(snapshotted, FIRST)
    damaged = bytearray(path.read_bytes())
    damaged[50] ^= 1
    path.write_bytes(bytes(damaged))
    with Journal.open(snapshotted, source=SOURCE) as journal:
        assert journal.latest_snapshot() is not None
        with pytest.raises(JournalError, match="line 1, byte 0, sequence 1"):
            list(journal.replay())
    assert not verify(snapshotted).sound


def test_no_flipped_bit_and_no_truncation_of_a_snapshot_is_believed(snapshotted: str) -> None:
    path = Path(snapshotted, "snapshot.json")
    good = path.read_bytes()
    damaged = [good[:length] for length in range(len(good))]
    damaged += [
        good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :] for at in range(len(good)) for bit in range(8)
    ]
    with Journal.open(snapshotted, source=SOURCE) as journal:
        for data in damaged:
            path.write_bytes(data)
            assert journal.latest_snapshot() is None
            assert "its digest does not hold" in journal.notes[-1]


def test_a_damaged_snapshot_is_ignored_with_a_report_and_everything_is_replayed(snapshotted: str) -> None:
    Path(snapshotted, "snapshot.json").write_bytes(b"{}")
    with Journal.open(snapshotted, source=SOURCE) as journal:
        assert journal.latest_snapshot() is None
        assert "digest does not hold" in journal.notes[0]
        assert len(list(journal.replay())) == 13


def test_a_snapshot_newer_than_the_journal_is_refused(snapshotted: str) -> None:
    for path in sorted(Path(snapshotted).glob("0*"))[1:]:
        path.unlink()
    kept = verify(snapshotted).last
    with pytest.raises(JournalError, match=f"ends at sequence {kept}, but a snapshot was taken at 7.*are missing"):
        Journal.open(snapshotted, source=SOURCE)
    assert not verify(snapshotted).sound


def test_a_snapshot_of_another_journal_is_ignored_with_a_report(snapshotted: str, tmp_path: Path) -> None:
    other = str(tmp_path / "other")
    fill(other, 20)
    os.rename(os.path.join(snapshotted, "snapshot.json"), os.path.join(other, "snapshot.json"))
    with Journal.open(other, source=SOURCE) as journal:
        assert journal.latest_snapshot() is None
        assert "taken of another journal" in journal.notes[0]


def test_a_snapshot_of_what_is_not_durable_is_refused(directory: str) -> None:
    with Journal.open(directory, source=SOURCE) as journal:
        (record,) = journal.append(exits(1))
        with pytest.raises(JournalError, match="commit first"):
            journal.snapshot(record.sequence, {})


def test_a_walk_from_a_snapshot_reads_only_what_follows(snapshotted: str) -> None:
    walk = Walk(snapshotted, START)
    for _line in walk:
        if walk.place.sequence == 7:
            break
    assert len(list(Walk(snapshotted, walk.place))) == 5
