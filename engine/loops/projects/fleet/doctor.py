"""Finds what is missing before it hurts, for many projects: each of them, and what only their number makes scarce."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from loops.config.model import Config
from loops.errors import LoopsError
from loops.projects import doctor
from loops.projects.finding import Finding, fail, ok, warn
from loops.projects.fleet.asking import Silence, ask_all
from loops.projects.fleet.roster import Listed, Roster
from loops.projects.fleet.validate import validate
from loops.supervisor.config_file import compiled
from loops.supervisor.membership import CrewPlace

AT_ONCE = 4
PROJECT_DESCRIPTORS, SESSION_DESCRIPTORS, SPARE_DESCRIPTORS = 16, 2, 128
"""In the process that supervises many projects: its sockets, epolls and files; terminal and pidfd of each session."""
PROJECT_WATCHES, LOOP_WATCHES = 6, 8
"""Directories that are watched for each project, and for each clone of a loop."""
PROCESS_MEMORY, PROJECT_MEMORY, SESSION_MEMORY = 40 << 20, 20 << 20, 13 << 20
"""Bytes, measured: the shared process; a holder with a tmux server; the relay of a view.  The agents themselves come on top."""
SLOW_TURN = 1.0
"""Seconds for which one project may keep the others waiting."""


@dataclass(frozen=True, slots=True)
class Grouped:
    """A finding, and the projects that it is about; none: the machine, or the fleet as a whole."""

    finding: Finding
    projects: tuple[str, ...]


def examine(roster: Roster, names: Sequence[str] = ()) -> list[Grouped]:
    """Look at the projects called *names* (default: all that are enabled), and at what they share."""
    chosen = [each for each in roster.projects if (each.name in names if names else each.enabled)]
    found: dict[Finding, list[str]] = {}
    for problem in validate(roster.path).problems:
        found[fail("fleet.toml", str(problem), "mend it; `loops fleet validate` says the same")] = []
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for listed, findings in zip(chosen, threads.map(_one, chosen), strict=True):
            for finding in findings:
                found.setdefault(finding, []).append(listed.name)
    for finding in together(chosen, [config for config in map(_config, chosen) if config is not None]):
        found.setdefault(finding, [])
    for finding in process(CrewPlace(roster.path)):
        found.setdefault(finding, [])
    everywhere = tuple(each.name for each in chosen)
    return [
        Grouped(finding, () if tuple(those) == everywhere and len(those) > 1 else tuple(those))
        for finding, those in found.items()
    ]


def _one(listed: Listed) -> list[Finding]:
    try:
        return list(doctor.examine(listed.config_path))
    except (LoopsError, OSError) as error:
        return [fail("project", str(error), "mend that, then ask again")]


def _config(listed: Listed) -> Config | None:
    try:
        return compiled(listed.config_path)
    except (LoopsError, OSError):
        return None  # the project's own findings say why


# ---- what only their number makes scarce -----------------------------------------------------------------------------


def together(listed: Sequence[Listed], configs: Sequence[Config]) -> Iterator[Finding]:
    """The limits that each project alone keeps, and all of them together may not."""
    sessions = sum(agent.enabled for config in configs for agent in config.agents.values())
    loops = sum(agent.enabled and agent.kind.value == "loop" for config in configs for agent in config.agents.values())
    yield descriptors(len(listed), sessions)
    yield inotify(len(listed), len(listed) * PROJECT_WATCHES + loops * LOOP_WATCHES)
    yield doctor.terminals(sessions)
    yield memory(len(listed), sessions)
    yield from disks(configs)


def descriptors(projects: int, sessions: int) -> Finding:
    """Of the one process that supervises all of them."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = projects * PROJECT_DESCRIPTORS + sessions * SESSION_DESCRIPTORS + SPARE_DESCRIPTORS
    said = f"{hard} allowed; {projects} projects with {sessions} sessions need {needed} in one process"
    if hard != resource.RLIM_INFINITY and hard < needed:
        return fail("open files of the fleet", said, "raise the hard limit (ulimit -Hn), or `loops fleet up --own`")
    return ok("open files of the fleet", said)


def inotify(projects: int, watches: int, proc: str = "/proc/sys/fs/inotify") -> Finding:
    """One instance a project, and a watch a directory."""
    instances, allowed = _number(f"{proc}/max_user_instances"), _number(f"{proc}/max_user_watches")
    said = f"{projects + 1} of {instances} instances and about {watches} of {allowed} watches are needed"
    if instances <= projects or allowed < watches:
        remedy = f"sysctl fs.inotify.max_user_instances={4 * projects + 128} fs.inotify.max_user_watches={4 * watches + 65536}"
        return fail("inotify of the fleet", said, remedy)
    return ok("inotify of the fleet", said)


def memory(projects: int, sessions: int, meminfo: str = "/proc/meminfo") -> Finding:
    """What the supervision takes, without the agents."""
    needed = PROCESS_MEMORY + projects * PROJECT_MEMORY + sessions * SESSION_MEMORY
    available = _available(meminfo)
    said = f"{available / 1e9:.1f} GB free; to supervise {sessions} sessions takes up to {needed / 1e9:.1f} GB, the agents more"
    if available < needed:
        return warn("memory", said, "bring up fewer projects at a time, or add memory")
    return ok("memory", said)


def disks(configs: Sequence[Config]) -> Iterator[Finding]:
    """Each file system that holds logs and journals, and how many projects share what is free on it."""
    places: dict[int, list[str]] = {}
    for config in configs:
        directory = config.log_dir
        while not os.path.isdir(directory) and directory != os.path.dirname(directory):
            directory = os.path.dirname(directory)
        places.setdefault(os.stat(directory).st_dev, []).append(directory)
    for directories in places.values():
        about = os.statvfs(directories[0])
        free, wanted = about.f_bavail * about.f_frsize, len(directories) * doctor.LEAST_SPACE
        said = f"{directories[0]}: {free / 1e9:.1f} GB free for the logs of {len(directories)} projects"
        if free < wanted:
            yield warn("disk", said, f"free some space: {wanted / 1e9:.1f} GB are little for so many")
        else:
            yield ok("disk", said)


def _number(path: str) -> int:
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 1 << 40  # hidden, as in some containers: then it cannot be judged


def _available(meminfo: str) -> int:
    try:
        with open(meminfo, encoding="ascii") as file:
            return next(int(line.split()[1]) << 10 for line in file if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        return 1 << 50


# ---- the process that many share -------------------------------------------------------------------------------------


def process(place: CrewPlace) -> Iterator[Finding]:
    """Whether it answers, whom it could not take in charge, and who keeps the others waiting."""
    from loops.supervisor import processes

    told = ask_all([place.control_socket], {"verb": "status"}, 3.0)[place.control_socket]
    if told is Silence.STUCK:
        pid = processes.lock_owner(place.lock)
        remedy = f"`kill -KILL {pid}`: a holder starts another, and no agent notices"
        yield fail("shared supervisor", f"process {pid} does not answer", remedy)
    elif isinstance(told, Silence):
        yield ok("shared supervisor", "none runs")
    else:
        yield ok("shared supervisor", f"process {told['pid']}; it says what it does in {place.log}")
        for each in told["projects"]:
            if each["standing"] == "broken":
                yield fail(
                    "shared supervisor", f"{each['name']}: {each['why']}", "mend that; it is tried again by itself"
                )
            elif each["longest"] >= SLOW_TURN:
                said = f"{each['name']} kept the other projects waiting for {each['longest']:.1f} s at its slowest"
                yield warn("shared supervisor", said, f"`loops down`, `loops fleet up --own {each['name']}`")
