"""What runs of a project: its supervisor and holder, and whether they answer."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from loops.config.model import Config
from loops.errors import LoopsError
from loops.places import Runtime
from loops.places import State as StatePlaces
from loops.projects.finding import Finding, fail, ok, warn

STUCK_AFTER = 3.0
"""Seconds without an answer."""


def running(config: Config, runtime: Runtime) -> Iterator[Finding]:
    """Supervisor, holder and their locks."""
    from loops.supervisor import processes
    from loops.supervisor.control import listener

    yield from _service(config)
    supervisor = listener(runtime.control_socket)
    holder = processes.holder(runtime)
    if not supervisor and not holder:
        yield ok("supervisor", "the project is down")
        yield from _leftovers(runtime)
        return
    yield _supervisor(runtime, supervisor)
    if not holder:
        yield fail("holder", "none lives beside the supervisor", "`loops watchdog --takeover`, then `loops status`")
    else:
        yield _holder(runtime, holder)
    writer = processes.lock_owner(os.path.join(StatePlaces(config.log_dir).journal, "lock"))
    if writer and supervisor and writer != supervisor:
        text = f"process {writer} writes the journal, and process {supervisor} answers as the supervisor"
        yield fail("journal's lock", text, "end the one that `loops status --json` does not name as pid")


def _service(config: Config) -> Iterator[Finding]:
    """Whether a service manager runs the project, and has a timer for each schedule: it does not read agents.toml."""
    from loops.boot import installed

    unit = installed.find(config.path)
    if unit is None:
        return
    yield ok("service", f"{unit.name} runs the project; `{unit.journal}` has what its supervisor says")
    wanted = {name: agent.schedule for name, agent in config.agents.items() if agent.schedule}
    for name in [] if unit.own_calendar else sorted({*wanted, *unit.calendars}):
        if wanted.get(name) != unit.calendars.get(name):
            text = f"agents.toml says {wanted.get(name) or 'nothing'}, and its timer {unit.calendars.get(name) or 'is missing'}"
            yield fail(f"schedule of {name}", text, "`loops service install` again (NixOS: rebuild)")


def _supervisor(runtime: Runtime, pid: int) -> Finding:
    from loops.supervisor.control import ask

    if not pid:
        remedy = "`loops up` starts it; its last words are in holder.log (`loops logs watchdog`)"
        return fail("supervisor", "none runs, though the holder does", remedy)
    began = time.monotonic()
    try:
        answer = ask(runtime.control_socket, {"verb": "status"}, STUCK_AFTER)
    except (TimeoutError, OSError, ValueError):
        answer = None
    if answer is None:
        text = f"process {pid} listens, but did not answer within {STUCK_AFTER:.0f} s"
        return fail("supervisor", text, "`loops watchdog --takeover` replaces it without touching an agent")
    return ok("supervisor", f"process {pid} answered within {(time.monotonic() - began) * 1000:.0f} ms")


def _holder(runtime: Runtime, pid: int) -> Finding:
    from loops.sessions.launch import holder_pid

    try:
        answered = holder_pid(runtime, STUCK_AFTER)
    except LoopsError:
        answered = None
    if answered is None:
        return fail("holder", f"process {pid} does not answer", f"kill -CONT {pid} if it was stopped; else kill it")
    return ok("holder", f"process {pid} answers")


def _leftovers(runtime: Runtime) -> Iterator[Finding]:
    for path in (runtime.control_socket, runtime.holder_socket):
        if os.path.exists(path):
            yield warn(
                "sockets", f"{path} was left by a process that was killed", "nothing: the next `loops up` replaces it"
            )
