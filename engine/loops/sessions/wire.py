"""The holder's messages: one datagram each, a JSON head, a newline, then raw bytes; descriptors ride along.

The socket is ``SOCK_SEQPACKET``: message borders are kept, order is kept, and the death of either side is seen at once.
Everything here is standard library only, for the holder imports it.

Who says what (``<-`` from a client to the holder, ``->`` from the holder):

=================  ==========================================================================================
supervisor
``<- hello``       role "supervisor", epoch: a higher epoch supersedes the earlier supervisor (``-> superseded``, closed);
                   a lower or equal one is refused (``-> refused`` reason, closed)
``-> session``     once per held session: a `Held` as JSON in ``sessions`` (a batch), master and pidfd of each as descriptors
``-> welcome``     after the last batch: holder pid, version; from here on events flow
``<- spawn``       a `SpawnOrder`; idempotent per (name, incarnation)
``-> spawned``     name, incarnation, pid, start_time; descriptors: master, pidfd
``-> spawn-failed`` name, incarnation, errno, reason
``<- write``       name, incarnation, id, guard, bytes; a repeated id is acknowledged, not typed again
``-> written``     name, id, repeated
``-> not-written`` name, id, reason: "human" (a line is open, with guard), "full" (the terminal takes no more), "gone"
``<- resize``      name, rows, cols
``<- tail``        name, tag  ``-> tail`` name, tag, total, bytes (the ring)
``<- watch``       name, quiet (seconds): report the edges of activity
``-> activity``    name, total, at   the first output after a silence of ``quiet`` seconds
``-> quiet``       name, total, at   no output for ``quiet`` seconds
``-> human``       name, open        a person began, or ended, a line
``-> exit``        name, incarnation, pid, code | signal | null (unknown), core
``<- forget``      name: drop a dead session's record
``<- give``        a batch of `Held` with their descriptors: a new holder takes over living sessions
``<- renew``       argv: replace the holder's program in place by exec; every session stays
``<- quit``        end the holder (refused while sessions live, unless ``abandon``)
viewer
``<- hello``       role "viewer", name, rows, cols
``-> welcome``     name, incarnation, alive; then a ``data`` message with the ring
``<- data`` bytes  keys of a person     ``-> data`` bytes  output of the session
``<- resize``      rows, cols           ``-> exit`` when the session ends; the viewer stays for the next incarnation
=================  ==========================================================================================
"""

from __future__ import annotations

import array
import json
import socket
from collections.abc import Sequence
from typing import Any

VERSION = 1
MAX_BYTES = 60_000
"""Most raw bytes in one message; the kernel's default send buffer (212,992) holds three of them."""
MAX_DESCRIPTORS = 128
"""Most descriptors in one message (the kernel's SCM_MAX_FD is 253)."""


class WireError(Exception):
    """The other side speaks something else."""


def pack(op: str, data: bytes = b"", **head: Any) -> bytes:
    """Return one message: *head* with its *op*, then *data*."""
    head["op"] = op
    return json.dumps(head, separators=(",", ":")).encode() + b"\n" + data


def unpack(message: bytes) -> tuple[dict[str, Any], bytes]:
    """Split a message into its head and its bytes.

    Raises:
        WireError: the head is not a JSON object with an ``op``.
    """
    raw, _, data = message.partition(b"\n")
    try:
        head = json.loads(raw)
    except ValueError as error:
        raise WireError(f"not a message: {raw[:80]!r}") from error
    if not isinstance(head, dict) or not isinstance(head.get("op"), str):
        raise WireError(f"a message without op: {raw[:80]!r}")
    return head, data


def send(sock: socket.socket, message: bytes, descriptors: Sequence[int] = ()) -> None:
    """Send one message.  On a non-blocking socket ``BlockingIOError`` says that nothing was sent."""
    if descriptors:
        sock.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))])
    else:
        sock.send(message)


def receive(sock: socket.socket) -> tuple[dict[str, Any], bytes, list[int]] | None:
    """Receive one message, or None when the other side is gone."""
    message, ancillary, _flags, _address = sock.recvmsg(
        262_144, socket.CMSG_SPACE(MAX_DESCRIPTORS * 4), socket.MSG_CMSG_CLOEXEC
    )
    if not message:
        return None
    descriptors = array.array("i")
    for level, kind, raw in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(raw[: len(raw) - len(raw) % descriptors.itemsize])
    head, data = unpack(message)
    return head, data, list(descriptors)
