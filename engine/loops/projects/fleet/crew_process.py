"""The process that supervises many projects, from outside: started, asked to take a project in charge, ended."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Collection
from contextlib import suppress

from loops import sd_notify
from loops.errors import LoopsError, SessionError
from loops.places import Runtime
from loops.projects.fleet import watchdog
from loops.sessions.launch import ensure_holder
from loops.supervisor import arriving, control, emergency, processes
from loops.supervisor.config_file import compiled
from loops.supervisor.membership import CrewPlace

COMES_WITHIN = 30.0
"""Seconds for what takes half of one."""
ENDS_WITHIN = 10.0
ANSWER = 3.0
"""Seconds after which a process that is asked to leave counts as stuck."""
GLANCE = 0.02
OF_A_SESSION = (
    *("LOOPS_SESSION", "LOOPS_CONFIG", "LOOPS_AGENT", "LOOPS_PHASE", "LOOPS_INCARNATION", "LOOPS_SIGNALS"),
    *("LOOPS_ANSWERS", "LOOPS_RECEIVED", "LOOPS_DEMO_STATE", "LOOPS_BIN"),
)
"""The variables that are about the one agent in whose session we may run."""


def ensure(place: CrewPlace, config_paths: Collection[str]) -> None:
    """Start the process at *place* unless it runs; return when it knows of *config_paths*.

    SessionError: it does not come, or does not answer.
    """
    place.create()
    started: subprocess.Popen[bytes] | None = None
    deadline = time.monotonic() + COMES_WITHIN
    while True:
        known = _known(place)
        if known is not None and set(config_paths) <= known:
            return
        if known is None and (started is None or started.poll() is not None):
            if started is not None and started.returncode != watchdog.TAKEN:
                raise SessionError(
                    f"the process that supervises {place.fleet} ended with status {started.returncode}: {_last_words(place)}"
                )
            started = _start(place)
        if time.monotonic() >= deadline:
            pid = processes.lock_owner(place.lock)
            raise SessionError(
                f"the process that supervises {place.fleet} (pid {pid or 'unknown'}) does not answer; {place.log} may say "
                f"why.  `kill -KILL {pid or 'PID'}` has a holder start another, and no agent notices"
            )
        time.sleep(GLANCE)


def _known(place: CrewPlace) -> set[str] | None:
    """The projects that the process knows of; None: there is none."""
    try:
        told = control.ask(place.control_socket, {"verb": "status"}, COMES_WITHIN)
    except TimeoutError:
        return set()
    return None if told is None else {each["config"] for each in told["projects"]}


def _start(place: CrewPlace) -> subprocess.Popen[bytes]:
    # An agent may run `loops` itself: what it starts is no part of its own session.
    own = {key: value for key, value in sd_notify.left_out(os.environ).items() if key not in OF_A_SESSION}
    return subprocess.Popen(
        watchdog.command(place.fleet),
        cwd="/",
        env=own,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _last_words(place: CrewPlace) -> str:
    with suppress(OSError), open(place.log, encoding="utf-8", errors="replace") as file:
        return "\n".join(file.read().splitlines()[-3:]) or place.log
    return place.log


def bring(config_path: str, place: CrewPlace) -> None:
    """Have the process at *place* supervise the project at *config_path*, and bring it up.

    What takes long is done here, where nobody else waits for it: agents.toml is checked, and the holder started.
    LoopsError: it cannot be supervised now; the process goes on trying.
    """
    runtime = Runtime(config_path)
    log_dir = _log_dir(config_path)
    if log_dir:
        log = os.path.join(log_dir, "holder.log")
        ensure_holder(runtime, supervisor=None, env=dict(os.environ), log_path=log, timeout=COMES_WITHIN)
    try:
        if arriving.join(config_path, place, up=True) is None:
            raise SessionError(f"the process that supervises {place.fleet} is gone, or has no {config_path}; try again")
    except LoopsError:
        if log_dir and not emergency.living(runtime):
            emergency.quit_holder(runtime)
        raise


def _log_dir(config_path: str) -> str:
    """Where the logs are; "" when agents.toml is bad: then it is for the process to say so, and to try again."""
    with suppress(LoopsError):
        return compiled(config_path).log_dir
    return ""


def take_over(place: CrewPlace) -> int:
    """Take the place of the process that runs, which leaves, or is killed when it is stuck; return the lock.

    The agents live on with their holders.  SessionError: it does not even end when killed.
    """
    deadline = time.monotonic() + COMES_WITHIN
    while True:
        lock = place.take_lock()
        if lock is not None:
            return lock
        with processes.Departure() as departure:
            departure.expect("the process that supervises the fleet", processes.lock_owner(place.lock))
            with suppress(TimeoutError):
                control.ask(place.control_socket, {"verb": "leave"}, ANSWER)
            if departure.wait(ANSWER):
                departure.kill()
            if (left := departure.wait(ANSWER)) or time.monotonic() >= deadline:
                raise SessionError(f"{', '.join(left) or place.lock}: it does not give its place up")


def end_if_idle(place: CrewPlace) -> None:
    """End the process at *place* if no project is in its charge any more.  SessionError: it does not end."""
    told = None
    with suppress(TimeoutError):
        told = control.ask(place.control_socket, {"verb": "status"})
    if told is None or any(each["standing"] in ("supervised", "starting") for each in told["projects"]):
        return
    with processes.Departure() as departure:
        departure.expect("the process that supervises the fleet", told["pid"])
        with suppress(TimeoutError):
            control.ask(place.control_socket, {"verb": "leave"})
        if left := departure.wait(ENDS_WITHIN):
            raise SessionError(f"{', '.join(left)} did not end in time")
