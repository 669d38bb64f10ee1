"""The emergency stop, where the supervisor is dead or stuck: everything of the project is killed without its help.

The order matters.  The holder is told to start no supervisor again, the supervisor is killed, the stop is journaled so that
nothing comes back by itself, and only then the sessions are killed: nobody is left who would heal them.

Where a service manager runs the project, it starts another supervisor, a second later: that finds the stop in the journal,
and nothing to do.  The holder stays, which has nothing to hold.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass

from loops.config.model import Config
from loops.errors import JournalError, LoopsError, SessionError
from loops.places import Runtime
from loops.places import State as StatePlaces
from loops.sessions import tree
from loops.sessions.client import HolderClient
from loops.sessions.launch import MARKER, Holder, ensure_holder, find_holder
from loops.sessions.view import View
from loops.supervisor import control, membership, offline, processes

LAST_EPOCH = 1 << 62
"""Higher than any supervisor's: whoever connects with it is superseded by nobody."""
NOTHING = (sys.executable, "-I", "-S", "-c", "")
"""A command that ends at once and well: in the supervisor's place it keeps the holder from starting that again."""
PATIENCE = 2.0
"""Seconds for what takes milliseconds, unless the other side is stuck."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """``killed``: the sessions that lived.  ``unjournaled``: why the stop could not be written down; empty: it was."""

    killed: tuple[str, ...]
    unjournaled: str = ""


def stop(runtime: Runtime, config: Config | None, seconds: float) -> Stopped:
    """Kill every session, the supervisor and the holder, and end the views; return when they are gone.

    *config* None: it cannot be read, so nothing can be journaled.

    Raises:
        SessionError: something still lives after *seconds*.
    """
    deadline = time.monotonic() + seconds
    membership.leave(runtime)  # a process that supervises others too is killed as well, and comes back without this one
    holder = _forbid_respawn(runtime)
    _kill_supervisors(runtime, StatePlaces(config.log_dir) if config is not None else None, holder is not None)
    unjournaled = _journal(config)
    killed = kill_sessions(runtime, deadline)
    _clear_away(runtime, holder)
    return Stopped(killed, unjournaled)


def withdraw(runtime: Runtime) -> None:
    """End the supervisor, the holder and the views of a project in which no session lives.

    SessionError: one of them does not end even when killed.
    """
    holder = _forbid_respawn(runtime)
    _kill_supervisors(runtime, None, holder is not None)
    _clear_away(runtime, holder)


def _clear_away(runtime: Runtime, holder: Holder | None) -> None:
    with processes.Departure() as departure:
        if holder is None or not holder.service:
            departure.expect("the holder", processes.holder(runtime))
        if holder is not None and not holder.service:
            quit_holder(runtime)
            departure.wait(PATIENCE)
        departure.kill()
        if left := departure.wait(PATIENCE):
            raise SessionError(
                f"{left[0]} does not end even when killed: it waits in the kernel; look at its /proc entry"
            )
    View(runtime.tmux_socket, ()).close()
    _remove_sockets(runtime)


def living(runtime: Runtime) -> bool:
    """Whether any process of any session of this project lives."""
    return bool(_marked(_mark(runtime)))


def _forbid_respawn(runtime: Runtime) -> Holder | None:
    """Give the holder something else to start; None when it does not answer, and need not be asked again."""
    with suppress(LoopsError):
        holder = find_holder(runtime, PATIENCE)
        if holder is not None and not holder.service:
            ensure_holder(runtime, supervisor=NOTHING, env={}, log_path=os.devnull, timeout=PATIENCE)
        return holder
    return None


def _kill_supervisors(runtime: Runtime, places: StatePlaces | None, ask_holder: bool) -> None:
    with processes.Departure() as departure:
        for pid in processes.supervisors(runtime, places, ask_holder=ask_holder):
            departure.expect("the supervisor", pid)
        departure.kill()
        departure.wait(PATIENCE)


def _journal(config: Config | None) -> str:
    if config is None:
        return "agents.toml cannot be read, and says where the journal is"
    try:
        offline.tell(config, "estop")
    except (JournalError, OSError) as error:
        return str(error)
    return ""


def kill_sessions(runtime: Runtime, deadline: float) -> tuple[str, ...]:
    """Kill every process that carries a mark of this project, and all below them; return the sessions' names.

    Found by their environment, so that it works without a holder too.  Ours, and the holder, are spared.  SessionError:
    some still live at *deadline* (seconds of the monotonic clock).
    """
    spared = {os.getpid(), processes.holder(runtime)}
    names: dict[str, None] = {}
    calm = 0  # one look alone can miss who is in the middle of its exec, and shows no environment
    while True:
        found: set[tree.Process] = set()
        for process, mark in _marked(_mark(runtime)):
            if process.pid not in spared:
                names.setdefault(mark.split("/")[1])
                found.add(process)
                found.update(each for each in tree.descendants(process.pid) if each.pid not in spared)
        calm = 0 if found else calm + 1
        if calm == tree.CALM_LOOKS:
            return tuple(names)
        if found and time.monotonic() >= deadline:
            pids = ", ".join(str(process.pid) for process in sorted(found))
            raise SessionError(f"processes {pids} of {', '.join(names)} do not end even when killed")
        # Frozen first, all of them: what is running could fork between the look and the kill.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in found:
                with suppress(PermissionError):
                    tree.send(process, number)
        time.sleep(tree.STEP_PAUSE)


def _mark(runtime: Runtime) -> bytes:
    """How the environment entry begins that every process of a session of this project has."""
    return f"{MARKER}={os.path.basename(runtime.root)}/".encode()


def _marked(start: bytes) -> list[tuple[tree.Process, str]]:
    """Every living process with an environment entry that begins with *start*, and what follows in it."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                marks = [entry for entry in file.read().split(b"\0") if entry.startswith(start)]
        except OSError:
            continue
        process = tree.identify(int(pid)) if marks else None
        if process is not None:
            found.append((process, os.fsdecode(marks[0].partition(b"=")[2])))
    return found


def quit_holder(runtime: Runtime) -> None:
    """Ask the holder to end, whoever was its supervisor; nothing happens when it does not answer."""
    client = HolderClient(runtime.holder_socket, LAST_EPOCH)
    with suppress(LoopsError):
        client.connect(PATIENCE)
        client.quit(abandon=True)
    client.close()


def _remove_sockets(runtime: Runtime) -> None:
    """Who was killed has left its socket; who lives there now keeps it."""
    if not control.listener(runtime.control_socket):
        with suppress(FileNotFoundError):
            os.unlink(runtime.control_socket)
    if not processes.holder(runtime):
        with suppress(FileNotFoundError):
            os.unlink(runtime.holder_socket)
