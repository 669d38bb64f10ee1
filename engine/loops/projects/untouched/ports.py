"""Looks at what listens in this network namespace, and who has it open, as /proc tells it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace

from loops.projects.untouched import procfs
from loops.projects.untouched.model import Listener

_LISTENS = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}
"""The state of a socket that waits: TCP_LISTEN, and TCP_CLOSE for a bound one of UDP."""
_ACCEPTS = 0x10000
"""Flag of a unix socket that listens (__SO_ACCEPTCON)."""


def look() -> tuple[Listener, ...]:
    """Return what listens, by protocol and address."""
    found = [each for protocol in _LISTENS for each in internet(protocol, _lines(protocol))]
    found += unix(_lines("unix"))
    owners = _owners({each.inode for each in found})
    whole = [_owned(each, tuple(sorted(owners.get(each.inode, ())))) for each in found]
    return tuple(sorted(whole, key=lambda each: (each.protocol, each.address, each.inode)))


def internet(protocol: str, lines: Iterable[str]) -> Iterator[Listener]:
    """Read /proc/net/tcp and its like."""
    for line in lines:
        fields = line.split()
        if len(fields) < 10 or fields[3] != _LISTENS[protocol]:
            continue
        if protocol.startswith("udp") and fields[2].rpartition(":")[2] != "0000":
            continue
        host, _, port = fields[1].rpartition(":")
        address = f"[{_address(host)}]" if len(host) > 8 else _address(host)
        yield Listener(protocol, f"{address}:{int(port, 16)}", int(fields[9]), int(fields[7]))


def unix(lines: Iterable[str]) -> Iterator[Listener]:
    """Read /proc/net/unix; sockets without a name cannot be connected to by others."""
    for line in lines:
        fields = line.split(maxsplit=7)
        if len(fields) == 8 and fields[6].isdecimal() and int(fields[3], 16) & _ACCEPTS:
            yield Listener("unix", fields[7], int(fields[6]), -1)


def _address(written: str) -> str:
    """The kernel writes words of four bytes, in the machine's own order."""
    raw = b"".join(struct.pack("=I", int(written[at : at + 8], 16)) for at in range(0, len(written), 8))
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)


def _owners(inodes: set[int]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for pid in procfs.pids():
        for inode in procfs.sockets(pid):
            if inode in inodes:
                found.setdefault(inode, set()).add(pid)
    return found


def _owned(listener: Listener, pids: tuple[int, ...]) -> Listener:
    if not pids:
        return listener
    marks = filter(None, map(procfs.mark, pids))
    return replace(listener, pids=pids, command=procfs.shown(procfs.words(pids[0])), mark=next(marks, ""))


def _lines(table: str) -> list[str]:
    try:
        with open(f"/proc/net/{table}", encoding="utf-8", errors="surrogateescape") as file:
            return file.read().splitlines()[1:]
    except OSError:
        return []
