"""Looks at tmux: the sockets of one's own places and given ones, their servers, sessions and panes.

tmux is asked only where a server listens already, and only what cannot start one.
"""

from __future__ import annotations

import os
import stat
import subprocess

from loops.projects.untouched import procfs
from loops.projects.untouched.model import Pane, Scope, Server, Session
from loops.secrets.redaction import redact
from loops.sessions import tmux
from loops.supervisor.control import listener

WITHIN = 15.0
"""Seconds for an answer that takes a hundredth of one: a server may be stopped."""
_LISTING = ":".join(
    f"#{{{name}}}"
    for name in (
        *("session_id", "session_created", "session_windows", "pane_id", "pane_pid", "pane_dead"),
        *("session_name", "pane_start_command"),
    )
)
"""A line a pane.  No session's name can hold a colon, and the command comes last."""


def places() -> tuple[str, ...]:
    """The directories in which tmux keeps the sockets of all users: /tmp/tmux-UID, and the same in ``$TMUX_TMPDIR``."""
    found = []
    for base in dict.fromkeys(os.path.realpath(base) for base in ("/tmp", os.environ.get("TMUX_TMPDIR") or "/tmp")):
        try:
            names = os.listdir(base)
        except OSError:
            continue
        found += [os.path.join(base, name) for name in sorted(names) if name.startswith("tmux-")]
    own = [f"{os.environ.get('TMUX_TMPDIR') or '/tmp'}/tmux-{os.getuid()}"]  # it may be made later
    return tuple(dict.fromkeys([*found, *map(os.path.realpath, own)]))


def look(scope: Scope) -> tuple[Server, ...]:
    """Return every server of the scope, by its socket; a given socket is there even when nobody answers."""
    sockets = [*scope.sockets, *(path for place in scope.socket_directories for path in _sockets(place))]
    return tuple(_server(path) for path in sorted(dict.fromkeys(sockets)))


def _sockets(place: str) -> list[str]:
    try:
        with os.scandir(place) as listing:
            return [each.path for each in listing if stat.S_ISSOCK(each.stat(follow_symlinks=False).st_mode)]
    except OSError:
        return []


def _server(path: str) -> Server:
    pid = listener(path)
    if not pid:
        denied = os.path.exists(path) and not os.access(path, os.R_OK | os.W_OK)
        return Server(path, 0, 0, unseen="this user may not connect to it" if denied else "")
    start, mark = procfs.start(pid), _mark(path, pid)
    try:
        done = subprocess.run(
            ["tmux", "-S", path, "list-panes", "-a", "-F", _LISTING],
            env={**{k: v for k, v in os.environ.items() if k not in ("TMUX", "TMUX_PANE")}, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=WITHIN,
            check=False,
        )
    except FileNotFoundError:
        return Server(path, pid, start, mark=mark, unseen="tmux is not installed, or not on PATH")
    except subprocess.TimeoutExpired:
        return Server(path, pid, start, mark=mark, unseen=f"its server did not answer within {WITHIN:.0f} s")
    if done.returncode != 0:
        said = " ".join(redact(done.stderr.decode("utf-8", "replace")).split())
        if said.startswith(("no server running", "no sessions", "no current")):  # it has just ended, or is empty
            return Server(path, pid, start, mark=mark)
        return Server(path, pid, start, mark=mark, unseen=f"tmux failed: {said}")
    return Server(path, pid, start, sessions(done.stdout.decode("utf-8", "surrogateescape")), mark)


def sessions(listing: str) -> tuple[Session, ...]:
    """Read tmux's answer, and ask /proc about the panes' processes.  By name; lines of another shape are skipped."""
    found: dict[str, Session] = {}
    panes: dict[str, list[Pane]] = {}
    for line in listing.splitlines():
        fields = line.split(":", 7)
        if len(fields) != 8 or not fields[1].isdigit():
            continue
        session, created, windows, pane, pid, dead, name, command = fields
        number = int(pid or 0)
        start = procfs.start(number) if dead != "1" else 0
        mark = procfs.mark(number) if start else ""
        if not mark and tmux.is_ours(command):
            mark = "shows a session of loops"
        found[session] = Session(session, name, int(created), int(windows))
        panes.setdefault(session, []).append(Pane(pane, number, start, mark))
    whole = [
        Session(each.id, each.name, each.created, each.windows, tuple(sorted(panes[id], key=lambda pane: pane.id)))
        for id, each in found.items()
    ]
    return tuple(sorted(whole, key=lambda each: (each.name, each.id)))


def _mark(path: str, pid: int) -> str:
    """A server that the engine started for its views lies beside its other sockets."""
    beside = os.path.dirname(path)
    if os.path.basename(path) == "tmux.sock" and os.path.exists(os.path.join(beside, "holder.lock")):
        return f"the views of {beside}"
    return procfs.mark(pid)
