"""Seeing a project's processes off: after ``down`` nothing of it is left, and a takeover leaves no second supervisor."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress

from loops.config.model import Config
from loops.errors import LoopsError, SessionError
from loops.places import Runtime
from loops.places import State as StatePlaces
from loops.sessions import tmux
from loops.sessions.launch import ensure_holder, holder_pid
from loops.supervisor import control, emergency, membership, processes

LINGER = 1.0
"""Seconds that a holder, or a tmux server, may take to end by itself once it has nothing left to do."""
ANSWER = 3.0
"""Seconds after which a supervisor that is asked to leave counts as stuck."""
GLANCE = 0.01
"""Seconds between two looks at what gives no event."""


def processes_of(runtime: Runtime, sessions: Mapping[str, int], *, shared: bool = False) -> processes.Departure:
    """All that is to go when the project goes down, found while it lives: *sessions* are names with the pids of their leaders.

    *shared*: its supervisor's process has other projects too, and stays.
    """
    departure = processes.Departure()
    if not shared:
        departure.expect("the supervisor", control.listener(runtime.control_socket))
    for name, pid in sessions.items():
        departure.expect(name, pid)
    departure.expect("the holder", processes.holder(runtime))
    return departure


def finish(runtime: Runtime, departure: processes.Departure, seconds: float) -> str:
    """Wait until *departure*, and then the tmux server, are gone; return what the operator should know, or nothing.

    Raises:
        SessionError: something still lives after *seconds*; the message names it.
    """
    deadline = time.monotonic() + seconds
    with departure:
        while left := departure.wait(min(LINGER, max(deadline - time.monotonic(), 0.0))):
            if all(each.startswith("the holder") for each in left):
                # The supervisor is gone and the holder stays for the sake of a session that is nobody's agent, such as
                # a run of the checks.
                emergency.kill_sessions(runtime, deadline)
                emergency.quit_holder(runtime)
            if time.monotonic() >= deadline:
                raise SessionError(
                    f"{', '.join(left)} did not end within {seconds:.0f} s; `loops status` says what it waits for, "
                    "`loops stop --all-now` kills it"
                )
    _await_silence(runtime, deadline)
    return _end_views(runtime, deadline)


def _await_silence(runtime: Runtime, deadline: float) -> None:
    """A supervisor that shares its process is gone when nobody answers for the project any more."""
    while pid := control.listener(runtime.control_socket):
        if time.monotonic() >= deadline:
            raise SessionError(f"the process {pid} did not give the project up in time; see `loops fleet status`")
        time.sleep(GLANCE)


def _end_views(runtime: Runtime, deadline: float) -> str:
    """The supervisor has ended its views, and the server goes with the last of them, unless a person uses it too."""
    with processes.Departure() as departure:
        departure.expect("the tmux server", processes.tmux_server(runtime))
        if not departure.wait(min(LINGER, max(deadline - time.monotonic(), 0.0))):
            return ""
        if theirs := _foreign_panes(runtime):
            return f"the tmux server goes on: the session {theirs[0]!r} in it is not ours"
        departure.kill()
        departure.wait(LINGER)
    return ""


def _foreign_panes(runtime: Runtime) -> list[str]:
    command = ["tmux", "-S", runtime.tmux_socket, "-f", "/dev/null", "list-panes", "-a", "-F", tmux.LISTING]
    try:
        listed = subprocess.run(command, capture_output=True, timeout=LINGER, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [pane.session for pane in tmux.panes(listed.decode("utf-8", "replace")) if not pane.holder]


def take_over(runtime: Runtime, config: Config) -> None:
    """Make room for a supervisor in this process: the one that runs leaves, or is killed when it is stuck.

    Its sessions stay with the holder.  One that has other projects too leaves this one alone; killed, its process comes
    back for the others.  SessionError: it does not even end when killed.
    """
    places = StatePlaces(config.log_dir)
    shared = membership.of(runtime) is not None
    with processes.Departure() as departure:
        for pid in processes.supervisors(runtime, places):
            departure.expect("the supervisor", pid)
        with suppress(TimeoutError):
            control.ask(runtime.control_socket, {"verb": "leave"}, ANSWER)
            if _is_gone(runtime, places) if shared else not departure.wait(ANSWER):
                return
        membership.leave(runtime)
        with suppress(LoopsError):  # the holder must not start another one in its place: we are that
            if holder_pid(runtime) is not None:
                ensure_holder(runtime, supervisor=emergency.NOTHING, env={}, log_path=os.devnull, itself=True)
        departure.kill()
        if left := departure.wait(ANSWER):
            raise SessionError(f"{', '.join(left)} does not end even when killed: it waits in the kernel")


def _is_gone(runtime: Runtime, places: StatePlaces) -> bool:
    """Wait until nobody answers for the project, or writes its journal; False when that takes too long."""
    deadline = time.monotonic() + ANSWER
    while processes.supervisors(runtime, places, ask_holder=False):
        if time.monotonic() >= deadline:
            return False
        time.sleep(GLANCE)
    return True


def cancel(runtime: Runtime, config_path: str) -> None:
    """The process that tries in vain to supervise the project beside others, if there is one, need not try any more."""
    place = membership.of(runtime)
    if place is not None:
        with suppress(TimeoutError):
            control.ask(place.control_socket, {"verb": "rest", "configs": [config_path]}, ANSWER)
