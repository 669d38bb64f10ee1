"""The agents and services of the earlier launchers."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from loops.config import calendar
from loops.projects.deployment import engine_state, unit_file
from loops.projects.deployment.environment import Setting
from loops.projects.deployment.facts import number
from loops.projects.deployment.launcher_settings import Settings
from loops.projects.deployment.model import Document, Member, Step, Wakes
from loops.projects.deployment.python.scripts import Function, Module
from loops.projects.deployment.python.world import CannotTell

_ALIASES = {"adv": "adversary", "orch": "orchestrator"}
_KINDS = {"orchestrator": "persistent", "assistant": "persistent", "upgrader": "task", "report": "task"}
_DIRS = ("WORK_DIR", "WORKDIR", "DIR", "CWD")
_WAKE = "ai-progress-monitor-prompt.txt"
_HOURLY = 3600.0
"""Of the launchers' wake, where no constant says otherwise."""
SUPERVISOR = "watchdog"


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of a table in the script: a name, its session, and a directory or a command."""

    name: str
    session: str
    dir: str
    command: tuple[str, ...]


class Members:
    """All agents and services.  ``texts``: prompts that stand in scripts, by the path of their document."""

    def __init__(self, settings: Settings, steps: tuple[Step, ...]) -> None:
        self._settings, self._steps = settings, steps
        self.texts: dict[str, str] = {}
        self._places: dict[str, str] = {}
        """Where each session is named."""
        self._sessions = dict(self._named_sessions())
        self._rows = {row.name: row for row in self._table_rows()}
        self._scripts = dict(self._launchers())
        self._decides = self._model_function()
        self.prefix = self._prefix()
        self.names: tuple[str, ...] = ()
        self._all: tuple[Member, ...] = ()

    def all(self) -> tuple[Member, ...]:
        """Return everybody, the loops first."""
        found = [self._loop(role) for role in ("builder", "adversary")]
        found += [self._script(name, module) for name, module in self._scripts.items()]
        known = {member.name for member in found}
        found += [self._service(row) for row in self._rows.values() if row.name not in known and row.command]
        self.names = tuple(member.name for member in found)
        self._all = tuple(self._resumed(member) for member in found)
        self._others()
        return self._all

    # ---- what the scripts name -------------------------------------------------------------------------------------

    def _named_sessions(self) -> Iterator[tuple[str, str]]:
        """Sessions by the name of their constant: ``ADV_SESSION`` is that of adversary."""
        main = self._settings.main
        for name in main.names if main is not None else ():
            if name.endswith("_SESSION"):
                found = self._settings.constant(name)
                if found is not None:
                    self._settings.used.add(name)
                    key = name.removesuffix("_SESSION").lower().replace("_", "-")
                    self._places[found.value] = found.origin
                    yield _ALIASES.get(key, key), found.value

    def _table_rows(self) -> Iterator[_Row]:
        main = self._settings.main
        for name in main.names if main is not None else ():
            table = self._settings.value(name)
            for row in table if isinstance(table, list | tuple) else ():
                if isinstance(row, list | tuple) and len(row) >= 3 and isinstance(row[0], str):
                    found = self._row(row[0], row[1], row[2])
                    if found is not None:
                        yield found

    def _row(self, name: str, session: object, third: object) -> _Row | None:
        if session not in self._sessions.values() or not isinstance(session, str):
            return None
        if isinstance(third, list | tuple) and third and all(isinstance(word, str) for word in third):
            return _Row(name, session, "", tuple(map(str, third)))
        return _Row(name, session, str(third), ()) if isinstance(third, str | os.PathLike) else None

    def _launchers(self) -> Iterator[tuple[str, Module]]:
        for file in self._settings.files.names():
            named = re.fullmatch(r"launch-([A-Za-z0-9_][A-Za-z0-9_-]*)\.py", file)
            module = self._settings.scripts.module(file) if named else None
            if named and module is not None:
                yield named[1], module

    def _prefix(self) -> str | None:
        for name in ("SESSION_PREFIX", "PREFIX"):
            found = self._settings.take(name, as_="loop: session_prefix")
            if found is not None:
                return found.value
        sessions = [*self._sessions.values(), *(row.session for row in self._rows.values())]
        starts = {session[: at + 1] for session in sessions for at, letter in enumerate(session) if letter == "-"}
        common = [start for start in starts if all(session.startswith(start) for session in sessions)]
        prefix = max(common, key=len, default="")
        if prefix and len(set(sessions)) > 1:
            self._settings.origins["loop: session_prefix"] = "what all sessions begin with"
        return (prefix if len(set(sessions)) > 1 else "") or None

    # ---- loops ---------------------------------------------------------------------------------------------------------

    def _loop(self, role: str) -> Member:
        settings = self._settings
        row = self._rows.get(role)
        directory = settings.path("BUILDER_DIR" if role == "builder" else "ADV_DIR", "") or (row.dir if row else "")
        backend = settings.take("LOOP_BACKEND", ".loop-backend", as_=f"agent {role}: backend")
        model = self._model(role, "")
        for key, found in (("model", model), ("dir", settings.take("BUILDER_DIR" if role == "builder" else "ADV_DIR"))):
            if found is not None:
                settings.origins[f"agent {role}: {key}"] = found.origin
        return Member(
            role,
            kind="loop",
            session=self._session(role, row.session if row else ""),
            dir=settings.files.place(directory) if directory else None,
            role=role,
            backend=backend.value if backend else "claude",
            model=model.value if model else "",
            watch="heal+stall",
            enabled=True,
        )

    def _session(self, name: str, known: str) -> str | None:
        found = self._sessions.get(name, "") or known
        if found:
            self._settings.origins[f"agent {name}: session"] = self._places.get(found, "launch.py")
        return found or None

    def models(self, step: Step) -> Iterator[tuple[str, str]]:
        """Yield what a phase overrides, by agent."""
        for role in ("builder", "adversary"):
            usual, here = self._model(role, ""), self._model(role, step.id)
            if here is not None and (usual is None or here.value != usual.value):
                self._settings.origins[f"phase {step.id}: model of {role}"] = here.origin
                yield role, here.value

    def _model(self, role: str, phase: str) -> Setting | None:
        """The model of a role in a phase ("": in none): as the script's own function decides, else by the rule."""
        ruled = self._ruled(role, phase)
        if self._decides is None:
            return ruled
        function, meanings = self._decides
        values = {"role": role, "id": phase}
        try:
            found = self._settings.scripts.call(function, {name: values[what] for name, what in meanings.items()})
        except CannotTell as error:
            why = (
                "the environment was taken before the dotfiles, and those before the script: see whether that is right"
            )
            self._settings.note(error.place, f"how {function.name}() finds a model: {error.what}", why)
            return ruled
        if ruled is not None and found == ruled.value:
            return ruled
        return Setting(found, f"{function.name}() in launch.py") if isinstance(found, str) and found else None

    def _ruled(self, role: str, phase: str) -> Setting | None:
        settings = self._settings
        own = settings.take("ADV_MODEL") if role == "adversary" else None
        given = settings.environment.settings.get("LOOP_MODEL")
        return (
            own
            or (given if given is not None and given.value else None)
            or (settings.dotfile(f".loop-model-{phase}") if phase else None)
            or settings.take("LOOP_MODEL", ".loop-model")
        )

    def _model_function(self) -> tuple[Function, Mapping[str, str]] | None:
        """The function of launch.py that reads ``.loop-model-<phase>``, and what its parameters mean."""
        import ast

        main = self._settings.main
        for function in main.functions() if main is not None else ():
            words = [node.value for node in ast.walk(function.node) if isinstance(node, ast.Constant)]
            if not any(isinstance(word, str) and word.startswith(".loop-model-") for word in words):
                continue
            meanings = {name: _meaning(name) for name in function.parameters}
            if all(meanings.values()):
                return function, {name: what for name, what in meanings.items() if what}
        return None

    # ---- agents with a script of their own ---------------------------------------------------------------------------

    def _script(self, name: str, module: Module) -> Member:
        settings = self._settings
        file = os.path.basename(module.path)
        names = ("SESSION", f"{name.upper().replace('-', '_')}_SESSION")
        own = next((found for each in names if (found := settings.constant(each, module))), None)
        model = self._own_model(name, module)
        backend = settings.constant("BACKEND", module)
        directory = next((found for each in _DIRS if (found := settings.constant(each, module))), None)
        for key, found in (("session", own), ("model", model), ("backend", backend), ("dir", directory)):
            if found is not None:
                settings.origins[f"agent {name}: {key}"] = found.origin
        wakes = self._wakes(name, module)
        kept = settings.constant("SESSION_ID_FILE", module) is not None
        kind = _KINDS.get(name) or ("persistent" if wakes or kept else "task")
        watched = name == "orchestrator" and self._watches_orchestrator()
        return Member(
            name,
            kind=kind,
            session=own.value if own else self._session(name, ""),
            dir=settings.files.place(directory.value) if directory else settings.files.root,
            backend=backend.value if backend else "claude",
            model=model.value if model else "",
            watch="heal" if watched else "none",
            enabled=watched or settings.environment.names_script(file),
            prompt=self._prompt(name, module),
            wakes=wakes,
            schedule=self._schedule(name) if kind == "task" else None,
        )

    def _own_model(self, name: str, module: Module) -> Setting | None:
        dotfile = ".orch-model" if name == "orchestrator" else f".{name}-model"
        return self._settings.dotfile(dotfile) or self._settings.constant("MODEL", module)

    def _watches_orchestrator(self) -> bool:
        found = self._settings.take("WATCH_ORCHESTRATOR", as_="agent orchestrator: watch")
        return found is None or found.value.lower() not in ("0", "false", "no", "off")

    def _prompt(self, name: str, module: Module) -> Document | None:
        settings = self._settings
        for constant in module.names:
            if constant.startswith("WAKE_"):
                continue
            value = settings.value(constant, module)
            if constant.endswith("PROMPT_FILE") and isinstance(value, str | os.PathLike):
                settings.origins[f"agent {name}: prompt sha256"] = module.place(constant)
                return settings.files.document(os.fspath(value))
            if constant.endswith("_PROMPT") and isinstance(value, str):
                settings.origins[f"agent {name}: prompt sha256"] = module.place(constant)
                path = f"prompts/{name}.md"
                self.texts[path] = value
                raw = value.encode("utf-8", "surrogateescape")
                return Document(path, sha256(raw).hexdigest(), len(raw))
        settings.note(
            settings.files.shown(module.path), f"the prompt of {name}", "no constant of the script holds it: write it"
        )
        return None

    def _wakes(self, name: str, module: Module) -> Wakes | None:
        settings = self._settings
        interval = settings.constant("WAKE_INTERVAL", module)
        named = settings.constant("WAKE_PROMPT_FILE", module)
        path = named.value if named else _WAKE if name == "orchestrator" else ""
        if not path or (named is None and settings.files.bytes(path) is None):
            return None
        seconds = float(interval.value) if interval and re.fullmatch(r"\d{1,9}(\.\d+)?", interval.value) else _HOURLY
        origin = interval.origin if interval else "the launchers' hourly wake"
        settings.origins[f"agent {name}: wake interval"] = origin
        return Wakes(seconds, settings.files.document(path))

    def _schedule(self, name: str) -> str | None:
        """When a timer of systemd, kept beside the scripts, starts it."""
        settings = self._settings
        for directory in ("systemd", "."):
            for file in settings.files.names(directory):
                path = os.path.join(directory, file)
                if not file.endswith(".timer") or name not in file:
                    continue
                for line in unit_file.lines(settings.files.text(path) or ""):
                    if (line.section, line.key) == ("Timer", "OnCalendar") and line.value:
                        return self._calendar(name, line.value, f"{settings.files.shown(path)}:{line.number}")
        return None

    def _calendar(self, name: str, text: str, place: str) -> str | None:
        try:
            calendar.parse(text)
        except calendar.BadCalendar as error:
            self._settings.note(place, f"the timer of {name}: {text}", f"{error}: set schedule in agents.toml by hand")
            return None
        self._settings.origins[f"agent {name}: schedule"] = place
        return text

    # ---- services, and the rest ----------------------------------------------------------------------------------------

    def _service(self, row: _Row) -> Member:
        directory = self._settings.path("PLAN_DIR", "") or self._settings.files.root
        self._settings.origins[f"agent {row.name}: command"] = "launch.py"
        return Member(
            row.name,
            kind="service",
            session=row.session,
            dir=directory,
            watch="heal",
            enabled=True,
            command=row.command,
        )

    def _others(self) -> None:
        """Sessions that nobody has."""
        known = {member.session for member in self._all}
        for name, session in self._sessions.items():
            if session not in known and name != SUPERVISOR:
                why = "what it runs is not known: add a [[service]] or [[agent]] by hand"
                self._settings.note(self._places[session], f"the session {session}", why)

    def _resumed(self, member: Member) -> Member:
        """With the conversation that its dotfile names."""
        if member.kind not in ("loop", "persistent"):
            return member
        names = [member.name, *(alias for alias, name in _ALIASES.items() if name == member.name)]
        names += [member.session or ""] if member.session else []
        names += [member.session.removeprefix(self.prefix or "")] if member.session else []
        for name in dict.fromkeys(names):
            file = f".{name}-session-id"
            if self._settings.files.bytes(file) is None:
                continue
            self._settings.used.add(file)
            found = engine_state.conversation(self._settings.files, file, self._settings.notes)
            self._settings.origins[f"agent {member.name}: conversation"] = file
            return replace(member, conversation=found or None, resume=True)
        return member

    def on_complete(self) -> str:
        """Return the task that runs after the last phase."""
        flag = ".run-upgrade-on-complete"
        self._settings.used.add(flag)
        if flag not in self._settings.files.names():
            return ""
        if "upgrader" not in self.names:
            self._settings.note(
                flag, "the upgrade after the last phase", "there is no upgrader: set on_complete by hand"
            )
            return ""
        self._settings.origins["loop: on_complete"] = flag
        return "upgrader"

    def clis(self) -> dict[str, dict[str, str]]:
        """Return the settings of the backends that somebody uses."""
        settings = self._settings
        used = dict.fromkeys(member.backend for member in self._all if member.backend)
        loops = {member.backend for member in self._all if member.kind == "loop"}
        found: dict[str, dict[str, str]] = {}
        for backend in used:
            upper = backend.upper().replace("-", "_")
            wanted = {"bin": f"{upper}_BIN", "flags": f"{upper}_FLAGS"}
            if backend in loops:
                wanted |= {"active_re": "ACTIVE_RE", "limit_re": "LIMIT_RE", "fatal_re": "FATAL_RE"}
            table = found.setdefault(backend, {})
            for key, name in wanted.items():
                value = settings.take(name, as_=f"backend {backend}: {key}")
                if value is not None:
                    table[key] = _normal(key, value.value, settings)
            idle = settings.seconds("STALL_IDLE", f"backend {backend}: stall_idle") if backend in loops else None
            if idle is not None:
                table["stall_idle"] = number(idle)
        settings.used |= {"CLAUDE_BIN", "OPENCODE_BIN"}
        return found


def _normal(key: str, value: str, settings: Settings) -> str:
    """A setting in the one form that is compared."""
    if key == "flags":
        try:
            return shlex.join(shlex.split(value))
        except ValueError:
            return value
    return settings.files.place(value) if key == "bin" and "/" in value else value


def _meaning(parameter: str) -> str:
    word = parameter.lower()
    if word in ("role", "name", "agent", "who", "loop"):
        return "role"
    return "id" if word in ("phase_id", "phase", "pid", "id", "phaseid") else ""
