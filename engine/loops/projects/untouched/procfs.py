"""What /proc tells of a process, without secrets; whatever may not be read is empty."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from loops.secrets.redaction import redact
from loops.sessions import tree

_SECRET = re.compile(r"(?i)(^|[-_])(token|secret|passw(or)?d|passphrase|(api|access|private)[-_]?key|credentials?)$")
_OPENED = re.compile(r"(?:socket|pipe):\[(\d+)\]")


def pids() -> list[int]:
    """Every process that can be seen."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def start(pid: int) -> int:
    """When it was started, in clock ticks after boot; 0: it lives no more."""
    process = tree.identify(pid) if pid else None
    return process.start_time if process is not None else 0


def words(pid: int) -> list[str]:
    """Its command line."""
    raw = _read(f"/proc/{pid}/cmdline")
    return raw.rstrip(b"\0").decode("utf-8", "surrogateescape").split("\0") if raw else []


def shown(argv: Sequence[str]) -> str:
    """The command line as one text, in which neither keys nor the values of options for secrets are left."""
    told: list[str] = []
    hide = False
    for word in argv:
        name, equals, _ = word.partition("=")
        if hide:
            told.append("[redacted]")
        elif equals and _SECRET.search(name):
            told.append(f"{name}=[redacted]")
        else:
            told.append(redact(word))
        hide = not hide and not equals and word.startswith("-") and _SECRET.search(name) is not None
    return " ".join(told)


def link(pid: int, what: str) -> str:
    """``cwd`` or ``exe``."""
    try:
        return os.readlink(f"/proc/{pid}/{what}")
    except OSError:
        return ""


def owner(pid: int) -> int:
    """Its user; -1: it is gone."""
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return -1


def cgroups(pid: int) -> tuple[str, ...]:
    """Its cgroups: that of the unified hierarchy first, then those of the older ones but the root."""
    lines = _read(f"/proc/{pid}/cgroup").decode("utf-8", "surrogateescape").splitlines()
    paths = [line.split(":", 2)[2] for line in reversed(lines) if line.count(":") >= 2]
    return tuple(dict.fromkeys(path for place, path in enumerate(paths) if not place or path != "/"))


def mark(pid: int, argv: Sequence[str] | None = None) -> str:
    """By what it is known as loops' own: its session's mark, or that it is a part of the engine; empty: it is not."""
    session = tree.mark_of(pid)
    if session:
        return f"{tree.MARKER}={session}"
    argv = words(pid) if argv is None else argv
    for option, module in pairwise(argv):
        if option == "-m" and module.partition(".")[0] == "loops":
            return f"runs {module}"
    for word in argv[:2]:  # a script, with or without its interpreter
        if os.path.basename(word) == "loops":
            return f"runs {word}"
    return ""


def sockets(pid: int) -> Iterator[int]:
    """Yield the inodes of the sockets that it has open."""
    for _, target in opened(pid):
        found = _OPENED.fullmatch(target)
        if found:
            yield int(found[1])


def opened(pid: int) -> Iterator[tuple[int, str]]:
    """Yield its descriptors, and what each leads to."""
    try:
        numbers = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return
    for number in numbers:
        try:
            yield int(number), os.readlink(f"/proc/{pid}/fd/{number}")
        except OSError:
            continue


def writes(pid: int, descriptor: int) -> bool:
    """Whether it can write through that descriptor."""
    for line in _read(f"/proc/{pid}/fdinfo/{descriptor}").splitlines():
        if line.startswith(b"flags:"):
            return int(line.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY
    return False


def ourselves() -> frozenset[int]:
    """This process, and what was started only to run it (a shell, sudo, timeout)."""
    found = {os.getpid()}
    pid = os.getppid()
    while pid > 1 and "untouched" in " ".join(words(pid)):
        found.add(pid)
        pid = parent(pid)
    return frozenset(found)


def parents(pid: int) -> tuple[int, ...]:
    """The pids above it, the nearest first, without the first process of all."""
    found: list[int] = []
    while (pid := parent(pid)) > 1 and pid not in found:
        found.append(pid)
    return tuple(found)


def parent(pid: int) -> int:
    """The pid of its parent; 0: it has none."""
    fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
