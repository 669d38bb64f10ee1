"""The supervisor's hold on its sessions: orders to the holder, events back, and every descriptor a second time.

Because master and pidfd of each session are open here too, a session outlives its holder: `HolderClient.connect` to a
new one gives it every living session, and nothing notices.

Nothing here waits, except `HolderClient.connect` and `HolderClient.tail`, which have a timeout.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from collections import deque
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from loops.errors import SessionError
from loops.sessions import wire
from loops.sessions.events import (
    Activity,
    Event,
    Exited,
    Held,
    HolderEnds,
    HolderGone,
    HumanLine,
    NotWritten,
    Quiet,
    Refused,
    Spawned,
    SpawnFailed,
    SpawnOrder,
    Superseded,
    Tail,
    Written,
)
from loops.sessions.records import Records, as_record
from loops.sessions.terminal import raise_descriptor_limit

__all__ = [
    "Activity",
    "Event",
    "Exited",
    "Held",
    "HolderClient",
    "HolderEnds",
    "HolderGone",
    "HumanLine",
    "NotWritten",
    "Quiet",
    "Refused",
    "SpawnFailed",
    "SpawnOrder",
    "Spawned",
    "Superseded",
    "Tail",
    "Written",
]


class HolderClient:
    """One supervisor's connection to the holder at *path*; *epoch* grows with every start of a supervisor."""

    def __init__(self, path: str, epoch: int) -> None:
        """Nothing is connected yet: see `connect`."""
        self._path = path
        self._epoch = epoch
        self._sock: socket.socket | None = None
        self._records = Records()
        self._outgoing: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._events: deque[Event] = deque()
        self._tag = 0
        # One descriptor to wait for: the socket (also for writing, while something waits to be sent), and a bell that
        # rings while events wait which `tail` came across.
        self._poll = select.epoll()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll.register(self._bell, select.EPOLLIN)

    # ---- connecting -----------------------------------------------------------------------------------------------

    def connect(self, timeout: float = 5.0) -> tuple[Held, ...]:
        """Adopt every session of the holder, and give it the living ones that only we hold.

        Returns all of them.  What happened while there was no connection is told by them alone, not by events.

        Raises:
            SessionError: no holder answers within *timeout* seconds, or it has a supervisor of our epoch or a higher.
        """
        self._drop()
        raise_descriptor_limit()
        deadline = time.monotonic() + timeout
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.settimeout(timeout)
        try:
            sock.connect(self._path)
            wire.send(sock, wire.pack("hello", role="supervisor", epoch=self._epoch))
            theirs = self._adopt(sock, deadline)
        except (OSError, wire.WireError) as error:
            sock.close()
            raise SessionError(f"{self._path}: the holder does not answer: {error}; is it running?") from error
        except SessionError:
            sock.close()
            raise
        sock.setblocking(False)
        self._sock = sock
        self._poll.register(sock.fileno(), select.EPOLLIN)
        self._give([held for held in self._records.living() if held.name not in theirs])
        return tuple(self._records.held.values())

    def _adopt(self, sock: socket.socket, deadline: float) -> set[str]:
        names: set[str] = set()
        while True:
            sock.settimeout(max(deadline - time.monotonic(), 0.001))
            message = wire.receive(sock)
            if message is None:
                raise ConnectionResetError(errno.ECONNRESET, "it hung up")
            head, _data, descriptors = message
            if head["op"] == "refused":
                raise SessionError(f"{self._path}: the holder refused us: {head['reason']}")
            if head["op"] == "welcome":
                return names
            for record in head["sessions"]:
                names.add(self._records.adopt(record, descriptors))

    def _give(self, orphans: Sequence[Held]) -> None:
        size = wire.MAX_DESCRIPTORS // 2
        for start in range(0, len(orphans), size):
            batch = orphans[start : start + size]
            descriptors = [number for held in batch for number in self._records.descriptors(held.name)]
            self._send(wire.pack("give", sessions=[as_record(held) for held in batch]), tuple(descriptors))

    def close(self) -> None:
        """Let go of everything, once.  The sessions and the holder go on."""
        if self._poll.closed:
            return
        self._drop()
        self._records.close()
        self._poll.close()
        os.close(self._bell)

    # ---- orders ---------------------------------------------------------------------------------------------------

    def spawn(self, order: SpawnOrder) -> None:
        """Answered by `Spawned` or `SpawnFailed`."""
        head = {field: getattr(order, field) for field in SpawnOrder.__slots__}
        head["env"] = dict(order.env)
        self._records.ordered(order)
        self._send(wire.pack("spawn", **head))

    def write(self, name: str, incarnation: int, id: str, data: bytes, *, guard: bool) -> None:
        """Type *data*, once per *id*; *guard*: not into a person's open line.  Answered by `Written` or `NotWritten`.

        ValueError: more than `wire.MAX_BYTES` at once.
        """
        if len(data) > wire.MAX_BYTES:
            raise ValueError(f"{name}: {len(data)} bytes in one write; at most {wire.MAX_BYTES} are possible")
        self._send(wire.pack("write", data, name=name, incarnation=incarnation, id=id, guard=guard))

    def resize(self, name: str, rows: int, cols: int) -> None:
        """Set the terminal's size; a viewer that comes later sets it again."""
        self._send(wire.pack("resize", name=name, rows=rows, cols=cols))

    def watch(self, name: str, quiet: float) -> None:
        """Ask for `Activity` and `Quiet` at the edges of *quiet* seconds of silence of this incarnation; 0 ends it."""
        self._records.change(name, quiet=quiet)
        self._send(wire.pack("watch", name=name, quiet=quiet))

    def forget(self, name: str) -> None:
        """Drop the record of a dead session, and its viewers.  A living one is kept."""
        self._records.forget(name)
        self._send(wire.pack("forget", name=name))

    def quit(self, *, abandon: bool = False) -> None:
        """End the holder: answered by `HolderGone`, or by `Refused` while sessions live, unless *abandon*."""
        self._send(wire.pack("quit", abandon=abandon))

    def renew(self, argv: Sequence[str]) -> None:
        """Replace the holder's program in place by *argv* (`launch.holder_command`).

        Answered by `HolderGone`, after which one connects again, or by `Refused`.
        """
        self._send(wire.pack("renew", argv=list(argv)))

    def ask_tail(self, name: str) -> int:
        """Ask for the newest output; answered by a `Tail` with the returned tag."""
        self._tag += 1
        self._send(wire.pack("tail", name=name, tag=self._tag))
        return self._tag

    def tail(self, name: str, timeout: float = 1.0) -> bytes:
        """Wait for the newest output.  Other events that come meanwhile are kept for `read`.

        Raises:
            SessionError: there is no such session, or no answer in time.
        """
        if name not in self._records.held:
            raise SessionError(f"{name}: there is no such session; `loops status` lists them")
        tag = self.ask_tail(name)
        deadline = time.monotonic() + timeout
        seen = 0
        while True:
            self._receive()
            for event in tuple(self._events)[seen:]:
                if isinstance(event, Tail) and event.tag == tag:
                    self._events.remove(event)
                    self._ring()
                    return event.data
            seen = len(self._events)
            left = deadline - time.monotonic()
            if self._sock is None or left <= 0:
                self._ring()
                raise SessionError(f"{name}: the holder does not answer; its log says why")
            self._poll.poll(left)

    # ---- events ---------------------------------------------------------------------------------------------------

    def fileno(self) -> int:
        """A descriptor that is readable whenever `read` has something to do, be it to send what waits."""
        return self._poll.fileno()

    def read(self) -> list[Event]:
        """Return what happened since, never waiting; send what waited to be sent."""
        self._receive()
        events = list(self._events)
        self._events.clear()
        self._ring()
        return events

    def sessions(self) -> Mapping[str, Held]:
        """Every session that is held, the dead until they are forgotten."""
        return MappingProxyType(self._records.held)

    def pidfd(self, name: str) -> int:
        """The pidfd of a living session, ours: not to be closed.  KeyError: it does not live."""
        return self._records.descriptors(name)[1]

    def _ring(self) -> None:
        if self._events:
            os.eventfd_write(self._bell, 1)
        else:
            try:
                os.eventfd_read(self._bell)
            except BlockingIOError:
                return

    def _receive(self) -> None:
        self._flush()
        while self._sock is not None:
            try:
                message = wire.receive(self._sock)
            except BlockingIOError:
                return
            except (OSError, wire.WireError):
                message = None
            if message is None:
                self._lose()
                return
            head, data, descriptors = message
            event = self._records.understand(head, data, descriptors)
            wire.close(descriptors)
            if event is not None:
                self._events.append(event)
            if isinstance(event, Superseded):
                self._drop()

    # ---- sending --------------------------------------------------------------------------------------------------

    def _send(self, message: bytes, descriptors: tuple[int, ...] = ()) -> None:
        if self._sock is None:
            raise SessionError(f"{self._path}: there is no connection to the holder; start one and connect again")
        self._outgoing.append((message, descriptors))
        if len(self._outgoing) == 1:
            self._flush()

    def _flush(self) -> None:
        if self._sock is None or not self._outgoing:
            return
        try:
            while self._outgoing:
                wire.send(self._sock, *self._outgoing[0])
                self._outgoing.popleft()
            self._poll.modify(self._sock.fileno(), select.EPOLLIN)
        except BlockingIOError:
            self._poll.modify(self._sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
        except OSError:
            self._lose()

    def _lose(self) -> None:
        self._drop()
        self._events.append(HolderGone())
        self._ring()

    def _drop(self) -> None:
        self._outgoing.clear()
        self._records.unanswered()
        if self._sock is not None:
            self._poll.unregister(self._sock.fileno())
            self._sock.close()
            self._sock = None
