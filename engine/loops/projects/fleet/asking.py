"""Asks many supervisors at once, and waits for the slowest of them no longer than for one."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from loops.places import SOCKET_BYTES

AGAIN = 0.02
"""Seconds between two tries to connect where the queue is full."""


class Silence(Enum):
    """Why there is no answer."""

    NOBODY = "nobody"
    """Nobody listens."""
    STUCK = "stuck"
    """Somebody does, and did not answer in time."""


@dataclass(slots=True)
class _Call:
    path: str
    sock: socket.socket
    heard: bytearray


def ask_all(paths: Iterable[str], request: Mapping[str, Any], seconds: float) -> dict[str, dict[str, Any] | Silence]:
    """Say *request* to the control socket at each of *paths*; return the answers, or why there is none, after *seconds*."""
    deadline = time.monotonic() + seconds
    line = json.dumps(request).encode() + b"\n"
    answers: dict[str, dict[str, Any] | Silence] = {}
    crowded = list(paths)
    calls: dict[int, _Call] = {}
    poll = select.poll()
    while True:
        for path in crowded[:]:  # where the queue was full, it is tried again: it empties without telling anybody
            try:
                call = _connect(path, line)
            except BlockingIOError:
                continue
            crowded.remove(path)
            if call is None:
                answers[path] = Silence.NOBODY
            else:
                calls[call.sock.fileno()] = call
                poll.register(call.sock.fileno(), select.POLLIN)
        left = deadline - time.monotonic()
        if not (calls or crowded) or left <= 0:
            break
        for number, _ in poll.poll((min(left, AGAIN) if crowded else left) * 1000):
            call = calls[number]
            if _hear(call):
                poll.unregister(number)
                call.sock.close()
                answers[call.path] = _understood(call)
                del calls[number]
    for call in calls.values():
        call.sock.close()
        answers[call.path] = Silence.STUCK
    answers.update(dict.fromkeys(crowded, Silence.STUCK))
    return answers


def _connect(path: str, line: bytes) -> _Call | None:
    """None: nobody listens there.  BlockingIOError: its queue is full."""
    if len(path.encode("utf-8", "surrogateescape")) > SOCKET_BYTES:
        return None
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.connect(path)
        sock.send(line)  # a line is short, and the queue of a fresh connection empty
    except BlockingIOError:
        sock.close()
        raise
    except OSError:
        sock.close()
        return None
    return _Call(path, sock, bytearray())


def _hear(call: _Call) -> bool:
    """Take what is there; True at the end."""
    try:
        while chunk := call.sock.recv(1 << 16):
            call.heard += chunk
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _understood(call: _Call) -> dict[str, Any] | Silence:
    try:
        answer: dict[str, Any] = json.loads(bytes(call.heard))
    except ValueError:  # it died before it had said all
        return Silence.NOBODY
    return answer
