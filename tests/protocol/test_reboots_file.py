"""REBOOTS.md: what is written is read, each reboot has one row, and what a person wrote stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from loops.protocol.reboots import HEAD, TABLE, Reboot, completion, numbers, parse_reboots, write_row

T0 = 1_800_000_000.0

cells = st.text(alphabet=st.characters(codec="utf-8"), max_size=30) | st.text(alphabet="\\| a;", max_size=12)
times = st.integers(0, 4_000_000_000).map(float)
rows = st.lists(st.tuples(times, times, cells, cells, cells), max_size=6).map(
    lambda facts: [Reboot(number, *one) for number, one in enumerate(facts, 1)]
)
lines = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="|"), max_size=40)


def one_line(text: str) -> str:
    """As a cell holds it."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def as_read(reboot: Reboot) -> Reboot:
    texts = map(one_line, (reboot.phase, reboot.in_flight, reboot.boot_id))
    return Reboot(reboot.number, reboot.back, reboot.down_since, *texts)


def brought(data: bytes, reboots: list[Reboot]) -> bytes:
    kept, more = completion(data, reboots)
    return data[:kept] + more


@given(rows)
def test_what_is_written_is_read_again(reboots: list[Reboot]) -> None:
    text = brought(b"", reboots).decode()
    assert list(parse_reboots(text)) == [as_read(each) for each in reboots]
    assert text == "" or text.startswith("# Reboots\n")
    assert "\x1b" not in text


@given(rows, st.data())
def test_a_write_that_is_cut_off_anywhere_is_made_good_whole(reboots: list[Reboot], data: st.DataObject) -> None:
    whole = brought(b"", reboots)
    before = brought(b"", reboots[: data.draw(st.integers(0, len(reboots)))])
    cut = data.draw(st.integers(0, len(whole) - len(before)))
    nuls = data.draw(st.sampled_from((0, 1, 700)))
    torn = whole[: len(before) + cut] + bytes(nuls)
    mended = brought(torn, reboots)
    assert mended in (whole, whole.removesuffix(b"\n"))
    assert brought(mended, reboots) == mended


@given(rows, lines, lines, st.booleans())
def test_what_a_person_wrote_stays_and_no_row_is_doubled(
    reboots: list[Reboot], first: str, last: str, ended: bool
) -> None:
    own = f"{first}\n{last}".encode() + (b"\n" if ended else b"")
    if numbers(own):
        return
    looks_torn = not ended and any(line.startswith(last) for line in HEAD.splitlines())
    data = brought(own, reboots)
    assert looks_torn or data.startswith(own.rstrip(b"\0"))
    assert numbers(data) == {each.number for each in reboots}
    assert brought(data + own, reboots).startswith(data)
    assert len(parse_reboots(brought(data + own, reboots).decode())) == len(reboots)


def test_an_edited_row_is_not_written_again_and_one_that_was_taken_out_comes_back() -> None:
    reboots = [Reboot(number, T0 + number, T0, "1", "nothing", f"b{number}") for number in (1, 2, 3)]
    first, second, third = map(write_row, reboots)
    edited = first.replace("nothing", "the power station, again")
    text = f"{HEAD}{edited}\nWe called them.\n{third}\n"
    mended = brought(text.encode(), reboots).decode()
    assert mended == f"{text}{second}\n"
    assert [each.in_flight for each in parse_reboots(mended)] == ["the power station, again", "nothing", "nothing"]


def test_a_file_of_a_persons_own_gets_the_table_behind_it() -> None:
    data = brought(b"# Our reboots\n- 2026-06-01 the disk", [Reboot(1, T0 + 90, T0)])
    assert data.decode() == (
        f"# Our reboots\n- 2026-06-01 the disk\n\n{TABLE}"
        "| 1 | 2027-01-15T08:01:30Z | 2027-01-15T08:00:00Z | 1m 30s |  |  |  |\n"
    )


def test_a_time_that_a_person_made_unreadable_is_unknown_and_the_row_still_counts() -> None:
    [found] = parse_reboots("| 4 | some night | - | long | 2 | x | b |")
    assert found == Reboot(4, None, None, "2", "x", "b")
    assert found.down_for is None


@given(st.binary(max_size=300), rows)
def test_whatever_is_in_the_file_it_can_be_brought_up(data: bytes, reboots: list[Reboot]) -> None:
    mended = brought(data, reboots)
    assert {each.number for each in reboots} <= numbers(mended)
    assert brought(mended, reboots) == mended
