"""All held sessions and what happens to them: start and end, output, input, silence.

Whom it tells is not its business: it is given a way to tell.  Standard library only, for the holder imports this.
"""

from __future__ import annotations

import errno
import heapq
import os
import select
import signal
from collections.abc import Callable, Sequence
from typing import Any

from loops.sessions import terminal, wire
from loops.sessions.held import Session
from loops.sessions.loop import Loop
from loops.sessions.peers import Viewer, ending

Tell = Callable[[bytes, Sequence[int]], None]


class Keeper:
    """The sessions by name.  A session's record stays after its end, until it is forgotten."""

    __slots__ = ("_children", "_descriptor_limit", "_loop", "_silences", "_tell", "sessions")

    def __init__(self, loop: Loop, descriptor_limit: int, tell: Tell) -> None:
        """*tell* takes events for the supervisor; sessions get *descriptor_limit*."""
        self.sessions: dict[str, Session] = {}
        self._children: dict[int, Session] = {}
        self._silences: list[tuple[float, str]] = []
        self._loop = loop
        self._descriptor_limit = descriptor_limit
        self._tell = tell

    # ---- start and end ----------------------------------------------------------------------------------------------

    def spawn(self, order: dict[str, Any]) -> None:
        """Start a session, once per incarnation, and never beside a living one of its name."""
        name, incarnation = str(order["name"]), int(order["incarnation"])
        earlier = self.sessions.get(name)
        if earlier is not None and earlier.incarnation == incarnation:
            if earlier.alive:
                self._tell_spawned(earlier)
            else:
                self._tell(wire.pack("exit", **ending(earlier)), ())
            return
        if earlier is not None and (earlier.alive or earlier.incarnation > incarnation):
            state = f"runs as pid {earlier.pid}" if earlier.alive else "was here already"
            reason = f"{name}: incarnation {earlier.incarnation} {state}; {incarnation} is not started beside it"
            self._tell_failed(name, incarnation, errno.EBUSY, reason)
            return
        try:
            session = self._start(order)
        except OSError as error:
            reason = f"{name}: {terminal.explain(error, order['cwd'])}"
            self._tell_failed(name, incarnation, error.errno or 0, reason)
            return
        self.hold(session)
        self._tell_spawned(session)
        if earlier is not None and earlier.viewers:
            session.viewers = earlier.viewers
            self.resize(session, session.viewers[-1].rows, session.viewers[-1].cols)
            self.show(session)

    def _start(self, order: dict[str, Any]) -> Session:
        master, slave = terminal.open_terminal(int(order["rows"]), int(order["cols"]))
        pid = 0
        try:
            try:
                name = os.ttyname(slave)
                pid = terminal.start(order["argv"], order["env"], order["cwd"], name, self._descriptor_limit)
            finally:
                os.close(slave)
            pidfd = os.pidfd_open(pid)
        except OSError:
            os.close(master)
            if pid:  # it runs, but could not be held
                os.kill(pid, signal.SIGKILL)
            raise
        record = {**order, "pid": pid, "start_time": terminal.start_time(pid), "last_output": self._loop.now}
        return Session(record, master, pidfd, child=True)

    def hold(self, session: Session) -> None:
        """Keep *session* from now on, and serve it if it lives."""
        self.sessions[session.name] = session
        if not session.alive:
            return
        self._loop.listen(session.master, lambda events: self._serve(session, events))
        if session.child:
            self._children[session.pid] = session
        else:
            self._loop.listen(session.pidfd, lambda _: self._ended_elsewhere(session))

    def take(self, records: list[dict[str, Any]], descriptors: list[int]) -> None:
        """Hold what an earlier holder held.  Its processes are not our children: their end is seen by pidfd."""
        for record in records:
            master, pidfd = descriptors.pop(0), descriptors.pop(0)
            if record["name"] in self.sessions:
                wire.close((master, pidfd))
                continue
            session = Session({**record, "alive": True}, master, pidfd, child=False)
            self.hold(session)
            self.watch(session, session.quiet)

    def child_ended(self, pid: int, ended: terminal.Ended) -> bool:
        """A child was reaped; False when it was no session."""
        session = self._children.pop(pid, None)
        if session is None:
            return False
        self._end(session, ended)
        return True

    def _ended_elsewhere(self, session: Session) -> None:
        self._end(session, terminal.ended_elsewhere(session.pidfd, session.pid, session.start_time))

    def _end(self, session: Session, ended: terminal.Ended) -> None:
        session.drain(self._loop.now)
        self._loop.forget(session.master)
        self._loop.forget(session.pidfd)
        session.alive = False
        session.ended = ended
        session.close()
        self._reject_pending(session)
        self._tell(wire.pack("exit", **ending(session)), ())
        self.show(session)

    def forget(self, session: Session) -> tuple[Viewer, ...]:
        """Drop the record of a dead session; return who viewed it."""
        if session.alive:
            return ()
        del self.sessions[session.name]
        return tuple(session.viewers)

    def _tell_spawned(self, session: Session) -> None:
        message = wire.pack(
            "spawned",
            name=session.name,
            incarnation=session.incarnation,
            pid=session.pid,
            start_time=session.start_time,
        )
        self._tell(message, (session.master, session.pidfd))

    def _tell_failed(self, name: str, incarnation: int, number: int, reason: str) -> None:
        self._tell(wire.pack("spawn-failed", name=name, incarnation=incarnation, errno=number, reason=reason), ())

    # ---- output -----------------------------------------------------------------------------------------------------

    def _serve(self, session: Session, events: int) -> None:
        if events & select.EPOLLOUT:
            self.type_pending(session)
        if not events & ~select.EPOLLOUT:
            return
        try:
            read = session.read(self._loop.now)
        except OSError:
            if not session.hung_up:  # nobody has the terminal open, yet the process lives: EPOLLHUP would come for ever
                session.hung_up = True
                self._loop.want_edges(session.master)
            return
        if not read:
            return
        if session.hung_up:
            session.hung_up = False
            self._loop.want_write(session.master, session.waiting)
        if session.quiet and not session.active:
            self._expect_silence(session)
            at = self._loop.now
            self._tell(wire.pack("activity", name=session.name, total=session.ring.total, at=at), ())
        if session.viewers:
            self.show(session)

    def show(self, session: Session) -> None:
        """Bring every viewer of *session* up to date."""
        for viewer in tuple(session.viewers):
            try:
                viewer.pump(session)
            except OSError:  # it is gone; what it said last is still read from its connection
                self.leave(session, viewer)

    def leave(self, session: Session, viewer: Viewer) -> None:
        """Forget a viewer; the newest size of those that stay counts again."""
        if viewer in session.viewers:
            session.viewers.remove(viewer)
            if session.viewers:
                self.resize(session, session.viewers[-1].rows, session.viewers[-1].cols)

    def tell_tail(self, session: Session, tag: int) -> None:
        """Tell the newest output."""
        ring = session.ring
        self._tell(wire.pack("tail", ring.newest(), name=session.name, tag=tag, total=ring.total), ())

    # ---- silence ----------------------------------------------------------------------------------------------------

    def watch(self, session: Session, quiet: float) -> None:
        """Tell the edges of *quiet* seconds without output from now on; 0: tell none."""
        session.quiet = quiet
        session.active = False
        if quiet and self._loop.now - session.last_output < quiet:
            self._expect_silence(session)

    def _expect_silence(self, session: Session) -> None:
        session.active = True
        heapq.heappush(self._silences, (session.last_output + session.quiet, session.name))

    def next_silence(self) -> float:
        """When `tell_silences` has something to do; far away when it has not."""
        return self._silences[0][0] if self._silences else float("inf")

    def tell_silences(self) -> None:
        """At each deadline, a session either was silent since, or its deadline moved with its last output.

        So an active session costs one comparison in ``quiet`` seconds, however much it prints.
        """
        while self.next_silence() <= self._loop.now:
            _, name = heapq.heappop(self._silences)
            session = self.sessions.get(name)
            if session is None or not (session.active and session.alive and session.quiet):
                continue
            if session.last_output + session.quiet > self._loop.now:
                self._expect_silence(session)
                continue
            session.active = False
            self._tell(wire.pack("quiet", name=name, total=session.ring.total, at=self._loop.now), ())

    # ---- input ------------------------------------------------------------------------------------------------------

    def write(self, name: str, incarnation: int, id: str, guard: bool, data: bytes) -> None:
        """Type *data* once per *id*; *guard*: not into a person's open line."""
        session = self.sessions.get(name)
        if session is not None and session.incarnation == incarnation and id in session.written:
            self._tell(wire.pack("written", name=name, id=id, repeated=True), ())
        elif session is None or not session.alive or session.incarnation != incarnation:
            self._tell_not_written(name, id, "gone")
        elif any(chunk.id == id for chunk in session.pending):
            return  # it is told when it is typed
        elif guard and session.keys.open:
            self._tell_not_written(name, id, "human")
        elif not session.add_pending(id, data):
            self._tell_not_written(name, id, "full")
        else:
            self.type_pending(session)

    def type_keys(self, session: Session, keys: bytes) -> None:
        """Type what a person pressed; it is lost when the session does not read, as on any terminal."""
        if not session.alive or not session.add_pending("", keys):
            return
        before = session.keys.open
        session.keys.feed(keys)
        if session.keys.open != before:
            self._tell(wire.pack("human", name=session.name, open=session.keys.open), ())
        self.type_pending(session)

    def type_pending(self, session: Session) -> None:
        """Give the terminal what it takes; the rest waits for it."""
        try:
            done = session.type_pending()
        except OSError:
            self._reject_pending(session)
            return
        if bool(session.pending) != session.waiting:
            session.waiting = not session.waiting
            self._loop.want_write(session.master, session.waiting)
        for id in done:
            self._tell(wire.pack("written", name=session.name, id=id, repeated=False), ())

    def resize(self, session: Session, rows: int, cols: int) -> None:
        """Set the size of the session's terminal; 0 is a viewer's word for not knowing its own."""
        if rows <= 0 or cols <= 0:
            return
        session.rows, session.cols = rows, cols
        if session.alive:
            terminal.resize(session.master, rows, cols)

    def _reject_pending(self, session: Session) -> None:
        for chunk in session.pending:
            if chunk.id:
                self._tell_not_written(session.name, chunk.id, "gone")
        session.pending.clear()

    def _tell_not_written(self, name: str, id: str, reason: str) -> None:
        self._tell(wire.pack("not-written", name=name, id=id, reason=reason), ())
