"""The holder: the one process of a project that must not die, and the parent of every session.

It owns the terminals and the pidfds, copies output, relays viewers, and hands its descriptors to whoever proves to be
the supervisor, which is why either of the two can be killed at any moment and no session ends.  It decides nothing and
reads no configuration.  One thread, one epoll, standard library only; run as ``python -I -S -E holder.py SOCKET``.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":  # under -I -S nothing but the standard library can be imported
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

import heapq
import select
import signal
import time
from collections.abc import Callable
from typing import Any

from loops.sessions import terminal, wire
from loops.sessions.held import Session
from loops.sessions.peers import Connection, Link, Viewer, ending
from loops.sessions.place import Place, PlaceTaken
from loops.sessions.respawn import Respawn

UPKEEP = 30.0
"""Seconds between two looks at our socket's file."""
AT_ONCE = 128
"""Most descriptors served in one turn of the loop."""


class Holder:
    """State and loop.  A handler that raises costs its own connection, never the loop."""

    def __init__(self, place: Place, descriptor_limit: int) -> None:
        self._place = place
        self._poll = select.epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._sessions: dict[str, Session] = {}
        self._children: dict[int, Session] = {}
        self._link: Link | None = None
        self._epoch = -1
        self._respawn = Respawn(descriptor_limit)
        self._descriptor_limit = descriptor_limit
        self._silences: list[tuple[float, str]] = []
        self._now = clock()
        self._upkeep_at = self._now + UPKEEP
        self._ended = False
        self._deaths = watch_children()
        self._listen(self._deaths, self._children_ended)
        self._listen(place.listener.fileno(), self._accept)

    # ---- the loop -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until asked to quit."""
        self._reap()
        while not self._ended:
            ready = self._poll.poll(self._patience(), AT_ONCE)
            self._now = clock()
            for number, events in ready:
                handler = self._handlers.get(number)  # gone when an earlier one of this turn closed it
                if handler is not None:
                    try:
                        handler(events)
                    except Exception as error:  # whatever it is, the other sessions go on
                        complain(error)
            self._timers()

    def _patience(self) -> float:
        due = self._upkeep_at
        if self._silences:
            due = min(due, self._silences[0][0])
        if self._respawn.at:
            due = min(due, self._respawn.at)
        return max(due - clock(), 0.0)

    def _timers(self) -> None:
        while self._silences and self._silences[0][0] <= self._now:
            self._maybe_silent(heapq.heappop(self._silences)[1])
        if self._respawn.at and self._respawn.at <= self._now:
            self._start_supervisor()
        if self._upkeep_at <= self._now:
            self._upkeep_at = self._now + UPKEEP
            if self._place.was_lost():
                self._forget_number(self._place.listener.fileno())
                self._place.take_again()
                self._listen(self._place.listener.fileno(), self._accept)

    def _listen(self, number: int, handler: Callable[[int], None], events: int = select.EPOLLIN) -> None:
        self._poll.register(number, events)
        self._handlers[number] = handler

    def _forget_number(self, number: int) -> None:
        if self._handlers.pop(number, None) is not None:
            self._poll.unregister(number)

    def _want_write(self, number: int, wanted: bool) -> None:
        if number in self._handlers:
            self._poll.modify(number, select.EPOLLIN | select.EPOLLOUT if wanted else select.EPOLLIN)

    # ---- connections ----------------------------------------------------------------------------------------------

    def _accept(self, _events: int) -> None:
        sock, _ = self._place.listener.accept()
        sock.setblocking(False)
        pid, uid = wire.peer(sock)
        if uid not in (os.getuid(), 0):
            sock.close()
            return
        connection = Connection(sock, pid, self._want_write)
        self._listen(sock.fileno(), lambda events: self._hear(connection, events, self._greet, None))

    def _hear(
        self,
        connection: Connection,
        events: int,
        understand: Callable[[Connection, dict[str, Any], bytes, list[int]], None],
        pump: Callable[[], None] | None,
    ) -> None:
        """Serve one connection; an error of any kind, or its end, closes it."""
        descriptors: list[int] = []
        try:
            if events & select.EPOLLOUT and pump is not None:
                pump()
            if events & ~select.EPOLLOUT:
                message = wire.receive(connection.sock)
                if message is None:
                    raise ConnectionResetError
                head, data, descriptors = message
                understand(connection, head, data, descriptors)
        except BlockingIOError:
            pass
        except ConnectionError:
            self._hang_up(connection)
        except Exception as error:
            complain(error)
            self._hang_up(connection)
        finally:
            wire.close(descriptors)  # whoever keeps one takes it out of the list

    def _greet(self, connection: Connection, head: dict[str, Any], _data: bytes, _fds: list[int]) -> None:
        if head["op"] != "hello":
            raise wire.WireError(f"the first word was {head['op']!r}, not hello")
        connection.role = str(head["role"])
        number = connection.sock.fileno()
        if connection.role == "supervisor":
            self._greet_supervisor(connection, int(head["epoch"]))
        elif connection.role == "viewer":
            self._greet_viewer(connection, str(head["name"]), int(head["rows"]), int(head["cols"]))
        elif connection.role == "launcher":
            connection.say("welcome", pid=os.getpid(), version=wire.VERSION, supervisor=self._respawn.pid)
            self._handlers[number] = lambda events: self._hear(connection, events, self._launch, None)
        else:
            raise wire.WireError(f"nobody is a {connection.role!r} here")

    def _hang_up(self, connection: Connection) -> None:
        if connection.sock.fileno() < 0:
            return
        self._forget_number(connection.sock.fileno())
        connection.sock.close()
        if self._link is not None and self._link.connection is connection:
            self._link.close()
            self._link = None
        if connection.role == "viewer":
            for session in self._sessions.values():
                left = [viewer for viewer in session.viewers if viewer.connection is not connection]
                if len(left) != len(session.viewers):
                    session.viewers = left
                    if left:
                        self._resize(session, left[-1].rows, left[-1].cols)

    # ---- the launcher and the supervisor's process ------------------------------------------------------------------

    def _launch(self, connection: Connection, head: dict[str, Any], _data: bytes, _fds: list[int]) -> None:
        if head["op"] != "supervise":
            raise wire.WireError(f"a launcher does not say {head['op']!r}")
        reason = ""
        self._respawn.command(head["argv"], head["env"])
        if head["self"]:
            if self._respawn.pid != connection.pid:
                self._respawn.adopt(connection.pid, self._now)
                self._listen(self._respawn.pidfd, self._supervisor_ended_elsewhere)
        else:
            reason = self._respawn.start(self._now)
        connection.say("supervising", pid=self._respawn.pid, reason=reason)

    def _start_supervisor(self) -> None:
        reason = self._respawn.start(self._now)
        if reason:
            sys.stderr.write(f"holder: {reason}\n")

    def _supervisor_ended_elsewhere(self, _events: int) -> None:
        respawn = self._respawn
        ended = terminal.ended_elsewhere(respawn.pidfd, respawn.pid, terminal.start_time(respawn.pid))
        self._forget_number(respawn.pidfd)
        respawn.ended(ended, self._now)

    # ---- the supervisor -------------------------------------------------------------------------------------------

    def _greet_supervisor(self, connection: Connection, epoch: int) -> None:
        # The same epoch may come back once its link is gone: that is one supervisor, not two.
        if epoch < self._epoch or (epoch == self._epoch and self._link is not None):
            connection.say("refused", reason=f"a supervisor of epoch {self._epoch} was here; yours is {epoch}")
            self._hang_up(connection)
            return
        if self._link is not None:
            self._link.connection.say("superseded", epoch=epoch)
            self._hang_up(self._link.connection)
        self._epoch = epoch
        self._follow(connection, tuple(self._sessions.values()))

    def _follow(self, connection: Connection, sessions: tuple[Session, ...]) -> None:
        link = Link(connection, self._epoch, sessions)
        self._link = link
        self._handlers[connection.sock.fileno()] = lambda events: self._hear(connection, events, self._obey, link.pump)
        link.pump()

    def _tell(self, op: str, descriptors: tuple[int, ...] = (), data: bytes = b"", **head: Any) -> None:
        if self._link is None:
            return
        try:
            self._link.tell(wire.pack(op, data, **head), descriptors)
        except OSError as error:
            sys.stderr.write(f"holder: the supervisor's link is cut: {error}\n")
            self._hang_up(self._link.connection)

    def _obey(self, connection: Connection, head: dict[str, Any], data: bytes, descriptors: list[int]) -> None:
        op = head["op"]
        if op == "spawn":
            self._spawn(head)
        elif op == "write":
            self._write(str(head["name"]), int(head["incarnation"]), str(head["id"]), bool(head["guard"]), data)
        elif op == "give":
            self._take(head["sessions"], descriptors)
        elif op == "renew":
            self._renew([str(word) for word in head["argv"]])
        elif op == "quit":
            living = sum(session.alive for session in self._sessions.values())
            if living and not head["abandon"]:
                connection.say("refused", reason=f"{living} sessions live; stop them first")
            else:
                self._ended = True
        else:
            session = self._sessions.get(str(head["name"]))
            if session is not None:
                self._obey_about(session, op, head)

    def _obey_about(self, session: Session, op: str, head: dict[str, Any]) -> None:
        if op == "resize":
            self._resize(session, int(head["rows"]), int(head["cols"]))
        elif op == "tail":
            self._tell("tail", (), session.ring.bytes(), name=session.name, tag=head["tag"], total=session.ring.total)
        elif op == "watch":
            self._watch(session, float(head["quiet"]))
        elif op == "forget":
            if not session.alive and not session.viewers:
                del self._sessions[session.name]
        else:
            raise wire.WireError(f"a supervisor does not say {op!r}")

    # ---- the life of a session --------------------------------------------------------------------------------------

    def _spawn(self, order: dict[str, Any]) -> None:
        name, incarnation = str(order["name"]), int(order["incarnation"])
        earlier = self._sessions.get(name)
        if earlier is not None and earlier.incarnation == incarnation:
            if earlier.alive:
                self._tell_spawned(earlier)
            else:
                self._tell("exit", **ending(earlier))
            return
        if earlier is not None and (earlier.alive or earlier.incarnation > incarnation):
            state = f"runs as pid {earlier.pid}" if earlier.alive else "was here already"
            reason = f"{name}: incarnation {earlier.incarnation} {state}; {incarnation} is not started beside it"
            self._tell("spawn-failed", name=name, incarnation=incarnation, errno=16, reason=reason)
            return
        try:
            session = self._start(order)
        except OSError as error:
            reason = f"{name}: {terminal.explain(error, order['cwd'])}"
            self._tell("spawn-failed", name=name, incarnation=incarnation, errno=error.errno, reason=reason)
            return
        if earlier is not None:
            session.viewers = earlier.viewers
        self._hold(session)
        self._tell_spawned(session)
        if session.viewers:
            self._resize(session, session.viewers[-1].rows, session.viewers[-1].cols)
            self._show(session)

    def _start(self, order: dict[str, Any]) -> Session:
        rows, cols = int(order["rows"]), int(order["cols"])
        master, slave = terminal.open_terminal(rows, cols)
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
        record = {**order, "pid": pid, "start_time": terminal.start_time(pid), "last_output": self._now}
        return Session(record, master, pidfd, child=True)

    def _hold(self, session: Session) -> None:
        self._sessions[session.name] = session
        self._listen(session.master, lambda events: self._serve(session, events))
        if session.child:
            self._children[session.pid] = session
        else:
            self._listen(session.pidfd, lambda _: self._ended_elsewhere(session))

    def _tell_spawned(self, session: Session) -> None:
        self._tell(
            "spawned",
            (session.master, session.pidfd),
            name=session.name,
            incarnation=session.incarnation,
            pid=session.pid,
            start_time=session.start_time,
        )

    def _take(self, records: list[dict[str, Any]], descriptors: list[int]) -> None:
        """Hold what an earlier holder held.  Its processes are not our children: their end is seen by pidfd."""
        for record in records:
            master, pidfd = descriptors.pop(0), descriptors.pop(0)
            if record["name"] in self._sessions:
                wire.close((master, pidfd))
                continue
            self._hold(Session({**record, "alive": True}, master, pidfd, child=False))

    def _children_ended(self, _events: int) -> None:
        os.read(self._deaths, 4096)
        self._reap()

    def _reap(self) -> None:
        """Collect every dead child: sessions, the supervisor, and orphans that we inherit as subreaper."""
        while True:
            try:
                child = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG)
            except ChildProcessError:
                return
            if child is None:
                return
            if child.si_code == os.CLD_EXITED:
                ended = terminal.Ended(code=child.si_status)
            else:
                ended = terminal.Ended(signal=child.si_status, core=child.si_code == os.CLD_DUMPED)
            session = self._children.pop(child.si_pid, None)
            if session is not None:
                self._end(session, ended)
            elif child.si_pid == self._respawn.pid:
                self._respawn.ended(ended, self._now)

    def _ended_elsewhere(self, session: Session) -> None:
        self._end(session, terminal.ended_elsewhere(session.pidfd, session.pid, session.start_time))

    def _end(self, session: Session, ended: terminal.Ended) -> None:
        session.drain(self._now)
        self._forget_number(session.master)
        self._forget_number(session.pidfd)
        session.alive = False
        session.ended = ended
        session.close()
        self._reject_pending(session)
        self._tell("exit", **ending(session))
        self._show(session)

    # ---- output ---------------------------------------------------------------------------------------------------

    def _serve(self, session: Session, events: int) -> None:
        if events & select.EPOLLOUT:
            self._type(session)
        if not events & ~select.EPOLLOUT:
            return
        try:
            read = session.read(self._now)
        except OSError:
            self._set_hung_up(session, True)
            return
        if not read:
            return
        if session.hung_up:
            self._set_hung_up(session, False)
        if session.quiet and not session.active:
            session.active = True
            heapq.heappush(self._silences, (self._now + session.quiet, session.name))
            self._tell("activity", name=session.name, total=session.ring.total, at=self._now)
        if session.viewers:
            self._show(session)

    def _set_hung_up(self, session: Session, hung_up: bool) -> None:
        """Nobody has the terminal open, yet the process lives: listen by edges, or the loop would spin on EPOLLHUP."""
        session.hung_up = hung_up
        edges = select.EPOLLET if hung_up else 0
        self._poll.modify(session.master, select.EPOLLIN | edges)

    def _show(self, session: Session) -> None:
        for viewer in tuple(session.viewers):
            try:
                viewer.pump(session)
            except OSError:
                self._hang_up(viewer.connection)

    def _watch(self, session: Session, quiet: float) -> None:
        session.quiet = quiet
        session.active = False
        if quiet and self._now - session.last_output < quiet:
            session.active = True
            heapq.heappush(self._silences, (session.last_output + quiet, session.name))

    def _maybe_silent(self, name: str) -> None:
        """A deadline came: either the session was silent since, or its deadline moved with its last output."""
        session = self._sessions.get(name)
        if session is None or not (session.active and session.alive and session.quiet):
            return
        due = session.last_output + session.quiet
        if due > self._now:
            heapq.heappush(self._silences, (due, name))
            return
        session.active = False
        self._tell("quiet", name=name, total=session.ring.total, at=self._now)

    # ---- input ----------------------------------------------------------------------------------------------------

    def _write(self, name: str, incarnation: int, id: str, guard: bool, data: bytes) -> None:
        session = self._sessions.get(name)
        if session is not None and session.incarnation == incarnation and id in session.written:
            self._tell("written", name=name, id=id, repeated=True)
        elif session is None or not session.alive or session.incarnation != incarnation:
            self._tell("not-written", name=name, id=id, reason="gone")
        elif any(chunk.id == id for chunk in session.pending):
            return  # it is told when it is typed
        elif guard and session.keys.open:
            self._tell("not-written", name=name, id=id, reason="human")
        elif not session.add_pending(id, data):
            self._tell("not-written", name=name, id=id, reason="full")
        else:
            self._type(session)

    def _type(self, session: Session) -> None:
        try:
            done = session.type_pending()
        except OSError:
            self._reject_pending(session)
            return
        if not session.hung_up:
            self._want_write(session.master, bool(session.pending))
        for id in done:
            self._tell("written", name=session.name, id=id, repeated=False)

    def _reject_pending(self, session: Session) -> None:
        for chunk in session.pending:
            if chunk.id:
                self._tell("not-written", name=session.name, id=chunk.id, reason="gone")
        session.pending.clear()

    def _resize(self, session: Session, rows: int, cols: int) -> None:
        session.rows, session.cols = rows, cols
        if session.alive:
            terminal.resize(session.master, rows, cols)

    # ---- viewers --------------------------------------------------------------------------------------------------

    def _greet_viewer(self, connection: Connection, name: str, rows: int, cols: int) -> None:
        session = self._sessions.get(name)
        if session is None:
            connection.say("refused", reason=f"there is no session {name!r}")
            self._hang_up(connection)
            return
        self._show_to(connection, session, Viewer(connection, rows, cols))

    def _show_to(self, connection: Connection, session: Session, viewer: Viewer) -> None:
        name = session.name
        session.viewers.append(viewer)
        self._handlers[connection.sock.fileno()] = lambda events: self._hear(
            connection,
            events,
            lambda _connection, head, data, _fds: self._hear_viewer(viewer, name, head, data),
            lambda: viewer.pump(self._sessions[name]),
        )
        if viewer.rows > 0 and viewer.cols > 0:
            self._resize(session, viewer.rows, viewer.cols)
        viewer.pump(session)

    def _hear_viewer(self, viewer: Viewer, name: str, head: dict[str, Any], data: bytes) -> None:
        session = self._sessions[name]
        if head["op"] == "resize":
            viewer.rows, viewer.cols = int(head["rows"]), int(head["cols"])
            session.viewers.sort(key=lambda other: other is viewer)  # the newest size counts: it comes last
            self._resize(session, viewer.rows, viewer.cols)
        elif head["op"] == "data":
            if session.alive and session.add_pending("", data):
                before = session.keys.open
                session.keys.feed(data)
                if session.keys.open != before:
                    self._tell("human", name=name, open=session.keys.open)
                self._type(session)
        else:
            raise wire.WireError(f"a viewer does not say {head['op']!r}")

    # ---- replacement in place -------------------------------------------------------------------------------------

    def _renew(self, argv: list[str]) -> None:
        from loops.sessions import renewal  # needed once in a holder's life, if ever

        try:
            renewal.replace(argv, self.state())
        except OSError as error:
            self._tell("refused", reason=f"{argv[0]}: {error.strerror}; the holder was not replaced")

    def state(self) -> dict[str, Any]:
        """Everything that the next program needs; its numbers are descriptors that it inherits."""
        return {
            "epoch": self._epoch,
            "limit": self._descriptor_limit,
            "place": self._place.state(),
            "respawn": self._respawn.state(),
            "sessions": [session.state() for session in self._sessions.values()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        self._epoch = state["epoch"]
        self._respawn.restore(state["respawn"], self._now)
        if not self._respawn.child and self._respawn.pidfd >= 0:
            self._listen(self._respawn.pidfd, self._supervisor_ended_elsewhere)
        for kept in state["sessions"]:
            session = Session.of_state(kept)
            if session.alive:
                self._hold(session)
                self._type(session)
                self._watch(session, session.quiet)
            else:
                self._sessions[session.name] = session


def clock() -> float:
    """Seconds that go on while the machine sleeps, and that nobody sets."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def watch_children() -> int:
    """Return a pipe that becomes readable whenever a child ends."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading


def be_subreaper() -> None:
    """Inherit the orphans of our sessions, so that a daemonised grandchild can be found again (prctl(2))."""
    import ctypes

    pr_set_child_subreaper = 36
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def complain(error: Exception) -> None:
    """Write what happened, and where, to the holder's own log."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = f"{frame.tb_frame.f_code.co_name}:{frame.tb_lineno}" if frame is not None else "?"
    sys.stderr.write(f"holder: {type(error).__name__} in {where}: {error}\n")


def main(argv: list[str]) -> int:
    """``holder.py SOCKET [--detach]`` or, from `renewal.replace`, ``holder.py --state FD``."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    if argv[:1] == ["--state"]:
        from loops.sessions import renewal

        state = renewal.load(int(argv[1]))
        terminal.raise_descriptor_limit()
        holder = Holder(Place.of_state(state["place"]), state["limit"])
        holder.restore(state)
    else:
        os.closerange(3, 1 << 20)  # what our starter left open is not to reach any session
        try:
            place = Place.take(argv[0])
        except PlaceTaken as taken:
            sys.stderr.write(f"holder: {taken}\n")
            return 75
        if "--detach" in argv[1:] and os.fork():
            return 0  # the socket listens already: whoever started us may connect
        be_subreaper()
        os.chdir("/")
        place.sign()
        holder = Holder(place, terminal.raise_descriptor_limit())
    holder.run()
    holder._place.leave()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
