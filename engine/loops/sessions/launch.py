"""Start a project's holder, or find the one that runs."""

from __future__ import annotations

import os
import select
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loops.errors import SessionError
from loops.places import Runtime
from loops.sessions import wire
from loops.sessions.tree import MARKER as MARKER

TAKEN = 75


@dataclass(frozen=True, slots=True)
class Holder:
    """What a holder says of itself.

    ``service``: a service manager starts it, and the supervisor.  ``program``: see `loops.sessions.program`; empty when
    the holder is too old to say.
    """

    pid: int
    service: bool
    program: str


def holder_command() -> list[str]:
    """The interpreter, lean (no site, no environment), and the holder's program; its arguments follow."""
    return [sys.executable, "-I", "-S", "-E", os.path.join(os.path.dirname(os.path.abspath(__file__)), "holder.py")]


def ensure_holder(
    runtime: Runtime,
    *,
    supervisor: Sequence[str] | None,
    env: Mapping[str, str],
    log_path: str,
    itself: bool = False,
    timeout: float = 5.0,
    answer: float = 5.0,
    lock: str = "",
) -> int:
    """Return the pid of the project's holder, started if need be, detached, its messages appended to *log_path*.

    *supervisor*: the command that the holder starts, with *env*, unless one of its making runs, and starts again
    whenever it ends with another status than 0.  None: it starts none (a service manager does).  *itself*: the caller
    is that supervisor, and runs already: after its holder died it calls this, then `HolderClient.connect`.
    *answer*: seconds that a holder which runs already has for its answer, within *timeout*.  *lock*: the file that the
    supervisor keeps locked if it has other projects too, whose holders start the same command.

    Raises:
        SessionError: no holder answers within *timeout* seconds, or the supervisor could not be started.
    """
    runtime.create()
    deadline = time.monotonic() + timeout
    while True:
        try:
            until = min(deadline, time.monotonic() + answer)
            return _introduce(runtime.holder_socket, supervisor, env, itself, until, lock).pid
        except (FileNotFoundError, ConnectionRefusedError, ConnectionResetError) as error:
            if time.monotonic() >= deadline:
                raise _no_answer(runtime, log_path, error) from error
        except (OSError, wire.WireError) as error:
            raise _no_answer(runtime, log_path, error) from error
        if not _start(runtime, env, log_path, deadline):
            time.sleep(0.01)  # another start holds the lock, and listens in a moment


def holder_pid(runtime: Runtime, timeout: float = 5.0) -> int | None:
    """The pid of the project's holder, None when none runs.  Raises SessionError when it does not answer."""
    holder = find_holder(runtime, timeout)
    return holder.pid if holder is not None else None


def find_holder(runtime: Runtime, timeout: float = 5.0) -> Holder | None:
    """The project's holder, None when none runs.  Raises SessionError when it does not answer."""
    try:
        return _introduce(runtime.holder_socket, None, {}, False, time.monotonic() + timeout)
    except (FileNotFoundError, ConnectionRefusedError, ConnectionResetError):
        return None
    except (OSError, wire.WireError) as error:
        raise SessionError(f"{runtime.holder_socket}: the holder does not answer: {error}") from error


def _introduce(
    path: str,
    supervisor: Sequence[str] | None,
    env: Mapping[str, str],
    itself: bool,
    deadline: float,
    lock: str = "",
) -> Holder:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.settimeout(max(deadline - time.monotonic(), 0.001))
        sock.connect(path)
        welcome = _ask(sock, wire.pack("hello", role="launcher"))
        if supervisor is not None:
            order = wire.pack("supervise", argv=list(supervisor), env=dict(env), self=itself, lock=lock)
            reason = _ask(sock, order)["reason"]
            if reason:
                raise SessionError(f"{path}: {reason}")
        return Holder(int(welcome["pid"]), bool(welcome.get("service")), str(welcome.get("program", "")))


def _ask(sock: socket.socket, message: bytes) -> dict[str, Any]:
    wire.send(sock, message)
    answer = wire.receive(sock)
    if answer is None:
        raise ConnectionResetError("the holder hung up")
    return answer[0]


def _start(runtime: Runtime, env: Mapping[str, str], log_path: str, deadline: float) -> bool:
    """Start one and wait until it listens; False when another one has the place."""
    # An agent may run `loops` itself: what it starts for another project is no part of its own session.
    clean = {key: value for key, value in env.items() if key != MARKER}
    append = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    os.makedirs(os.path.dirname(os.path.abspath(log_path)), exist_ok=True)
    argv = [*holder_command(), runtime.holder_socket, "--detach"]
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log_path, append, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    pid = os.posix_spawn(argv[0], argv, clean, file_actions=actions, setsid=True)
    status = _wait(pid, deadline)
    if status not in (0, TAKEN):
        raise SessionError(f"{runtime.root}: the holder could not be started (status {status}); see {log_path}")
    return status == 0


def _wait(pid: int, deadline: float) -> int:
    pidfd = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if not poll.poll(max(deadline - time.monotonic(), 0.0) * 1000):
            os.kill(pid, 9)
    finally:
        os.close(pidfd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _no_answer(runtime: Runtime, log_path: str, error: Exception) -> SessionError:
    return SessionError(
        f"{runtime.holder_socket}: the holder does not answer: {error}; its log is {log_path}, its pid is in "
        f"{runtime.root}/holder.lock.  If it is stopped, continue it (kill -CONT); only if that fails, kill it"
    )
