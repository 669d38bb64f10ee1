"""What the scripted agent reports: its signals to the engine, and its own record of what it received."""

from __future__ import annotations

import json
import os
import re
import time

_NUDGE = re.compile(r"\[nudge ([\w.:-]+)\]")


def nudge_id(text: str) -> str:
    """Return the id in a message's ``[nudge ID]`` tag, else an empty string."""
    found = _NUDGE.search(text)
    return found[1] if found else ""


class Record:
    """Two append-only files of JSON lines; an empty path means that nobody asked for that one."""

    __slots__ = ("_incarnation", "_received", "_signals")

    def __init__(self, signals: str, received: str, incarnation: str) -> None:
        """Write to these two paths; *incarnation* tells restarts apart."""
        self._signals = signals
        self._received = received
        self._incarnation = incarnation
        for path in filter(None, (signals, received)):
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)

    def signal(self, type_: str, **data: object) -> None:
        """Tell the engine one event, in the format of ``read_line``."""
        _append(self._signals, {"type": type_, "time": time.time(), **data}, durable=False)

    def received(self, kind: str, text: str) -> None:
        """Note one message (*kind*: kickoff, nudge or key) durably: it is the evidence that nothing came twice."""
        entry = {"time": time.time(), "kind": kind, "id": nudge_id(text), "text": text}
        _append(self._received, {**entry, "pid": os.getpid(), "incarnation": self._incarnation}, durable=True)

    def make_up(self, text: str) -> None:
        """Note the nudge in *text* unless it is noted: a kill came between its taking up and its noting."""
        nudge = nudge_id(text)
        if nudge and self._received and not _holds(self._received, f'"id": "{nudge}"'):
            self.received("nudge", text)


def _holds(path: str, words: str) -> bool:
    if not os.path.exists(path):
        return False
    with open(path, encoding="utf-8") as file:
        return any(words in line for line in file)


def _append(path: str, entry: dict[str, object], durable: bool) -> None:
    if not path:
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, json.dumps(entry).encode() + b"\n")  # one write: lines of two writers never mix
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
