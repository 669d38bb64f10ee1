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
from loops.supervisor import control, emergency, processes

LINGER = 1.0
"""Seconds that a holder, or a tmux server, may take to end by itself once it has nothing left to do."""
ANSWER = 3.0
"""Seconds after which a supervisor that is asked to leave counts as stuck."""


def processes_of(runtime: Runtime, sessions: Mapping[str, int]) -> processes.Departure:
    """All that is to go when the project goes down, found while it lives: *sessions* are names with the pids of their leaders."""
    departure = processes.Departure()
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
    return _end_views(runtime, deadline)


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

    Its sessions stay with the holder.  SessionError: it does not even end when killed.
    """
    with processes.Departure() as departure:
        for pid in processes.supervisors(runtime, StatePlaces(config.log_dir)):
            departure.expect("the supervisor", pid)
        with suppress(TimeoutError):
            control.ask(runtime.control_socket, {"verb": "leave"}, ANSWER)
            if not departure.wait(ANSWER):
                return
        with suppress(LoopsError):  # the holder must not start another one in its place: we are that
            if holder_pid(runtime) is not None:
                ensure_holder(runtime, supervisor=emergency.NOTHING, env={}, log_path=os.devnull, itself=True)
        departure.kill()
        if left := departure.wait(ANSWER):
            raise SessionError(f"{', '.join(left)} does not end even when killed: it waits in the kernel")
