"""With which environment launchers are started: their unit, its files, files and variables that the operator names."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from loops.config.problems import ConfigProblems, Problem
from loops.projects.deployment import unit_file
from loops.projects.deployment.files import Files
from loops.projects.deployment.model import Untranslated
from loops.secrets.redaction import redact

_SECRET = re.compile(
    # one word often holds two: GITHUBTOKEN, DBPASSWORD; but MONKEY is no key, and neither BYPASS nor ASKPASS a password
    r"(?:(?<!MON)(?<!TUR)(?<!DON)(?<!HOT)(?<!PUB)KEYS?"
    r"|(?<!BY)(?<!COM)(?<!ASK)PASS"
    r"|TOKENS?|SECRETS?|PASSW(?:OR)?DS?|PASSPHRASES?|CREDENTIALS?)\d*(?:_|$)",
    re.IGNORECASE,
)
_HARMLESS = re.compile(r"(?:_FILE|_PATH|_DIR|_URL)$", re.IGNORECASE)
"""Names that end so say where a secret is, not what it is."""
_COUNT = re.compile(
    r"(?:MAX|TOTAL|INPUT|OUTPUT|PROMPT|COMPLETION|THINKING|REASONING|CONTEXT|BUDGET)_?TOKENS", re.IGNORECASE
)
"""What says how many tokens a model may use."""
_LOGIN = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
"""A password in an address."""
_EXEC = ("ExecStartPre", "ExecStartPost", "ExecStop", "ExecStopPost", "ExecReload", "ExecCondition")
_READ = (
    "Environment",
    "EnvironmentFile",
    "UnsetEnvironment",
    "PassEnvironment",
    "ExecStart",
    "WorkingDirectory",
    *_EXEC,
)


@dataclass(frozen=True, slots=True)
class Setting:
    """The value of a variable, and where it was set: file and line, or the option."""

    value: str
    origin: str


@dataclass(slots=True)
class Environment:
    """``started``: the commands of ``ExecStart=``; ``directory`` and ``user``: the unit's own, "" when it names none."""

    settings: dict[str, Setting] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    untranslated: list[Untranslated] = field(default_factory=list)
    started: list[tuple[str, ...]] = field(default_factory=list)
    directory: str = ""
    user: str = ""
    files: list[str] = field(default_factory=list)
    """Files of variables that were read."""
    open: dict[str, Problem] = field(default_factory=dict)
    """Variables whose value only the service manager knows: somebody must give it."""

    @property
    def values(self) -> Mapping[str, str]:
        """The values by name."""
        return {name: setting.value for name, setting in self.settings.items()}

    def put(self, name: str, value: str, origin: str) -> None:
        """Set a variable; the value of a secret is forgotten at once, and only its name is kept."""
        if is_secret(name, value):
            self.settings.pop(name, None)
            if name not in self.secrets:
                self.secrets.append(name)
                why = f"it is not copied: put its value into credential:{_credential(name)} (see `loops service install --help`)"
                self.untranslated.append(Untranslated(origin, f"the value of {name}, a secret", why))
            return
        self.settings[name] = Setting(value, origin)

    def names_script(self, name: str) -> bool:
        """Whether the unit starts the script *name*."""
        return any(os.path.basename(word) == name for command in self.started for word in command)


def is_secret(name: str, value: str) -> bool:
    """Whether a variable seems to hold a key: by its name, or by what a key looks like."""
    named = bool(_SECRET.search(_COUNT.sub("", name))) and not _HARMLESS.search(name)
    return bool(value) and (named or redact(value) != value or _LOGIN.search(value) is not None)


def _credential(variable: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", variable.lower()).strip("-") or "secret"


def gather(files: Files, unit: str, env_files: Sequence[str], settings: Mapping[str, str]) -> Environment:
    """Read the unit at *unit* ("": none), then *env_files*, then take *settings*; a later one wins.

    Raises:
        ConfigProblems: a file that was named is not there, or cannot be read.
    """
    found = Environment()
    if unit:
        _unit(files, found, unit)
    for path in env_files:
        _env_file(files, found, os.path.realpath(path), wanted=True)
    for name, value in settings.items():
        found.put(name, value, f"--set {name}")
    open_ = [problem for name, problem in found.open.items() if name not in (*found.settings, *found.secrets)]
    if open_:
        raise ConfigProblems(open_)
    return found


def _unit(files: Files, found: Environment, unit: str) -> None:
    text = files.text(unit)
    if text is None:
        raise ConfigProblems([Problem(unit, 0, "", "there is no such unit: name the file that starts the launchers")])
    service = [line for line in unit_file.lines(text) if line.section == "Service"]
    problems: list[Problem] = []
    for line in service:
        try:
            _take(files, found, unit, line)
        except ValueError as error:
            problems.append(Problem(unit, line.number, line.key, str(error)))
    if problems:
        raise ConfigProblems(problems)
    _apply_files(files, found, unit, service)
    for line in service:
        if line.key == "ExecStart" and line.value:
            _command(found, unit, line)
    others = sorted({line.key for line in service if line.key not in _READ})
    if others:
        why = "`loops service install` writes a unit of its own, which has its own ways to start, stop and restart"
        found.untranslated.append(Untranslated(files.shown(unit), f"the unit's {', '.join(others)}", why))


def _take(files: Files, found: Environment, unit: str, line: unit_file.Line) -> None:
    place = f"{files.shown(unit)}:{line.number}"
    if line.key == "Environment":
        if not line.value:
            found.settings.clear()
        for each in unit_file.assignments(line.value, line.number):
            if each.value is None:
                raise ValueError(f"{each.name!r} is no assignment NAME=VALUE")
            try:
                found.put(each.name, unit_file.specifiers(each.value, unit), place)
            except ValueError as error:
                remedy = f"{error}: give the value with --set {each.name}=VALUE"
                found.open[each.name] = Problem(unit, line.number, each.name, remedy)
    elif line.key == "UnsetEnvironment":
        for word in unit_file.words(line.value):
            found.settings.pop(word.partition("=")[0], None)
    elif line.key == "PassEnvironment" and line.value:
        why = "their values are those of the service manager: give them with --set, or put them into [[agent]] env"
        found.untranslated.append(Untranslated(place, f"PassEnvironment={line.value}", why))
    elif line.key == "WorkingDirectory":
        with suppress(ValueError):  # then it is where the script lies
            found.directory = unit_file.specifiers(line.value.lstrip("-"), unit)
    elif line.key == "User":
        with suppress(ValueError):  # then nobody knows it here
            found.user = unit_file.specifiers(line.value, unit)
    elif line.key in _EXEC and line.value:
        why = "this command is not run by anything here: see whether it is still needed, as a service or a unit of its own"
        found.untranslated.append(Untranslated(place, f"{line.key}={redact(line.value)}", why))


def _apply_files(files: Files, found: Environment, unit: str, service: Sequence[unit_file.Line]) -> None:
    """The unit's environment files: they win over its own variables, wherever they stand."""
    named: list[unit_file.Line] = []
    for line in service:
        if line.key == "EnvironmentFile":
            named = [*named, line] if line.value else []
    for line in named:
        optional, path = line.value.startswith("-"), line.value.lstrip("-").strip("\"'")
        with suppress(ValueError):  # a specifier that only the service manager knows: there will be no such file
            path = unit_file.specifiers(path, unit)
        for each in sorted(glob.glob(path)) or [path]:
            if not _env_file(files, found, each, wanted=False) and not optional:
                why = "the unit could not be started without it; what it holds is not known here: name it with --env"
                place = f"{files.shown(unit)}:{line.number}"
                found.untranslated.append(Untranslated(place, f"EnvironmentFile={each}", why))


def _env_file(files: Files, found: Environment, path: str, *, wanted: bool) -> bool:
    text = files.text(path)
    if text is None:
        if wanted:
            raise ConfigProblems([Problem(path, 0, "", "there is no such file of variables")])
        return False
    found.files.append(path)
    for each in unit_file.environment_file(text):
        place = f"{files.shown(path)}:{each.number}"
        if each.value is None:
            why = "systemd passes over such a line, and so do we: it must read NAME=VALUE, without export"
            found.untranslated.append(Untranslated(place, "a line that is no assignment", why))
        else:
            found.put(each.name, each.value, place)
    return True


def _command(found: Environment, unit: str, line: unit_file.Line) -> None:
    """One command that the unit starts; behind ``env`` it may set variables, which win over all others of the unit."""
    try:
        words = unit_file.words(line.value.lstrip("@-:+!"))
    except ValueError:
        words = tuple(line.value.split())
    found.started.append(words)
    if words and os.path.basename(words[0]) == "env":
        for word in _assigned(words[1:]):
            name, _, value = word.partition("=")
            found.put(name, value, f"{os.path.basename(unit)}:{line.number}")


def _assigned(words: Sequence[str]) -> Iterator[str]:
    for word in words:
        if not re.match(r"[A-Za-z_][A-Za-z0-9_]*=", word):
            return
        yield word
