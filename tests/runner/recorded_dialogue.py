"""Holds a dialogue against a recorded conversation: it must have sent, word for word, what was sent then.

A recording is one JSON object a line: ``stream`` (in, out, err) and ``line``, in the order in which they came.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from loops.runner.dialogue import Dialogue

RECORDED = Path(__file__).parents[1] / "streams" / "recorded"


def lines(backend: str, name: str) -> list[tuple[str, bytes]]:
    """Return the lines of one recording and their streams."""
    document = (RECORDED / backend / f"live-{name}.jsonl").read_bytes()
    entries = [json.loads(entry) for entry in document.split(b"\n") if entry]
    return [(entry["stream"], entry["line"].rstrip("\n").encode("utf-8", "surrogateescape")) for entry in entries]


def replay(dialogue: Dialogue, recording: list[tuple[str, bytes]], act: Callable[[bytes], list[bytes]]) -> None:
    """Tell *dialogue* what the agent said; *act* asks it for what its owner must have wanted when a line was sent."""
    due = list(dialogue.open())
    for stream, line in recording:
        if stream == "out":
            assert not due, "the agent answered before this was sent"
            due += dialogue.heard(line)
        elif stream == "in":
            if not due:
                due += act(line)
            assert due.pop(0) == line
    assert not due
