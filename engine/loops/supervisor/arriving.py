"""Starting a project's supervisor, and learning why when it does not come."""

from __future__ import annotations

import os
import time
from typing import Any

from loops.errors import SessionError
from loops.places import Runtime
from loops.places import State as StatePlaces
from loops.sessions.launch import ensure_holder
from loops.sessions.screen import plain
from loops.supervisor import control, emergency, membership
from loops.supervisor.config_file import compiled, last_good
from loops.supervisor.membership import CrewPlace
from loops.supervisor.run import supervisor_command

COMES_WITHIN = 15.0
"""Seconds for what takes a fifth of one."""
GLANCE = 0.01
FAILURES = 3
"""A supervisor that ended so often will not come."""


def start(config_path: str, runtime: Runtime, log_dir: str) -> dict[str, Any]:
    """Start the holder, unless it runs, and by it the supervisor, unless that runs; return the supervisor's status.

    Raises:
        SessionError: it does not answer; the message has its own last words.  What was started for it is gone again,
            unless sessions live that need the holder.
    """
    membership.leave(runtime)
    log = os.path.join(log_dir, "holder.log")
    before = os.path.getsize(log) if os.path.exists(log) else 0
    ensure_holder(runtime, supervisor=supervisor_command(config_path), env=dict(os.environ), log_path=log)
    deadline = time.monotonic() + COMES_WITHIN
    while time.monotonic() < deadline:
        try:
            answer = control.ask(runtime.control_socket, {"verb": "status"})
        except TimeoutError:
            break
        if answer is not None:
            return answer
        if _said(log, before).count("holder: the supervisor ended with") >= FAILURES:
            break
        time.sleep(GLANCE)
    if not emergency.living(runtime):
        emergency.withdraw(runtime)
    words = dict.fromkeys(line for line in _said(log, before).splitlines() if line.startswith("loops: "))
    reason = "\n".join(words) or f"{log} may say why"
    raise SessionError(f"the supervisor of {config_path} did not come up: {reason}")


def join(config_path: str, place: CrewPlace, *, up: bool = False) -> dict[str, Any] | None:
    """Have the process at *place* supervise the project beside others; return its supervisor's status.

    *up*: the project is to be up, also if that is only possible later.  None: there is no such process, or the project is
    none of its.  SessionError: it cannot; the message says why.
    """
    try:
        answer = control.ask(place.control_socket, {"verb": "bring", "configs": [config_path], "up": up})
    except TimeoutError:
        raise SessionError(
            f"the process that supervises this project beside others (pid {control.listener(place.control_socket)}) "
            "does not answer; `kill -KILL` it, its holders start another, and no agent notices"
        ) from None
    if answer is None or config_path not in answer.get("known", ()):
        return None
    deadline = time.monotonic() + COMES_WITHIN
    while time.monotonic() < deadline:
        status = control.ask(Runtime(config_path).control_socket, {"verb": "status"})
        if status is not None:
            return status
        told = control.ask(place.control_socket, {"verb": "status"}) or {}
        for each in told.get("projects", ()):
            if each["config"] == config_path and each["standing"] == "broken":
                raise SessionError(f"{config_path} cannot be supervised: {each['why']}")
        time.sleep(GLANCE)
    raise SessionError(f"the supervisor of {config_path} did not come up; {place.log} may say why")


def hand_over(config_path: str, runtime: Runtime) -> None:
    """Have the project's holder start a supervisor for it alone, in place of this very process; do not wait for it.

    LoopsError: agents.toml was never read, or the holder does not answer.
    """
    config = last_good(config_path) or compiled(config_path)
    log = os.path.join(StatePlaces(config.log_dir).log_dir, "holder.log")
    ensure_holder(runtime, supervisor=supervisor_command(config_path), env=dict(os.environ), log_path=log, timeout=1.0)


def _said(log: str, before: int) -> str:
    """What holder and supervisor have written since the log had *before* bytes."""
    with open(log, "rb") as file:
        file.seek(before)
        return plain(file.read(1 << 16))
