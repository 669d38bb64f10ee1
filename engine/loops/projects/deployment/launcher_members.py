"""The agents and services of the earlier launchers."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from hashlib import sha256

from loops.projects.deployment import engine_state, launcher_times
from loops.projects.deployment.environment import Setting
from loops.projects.deployment.facts import number
from loops.projects.deployment.launcher_models import Models
from loops.projects.deployment.launcher_names import ALIASES, Names, Row
from loops.projects.deployment.launcher_settings import Settings
from loops.projects.deployment.model import Document, Member
from loops.projects.deployment.python.scripts import Module

_KINDS = {"orchestrator": "persistent", "assistant": "persistent", "upgrader": "task", "report": "task"}
_DIRS = ("WORK_DIR", "WORKDIR", "DIR", "CWD")
SUPERVISOR = "watchdog"


class Members:
    """All agents and services.  ``texts``: prompts that stand in scripts, by the path of their document."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.texts: dict[str, str] = {}
        self._names, self.models = Names(settings), Models(settings)
        self.prefix = self._names.prefix
        self.names: tuple[str, ...] = ()
        self._all: tuple[Member, ...] = ()

    def all(self) -> tuple[Member, ...]:
        """Return everybody, the loops first."""
        found = [self._loop(role) for role in ("builder", "adversary")]
        found += [self._script(name, module) for name, module in self._names.scripts.items()]
        known = {member.name for member in found}
        found += [self._service(row) for row in self._names.rows.values() if row.name not in known and row.command]
        self.names = tuple(member.name for member in found)
        self._all = tuple(self._resumed(member) for member in found)
        self._others()
        return self._all

    # ---- loops ---------------------------------------------------------------------------------------------------------

    def _loop(self, role: str) -> Member:
        settings = self._settings
        row = self._names.rows.get(role)
        directory = settings.path("BUILDER_DIR" if role == "builder" else "ADV_DIR", "") or (row.dir if row else "")
        backend = settings.take("LOOP_BACKEND", ".loop-backend", as_=f"agent {role}: backend")
        model = self.models.of(role, "")
        for key, found in (("model", model), ("dir", settings.take("BUILDER_DIR" if role == "builder" else "ADV_DIR"))):
            if found is not None:
                settings.origins[f"agent {role}: {key}"] = found.origin
        return Member(
            role,
            kind="loop",
            session=self._names.session(role, row.session if row else ""),
            dir=settings.files.place(directory) if directory else None,
            role=role,
            backend=backend.value if backend else "claude",
            model=model.value if model else "",
            watch="heal+stall",
            enabled=True,
        )

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
        wakes = launcher_times.wakes(settings, name, module)
        kept = settings.constant("SESSION_ID_FILE", module) is not None
        kind = _KINDS.get(name) or ("persistent" if wakes or kept else "task")
        watched = name == "orchestrator" and self._watches_orchestrator()
        return Member(
            name,
            kind=kind,
            session=own.value if own else self._names.session(name, ""),
            dir=settings.files.place(directory.value) if directory else settings.files.root,
            backend=backend.value if backend else "claude",
            model=model.value if model else "",
            watch="heal" if watched else "none",
            enabled=watched or settings.environment.names_script(file),
            prompt=self._prompt(name, module),
            wakes=wakes,
            schedule=launcher_times.schedule(settings, name) if kind == "task" else None,
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

    # ---- services, and the rest ----------------------------------------------------------------------------------------

    def _service(self, row: Row) -> Member:
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
        for name, session in self._names.sessions.items():
            if session not in known and name != SUPERVISOR:
                why = "what it runs is not known: add a [[service]] or [[agent]] by hand"
                self._settings.note(self._names.places[session], f"the session {session}", why)

    def _resumed(self, member: Member) -> Member:
        """With the conversation that its dotfile names."""
        if member.kind not in ("loop", "persistent"):
            return member
        names = [member.name, *(alias for alias, name in ALIASES.items() if name == member.name)]
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
