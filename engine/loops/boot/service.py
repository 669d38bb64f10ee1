"""Install a project as a service of systemd, and take that back.  What is done is planned first; `apply` does it.

A unit's file that is not ours (see `units.MARK`), or that belongs to another project, is never written over.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from loops.boot import installed, units
from loops.errors import LoopsError, SessionError

Call = Callable[[Sequence[str]], str]
"""Runs one command; returns why it failed, or nothing."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What changes: files that are ``written`` (name -> content) and ``removed`` in ``directory``, and then the ``calls``.

    ``before``: calls that come before the files change.
    """

    directory: str
    written: Mapping[str, str]
    removed: tuple[str, ...]
    before: tuple[tuple[str, ...], ...]
    calls: tuple[tuple[str, ...], ...]

    def lines(self) -> list[str]:
        """What it does, for people."""
        return [
            *(" ".join(call) for call in self.before),
            *(f"write {os.path.join(self.directory, name)}" for name in self.written),
            *(f"remove {os.path.join(self.directory, name)}" for name in self.removed),
            *(" ".join(call) for call in self.calls),
        ]


def to_install(service: units.Service, directory: str, source: units.Source) -> Plan:
    """Plan to make the units of *service* what they shall be, and to start them.

    The holder's unit is never restarted: the agents live in it.  The supervisor's always is, so that it is of this engine.

    Raises:
        UsageError: a name that cannot be one.
        LoopsError: a unit of that name is not ours, or is another project's, or runs as another user.
    """
    wanted = {name: units.text(unit) for name, unit in units.render(service, source).items()}
    there = dict(installed.files(directory))
    for name in wanted:
        _refuse_foreign(os.path.join(directory, name), there.get(name), service)
    _refuse_other_user(directory, there, service)
    stale = tuple(name for name in _of_project(there, service.name, service.config) if name not in wanted)
    timers = tuple(name for name in wanted if name.endswith(".timer"))
    supervisor, holder = units.supervisor_unit(service.name), units.holder_unit(service.name)
    speak = installed.systemctl(personal=service.personal)
    return Plan(
        directory,
        {name: content for name, content in wanted.items() if there.get(name) != content},
        stale,
        ((*speak, "disable", "--now", *stale),) if stale else (),
        (
            (*speak, "daemon-reload"),
            (*speak, "enable", supervisor, *timers),
            (*speak, "start", holder, *timers),
            (*speak, "restart", supervisor),
        ),
    )


def to_uninstall(name: str, config: str, directory: str, *, personal: bool) -> Plan:
    """Plan to end the project's services, and with the holder its agents, and to remove their units.

    Raises:
        LoopsError: there is no such service of ours for this project.
    """
    there = dict(installed.files(directory))
    ours = _of_project(there, name, config)
    if not ours:
        raise LoopsError(
            f"{directory} has no units of ours named loops-{name} for {config}: there is nothing to uninstall "
            "(--name and --user say which is meant)"
        )
    order = {units.holder_unit(name): 2, units.supervisor_unit(name): 1}
    ordered = sorted(ours, key=lambda each: order.get(each, 0))
    last = not any(each.startswith("loops-") and each not in ours for each in there if _is_ours(there[each]))
    slice_file = ("loops.slice",) if last and _is_ours(there.get("loops.slice", "")) else ()
    speak = installed.systemctl(personal=personal)
    return Plan(
        directory,
        {},
        (*ordered, *slice_file),
        (
            *((*speak, "disable", "--now", each) for each in ordered),
            *((*speak, "stop", each) for each in slice_file),  # empty by now, and it would stay until the next boot
        ),
        ((*speak, "daemon-reload"),),
    )


def apply(plan: Plan, call: Call = installed.call) -> None:
    """Do it: either every file is written or none is.

    Raises:
        SessionError: a file cannot be written, or the service manager refused; the message says what was done.
    """
    for command in plan.before:
        _run(call, command, "nothing was changed after that")
    try:
        os.makedirs(plan.directory, exist_ok=True)
        _write_all(plan.directory, plan.written)
        for name in plan.removed:
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(plan.directory, name))
    except OSError as error:
        raise SessionError(f"{error.filename or plan.directory}: {error.strerror}: no unit was written") from error
    for command in plan.calls:
        _run(call, command, f"the units are in {plan.directory} as they shall be; type the same again to go on")


def _run(call: Call, command: Sequence[str], state: str) -> None:
    said = call(command)
    if said:
        raise SessionError(f"`{' '.join(command)}` failed: {said}; {state}")


def _write_all(directory: str, contents: Mapping[str, str]) -> None:
    """Beside their places first, so that a full disk leaves all of them as they were."""
    ready: list[tuple[str, str]] = []
    try:
        for name, content in contents.items():
            descriptor, path = tempfile.mkstemp(prefix=f".{name}.", dir=directory)
            ready.append((path, os.path.join(directory, name)))
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
        for path, place in ready:
            os.replace(path, place)
    finally:
        for path, _ in ready:
            with suppress(FileNotFoundError):
                os.unlink(path)


def _refuse_foreign(path: str, content: str | None, service: units.Service) -> None:
    if content is None:
        if os.path.lexists(path):
            raise LoopsError(f"{path} is there and cannot be read as a unit of ours: it is left alone (--name NAME)")
        return
    if not _is_ours(content):
        raise LoopsError(f"{path} was not made by `loops service install`: it is left alone; choose another --name")
    owner = units.owner(content)
    if owner and owner != service.config:
        raise LoopsError(f"{path} belongs to the project of {owner}: choose another --name for {service.config}")


def _refuse_other_user(directory: str, there: Mapping[str, str], service: units.Service) -> None:
    """The directory of the sockets is closed to everybody but one user."""
    for name, content in there.items():
        user = "".join(units.parse(content).get("Service", {}).get("User", ()))
        if _is_ours(content) and user and user != service.user and units.owner(content) != service.config:
            raise LoopsError(
                f"{os.path.join(directory, name)} runs as {user}, and all services of this machine share the sockets of "
                f"one user: install with --run-as {user}, or as {service.user} with --user"
            )


def _is_ours(content: str) -> bool:
    return content.startswith(units.MARK)


def _of_project(there: Mapping[str, str], name: str, config: str) -> list[str]:
    return list(_matching(there, name, config))


def _matching(there: Mapping[str, str], name: str, config: str) -> Iterator[str]:
    for file, content in there.items():
        stem = file.rpartition(".")[0]
        if (
            _is_ours(content)
            and units.owner(content) == config
            and (stem == f"loops-{name}" or stem.startswith(f"loops-{name}-"))
        ):
            yield file
