"""The text of a project's systemd units, from ``units.toml``.  Pure but for `load`; nixos/module.nix reads the same file."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from loops.errors import UsageError

MARK = "# Made by `loops service install`, which writes it again; changes belong into `systemctl edit`."
"""The first line of a unit's file, by which it is known as ours."""
OWNER_KEY = "X-Loops-Config"
"""The key, ignored by systemd, that names the agents.toml to which a unit belongs."""
SAID_KEY = "X-Loops-Said"
"""The key, ignored by systemd, of what was said at the installation (see `loops.boot.said`)."""
NAME = re.compile(r"[a-z][a-z0-9-]*")
"""What a project may be called: a part of its units' names."""
_AWKWARD = re.compile(r"""[\s"'\\%$;@]""")
_SIZE = r"infinity|\d+(\.\d+)?[BKMGTP]?|\d{1,3}%"
_LIMITS = {
    "memory_high": (_SIZE, "6G, 75% or infinity"),
    "memory_max": (_SIZE, "8G, 90% or infinity"),
    "tasks_max": (r"infinity|\d+|\d{1,3}%", "4096, 50% or infinity"),
    "cpu_weight": (r"idle|[1-9]\d{0,3}|10000", "a number from 1 to 10000, or idle"),
}
"""How each is written, and what is told who writes it otherwise: systemd would leave such a limit out, and only log it."""
_PLACEHOLDER = re.compile(r"@([a-z-]+)@")

Value: TypeAlias = str | bool | int | Sequence[str]
Section: TypeAlias = Mapping[str, tuple[str, ...]]
Unit: TypeAlias = Mapping[str, Section]
"""Sections by name; in them keys, each with the values that it is given, one a line."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What all agents of a project together may use, in systemd's own words (systemd.resource-control(5))."""

    memory_high: str
    memory_max: str
    tasks_max: str
    cpu_weight: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """A scheduled task: the agent's name, and its calendar as systemd.time(7) writes it."""

    task: str
    calendar: str


@dataclass(frozen=True, slots=True)
class Service:
    """One project as a service.  All paths are absolute."""

    name: str
    command: str
    """The words that run ``loops``."""
    config: str
    user: str
    group: str
    home: str
    limits: Limits
    personal: bool = False
    """For that user's own service manager (``systemctl --user``)."""
    search_path: str = ""
    """``PATH`` of everything that runs; empty: the service manager's own."""
    credentials: tuple[str, ...] = ()
    """NAME:FILE each."""
    writable: tuple[str, ...] = ()
    """Places beside ``root`` and ``home`` that agents write, as ``ReadWritePaths=`` takes them: "-" in front, may be missing."""
    schedules: tuple[Schedule, ...] = ()
    said: tuple[str, ...] = ()
    """What the operator said of all this, to be read at the next installation."""

    @property
    def root(self) -> str:
        """The project's directory."""
        return os.path.dirname(self.config)


@dataclass(frozen=True, slots=True)
class Source:
    """What ``units.toml`` says."""

    tables: Mapping[str, Any]
    """As TOML gives them: by unit, or by what is merged into it, then by section or unit, then by key a `Value`."""

    @property
    def defaults(self) -> Limits:
        """The limits where nobody says otherwise."""
        given = self.tables["defaults"]
        return Limits(*(str(given[key]) for key in ("memory-high", "memory-max", "tasks-max", "cpu-weight")))


def load() -> Source:
    """Read the file that comes with the engine."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "units.toml")
    with open(path, "rb") as file:
        return Source(tomllib.load(file))


def supervisor_unit(name: str) -> str:
    """The unit that is "the project" to an operator."""
    return f"loops-{name}.service"


def holder_unit(name: str) -> str:
    """The unit in which the agents live."""
    return f"loops-{name}-holder.service"


def render(service: Service, source: Source) -> dict[str, Unit]:
    """Return the units by file name.

    Raises:
        UsageError: a name or a path that systemd would read as something else.
    """
    check(service)
    words = _words(service)
    units = {
        "loops.slice": _unit(source, "slice", words, personal=service.personal),
        holder_unit(service.name): _unit(source, "holder", words, personal=service.personal),
        supervisor_unit(service.name): _unit(source, "supervisor", words, personal=service.personal),
    }
    for schedule in service.schedules:
        more = {**words, "task": schedule.task, "schedule": schedule.calendar}
        stem = f"loops-{service.name}-{schedule.task}"
        units[f"{stem}.service"] = _unit(source, "task", more, personal=service.personal)
        units[f"{stem}.timer"] = _unit(source, "timer", more, personal=service.personal)
    for name in (holder_unit(service.name), supervisor_unit(service.name)):
        if service.search_path:
            units[name] = _with(units[name], "Service", "Environment", (f"PATH={service.search_path}",))
    if service.said:
        supervisor = supervisor_unit(service.name)
        units[supervisor] = _with(units[supervisor], "Unit", SAID_KEY, service.said)
    return units


def text(unit: Unit) -> str:
    """Return the file's content."""
    lines = [MARK]
    for section, keys in unit.items():
        lines += ["", f"[{section}]", *(f"{key}={value}" for key, values in keys.items() for value in values)]
    return "\n".join(lines) + "\n"


def parse(content: str) -> Unit:
    """Read a unit's file as `text` writes it: no continued lines, and an empty value is a value."""
    unit: dict[str, dict[str, tuple[str, ...]]] = {}
    section: dict[str, tuple[str, ...]] = {}
    for line in map(str.strip, content.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            section = unit.setdefault(line[1:-1], {})
        elif line and line[0] not in "#;":
            key, _, value = line.partition("=")
            section[key.strip()] = (*section.get(key.strip(), ()), value.strip())
    return unit


def check(service: Service) -> None:
    """Raise UsageError for what cannot stand in a unit."""
    if not NAME.fullmatch(service.name):
        raise UsageError(
            f"{service.name!r} cannot be part of a unit's name: use a-z, 0-9 and -, a letter first (--name NAME)"
        )
    paths = (
        *(service.config, service.home),
        *(each.removeprefix("-") for each in service.writable),
        *(each.partition(":")[2] for each in service.credentials),
    )
    for path in paths:
        if not path.startswith("/") or _AWKWARD.search(path):
            raise UsageError(
                f"{path!r} cannot stand in a unit: it must be absolute, without spaces, quotes, and any of \\ % $ ; @"
            )
    for words in (service.command.removesuffix(" -m loops"), service.search_path):
        if re.search(r"""[\s"'\\%$;]""", words):
            raise UsageError(
                f"{words!r} cannot stand in a unit: it must be without spaces, quotes, and any of \\ % $ ;"
            )
    for name, (pattern, allowed) in _LIMITS.items():
        value = getattr(service.limits, name)
        if not re.fullmatch(pattern, value):
            raise UsageError(f"--{name.replace('_', '-')} {value}: systemd takes {allowed}")
    for schedule in service.schedules:
        if schedule.task == "holder" or not re.fullmatch(r"[A-Za-z0-9_-]+", schedule.task):
            raise UsageError(
                f"the scheduled task {schedule.task!r} cannot be part of a unit's name: use A-Z, a-z, 0-9, - and _, "
                "and not `holder`"
            )
        if not schedule.calendar.isprintable() or "%" in schedule.calendar:
            raise UsageError(f"the schedule of {schedule.task} cannot stand in a unit: {schedule.calendar!r}")


def _words(service: Service) -> dict[str, str | tuple[str, ...]]:
    """What the placeholders stand for."""
    limits = service.limits
    return {
        "name": service.name,
        "loops": service.command,
        "config": service.config,
        "root": service.root,
        "home": service.home,
        "user": service.user,
        "group": service.group,
        "credentials": service.credentials,
        "writable": service.writable,
        "memory-high": limits.memory_high,
        "memory-max": limits.memory_max,
        "tasks-max": limits.tasks_max,
        "cpu-weight": limits.cpu_weight,
    }


def _unit(source: Source, kind: str, words: Mapping[str, str | tuple[str, ...]], *, personal: bool) -> Unit:
    tables = source.tables
    sections: dict[str, dict[str, Value]] = {name: dict(keys) for name, keys in tables[kind].items()}
    if "Service" in sections:
        # Scalars of [hardening] itself are for all; its tables, and those of [in-place], are for one unit each.
        shared = {key: value for key, value in tables["hardening"].items() if not isinstance(value, Mapping)}
        for more in (shared, tables["in-place"].get(kind, {}), tables["hardening"].get(kind, {})):
            _merge(sections["Service"], more)
    if personal:
        sections = {name: _personal(keys, tables["user"]) for name, keys in sections.items()}
    return {
        name: {key: found for key, value in keys.items() if (found := _values(value, words))}
        for name, keys in sections.items()
    }


def _merge(into: dict[str, Value], more: Mapping[str, Value]) -> None:
    """A list adds to what is there; anything else takes its place."""
    for key, value in more.items():
        known = into.get(key)
        if isinstance(known, list) and isinstance(value, list):
            into[key] = [*known, *value]
        else:
            into[key] = value


def _personal(keys: Mapping[str, Value], rules: Mapping[str, Any]) -> dict[str, Value]:
    without, targets = rules["without"], rules["targets"]
    kept: dict[str, Value] = {}
    for key, value in keys.items():
        if key in without:
            continue
        if isinstance(value, list):
            kept[key] = [own for each in value if (own := str(targets.get(each, each)))]
        else:
            kept[key] = targets.get(value, value) if isinstance(value, str) else value
    return kept


def _values(value: Value, words: Mapping[str, str | tuple[str, ...]]) -> tuple[str, ...]:
    """The lines of one key; none for a list that is empty."""
    if isinstance(value, bool):
        return ("true" if value else "false",)
    if isinstance(value, int):
        return (str(value),)
    if isinstance(value, str):
        return _filled(value, words)
    return tuple(dict.fromkeys(line for each in value for line in _filled(each, words)))


def _filled(value: str, words: Mapping[str, str | tuple[str, ...]]) -> tuple[str, ...]:
    """The lines that *value* stands for: several where it is nothing but the name of a list."""
    whole = _PLACEHOLDER.fullmatch(value)
    if whole and isinstance(found := words[whole[1]], tuple):
        return found
    return (_PLACEHOLDER.sub(lambda found: str(words[found[1]]), value),)


def _with(unit: Unit, section: str, key: str, values: tuple[str, ...]) -> Unit:
    known = unit[section]
    return {**unit, section: {**known, key: (*values, *known.get(key, ()))}}


def owner(content: str) -> str:
    """The agents.toml to which a unit's file belongs; empty when it is none of ours."""
    return next(iter(parse(content).get("Unit", {}).get(OWNER_KEY, ())), "")
