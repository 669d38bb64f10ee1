"""How the live side was when the cutover began: what the staged side must show, and what the way back returns to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from loops.errors import LoopsError
from loops.projects.cutover.live_state import StateFiles
from loops.projects.cutover.plan import encode
from loops.projects.cutover.record import Places, read_json, write_json
from loops.sessions import tree


@dataclass(frozen=True, slots=True)
class Reached:
    """Where the live side's own files say that the work stands."""

    index: int | None
    """Of the phase, from 0; None: it has no phases, or does not say."""
    complete: bool
    conversations: Mapping[str, str] = field(default_factory=dict)
    """By agent, as far as it keeps them."""


@dataclass(frozen=True, slots=True)
class Note:
    """The note."""

    reached: Reached
    sessions: Mapping[str, int]
    """The live side's sessions, and the first process of each."""
    processes: tuple[tuple[int, int], ...]
    """Every process in them: pid and start time in clock ticks after boot."""
    digests: Mapping[str, str]
    """SHA-256 of the live side's state files, as they are saved beside the note; empty: the file was not there."""
    carried: bool = False
    """The staged project was told what stands here."""

    def left(self) -> list[tree.Process]:
        """Those of its processes that live still."""
        return [tree.Process(pid, start) for pid, start in self.processes if tree.identify(pid) == (pid, start)]


def write(places: Places, note: Note) -> None:
    """Keep the note."""
    write_json(places.note, encode(note))


def read(places: Places) -> Note:
    """The note.  LoopsError: there is none."""
    facts = read_json(places.note)
    if facts is None:
        raise LoopsError(f"{places.note} is not there: `loops cutover note STAGED` writes it while the live side runs")
    reached = facts["reached"]
    return Note(
        Reached(reached["index"], reached["complete"], reached["conversations"]),
        facts["sessions"],
        tuple((pid, start) for pid, start in facts["processes"]),
        facts["digests"],
        facts["carried"],
    )


def save_files(places: Places, files: StateFiles) -> dict[str, str]:
    """Save the live side's state files byte for byte; return their digests by path."""
    from loops.projects.cutover.live_state import digest

    os.makedirs(places.saved, mode=0o700, exist_ok=True)
    digests = {path: digest(path) for path in files.paths()}
    for number, path in enumerate(sorted(digests)):
        if digests[path]:
            with (
                open(path, "rb") as source,
                open(os.path.join(places.saved, f"{number}-{os.path.basename(path)}"), "wb") as to,
            ):
                to.write(source.read())
                to.flush()
                os.fsync(to.fileno())
    return digests
