"""The holder's messages: one datagram each, a JSON head, a newline, then raw bytes; descriptors ride along.

The socket is ``SOCK_SEQPACKET``: message borders are kept, order is kept, and the death of either side is seen at once.
Everything here is standard library only, for the holder imports it.

Who says what (``<-`` from a client to the holder, ``->`` from the holder):

=================  ==========================================================================================
supervisor
``<- hello``       role "supervisor", epoch: a higher epoch supersedes the earlier supervisor (``-> superseded``,
                   closed); a lower one, or an equal one beside a living link, is refused (``-> refused``, closed)
``-> session``     a batch of `Held` as JSON in ``sessions``; descriptors: master and pidfd of each living one
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
``<- forget``      name: drop a dead session's record, and its viewers
``<- give``        a batch of `Held` with their descriptors: a new holder takes over living sessions
``<- renew``       argv: replace the holder's program in place by exec; every session stays, every
                   connection ends and may come again
``-> ending``      the holder was told to end, and ends every session; then the connection ends
``<- quit``        end the holder (refused while sessions live, unless ``abandon``)
launcher
``<- hello``       role "launcher"  ``-> welcome`` holder pid, version, supervisor: pid or 0, service: whether a
                   service manager starts holder and supervisor, program: the digest of the holder's sources
``<- supervise``   argv, env: the command of the supervisor, started now unless one runs, and again when it dies with
                   another status than 0.  ``self``: the sender is that supervisor, and runs already
``-> supervising`` pid, or 0 and ``reason``: a service's holder starts no supervisor
viewer
``<- hello``       role "viewer", name, rows, cols
``-> welcome``     name, incarnation, alive; then a ``data`` message with the ring
``<- data`` bytes  keys of a person     ``-> data`` bytes  output of the session
``<- resize``      rows, cols           ``-> exit`` when the session ends; the viewer stays for the next incarnation,
                   which begins with a ``welcome`` of its own.  ``-> refused`` reason: there is no such session
=================  ==========================================================================================

The newest size counts: the last viewer that came or was resized sets the terminal's.  A message too large for the
socket (a kickoff in an argument may have 128 KiB) travels in a memfd; `send` and `receive` see to that.
"""

from __future__ import annotations

import array
import json
import os
import socket
import struct
from collections.abc import Sequence
from typing import Any

VERSION = 1
MAX_BYTES = 60_000
"""Most raw bytes in one message; the kernel's default send buffer (212,992) holds three of them."""
MAX_DESCRIPTORS = 128
"""Most descriptors in one message (the kernel's SCM_MAX_FD is 253)."""

MAX_MESSAGE = 130_000
"""Longer ones travel in a memfd."""
_SIZES = (MAX_MESSAGE + 1, socket.CMSG_SPACE((MAX_DESCRIPTORS + 1) * 4), socket.MSG_CMSG_CLOEXEC)
_ELSEWHERE = b'{"op":"memfd"}\n'


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
    if len(message) > MAX_MESSAGE:
        memfd = os.memfd_create("message")
        try:
            with open(memfd, "wb", closefd=False) as file:
                file.write(message)
            _send(sock, _ELSEWHERE, [*descriptors, memfd])
        finally:
            os.close(memfd)
    else:
        _send(sock, message, descriptors)


def _send(sock: socket.socket, message: bytes, descriptors: Sequence[int]) -> None:
    if descriptors:
        sock.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))])
    else:
        sock.send(message)


def receive(sock: socket.socket) -> tuple[dict[str, Any], bytes, list[int]] | None:
    """Receive one message, or None when the other side is gone.

    Raises:
        WireError: it cannot be understood, or its descriptors did not all arrive (none is left open then).
        OSError: the socket's; ``BlockingIOError`` when there is nothing now.
    """
    try:
        message, ancillary, flags, _address = sock.recvmsg(*_SIZES)
    except ConnectionResetError:
        # Told once, before what the other side sent, when it ended with something of ours unread.
        message, ancillary, flags, _address = sock.recvmsg(*_SIZES)
    received = array.array("i")
    for level, kind, raw in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            received.frombytes(raw[: len(raw) - len(raw) % received.itemsize])
    descriptors = received.tolist()
    if not message:
        return None
    try:
        if flags & socket.MSG_CTRUNC:
            raise WireError("descriptors were lost: this process may open no more (ulimit -n)")
        if message == _ELSEWHERE and descriptors:
            memfd = descriptors.pop()
            with open(memfd, "rb") as file:
                file.seek(0)
                message = file.read()
        head, data = unpack(message)
    except WireError:
        close(descriptors)
        raise
    return head, data, descriptors


def close(descriptors: Sequence[int]) -> None:
    """Close each of them."""
    for descriptor in descriptors:
        os.close(descriptor)


def peer(sock: socket.socket) -> tuple[int, int]:
    """Return pid and uid of the process at the other end."""
    pid, uid, _gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid
