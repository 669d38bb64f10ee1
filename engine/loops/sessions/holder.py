"""The holder: the one process of a project that must not die, and the parent of every session.

It owns the terminals and the pidfds, copies output, relays viewers, and hands its descriptors to whoever proves to be
the supervisor, which is why either of the two can be killed at any moment and no session ends.  It decides nothing and
reads no configuration.  One thread, one epoll, standard library only; run as ``python -I -S -E holder.py SOCKET``.

``--service``: a service manager started it (units.toml says how the two units hang together).  It then starts no
supervisor, and SIGTERM means the end of the project's sessions, in good order; otherwise it ends the holder alone.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":  # under -I -S nothing but the standard library can be imported
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

import select
import signal
from collections.abc import Callable, Sequence
from typing import Any

# All that it will ever need is imported now: an upgrade may remove the files below it.
from loops import sd_notify
from loops.sessions import program, renewal, terminal, tree, wire
from loops.sessions.closing import Closing
from loops.sessions.held import Session
from loops.sessions.keeper import Keeper
from loops.sessions.loop import Loop, complain
from loops.sessions.peers import Connection, Link, NotRead, Viewer
from loops.sessions.place import Place, PlaceTaken
from loops.sessions.respawn import Respawn

UPKEEP = 30.0
"""Seconds between two looks at our socket's file."""
GRACE = 20.0
"""Seconds that sessions have to end after SIGTERM to a holder that is a service; its unit allows three times as much."""
NOT_OURS = (
    "a service manager runs this project's holder, and starts its supervisor too: `systemctl start` its unit, or run "
    "`loops watchdog --no-holder`"
)

Understand = Callable[[Connection, dict[str, Any], bytes, list[int]], None]


class Holder:
    """Who is connected, and what they may say.  A bad word costs its own connection, never the loop."""

    def __init__(self, place: Place, descriptor_limit: int, *, service: bool = False) -> None:
        """*descriptor_limit*: the soft limit of open files that every child gets.  *service*: see the module."""
        self._place = place
        self._descriptor_limit = descriptor_limit
        self._loop = Loop()
        self._keeper = Keeper(self._loop, descriptor_limit, self._tell)
        self._respawn = Respawn(descriptor_limit)
        self._link: Link | None = None
        self._epoch = -1
        self._upkeep_at = self._loop.now + UPKEEP
        self._ended = False
        self._service = service
        self._closing: Closing | None = None
        self._loop.listen_for_signals(self._signalled)
        if service:
            signal.signal(signal.SIGTERM, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))  # see `_renew`
        self._loop.listen(place.listener.fileno(), self._accept)

    def run(self) -> None:
        """Serve until asked to quit."""
        self._reap()
        while not self._ended:
            until = min(self._upkeep_at, self._respawn.at or self._upkeep_at, self._keeper.next_silence())
            if self._closing is not None:
                until = min(until, self._loop.now + tree.STEP_PAUSE)
            self._loop.turn(until)
            if self._closing is not None:
                self._ended = self._closing.step(self._loop.now) or self._ended
            self._keeper.tell_silences()
            if self._respawn.at and self._respawn.at <= self._loop.now:
                reason = self._respawn.start(self._loop.now)
                if reason:
                    sys.stderr.write(f"holder: {reason}\n")
            if self._upkeep_at <= self._loop.now:
                self._keep_place()
        self._place.leave()

    def _signalled(self, numbers: bytes) -> None:
        self._reap()
        if signal.SIGTERM in numbers and self._closing is None:
            self._close()

    def _close(self) -> None:
        """End every session, and then ourselves: whoever asks for anything meanwhile is refused."""
        sd_notify.tell("STOPPING=1")
        self._tell(wire.pack("ending"), ())  # what ends now is no crash to be healed
        if self._link is not None:
            self._hang_up(self._link.connection)
        living = [session for session in self._keeper.sessions.values() if session.alive]
        sys.stderr.write(f"holder: told to end; so are its {len(living)} sessions\n")
        leaders = [tree.Process(session.pid, session.start_time) for session in living]
        self._closing = Closing(leaders, grace=GRACE, now=self._loop.now)

    def _keep_place(self) -> None:
        self._upkeep_at = self._loop.now + UPKEEP
        if self._place.was_lost():
            self._loop.forget(self._place.listener.fileno())
            self._place.take_again()
            self._loop.listen(self._place.listener.fileno(), self._accept)

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
            if not self._keeper.child_ended(child.si_pid, ended) and child.si_pid == self._respawn.pid:
                self._respawn.ended(ended, self._loop.now)

    # ---- connections ------------------------------------------------------------------------------------------------

    def _accept(self, _events: int) -> None:
        sock, _ = self._place.listener.accept()
        sock.setblocking(False)
        pid, uid = wire.peer(sock)
        if uid not in (os.getuid(), 0):
            sock.close()
            return
        connection = Connection(sock, pid, self._loop.want_write)
        self._loop.listen(sock.fileno(), lambda events: self._hear(connection, events, self._greet))

    def _hear(
        self, connection: Connection, events: int, understand: Understand, pump: Callable[[], None] | None = None
    ) -> None:
        """Serve one connection; an error of any kind, or its end, closes it."""
        descriptors: list[int] = []
        try:
            if events & select.EPOLLOUT and not events & select.EPOLLHUP and pump is not None:
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

    def _hang_up(self, connection: Connection) -> None:
        if connection.sock.fileno() < 0:
            return
        self._loop.forget(connection.sock.fileno())
        connection.sock.close()
        if self._link is not None and self._link.connection is connection:
            self._link.close()
            self._link = None
        if connection.role == "viewer":
            for session in self._keeper.sessions.values():
                for viewer in tuple(session.viewers):
                    if viewer.connection is connection:
                        self._keeper.leave(session, viewer)

    def _greet(self, connection: Connection, head: dict[str, Any], _data: bytes, _fds: list[int]) -> None:
        if head["op"] != "hello":
            raise wire.WireError(f"the first word was {head['op']!r}, not hello")
        connection.role = str(head["role"])
        if connection.role == "supervisor":
            self._greet_supervisor(connection, int(head["epoch"]))
        elif connection.role == "viewer":
            self._greet_viewer(connection, str(head["name"]), int(head["rows"]), int(head["cols"]))
        elif connection.role == "launcher":
            welcome = wire.pack(
                "welcome",
                pid=os.getpid(),
                version=wire.VERSION,
                supervisor=self._respawn.pid,
                service=self._service,
                program=program.DIGEST,
            )
            connection.say(welcome)
            self._loop.hand_to(connection.sock.fileno(), lambda events: self._hear(connection, events, self._launch))
        else:
            raise wire.WireError(f"nobody is a {connection.role!r} here")

    # ---- the launcher, and the supervisor's process -----------------------------------------------------------------

    def _launch(self, connection: Connection, head: dict[str, Any], _data: bytes, _fds: list[int]) -> None:
        if head["op"] != "supervise":
            raise wire.WireError(f"a launcher does not say {head['op']!r}")
        if self._service:
            connection.say(wire.pack("supervising", pid=0, reason=NOT_OURS))
            return
        reason = ""
        self._respawn.command(head["argv"], head["env"], str(head.get("lock", "")))
        if not head["self"]:
            if self._respawn.pid == connection.pid:  # it supervises others too, and gives this project up
                self._loop.forget(self._respawn.pidfd)
                self._respawn.let_go()
            reason = self._respawn.start(self._loop.now)
        elif self._respawn.pid != connection.pid:
            self._loop.forget(self._respawn.pidfd)
            self._respawn.adopt(connection.pid, self._loop.now)
            self._loop.listen(self._respawn.pidfd, self._supervisor_ended_elsewhere)
        connection.say(wire.pack("supervising", pid=self._respawn.pid, reason=reason))

    def _supervisor_ended_elsewhere(self, _events: int) -> None:
        respawn = self._respawn
        ended = terminal.ended_elsewhere(respawn.pidfd, respawn.pid, terminal.start_time(respawn.pid))
        self._loop.forget(respawn.pidfd)
        respawn.ended(ended, self._loop.now)

    # ---- the supervisor's link --------------------------------------------------------------------------------------

    def _greet_supervisor(self, connection: Connection, epoch: int) -> None:
        if self._closing is not None:
            connection.say(wire.pack("refused", reason="it was told to end, and ends every session"))
            self._hang_up(connection)
            return
        # The same epoch may come back once its link is gone: that is one supervisor, not two.
        if epoch < self._epoch or (epoch == self._epoch and self._link is not None):
            connection.say(
                wire.pack("refused", reason=f"a supervisor of epoch {self._epoch} was here; yours is {epoch}")
            )
            self._hang_up(connection)
            return
        if self._link is not None:
            self._link.connection.say(wire.pack("superseded", epoch=epoch))
            self._hang_up(self._link.connection)
        self._epoch = epoch
        link = Link(connection, tuple(self._keeper.sessions.values()))
        self._link = link
        self._loop.hand_to(
            connection.sock.fileno(), lambda events: self._hear(connection, events, self._obey, link.pump)
        )
        link.pump()

    def _tell(self, message: bytes, descriptors: Sequence[int]) -> None:
        if self._link is None:
            return  # the records tell it to the next one
        try:
            self._link.tell(message, descriptors)
        except NotRead as error:
            sys.stderr.write(f"holder: the supervisor's link is cut: {error}\n")
            self._hang_up(self._link.connection)
        except OSError:  # it is gone; what it ordered last is still read from its connection
            self._link.close()
            self._link = None

    def _obey(self, connection: Connection, head: dict[str, Any], data: bytes, descriptors: list[int]) -> None:
        op = head["op"]
        if op == "spawn":
            self._keeper.spawn(head)
        elif op == "write":
            self._keeper.write(str(head["name"]), int(head["incarnation"]), str(head["id"]), bool(head["guard"]), data)
        elif op == "give":
            self._keeper.take(head["sessions"], descriptors)
        elif op == "renew":
            self._renew([str(word) for word in head["argv"]])
        elif op == "quit":
            living = sum(session.alive for session in self._keeper.sessions.values())
            if living and not head["abandon"]:
                connection.say(wire.pack("refused", reason=f"{living} sessions live; stop them first"))
            else:
                self._ended = True
        else:
            session = self._keeper.sessions.get(str(head["name"]))
            if session is not None:
                self._obey_about(session, op, head)

    def _obey_about(self, session: Session, op: str, head: dict[str, Any]) -> None:
        if op == "resize":
            self._keeper.resize(session, int(head["rows"]), int(head["cols"]))
        elif op == "tail":
            self._keeper.tell_tail(session, int(head["tag"]))
        elif op == "watch":
            self._keeper.watch(session, float(head["quiet"]))
        elif op == "forget":
            for viewer in self._keeper.forget(session):
                self._hang_up(viewer.connection)
        else:
            raise wire.WireError(f"a supervisor does not say {op!r}")

    # ---- viewers ----------------------------------------------------------------------------------------------------

    def _greet_viewer(self, connection: Connection, name: str, rows: int, cols: int) -> None:
        session = self._keeper.sessions.get(name)
        if session is None:
            connection.say(wire.pack("refused", reason=f"there is no session {name!r}"))
            self._hang_up(connection)
            return
        viewer = Viewer(connection, rows, cols)
        session.viewers.append(viewer)
        self._loop.hand_to(
            connection.sock.fileno(),
            lambda events: self._hear(
                connection,
                events,
                lambda _connection, head, data, _fds: self._hear_viewer(viewer, name, head, data),
                lambda: viewer.pump(self._keeper.sessions[name]),
            ),
        )
        self._keeper.resize(session, rows, cols)
        self._keeper.show(session)

    def _hear_viewer(self, viewer: Viewer, name: str, head: dict[str, Any], data: bytes) -> None:
        session = self._keeper.sessions[name]
        if head["op"] == "resize":
            viewer.rows, viewer.cols = int(head["rows"]), int(head["cols"])
            session.viewers.sort(key=lambda other: other is viewer)  # the newest size counts: it comes last
            self._keeper.resize(session, viewer.rows, viewer.cols)
        elif head["op"] == "data":
            self._keeper.type_keys(session, data)
        else:
            raise wire.WireError(f"a viewer does not say {head['op']!r}")

    # ---- replacement in place ---------------------------------------------------------------------------------------

    def _renew(self, argv: list[str]) -> None:
        state = {
            "service": self._service,
            "epoch": self._epoch,
            "limit": self._descriptor_limit,
            "place": self._place.state(),
            "respawn": self._respawn.state(),
            "sessions": [session.state() for session in self._keeper.sessions.values()],
        }
        # The next program has no handler yet: told to end meanwhile, it would end alone, and leave every session behind.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
        try:
            renewal.replace(argv, state)
        except OSError as error:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
            reason = f"{argv[0]}: {error.strerror}; the holder was not replaced"
            self._tell(wire.pack("refused", reason=reason), ())

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where the program that this one replaces stopped."""
        self._epoch = state["epoch"]
        self._respawn.restore(state["respawn"], self._loop.now)
        if self._respawn.pidfd >= 0:
            self._loop.listen(self._respawn.pidfd, self._supervisor_ended_elsewhere)
        for kept in state["sessions"]:
            session = Session.of_state(kept)
            self._keeper.hold(session)
            if session.alive:
                self._keeper.type_pending(session)
                self._keeper.watch(session, session.quiet)


def be_subreaper() -> None:
    """Inherit the orphans of our sessions, so that a daemonised grandchild can be found again (prctl(2))."""
    import ctypes

    pr_set_child_subreaper = 36
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def main(argv: list[str]) -> int:
    """``holder.py SOCKET [--detach | --service]`` or, from `renewal.replace`, ``holder.py --state FD``."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    if argv[0] == "--state":
        state = renewal.load(int(argv[1]))
        holder = Holder(Place.of_state(state["place"]), state["limit"], service=bool(state.get("service")))
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
        holder = Holder(place, terminal.raise_descriptor_limit(), service="--service" in argv[1:])
    sd_notify.tell("READY=1")
    holder.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
