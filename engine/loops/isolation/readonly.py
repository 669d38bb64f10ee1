"""A view of the machine in which nothing can be changed: every file read only, no socket, no other process.

For a foreign command that shall only look.  It sees the files that its user may read.  It can open no socket of any kind,
so it reaches no network, and no server of tmux or of anything else; its temporary directory takes no file.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from loops.isolation.able import ability

_VIEW = (
    *("--unshare-user-try", "--unshare-pid", "--unshare-ipc", "--unshare-net", "--unshare-uts", "--cap-drop", "ALL"),
    *("--die-with-parent", "--new-session", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"),
)
_IO_URING_SETUP = 425
"""It could open a socket without the call `socket`."""
_EACCES, _ENOSYS = 13, 38


@dataclass(frozen=True, slots=True)
class _Machine:
    audit: int
    """How seccomp calls the architecture."""
    socket: int
    """The number of the call."""


_MACHINES = {
    "x86_64": _Machine(0xC000003E, 41),
    "aarch64": _Machine(0xC00000B7, 198),
    "riscv64": _Machine(0xC00000F3, 198),
}


def hindrance() -> str:
    """Why no such view can be made here; empty: it can."""
    machine = os.uname().machine
    if machine not in _MACHINES:
        return f"the calls of the kernel on {machine} are not known here, so that sockets could not be forbidden"
    return ability(own_network=True).reason


def words(command: Iterable[str], *, directory: str, filter: int) -> tuple[str, ...]:
    """Return the command line that runs *command* in *directory* so.  *filter*: a descriptor that gives `socketless`."""
    program = ability(own_network=True).program
    return (program, *_VIEW, "--seccomp", str(filter), "--chdir", directory, "--", *command)


def socketless() -> bytes:
    """Return the filter of system calls: all but those that make a socket."""
    machine = _MACHINES[os.uname().machine]
    load, equal, at_least, answer = 0x20, 0x15, 0x35, 0x06
    kill, error, allow = 0x80000000, 0x00050000, 0x7FFF0000
    program = (
        (load, 0, 0, 4),  # the architecture
        (equal, 1, 0, machine.audit),
        (answer, 0, 0, kill),
        (load, 0, 0, 0),  # the number of the call
        (at_least, 3, 0, 0x40000000),  # another numbering of the same calls (x32)
        (equal, 3, 0, machine.socket),
        (equal, 1, 0, _IO_URING_SETUP),
        (answer, 0, 0, allow),
        (answer, 0, 0, error | _ENOSYS),
        (answer, 0, 0, error | _EACCES),
    )
    return b"".join(struct.pack("=HBBI", *line) for line in program)
