"""Finds what is missing before it hurts: the machine, the project's files, its clones, its processes."""

from __future__ import annotations

import fcntl
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress

from loops import config as configuration
from loops.config.model import Config, Kind
from loops.errors import LoopsError
from loops.places import Runtime
from loops.places import State as StatePlaces
from loops.projects.finding import Finding, Level, fail, ok, warn

LEAST_PYTHON = (3, 11)
LEAST_TMUX = (3, 3)
LEAST_SPACE = 200 * 1024 * 1024
LOW_SPACE = 2 * 1024 * 1024 * 1024
"""Bytes: sessions' logs take up to 30 MB each, the journal grows for weeks."""
SESSION_DESCRIPTORS = 3
"""In the holder: the terminal, the pidfd and the log."""
SPARE_DESCRIPTORS = 64
STALE_LOCK = 600.0
"""Seconds."""


__all__ = ["Finding", "Level", "examine"]


def examine(config_path: str, *, agents: bool = False) -> Iterator[Finding]:
    """Look at everything; the project's own checks need an agents.toml that can be read.

    *agents*: instead, look for every agent's command line that is known, whether or not a project uses it.
    """
    if agents:
        from loops.projects.doctor_agents import known_agents

        yield from known_agents(os.environ)
        return
    yield python()
    yield tmux()
    yield program("git", "the handoff between agents goes through it")
    runtime = Runtime(config_path)
    yield runtime_directory(runtime)
    yield inotify()
    try:
        config = configuration.load(config_path, env=os.environ)
    except configuration.ConfigProblems as problems:
        for problem in problems.problems:
            yield fail("agents.toml", str(problem), "mend it; `loops validate` says the same")
        return
    yield ok(
        "agents.toml", f"{config_path}: {len(config.agents)} agents and services, {len(config.loop.phases)} phases"
    )
    for note in config.notes:
        yield warn("agents.toml", note, "mend agents.toml, or leave it: the project runs all the same")
    yield from _project(config, runtime)


def _project(config: Config, runtime: Runtime) -> Iterator[Finding]:
    from loops.projects.doctor_credentials import named as named_credentials
    from loops.projects.doctor_isolation import isolation
    from loops.projects.doctor_notify import notify

    for problem in configuration.check_files(config):
        yield fail("files", str(problem), "write the file, or name another in agents.toml")
    yield log_directory(config.log_dir)
    sessions = sum(agent.enabled for agent in config.agents.values())
    yield descriptors(sessions)
    yield terminals(sessions)
    yield from backends(config, runtime)
    yield from isolation(config)
    yield from named_credentials(config)
    yield from clones(config)
    yield from notify(config, os.environ)
    yield journal(StatePlaces(config.log_dir))
    from loops.projects.doctor_running import running

    yield from running(config, runtime)


# ---- the machine -------------------------------------------------------------------------------------------------------


def python(version: tuple[int, int, int] = sys.version_info[:3]) -> Finding:
    """The interpreter's version."""
    said = ".".join(map(str, version))
    if version >= LEAST_PYTHON:
        return ok("python", f"{said}, {sys.executable}")
    return fail("python", f"{said} is older than 3.11", "install Python 3.11 or later")


def tmux() -> Finding:
    """Views need tmux; sessions do not."""
    remedy = "install tmux 3.3 or later (apt-get install tmux); `loops attach` works without it"
    try:
        said = subprocess.run(["tmux", "-V"], capture_output=True, text=True, timeout=10, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return warn("tmux", "is not installed: there are no tmux views", remedy)
    number = re.search(r"(\d+)\.(\d+)", said)
    if number and (int(number[1]), int(number[2])) < LEAST_TMUX:
        return warn("tmux", f"{said} is too old for the views", remedy)
    return ok("tmux", said)


def program(name: str, why: str) -> Finding:
    """Whether a program is on PATH."""
    found = shutil.which(name)
    return ok(name, found) if found else fail(name, f"is not on PATH: {why}", f"install {name}")


def runtime_directory(runtime: Runtime) -> Finding:
    """The place of the sockets: ours alone, writable, and short enough for them."""
    try:
        runtime.create()
        with tempfile.TemporaryFile(dir=os.path.dirname(runtime.control_socket)):
            pass
    except (OSError, LoopsError) as error:
        return fail("runtime directory", str(error), "make it writable, or name another place in LOOPS_RUNTIME_DIR")
    return ok("runtime directory", runtime.root)


def inotify(proc: str = "/proc/sys/fs/inotify") -> Finding:
    """Limits of this user; what is used already cannot be seen, so an instance is tried."""
    from loops.supervisor.inotify import Inotify

    remedy = "sysctl fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=65536"
    try:
        Inotify().close()
    except OSError as error:
        return fail("inotify", str(error), remedy)
    limits = {name: _number(os.path.join(proc, name)) for name in ("max_user_instances", "max_user_watches")}
    said = ", ".join(f"{name} {value}" for name, value in limits.items())
    if limits["max_user_instances"] < 64 or limits["max_user_watches"] < 4096:
        return warn("inotify", f"{said}: few for several projects", remedy)
    return ok("inotify", said)


def _number(path: str) -> int:
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return sys.maxsize  # hidden, as in some containers: then it cannot be judged


def descriptors(sessions: int) -> Finding:
    """The hard limit counts: the holder raises its own soft one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = sessions * SESSION_DESCRIPTORS + SPARE_DESCRIPTORS
    said = f"{'no limit' if hard == resource.RLIM_INFINITY else hard}; {sessions} sessions need {needed}"
    if hard != resource.RLIM_INFINITY and hard < needed:
        return fail("open files", said, "raise the hard limit (ulimit -Hn, or LimitNOFILE= of the service)")
    return ok("open files", said)


def terminals(sessions: int, proc: str = "/proc/sys/kernel/pty") -> Finding:
    """Pseudo-terminals, of which the whole machine has a number."""
    most, used = _number(os.path.join(proc, "max")), _number(os.path.join(proc, "nr"))
    if used == sys.maxsize:
        used = 0
    said = f"{used} of {most} used; {sessions} sessions want {2 * sessions} with their views"
    if most - used < 2 * sessions:
        return fail("terminals", said, f"sysctl kernel.pty.max={used + 4 * sessions + 256}")
    return ok("terminals", said)


def log_directory(path: str) -> Finding:
    """Logs, journal and state: writable, with space, on a filesystem that can lock."""
    try:
        os.makedirs(path, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        about = os.statvfs(path)
    except OSError as error:
        return fail("log_dir", f"{path}: {error.strerror}", "make it writable and lockable, or set another log_dir")
    free = about.f_bavail * about.f_frsize
    said = f"{path}: {free / 1e9:.1f} GB free"
    if free < LEAST_SPACE or (about.f_files and not about.f_favail):
        return fail(
            "log_dir", f"{said}: the journal will soon not be writable", "free some space, or set another log_dir"
        )
    if free < LOW_SPACE:
        return warn("log_dir", f"{said}: little for days of logs", "free some space")
    return ok("log_dir", said)


# ---- the project -------------------------------------------------------------------------------------------------------


def backends(config: Config, runtime: Runtime) -> Iterator[Finding]:
    """Each backend that an enabled agent uses: its data are usable, its program is there."""
    from loops.agents.registry import STRUCTURED, adapter
    from loops.config.model import Delivery

    used = {a.backend for a in config.agents.values() if a.enabled and a.kind is not Kind.SERVICE}
    for backend in config.backends.values():
        if backend.name not in used:
            continue
        check = f"backend {backend.name}"
        try:
            adapter(backend)
        except LoopsError as error:
            yield fail(check, str(error), "mend it in agents.toml")
            continue
        word = backend.bin.split()[0] if backend.bin.split() else ""
        if backend.adapter in STRUCTURED:
            from loops.projects.doctor_agents import used_backend

            yield from used_backend(config, backend, runtime, os.environ)
        elif not word:
            yield ok(check, f"comes with the engine (adapter {backend.adapter})")
        elif backend.prompt_delivery is Delivery.EXEC:
            yield ok(check, f"runs through the shell: {backend.bin}")
        elif found := shutil.which(word):
            yield ok(check, found)
        else:
            yield fail(check, f"{word!r} is not on PATH", "install it, or name its path in bin")


def clones(config: Config) -> Iterator[Finding]:
    """The clones between which work is handed over: they exist and have the remote's branch."""
    handoff = config.loop.handoff
    if handoff is None:
        return
    agents = [a.dir for a in config.agents.values() if a.kind is Kind.LOOP and a.enabled]
    for directory in dict.fromkeys([handoff.repo, *agents]):
        remote, branch = handoff.remote, handoff.branch
        if not os.path.isdir(directory):
            yield fail(
                "clones", f"{directory} does not exist", f"git clone the project's remote there, branch {branch}"
            )
        elif _git(directory, "rev-parse", "--git-dir") is None:
            yield fail("clones", f"{directory} is no git clone", "git clone the project's remote there")
        elif (url := _git(directory, "remote", "get-url", remote)) is None:
            yield fail("clones", f"{directory} has no remote {remote!r}", f"git -C {directory} remote add {remote} URL")
        elif _git(directory, "rev-parse", "--verify", "--quiet", f"refs/remotes/{remote}/{branch}") is None:
            text = f"{directory}: {remote} ({url}) has no branch {branch!r} as far as it is known here"
            yield warn("clones", text, f"git -C {directory} fetch {remote}, or push the first commit")
        else:
            yield ok("clones", f"{directory}: {remote}/{branch} of {url}")
        yield from _git_locks(directory)


def _git_locks(directory: str) -> Iterator[Finding]:
    """A git that was killed leaves its lock, and every later commit fails on it."""
    lock = os.path.join(directory, ".git", "index.lock")
    with suppress(OSError):
        age = time.time() - os.stat(lock).st_mtime
        if age > STALE_LOCK:
            yield fail("clones", f"{lock} is {age / 60:.0f} minutes old: no git command takes so long", f"rm {lock}")


def _git(directory: str, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", directory, *words], capture_output=True, text=True, errors="replace", timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def journal(places: StatePlaces) -> Finding:
    """Every byte of it."""
    from loops.journal import verify

    if not os.path.isdir(places.journal):
        return ok("journal", "none yet: the project has not been up")
    found = verify(places.journal)
    if not found.sound:
        return fail("journal", found.text, "restore it from a backup, or move it away to begin a new one")
    return ok("journal", found.text.replace("\n", "; "))
