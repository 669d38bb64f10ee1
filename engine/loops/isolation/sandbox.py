"""From facts to the words of bubblewrap: pure.

A sandbox begins with nothing.  What shall be there is a list of `Mount`, laid from the root downwards, so that a deeper
one stands out of a higher one: an agent's clone out of a project that is otherwise hidden, agents.toml read only out of
a directory that may be written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from loops.config.model import Network
from loops.errors import LoopsError


class Access(Enum):
    """What may be done with a path."""

    READ = "--ro-bind"
    WRITE = "--bind"
    SOCKET = "--bind-try"
    """As WRITE, where it exists when the agent starts (a socket is made by each run)."""
    HIDE = "--tmpfs"
    """An empty directory stands there, and nothing can be written into it."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One path, absolute and without links, and its access."""

    path: str
    access: Access


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link that is made in the sandbox: /bin -> usr/bin, or the name by which a clone goes."""

    path: str
    target: str


@dataclass(frozen=True, slots=True)
class View:
    """What one agent shall see.  All paths are absolute; those of mounts have no links in them."""

    agent: str
    directory: str
    """Where it starts, as agents.toml names it."""
    home: str
    own: tuple[Mount, ...]
    """Its clone, its home, its signals: they may lie inside what is forbidden."""
    granted: tuple[Mount, ...] = ()
    """What its table declares, and where its clone points to."""
    tools: tuple[Mount, ...] = ()
    """The system, its program, the engine, the project's settings."""
    forbidden: tuple[tuple[str, str], ...] = ()
    """Directories that are never seen, and whose they are ("the clone of builder")."""
    links: tuple[Link, ...] = ()
    network: Network = Network.OPEN
    nests: bool = False
    """Whether the superuser's agent shall be able to make a sandbox of its own inside (codex); others always are."""


OWN = (
    *("--proc", "/proc", "--dev", "/dev"),
    *("--perms", "1777", "--tmpfs", "/tmp"),
    *("--perms", "1777", "--tmpfs", "/var/tmp"),
)
"""What every sandbox has of its own, and nothing of the machine's in it."""
_ALWAYS = (
    *("--unshare-user-try", "--unshare-pid", "--unshare-ipc", "--cap-drop", "ALL", "--die-with-parent"),
    *OWN,
)
NESTS = ("--cap-add", "CAP_SETFCAP")
"""Without it the kernel lets nobody map the superuser into a namespace below.  It gives rights to a program's file; who is
the superuser and owns a clone can do the same by the file's mode (chmod u+s)."""
_FRESH = ("/proc", "/dev", "/tmp", "/var/tmp")
"""Of the sandbox's own: what a mount finds above it there is empty."""
_DEAF = 'trap "" TERM INT QUIT HUP; '
"""Bubblewrap dies of the first polite signal, and takes the agent with it at once.  So it is deaf to them; inside, they
are heard again (`loops.isolation.enter`), and bubblewrap ends with the agent."""
KEPT_BY_PARENT = ("sh", "-c", f'{_DEAF}exec "$@"', "sh")
"""Before bubblewrap where its parent is the runner, with which it shall die."""
KEPT_BY_ITSELF = ("sh", "-c", f'{_DEAF}"$@"; exit $?', "sh")
"""Before bubblewrap where its parent would be the holder: an agent outlives that.  The shell stays as the parent."""


def words(view: View, *, bwrap: str, enter: Iterable[str]) -> tuple[str, ...]:
    """Return the command line up to the agent's own words.  *enter*: the words of `loops.isolation.enter`.

    Raises:
        LoopsError: something that was declared lies in what must not be seen.
    """
    found = [bwrap, *_ALWAYS]
    if view.network is Network.NONE:
        found.append("--unshare-net")
    if view.nests:
        found += NESTS
    laid = mounts(view)
    for mount in laid:
        found += [mount.access.value, mount.path]
        if mount.access is not Access.HIDE:
            found.append(mount.path)
    for link in _standing(view.links, laid):
        found += ["--symlink", link.target, link.path]
    for mount in laid:
        if mount.access is Access.HIDE:
            found += ["--remount-ro", mount.path]
    return (*found, "--remount-ro", "/", "--setenv", "HOME", view.home, "--chdir", view.directory, "--", *enter)


def mounts(view: View) -> tuple[Mount, ...]:
    """Return what is mounted, from the root downwards; what is forbidden is hidden where something above shows it.

    Raises:
        LoopsError: as `words`.
    """
    for mount in view.granted:
        for place, whose in view.forbidden:
            if within(mount.path, place) and not any(within(mount.path, each) for each in _own_in(view, place)):
                raise LoopsError(
                    f"{view.agent} is isolated, and {mount.path} lies in {whose}, which it must not see: "
                    "take the path out of its reads and writes, or set isolate = false"
                )
    hidden = [place for place, _ in view.forbidden]
    tools = [mount for mount in view.tools if not any(within(mount.path, place) for place in hidden)]
    hides = (Mount(place, Access.HIDE) for place in hidden)
    # Of two mounts of one path the later counts: what the engine gives to read is not written, whatever was declared.
    laid = {mount.path: mount for mount in (*view.granted, *tools, *hides, *view.own)}
    return tuple(mount for mount in sorted(laid.values(), key=_depth) if _matters(mount, laid))


def _own_in(view: View, place: str) -> list[str]:
    """What of its own lies in a forbidden place: that stands out of it."""
    return [own.path for own in view.own if within(own.path, place)]


def _matters(mount: Mount, laid: dict[str, Mount]) -> bool:
    """Nothing is hidden where nothing shows, and nothing is shown twice."""
    above = _above(mount.path, laid)
    if mount.access is Access.HIDE:
        return above is not None and above.access is not Access.HIDE
    return above is None or above.access is not mount.access


def _above(path: str, laid: dict[str, Mount]) -> Mount | None:
    """The mount in which *path* lies, were it not mounted itself; None: nothing of the machine is there."""
    while path != "/":
        path = os.path.dirname(path)
        if path in laid:
            return laid[path]
        if path in _FRESH:
            return None
    return None


def _standing(links: Iterable[Link], laid: Iterable[Mount]) -> Iterator[Link]:
    """The links whose place is not taken by what is mounted there or above, or by a link before them."""
    places = [mount.path for mount in laid]
    for link in links:
        if not any(within(link.path, place) for place in places):
            places.append(link.path)
            yield link


def _depth(mount: Mount) -> tuple[int, str]:
    return mount.path.rstrip("/").count("/"), mount.path


def within(path: str, directory: str) -> bool:
    """Whether *path* is *directory* or lies in it."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")
