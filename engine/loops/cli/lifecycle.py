"""up, down, stop, watchdog, holder: bringing a project's agents up and ending them."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loops.cli.answer import Answer
from loops.cli.project import Project, check_names, of
from loops.errors import ConfigError, SessionError, UsageError
from loops.places import Runtime, find_config

Rows = list[dict[str, Any]]


# ---- up ----------------------------------------------------------------------------------------------------------------


def up(args: argparse.Namespace) -> Answer:
    """Start what is not running: all enabled agents, or the named ones."""
    project = of(args)
    status = project.ask("status")
    fresh = status is None
    if status is None:
        check_names(args.names, project.config().agents)
        if not args.json:
            print("starting watchdog", flush=True)
        status = start_supervisor(project)
    elif unknown := [name for name in args.names if name not in _names(status["agents"])]:
        status = await_names(project, unknown)
    once = _overrides(args, status["agents"], os.environ)
    started: Rows = []
    for name, facts in once.items():  # an override belongs to one agent, so those are asked for one by one
        started += project.must_ask("up", names=[name], **facts)["started"]
    started += project.must_ask("up", names=args.names)["started"]
    lines = [f"starting {each['session']}" + (f" ({each['backend']})" if each["backend"] else "") for each in started]
    if not lines and not fresh:
        lines = ["already running"]
    return Answer({"started": started, "watchdog_started": fresh}, lines)


def start_supervisor(project: Project) -> dict[str, Any]:
    """Start the supervisor, which goes on as the journal left the project; return its status."""
    from loops.boot import installed
    from loops.supervisor import arriving, membership

    unit = installed.find(project.config_path)
    if unit is not None:  # a holder of our own beside it would be a second one
        installed.start(unit)
        return installed.await_supervisor(unit, project.config_path)
    place = membership.of(project.runtime)
    status = arriving.join(project.config_path, place) if place is not None else None
    return status or arriving.start(project.config_path, project.runtime, project.config().log_dir)


def _names(rows: Rows) -> list[str]:
    return [row["name"] for row in rows if row["name"] != "watchdog"]


def _pids(rows: Rows) -> dict[str, int]:
    return {row["name"]: row["pid"] for row in rows if row["pid"] and row["name"] != "watchdog"}


def await_names(project: Project, names: list[str], seconds: float = 5.0) -> dict[str, Any]:
    """The status of a supervisor that knows *names*: the file may have been edited in the very command before."""
    check_names(names, project.config().agents)
    deadline = time.monotonic() + seconds
    while True:
        status = project.must_ask("status")
        if set(names) <= set(_names(status["agents"])):
            return status
        if time.monotonic() > deadline:
            raise SessionError(f"the supervisor has not taken {project.config_path} up yet; `loops status` says why")
        time.sleep(0.02)


def _overrides(args: argparse.Namespace, rows: Rows, env: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """One-shot overrides by flag and environment for the agents that this call will start."""
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        name = row["name"]
        asked = name in args.names if args.names else not row["state"].endswith("(disabled)")
        if row["kind"] == "service" or row["pid"] or not asked:
            continue
        for word in ("model", "backend"):
            spelled = (f"AGENT_{word.upper()}_{each}" for each in (name, name.replace("-", "_")))
            value = getattr(args, word) or next((env[each] for each in spelled if env.get(each)), "")
            if value:
                found.setdefault(name, {})[word] = value
    return found


# ---- down --------------------------------------------------------------------------------------------------------------


def down(args: argparse.Namespace) -> Answer:
    """End agents: the named ones, or all of them, the supervisor, the holder and the views."""
    project = of(args)
    ended = end(project, args.names, args.timeout, (lambda _: None) if args.json else _print_now)
    if ended is None:
        return Answer({"ended": []}, ["the project is down already"])
    lines = [ended.note] if ended.note else [] if ended.names else ["nothing was running"]
    return Answer({"ended": list(ended.names), "note": ended.note}, lines)


@dataclass(frozen=True, slots=True)
class Ended:
    """Which agents ended, and what the operator should know of the rest."""

    names: tuple[str, ...]
    note: str = ""


def _print_now(line: str) -> None:
    print(line, flush=True)


def end(project: Project, names: Sequence[str], seconds: float, tell: Callable[[str], None]) -> Ended | None:
    """End the agents called *names*, or (none named) the project; *tell* says what is stopped.  None: it was down already.

    Raises:
        LoopsError: an unknown name, or something still lives after *seconds*.
    """
    from loops.supervisor import departing

    deadline = time.monotonic() + seconds
    status = project.ask("status")
    if status is None and names:
        check_names(names, project.config().agents)
    if status is None and not names:
        departing.cancel(project.runtime, project.config_path)
    if status is None and not _holder_lives(project):
        return None
    if status is None:  # a holder without its supervisor: bring that up only to end everything in good order
        status = start_supervisor(project)
    check_names(names, _names(status["agents"]))
    pids = _pids(status["agents"])
    ending = [name for name in pids if not names or name in names]
    for name in ending:
        tell(f"stopping {name}")
    note = ""
    if names:
        project.must_ask("down", names=list(names))
        _await_end(project, {name: pids[name] for name in ending}, deadline)
    else:
        note = _end_project(project, pids, deadline, status)
    return Ended(tuple(ending), note)


def _holder_lives(project: Project) -> bool:
    from loops.supervisor import processes

    return processes.holder(project.runtime) != 0


def _await_end(project: Project, pids: Mapping[str, int], deadline: float) -> None:
    """Wait for sessions, and then until the supervisor has seen the last of their processes go."""
    from loops.supervisor.processes import Departure

    with Departure() as departure:
        for name, pid in pids.items():
            departure.expect(name, pid)
        departure.wait(max(deadline - time.monotonic(), 0.0))
    while True:
        status = project.ask("status")
        left = [row["name"] for row in status["agents"] if row["pid"] and row["name"] in pids] if status else []
        if not left:
            return
        if time.monotonic() >= deadline:
            raise SessionError(f"{', '.join(left)} did not end in time; `loops logs {left[0]}` may say why")
        time.sleep(0.01)


def _end_project(project: Project, pids: Mapping[str, int], deadline: float, status: Mapping[str, Any]) -> str:
    from loops.supervisor import departing

    if status.get(
        "service"
    ):  # holder and supervisor stay, with nothing to do: nobody needs rights over the service manager for `up`
        project.must_ask("down", names=[])
        _await_end(project, pids, deadline)
        return "the agents are down, and stay so until `loops up`; the service itself runs on"
    before = departing.processes_of(project.runtime, pids, shared=bool(status.get("shared")))
    project.ask("down", names=[])  # None: it left between the two requests
    return departing.finish(project.runtime, before, max(deadline - time.monotonic(), 0.0))


def stop(args: argparse.Namespace) -> Answer:
    """The emergency stop: everything is killed now, and nothing starts until ``loops up``."""
    if not args.all_now:
        raise UsageError("`loops stop` is the emergency stop and wants --all-now; the ordinary way is `loops down`")
    project = of(args)
    names = _ask_to_stop(project, args.timeout)
    note = ""
    if names is None:
        from loops.supervisor import emergency

        try:
            config = project.config()
        except ConfigError:
            config = None
        stopped = emergency.stop(project.runtime, config, args.timeout)
        names = list(stopped.killed)
        note = stopped.unjournaled
    lines = [f"killed {name}" for name in names] or ["nothing was running"]
    if note:
        lines.append(f"the stop is not in the journal: a service manager could start the agents again ({note})")
    return Answer({"killed": names, "journaled": not note, "note": note}, lines)


def _ask_to_stop(project: Project, timeout: float) -> list[str] | None:
    """Let the supervisor do it; None when it cannot, or does not within the time that a kill takes."""
    from loops.supervisor import departing

    try:
        status = project.ask("status", timeout=2.0)
        if status is None:
            return None
        pids = _pids(status["agents"])
        shared = bool(status.get("shared"))
        before = None if status.get("service") else departing.processes_of(project.runtime, pids, shared=shared)
        if project.ask("estop", timeout=2.0) is None:
            return None
        if before is None:
            _await_end(project, pids, time.monotonic() + min(timeout, 5.0))
        else:
            departing.finish(project.runtime, before, min(timeout, 5.0))
    except SessionError:
        return None
    return list(pids)


# ---- watchdog ----------------------------------------------------------------------------------------------------------


def watchdog(args: argparse.Namespace) -> int:
    """Run the supervisor in the foreground, as a service manager does."""
    from loops.supervisor.crew import run_alone

    if args.json:
        raise UsageError(
            "the watchdog runs in the foreground and has no facts to print; `loops status --json` has them"
        )
    project = of(args)
    if not args.no_holder:
        _refuse_service(project)
    if args.takeover:
        from loops.supervisor import departing

        departing.take_over(project.runtime, project.config())
    return run_alone(project.config_path, up=not args.no_holder, holder=not args.no_holder)


def _refuse_service(project: Project) -> None:
    """A holder that is started here would be in the way of the service's own."""
    from loops.boot import installed

    unit = installed.find(project.config_path)
    if unit is not None:
        raise UsageError(
            f"this project is run by {unit.name}: type `{unit.words('start')}`, or, beside its holder's unit, "
            "`loops watchdog --no-holder`"
        )


def holder(args: argparse.Namespace) -> int:
    """Become the project's holder, in the foreground, as a service manager starts it.

    agents.toml is not read, and need not be there yet: the supervisor's unit may be the one that prepares it.
    """
    from loops.sessions.launch import holder_command

    if args.json:
        raise UsageError("the holder runs in the foreground and has no facts to print; `loops status --json` has them")
    # By its path alone: on a new machine the supervisor's unit writes the file at this very moment.
    runtime = Runtime(find_config(args.config))
    runtime.create()
    command = [*holder_command(), runtime.holder_socket, "--service"]
    try:
        os.execv(command[0], command)
    except OSError as error:
        raise SessionError(f"{command[0]}: {error.strerror}: the holder cannot be started") from error
