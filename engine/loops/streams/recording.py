"""A run's directory: what the runner writes there, and how it is read and normalized again.

``raw/STREAM.jsonl`` (``raw/err.txt`` for ``err``) hold every line byte for byte, each with a newline after it, also
where the agent wrote none at its end.  ``raw/index`` has one line ``STREAM SECONDS`` for each of them in the order in
which they came; ``raw/run.json`` (a `Head`) what the normaliser was told.  ``events.normalized.jsonl`` follows from
these.  A line goes to its file first, then to the index, then through the normaliser: after a crash the end of a file
may be missing in the next.

Streams: ``out`` from the agent, ``in`` to it, ``err`` its complaints, ``hook`` payloads of its hooks, ``rollout`` and
``transcript`` lines of codex's and claude's own records, and ``runner``: what only the runner knows, one JSON object a line:

- ``{"type": "process.started", "pid", "argv", "cwd", "engine_version"}``: the agent's program runs (secrets left out);
- ``{"type": "ready"}``: the first message may be said, and none is waiting;
- ``{"type": "process.ended", "code", "signal"}``: it is gone; one of both is null;
- ``{"type": "interrupted", "by", "reason"}``: the runner ends the turn; written before the line that does it;
- ``{"type": "approval.answered", "request", "allow", "by", "reason"}``: written before the answer itself, which does not
  say who gave it and why;
- ``{"type": "approval.preseeded", "name", "text"}``: allowed before the start, so that no dialog asks it;
- ``{"type": "recording.failed", "message"}``: a file could not be written for a while (a full disk), or any more;
- ``{"type": "resume.failed", "reason"}``: the program ended without opening the conversation that it was to resume;
- ``{"type": "approval.expired", "request", "reason"}``: nobody answered in time; written before the refusal;
- ``{"type": "silence", "seconds"}``: a turn runs, no approval waits, and nothing has been heard for so long.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import NamedTuple

from loops.streams.normaliser import FILES, Normaliser

EVENTS = "events.normalized.jsonl"
INDEX = os.path.join("raw", "index")
HEAD = os.path.join("raw", "run.json")


class Head(NamedTuple):
    """What the normaliser of a run was told."""

    engine: str
    engine_version: str
    run: str
    agent: str
    phase: str = ""
    conversation: str = ""
    """The id to resume."""
    utc_offset: int = 0
    """Seconds east of Greenwich when the run began (``time.localtime().tm_gmtoff``)."""

    def normaliser(self) -> Normaliser:
        """Return a fresh normaliser."""
        return Normaliser(
            self.engine,
            self.engine_version,
            self.run,
            self.agent,
            self.phase,
            conversation=self.conversation,
            utc_offset=self.utc_offset,
        )

    def encode(self) -> bytes:
        """Return the content of ``raw/run.json``."""
        return json.dumps(self._asdict()).encode() + b"\n"


class Raw(NamedTuple):
    """One recorded line, without its newline."""

    stream: str
    line: bytes
    recorded: float
    """Epoch seconds."""


def index_line(stream: str, recorded: float) -> bytes:
    """Return the index's line for a line of *stream* that came at *recorded* (epoch seconds)."""
    return f"{stream} {recorded:.6f}\n".encode()


def raw_file(stream: str) -> str:
    """Return the file of *stream*, relative to the run's directory."""
    return FILES.get(stream) or os.path.join("raw", f"{stream}.jsonl")


def head(run_dir: str) -> Head:
    """Return what the run's normaliser was told.

    Raises:
        OSError: there is no recording.
        ValueError: it is none of ours.
    """
    with open(os.path.join(run_dir, HEAD), encoding="utf-8") as file:
        fields = json.load(file)
    known = {name: fields[name] for name in Head._fields if name in fields} if isinstance(fields, dict) else {}
    try:
        return Head(**known)
    except TypeError as error:
        raise ValueError(f"{os.path.join(run_dir, HEAD)}: {error}") from None


def read(run_dir: str) -> Iterator[Raw]:
    """Give the recorded lines in the order in which they came; a torn end is left out."""
    files: dict[str, Iterator[bytes]] = {}
    with open(os.path.join(run_dir, INDEX), "rb") as index:
        for entry in index:
            stream, _, seconds = entry.decode("ascii", "replace").partition(" ")
            if not entry.endswith(b"\n") or "/" in stream:
                return
            if stream not in files:
                files[stream] = _lines(os.path.join(run_dir, raw_file(stream)))
            line = next(files[stream], None)
            try:
                recorded = float(seconds)
            except ValueError:
                return
            if line is None:
                return
            yield Raw(stream, line, recorded)


def _lines(path: str) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            for line in file:
                yield line.removesuffix(b"\n")
    except FileNotFoundError:
        return


def replay(run_dir: str) -> Iterator[bytes]:
    """Normalise the recording again: the lines of ``events.normalized.jsonl``, with their newlines."""
    normaliser = head(run_dir).normaliser()
    for raw in read(run_dir):
        for event in normaliser.feed(raw.stream, raw.line, raw.recorded):
            yield event.line + b"\n"


class Difference(NamedTuple):
    """Where the stored events and those of a replay part."""

    line: int
    """From 1."""
    stored: bytes
    again: bytes


def compare(run_dir: str) -> Difference | None:
    """Normalise again and return the first line that is not the stored one; None when all are.

    A stored end that is torn, or shorter than the recording by the events of its last lines, is a crash, no difference.
    """
    with open(os.path.join(run_dir, EVENTS), "rb") as stored:
        number = 0
        for number, again in enumerate(replay(run_dir), 1):
            line = stored.readline()
            if line == again:
                continue
            crashed = not line.endswith(b"\n") and again.startswith(line)
            return None if crashed else Difference(number, line, again)
        rest = stored.readline()
    return Difference(number + 1, rest, b"") if rest else None
