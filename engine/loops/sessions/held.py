"""One session as the holder keeps it: its terminal, its newest output, its log, what waits to be typed, its end.

Standard library only, for the holder imports this.
"""

from __future__ import annotations

import os
from collections import deque
from typing import Any

from loops.secrets.redaction import Redactor
from loops.sessions.keys import LineWatch
from loops.sessions.output import RING_BYTES, Log, Ring
from loops.sessions.terminal import Ended

REMEMBERED_WRITES = 64
MAX_PENDING = 65_536
"""Most bytes that wait to be typed into one session."""
READ_BYTES = 4096
"""Most that the line discipline gives to one read(2)."""
FULL_READ = 2048
"""A read of so much was hardly the last."""
DRAIN_READS = 256
"""Most reads after an exit: a grandchild that floods must not keep the exit from being told."""


class Pending:
    """Bytes that the terminal has not taken yet.  ``id`` is empty for a person's keys."""

    __slots__ = ("data", "id")

    def __init__(self, id: str, data: bytes) -> None:
        """*data* shrinks as it is taken."""
        self.id = id
        self.data = data


class Session:
    """The facts of one incarnation, and what can be done to it without knowing who asks."""

    __slots__ = (
        "active",
        "alive",
        "child",
        "cols",
        "ended",
        "hung_up",
        "incarnation",
        "keys",
        "last_output",
        "log",
        "master",
        "name",
        "pending",
        "pid",
        "pidfd",
        "quiet",
        "redactor",
        "ring",
        "rows",
        "start_time",
        "viewers",
        "waiting",
        "written",
    )

    def __init__(self, record: dict[str, Any], master: int, pidfd: int, *, child: bool) -> None:
        """*record* as `record` gives it.  *child*: we are its parent, and learn of its end by waitid(2)."""
        self.name = str(record["name"])
        self.incarnation = int(record["incarnation"])
        self.pid = int(record["pid"])
        self.start_time = int(record["start_time"])
        self.alive = bool(record.get("alive", True))
        self.ended = Ended(record.get("code"), record.get("signal"), bool(record.get("core")))
        self.rows = int(record["rows"])
        self.cols = int(record["cols"])
        self.last_output = float(record.get("last_output", 0.0))
        self.quiet = float(record.get("quiet", 0.0))
        self.active = False
        self.ring = Ring(total=int(record.get("total", 0)))
        self.log = Log(record["log_path"], int(record["log_bytes"]), int(record["log_keep"]))
        self.redactor = Redactor(str(record.get("unlogged", "")).encode("latin-1"))
        self.written = deque((str(id) for id in record.get("written", ())), REMEMBERED_WRITES)
        self.keys = LineWatch()
        if record.get("human"):
            self.keys.assume_open()
        self.pending: deque[Pending] = deque()
        self.viewers: list[Any] = []
        self.master = master
        self.pidfd = pidfd
        self.child = child
        self.hung_up = False
        self.waiting = False

    def record(self) -> dict[str, Any]:
        """What another process must know of this session beside its descriptors: a `Held` as JSON."""
        return {
            "name": self.name,
            "incarnation": self.incarnation,
            "pid": self.pid,
            "start_time": self.start_time,
            "alive": self.alive,
            "code": self.ended.code,
            "signal": self.ended.signal,
            "core": self.ended.core,
            "total": self.ring.total,
            "last_output": self.last_output,
            "written": list(self.written),
            "human": self.keys.open,
            "quiet": self.quiet,
            "rows": self.rows,
            "cols": self.cols,
            "log_path": self.log.path,
            "log_bytes": self.log.limit,
            "log_keep": self.log.keep,
        }

    def state(self) -> dict[str, Any]:
        """`record`, with what only a holder that replaces this one in place can use."""
        return {
            **self.record(),
            "master": self.master,
            "pidfd": self.pidfd,
            "child": self.child,
            "ring": self.ring.newest().decode("latin-1"),
            "unlogged": self.redactor.held.decode("latin-1"),
            "pending": [(chunk.id, chunk.data.decode("latin-1")) for chunk in self.pending],
        }

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Session:
        """Undo `state`."""
        session = cls(state, state["master"], state["pidfd"], child=state["child"])
        session.ring = Ring(state["ring"].encode("latin-1"), state["total"])
        session.pending.extend(Pending(id, data.encode("latin-1")) for id, data in state["pending"])
        return session

    def read(self, now: float) -> int:
        """Take what the terminal offers now into ring and log; return its length, 0 when there is nothing.

        Raises:
            OSError: no process has the terminal open (EIO).
        """
        try:
            data = os.read(self.master, READ_BYTES)
        except BlockingIOError:
            return 0
        if len(data) >= FULL_READ:
            data = self._read_on(data)
        self.ring.add(data)
        self._write_log(self.redactor.feed(data))
        self.last_output = now
        return len(data)

    def _write_log(self, data: bytes) -> None:
        """The log holds no key that is recognised as one; the terminal itself shows what it shows."""
        if data:
            self.log.write(data)

    def _read_on(self, data: bytes) -> bytes:
        """The kernel gives 4 KB of a flood at once: take a few of them before ring and log have their turn."""
        chunks = [data]
        size = len(data)
        while size + READ_BYTES <= RING_BYTES:  # never more than a ring, for viewers are fed from it
            try:
                data = os.read(self.master, READ_BYTES)
            except OSError:  # nothing now, or nobody there: the next turn learns which
                break
            chunks.append(data)
            size += len(data)
            if len(data) < FULL_READ:
                break
        return b"".join(chunks)

    def drain(self, now: float) -> None:
        """After the leader's exit: take what it left.  A grandchild may hold it open: end of file is not awaited.

        A read that finds the buffer empty has waited for the kernel's line discipline, so that nothing which was
        written before the exit is missed.
        """
        try:
            for _ in range(DRAIN_READS):
                if not self.read(now):
                    return
        except OSError:
            return

    def add_pending(self, id: str, data: bytes) -> bool:
        """Queue *data* for the terminal; False when too much waits already."""
        if sum(len(chunk.data) for chunk in self.pending) + len(data) > MAX_PENDING:
            return False
        self.pending.append(Pending(id, data))
        return True

    def type_pending(self) -> list[str]:
        """Give the terminal what it takes of the pending bytes, in order; return the ids that are wholly typed.

        Raises:
            OSError: the terminal takes nothing ever again.
        """
        done = []
        while self.pending:
            chunk = self.pending[0]
            try:
                count = os.write(self.master, chunk.data)
            except BlockingIOError:
                break
            if count < len(chunk.data):
                chunk.data = chunk.data[count:]
                continue
            self.pending.popleft()
            if chunk.id:
                self.written.append(chunk.id)
                done.append(chunk.id)
        return done

    def close(self) -> None:
        """Let go of the terminal and of the process; the record and the ring stay."""
        self._write_log(self.redactor.flush())
        self.log.close()
        for descriptor in (self.master, self.pidfd):
            if descriptor >= 0:
                os.close(descriptor)
        self.master = self.pidfd = -1
