"""REBOOTS.md: one row for each reboot of the machine, which an orchestrator counts and a person may comment on.

The rows are the journal's (`events.MachineRebooted`); each has its number, so what is missing is known.  Rows and words
that a person wrote stay as they are: the file only ever grows, but for an end that a crash tore.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from loops.protocol.moment import epoch_of, iso, span

NAME = "REBOOTS.md"
TABLE = """\
| # | back | down since | down for | phase | in flight | boot |
|---|------|------------|----------|-------|-----------|------|
"""
HEAD = f"""\
# Reboots

One row for each reboot of the machine that this project lived through, added by the engine from its journal.
Words between the rows stay; a row that is taken out comes back.

{TABLE}"""

_CELLS = TABLE.splitlines()[0].count("|") - 1
_BORDER = re.compile(r"(?<!\\)(?:\\\\)*\|")


@dataclass(frozen=True, slots=True)
class Reboot:
    """One row.  ``back``: when the supervisor was there again; ``down_since``: the last that is known of before.

    Both are epoch seconds; None: the row holds no time there (a person's edit).
    """

    number: int
    back: float | None
    down_since: float | None
    phase: str = ""
    in_flight: str = ""
    boot_id: str = ""

    @property
    def down_for(self) -> float | None:
        """Seconds, as far as both times are known."""
        if self.back is None or self.down_since is None:
            return None
        return max(0.0, self.back - self.down_since)


def write_row(reboot: Reboot) -> str:
    """The row of the table, without a line break."""
    down_for = reboot.down_for
    cells = (
        str(reboot.number),
        _time(reboot.back),
        _time(reboot.down_since),
        "-" if down_for is None else span(down_for),
        reboot.phase,
        reboot.in_flight,
        reboot.boot_id,
    )
    return "".join(f"| {_cell(each)} " for each in cells) + "|"


def parse_reboots(text: str) -> tuple[Reboot, ...]:
    """The rows of REBOOTS.md as they stand, edits included.  Never raises; what is no row is nobody's reboot."""
    return tuple(found for line in text.splitlines() if (found := _row(line)) is not None)


def completion(data: bytes, reboots: Sequence[Reboot]) -> tuple[int, bytes]:
    """What brings the file's *data* up to *reboots*: how many of its bytes stay, and what is appended to them.

    Only the end of a write that was cut off does not stay.  Applied any number of times, each reboot has one row.
    """
    kept = _untorn(data, reboots)
    known = numbers(kept)
    missing = "".join(f"{write_row(each)}\n" for each in reboots if each.number not in known)
    if not missing:
        return len(kept), b""
    head = HEAD.encode()
    if head.startswith(kept):
        return len(kept), head[len(kept) :] + missing.encode()
    line = b"" if kept.endswith(b"\n") else b"\n"
    table = b"" if TABLE.splitlines()[0].encode() in kept else f"\n{TABLE}".encode()
    return len(kept), line + table + missing.encode()


def numbers(data: bytes) -> frozenset[int]:
    """The numbers of the whole rows in *data*."""
    return frozenset(each.number for each in parse_reboots(data.decode("utf-8", "replace")))


def _untorn(data: bytes, reboots: Iterable[Reboot]) -> bytes:
    """*data* without a line that was being written, and without what a file has that grew before its bytes arrived."""
    data = data.rstrip(b"\0")
    begin = data.rfind(b"\n") + 1
    last = data[begin:]
    if not last or _row(last.decode("utf-8", "replace")) is not None:
        return data
    ours = (*HEAD.splitlines(), *map(write_row, reboots))
    return data[:begin] if any(line.encode().startswith(last) for line in ours) else data


def _row(line: str) -> Reboot | None:
    line = line.strip()
    if not line.startswith("|"):
        return None
    borders = [found.end() for found in _BORDER.finditer(line)]
    cells = [_plain(line[begin : end - 1]) for begin, end in pairwise(borders)]
    if len(cells) < _CELLS or not re.fullmatch(r"[0-9]{1,9}", cells[0]):
        return None
    number, back, since, _down_for, phase, in_flight, boot_id = cells[:_CELLS]
    return Reboot(int(number), epoch_of(back), epoch_of(since), phase, in_flight, boot_id)


def _time(moment: float | None) -> str:
    return "-" if moment is None else iso(moment)


def _cell(text: str) -> str:
    """One line, nothing that a terminal would obey, and no border of a cell but as a character."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line.replace("\\", "\\\\").replace("|", "\\|")


def _plain(cell: str) -> str:
    return re.sub(r"\\([\\|])", r"\1", cell.strip())
