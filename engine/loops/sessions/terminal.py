"""A process behind a terminal of its own: start it, size it, learn how it ended.

Standard library only, for the holder imports this.
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import signal
import struct
import termios
from collections.abc import Mapping, Sequence

_SIGNALS = tuple(signal.valid_signals())
_PIDFD_GET_INFO = 0xC040FF0B  # _IOWR(0xFF, 11, struct pidfd_info), 64 bytes in its first version; Linux 6.13
_PIDFD_INFO_EXIT = 8  # Linux 6.15
_INFO = struct.Struct("=QQ11Ii")  # mask, cgroup, pid, tgid, ppid, eight user and group ids, exit_code; then 0 or spare


class Ended:
    """How a process ended: its exit *code*, or the *signal* (and whether it left a *core*); all None when unknown."""

    __slots__ = ("code", "core", "signal")

    def __init__(self, code: int | None = None, signal: int | None = None, core: bool = False) -> None:
        """See the class."""
        self.code = code
        self.signal = signal
        self.core = core

    @classmethod
    def of_status(cls, status: int) -> Ended:
        """Read a wait status as waitpid(2) returns it."""
        if os.WIFSIGNALED(status):
            return cls(signal=os.WTERMSIG(status), core=os.WCOREDUMP(status))
        return cls(code=os.WEXITSTATUS(status))


def raise_descriptor_limit() -> int:
    """Allow this process as many descriptors as it may have; return the limit there was before.

    A thousand sessions are three thousand descriptors; the usual soft limit is 1024.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft


def open_terminal(rows: int, cols: int) -> tuple[int, int]:
    """Return the master (non-blocking) and the slave of a new terminal.  OSError: out of descriptors or of ptys."""
    master, slave = os.openpty()
    os.set_blocking(master, False)
    resize(master, rows, cols)
    return master, slave


def resize(master: int, rows: int, cols: int) -> None:
    """Set the size; the kernel sends SIGWINCH to the foreground when it changed."""
    size = struct.pack("HHHH", max(1, min(rows, 0xFFFF)), max(1, min(cols, 0xFFFF)), 0, 0)
    fcntl.ioctl(master, termios.TIOCSWINSZ, size)


def start(argv: Sequence[str], env: Mapping[str, str], cwd: str, terminal: str, descriptor_limit: int) -> int:
    """Run *argv* in *cwd* with exactly *env*, as leader of a new session whose controlling terminal is *terminal*.

    Returns its pid.  OSError: its ``filename`` names what is wrong (the directory, the program).
    """
    actions = [
        # Opened by the new session's leader, it becomes the controlling terminal: no TIOCSCTTY, hence no fork of ours.
        (os.POSIX_SPAWN_OPEN, 0, terminal, os.O_RDWR, 0),
        (os.POSIX_SPAWN_DUP2, 0, 1),
        (os.POSIX_SPAWN_DUP2, 0, 2),
    ]
    return _spawn(argv, env, cwd, actions, descriptor_limit)


def start_detached(argv: Sequence[str], env: Mapping[str, str], descriptor_limit: int) -> int:
    """Run *argv* in "/" in a session of its own, with our standard streams.  Returns its pid; OSError as `start`."""
    return _spawn(argv, env, "/", [], descriptor_limit)


def _spawn(
    argv: Sequence[str], env: Mapping[str, str], cwd: str, actions: Sequence[tuple[object, ...]], descriptor_limit: int
) -> int:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.chdir(cwd)
    # The child gets the limit that we were started with: programs exist that close, or map, every possible descriptor.
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(descriptor_limit, hard), hard))
    try:
        program = find_program(argv[0], env.get("PATH", os.defpath))
        try:
            return os.posix_spawn(
                program, list(argv), env, file_actions=actions, setsid=True, setsigmask=(), setsigdef=_SIGNALS
            )
        except OSError as error:
            raise OSError(error.errno, error.strerror, program) from None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        os.chdir("/")


def find_program(name: str, path: str) -> str:
    """Return the file that *name* stands for, searching *path* as a shell does.

    Raises:
        OSError: nothing of that name is there (ENOENT), or only what may not be executed (EACCES).
    """
    if "/" in name:
        return name
    forbidden = ""
    for directory in path.split(":") if name else ():
        candidate = os.path.join(directory or ".", name)
        if os.path.isfile(candidate):
            if os.access(candidate, os.X_OK):
                return candidate
            forbidden = forbidden or candidate
    if forbidden:
        raise PermissionError(errno.EACCES, "Permission denied", forbidden)
    raise FileNotFoundError(errno.ENOENT, f"no such program in PATH={path}", name)


_REMEDIES = {
    errno.ENOEXEC: "it is no program of this machine; a script needs a #! line",
    errno.EACCES: "make it executable (chmod +x) and its directories searchable",
    errno.EMFILE: "the holder has no descriptors left; raise its hard limit of open files (ulimit -Hn)",
    errno.ENFILE: "the machine has no descriptors left (fs.file-max)",
    errno.EAGAIN: "the limit of processes is reached (ulimit -u, pids.max, kernel.pid_max)",
    errno.ENOSPC: "no pseudo-terminals are left (kernel.pty.max)",
    errno.E2BIG: "arguments and environment are larger than the kernel takes",
}


def explain(error: OSError, cwd: str) -> str:
    """Return what went wrong when a process could not be started: the path, the rule, the remedy."""
    named = error.filename if isinstance(error.filename, str) else ""
    text = f"{named}: {error.strerror}" if named else str(error.strerror)
    if error.errno == errno.ENOENT and named == cwd:
        return f"{text}: the session's directory is missing; create it, or correct its `dir`"
    if error.errno == errno.ENOENT and "/" in named and os.path.exists(os.path.join(cwd, named)):
        return f"{text}: the file is there, but the interpreter of its #! line, or its loader, is not"
    remedy = _REMEDIES.get(error.errno or 0)
    return f"{text}: {remedy}" if remedy else text


def start_time(pid: int) -> int:
    """Return when *pid* started, in clock ticks after boot (field 22 of proc_pid_stat(5)); 0 when there is none.

    A pid together with its start time names one process for ever; a pid alone is reused.
    """
    fields = _stat(pid)
    return int(fields[19]) if fields else 0


def ended_elsewhere(pidfd: int, pid: int, started: int) -> Ended:
    """Return how a process that is not our child ended, once its pidfd is readable.

    The kernel keeps the status with the pidfd after the reaping (Linux 6.15); before it, the zombie shows it in /proc.
    """
    for _ in range(2):  # it may be reaped between the two looks
        info = _pidfd_info(pidfd)
        if info is not None:
            return Ended.of_status(info)
        fields = _stat(pid)
        if fields and fields[0] == "Z" and int(fields[19]) == started:
            return Ended.of_status(int(fields[49]))
    return Ended()


def _pidfd_info(pidfd: int) -> int | None:
    buffer = bytearray(64)
    struct.pack_into("=Q", buffer, 0, _PIDFD_INFO_EXIT)
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, buffer)
    except OSError:
        return None
    mask, *_, status = _INFO.unpack_from(buffer)
    return status if mask & _PIDFD_INFO_EXIT else None


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, the state first; empty when the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].decode("ascii").split()
    except OSError:
        return []
