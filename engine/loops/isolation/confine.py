"""The sandbox of one agent's start: whether it has one, what it shows, and what is said of it in the journal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from loops.agents.registry import STRUCTURED
from loops.config.model import Agent, Backend, Config, Delivery, Kind, Mode, Network, Permissions
from loops.errors import LoopsError
from loops.isolation import pointers, surroundings
from loops.isolation.able import ability
from loops.isolation.pointers import Pointers
from loops.isolation.sandbox import KEPT_BY_ITSELF, KEPT_BY_PARENT, Access, Link, Mount, View, mounts, within, words
from loops.known.all import KNOWN
from loops.places import Runtime
from loops.places import State as StatePlaces

_ENTER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "enter.py")
ENTER = (sys.executable, "-I", "-S", "-E", _ENTER)


@dataclass(frozen=True, slots=True)
class Confinement:
    """How one start is confined.  Nothing but ``lack`` is set when it is not."""

    wrap: tuple[str, ...] = ()
    """Words before the agent's program."""
    around_session: bool = False
    """Whether the whole session is wrapped; else the runner is outside, and wraps the agent alone."""
    home: str = ""
    reads: tuple[str, ...] = ()
    """What it can read besides the system, its program and the engine."""
    writes: tuple[str, ...] = ()
    network: str = ""
    keeps: tuple[str, ...] = ()
    """Variables of the environment by which its backend finds its own login."""
    lack: str = ""
    """Why it is not confined although it should be."""

    def __bool__(self) -> bool:
        return bool(self.wrap)


@dataclass(frozen=True, slots=True)
class Start:
    """One start, as far as its sandbox is concerned.  ``signals`` is the file of this incarnation."""

    config: Config
    runtime: Runtime
    spec: Agent
    backend: Backend
    signals: str


def is_wanted(spec: Agent, backend: Backend | None) -> bool:
    """Whether the agent shall be isolated where that is possible."""
    if backend is None or spec.kind is Kind.SERVICE:
        return False
    if spec.isolate is None:
        return spec.kind is Kind.LOOP and backend.adapter in STRUCTURED
    return spec.isolate


def confine(start: Start) -> Confinement | None:
    """Return how *start* is confined; None when nobody wants that.  Makes the private home and the signals file.

    Raises:
        LoopsError: ``isolate = true`` and it cannot be, or its paths contradict it.
        OSError: its files cannot be made.
    """
    spec = start.spec
    if not is_wanted(spec, start.backend):
        return None
    able = ability(own_network=spec.network is Network.NONE)
    if not able:
        if spec.isolate:
            raise LoopsError(
                f"isolate = true, and there is no isolation here: {able.reason}; `loops doctor` says more, and "
                "isolate = false starts the agent without"
            )
        return Confinement(lack=able.reason)
    if start.backend.adapter == "opencode" and spec.network is Network.NONE:
        raise LoopsError(
            'network = "none", but opencode is spoken to over 127.0.0.1, which an isolated agent then has for itself: '
            'set network = "open", or another backend'
        )
    clone = os.path.realpath(spec.dir)
    found = _pointers(start, clone)
    shared = _shared(start, clone, found)
    if shared and spec.isolate:
        raise LoopsError(f"isolate = true, but {shared}, or set isolate = false")
    if shared:
        return Confinement(lack=shared)
    view = _view(start, clone, found)
    structured = start.backend.adapter in STRUCTURED
    seen = mounts(replace(view, tools=tuple(_project(start))))
    return Confinement(
        wrap=(
            *(KEPT_BY_PARENT if structured else KEPT_BY_ITSELF),
            *words(view, bwrap=able.program, enter=ENTER),
        ),
        around_session=not structured,
        home=home(start.config, spec),
        reads=tuple(m.path for m in seen if m.access is Access.READ),
        writes=tuple(m.path for m in seen if m.access in (Access.WRITE, Access.SOCKET)),
        network=spec.network.value,
        keeps=tuple(_login(start.backend)),
    )


def home(config: Config, spec: Agent) -> str:
    """The agent's private home."""
    return os.path.join(StatePlaces(config.log_dir).homes, spec.name)


def _login(backend: Backend) -> Iterator[str]:
    """Where the backend's own login is, for the runner; and, unless the file names another, the login itself."""
    known = KNOWN.get(backend.adapter)
    if known is not None:
        yield from (name for name, value in known.env.items() if "{home}" in value)
        yield from known.keys if backend.home is None else ()


# ---- what it sees --------------------------------------------------------------------------------------------------


def _view(start: Start, clone: str, found: Pointers) -> View:
    config, spec = start.config, start.spec
    private = home(config, spec)
    os.makedirs(private, mode=0o700, exist_ok=True)
    os.close(os.open(start.signals, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))
    shown = (*surroundings.system(), *surroundings.engine(), *_programs(start.backend), *_project(start))
    declared = (*_declared(spec, spec.reads, Access.READ), *_declared(spec, spec.writes, Access.WRITE))
    return View(
        agent=spec.name,
        directory=spec.dir,
        home=private,
        own=(
            Mount(clone, Access.WRITE),
            Mount(os.path.realpath(private), Access.WRITE),
            Mount(os.path.realpath(start.signals), Access.WRITE),
            *_of_mode(start),
        ),
        granted=(*declared, *found.mounts()),
        tools=tuple(each for each in shown if isinstance(each, Mount)),
        forbidden=tuple(_forbidden(start, clone)),
        links=(
            *(each for each in shown if isinstance(each, Link)),
            *_names((spec.dir, private, start.signals, *spec.reads, *spec.writes)),
        ),
        network=spec.network,
        nests=start.backend.adapter == "codex" and spec.permissions is not Permissions.SKIP and os.geteuid() == 0,
    )


def _declared(spec: Agent, paths: Sequence[str], access: Access) -> Iterator[Mount]:
    """A path that is not there (yet) is left out: nothing can be shown of it."""
    for path in paths:
        if _escapes(spec, path):
            raise LoopsError(
                f"{path} leads to {os.path.realpath(path)}, through a link that {spec.name} itself could have made: "
                "declare the place that it leads to"
            )
        if os.path.exists(path):
            yield Mount(os.path.realpath(path), access)


def _escapes(spec: Agent, path: str) -> bool:
    """Whether *path* lies where the agent can write, and is a link to where it cannot."""
    real = os.path.realpath(path)
    writable = [place for each in (spec.dir, *spec.writes) for place in {os.path.abspath(each), os.path.realpath(each)}]
    inside = [place for place in writable if within(os.path.abspath(path), place) and os.path.abspath(path) != place]
    return bool(inside) and not any(within(real, os.path.realpath(place)) for place in inside)


def _names(paths: Sequence[str]) -> Iterator[Link]:
    for path in paths:
        yield from surroundings.links(path)


def _pointers(start: Start, clone: str) -> Pointers:
    """Where the clone leads, and always led."""
    handoff = start.config.loop.handoff
    found = pointers.find(clone, handoff.remote if handoff is not None else "origin")
    record = os.path.join(StatePlaces(start.config.log_dir).isolation, f"{start.spec.name}.json")
    return pointers.settled(found, clone, record)


def _shared(start: Start, clone: str, found: Pointers) -> str:
    """What the clone has together with another agent's, so that one cannot be shown without the other; else empty.

    It is asked only after the pointers proved to be what they always were: an agent cannot free itself by changing them.
    """
    for agent in start.config.agents.values():
        place = os.path.realpath(agent.dir)
        common = "" if place == clone else pointers.common_directory(place)
        if common and found.leads_into(common):
            return (
                f"{clone} takes its objects, or pushes, into {common}, which is the repository of {agent.name} as well: "
                "give each agent a clone of its own with a remote of its own (git clone --no-local)"
            )
    return ""


def _of_mode(start: Start) -> Iterator[Mount]:
    """The socket at which the hooks of a terminal interface report to the runner."""
    mode = start.spec.mode or start.backend.mode
    if start.backend.adapter in STRUCTURED and mode is Mode.TUI:
        yield Mount(os.path.join(os.path.realpath(start.runtime.root), f"{start.spec.name}.hook"), Access.SOCKET)


def _programs(backend: Backend) -> Iterator[Mount | Link]:
    known = KNOWN.get(backend.adapter)
    command = backend.bin or (known.bin if known is not None else "")
    if backend.prompt_delivery is Delivery.EXEC:
        command = surroundings.first_word(command)
    yield from surroundings.program(command)


def _project(start: Start) -> Iterator[Mount]:
    """agents.toml and what it names: `loops claim` reads the one, a kickoff names the others."""
    config = start.config
    loop = config.loop
    prompts = [agent.prompt_file for agent in config.agents.values() if agent.name == start.spec.name]
    plans = [os.path.join(config.root, phase.plan) for phase in loop.phases if phase.plan]
    for path in (config.path, loop.roles_dir, loop.kickoff_template, *prompts, *plans, *git_settings()):
        if path and os.path.exists(path) and not _escapes(start.spec, path):
            yield Mount(os.path.realpath(path), Access.READ)


def git_settings() -> tuple[str, ...]:
    """The files of the user's own git settings that exist, the one that counts most last."""
    named = os.environ.get("GIT_CONFIG_GLOBAL")
    above = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    found = (named,) if named else (os.path.join(above, "git", "config"), os.path.expanduser("~/.gitconfig"))
    return tuple(path for path in found if os.path.isfile(path))


def _forbidden(start: Start, clone: str) -> Iterator[tuple[str, str]]:
    """What is never shown to it.  Only directories that exist can be hidden."""
    config = start.config
    root, logs = os.path.realpath(config.root), os.path.realpath(config.log_dir)
    yield (os.path.join(logs, "state") if within(root, logs) else logs), "the engine's own files"
    if os.path.isdir(start.runtime.root):
        yield os.path.realpath(start.runtime.root), "the engine's sockets"
    for agent in config.agents.values():
        place = os.path.realpath(agent.dir)
        # An agent that works in the project's root has no clone of its own there.
        if place != clone and not within(root, place) and os.path.isdir(place):
            yield place, f"the clone of {agent.name}"
