"""Who lives: the supervisors, sessions and processes of either side, as the kernel and tmux know them.

The live side is known by three things: its tmux sessions, who runs one of its programs, and the processes that were
noted while it ran.  Nothing is signalled here.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from loops.errors import LoopsError
from loops.places import Runtime
from loops.places import State as StatePlaces
from loops.projects.cutover.plan import Ground, Side
from loops.sessions import tree
from loops.supervisor import processes

WITHIN = 20.0
"""Seconds for one word of tmux."""
_NO_SERVER = ("no server running", "no sessions", "no current", "No such file or directory", "Connection refused")
"""What tmux says, somewhere in it, where nothing can live."""


class Unseen(LoopsError):
    """Nobody can say what lives: that is never taken for nothing."""


@dataclass(frozen=True, slots=True)
class Session:
    """One tmux session and the first process in it."""

    name: str
    pid: int
    start_time: int


def sessions(socket: str) -> dict[str, Session]:
    """The sessions of the tmux server at *socket* (empty: the user's own); none when there is no server.

    Raises:
        Unseen: tmux is not to be had, does not answer, or may not be asked.
    """
    command = ["tmux", *(["-S", socket] if socket else []), "list-panes", "-a", "-F", "#{session_name}\t#{pane_pid}"]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=WITHIN,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C.UTF-8"},  # its complaints are told apart below
        )
    except OSError as error:
        raise Unseen(f"tmux cannot be run, so nobody knows which sessions live: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise Unseen(f"tmux did not answer within {WITHIN:g} s, so nobody knows which sessions live") from None
    said = " ".join(done.stderr.split())
    if done.returncode != 0 and not any(each in said for each in _NO_SERVER):
        raise Unseen(f"tmux does not say which sessions live: {said or f'exit {done.returncode}'}")
    found: dict[str, Session] = {}
    for line in done.stdout.splitlines() if done.returncode == 0 else ():
        name, _, pid = line.rpartition("\t")
        process = tree.identify(int(pid)) if pid.isdecimal() else None
        if name not in found and process is not None:
            found[name] = Session(name, process.pid, process.start_time)
    return found


def live_sessions(ground: Ground) -> dict[str, Session]:
    """The live side's sessions that exist: its members' and its supervisor's, by exact name; others are not ours."""
    ours = {member.session for member in ground.members} | set(ground.watchdogs)
    return {name: each for name, each in sessions(ground.tmux).items() if name in ours}


def trees(found: Iterable[Session]) -> list[tree.Process]:
    """Every process in these sessions."""
    return [
        each
        for session in found
        for each in (tree.Process(session.pid, session.start_time), *tree.descendants(session.pid))
    ]


def running(scripts: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Who runs one of the programs *scripts*: pid and command line.  Ourselves and our parents are not meant."""
    wanted = {os.path.realpath(script) for script in scripts}
    if not wanted:
        return
    mine = _ancestors()
    for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
        if pid in mine:
            continue
        words = _words(pid)
        if any(_resolved(pid, word) in wanted for word in words[:6]) and tree.identify(pid) is not None:
            yield pid, " ".join(words)[:200]


def _words(pid: int) -> list[str]:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return [os.fsdecode(word) for word in file.read().split(b"\0") if word]
    except OSError:
        return []


def _resolved(pid: int, word: str) -> str:
    if "/" not in word and not word.endswith((".py", ".sh")):
        return ""
    if not word.startswith("/"):
        try:
            word = os.path.join(os.readlink(f"/proc/{pid}/cwd"), word)
        except OSError:
            return ""
    return os.path.realpath(word)


def _ancestors() -> set[int]:
    found, pid = {os.getpid()}, os.getppid()
    while pid > 1:
        found.add(pid)
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                pid = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, IndexError):
            break
    return found


# ---- either side -------------------------------------------------------------------------------------------------------


def lives(ground: Ground, side: Side) -> str:
    """What of *side* lives, in words; empty: nothing does.  That nobody can tell is said in words too."""
    try:
        return "; ".join(live_side(ground) if side is Side.LIVE else staged_side(ground))
    except Unseen as error:
        return str(error)


def live_side(ground: Ground) -> list[str]:
    """What lives of the live side."""
    found = live_sessions(ground)
    said = [f"session {name} (pid {each.pid})" for name, each in sorted(found.items())]
    inside = {each.pid for each in trees(found.values())}
    return [*said, *(f"process {pid}: {line}" for pid, line in running(ground.scripts) if pid not in inside)]


def staged_side(ground: Ground) -> list[str]:
    """What supervises the staged project, or holds its sessions."""
    runtime = Runtime(ground.staged_config)
    said = [
        f"supervisor (pid {pid})"
        for pid in sorted(processes.supervisors(runtime, StatePlaces(ground.log_dir), ask_holder=False))
    ]
    holder = processes.holder(runtime)
    return [*said, f"holder (pid {holder})"] if holder else said
