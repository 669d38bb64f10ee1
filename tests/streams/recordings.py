"""The recorded streams beside this file, and what the normaliser made of them when that was looked at.

A recording is a text file ``BACKEND-WHAT.rec``, a line ``STREAM SECONDS RAW`` for each raw line in the order in which
they came: real agents (versions: `loops.known`) against a mock provider, with lists that are of no interest left out.
``python -m recordings`` in this directory writes the golden files anew; read the difference before it is committed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from loops.streams.event import Event
from loops.streams.recording import Head, Raw

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in (HERE / "recorded").glob("*.rec"))
RESUMED = {
    "claude-resume": "3426c468-4ac2-40a2-a351-6b4a5eb454bf",
    "codex-resume": "01a1fe37-eec9-7440-bb96-ff3508801631",
    "codex-lost": "01a1fd0b-8ace-7a41-90c7-ff25b5d81c63",
}


def engine(name: str) -> str:
    """Return the backend of a recording."""
    return name.partition("-")[0]


def lines(name: str) -> list[Raw]:
    """Return the raw lines of a recording."""
    return list(_lines((HERE / "recorded" / f"{name}.rec").read_bytes()))


def _lines(content: bytes) -> Iterator[Raw]:
    for line in content.split(b"\n")[:-1]:
        stream, seconds, raw = line.split(b" ", 2)
        yield Raw(stream.decode(), raw, float(seconds))


def head(name: str) -> Head:
    """Return what the normaliser of a recording is told."""
    return Head(engine(name), "", "builder.1", "builder", conversation=RESUMED.get(name, ""))


def events(name: str) -> list[Event]:
    """Normalize a recording."""
    normaliser = head(name).normaliser()
    return [event for raw in lines(name) for event in normaliser.feed(*raw)]


def golden(name: str) -> Path:
    """Return the file of the events that a recording should give."""
    return HERE / "golden" / f"{name}.jsonl"


if __name__ == "__main__":
    for each in NAMES:
        golden(each).write_bytes(b"".join(event.line + b"\n" for event in events(each)))
