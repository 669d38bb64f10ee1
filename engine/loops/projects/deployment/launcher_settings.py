"""One setting of the launchers at a time, by its precedence; and the account of what was never asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator

from loops.config.problems import ConfigProblems, Problem
from loops.projects.deployment import engine_state
from loops.projects.deployment.environment import Environment, Setting, is_secret
from loops.projects.deployment.files import Files
from loops.projects.deployment.model import Step, Untranslated
from loops.projects.deployment.python.scripts import Module, Scripts
from loops.projects.deployment.python.world import CannotTell, World

_USUAL = {"WATCH_INTERVAL": "300", "SIGNAL_INTERVAL": "30", "STALL_IDLE": "300", "STALL_GRACE": "180"}
"""What the launchers take where a script cannot be read."""
_WITHOUT = {
    "LOG_DIR": "the live logs and state stay there; the staged project has a log_dir of its own",
    "OPENCODE_SERVER": "each agent of opencode has a server of its own here: see whether the shared one is still needed",
    "ORCH_LAUNCHER": "no script starts the orchestrator any more: it is an agent like the others",
    "PATH": "`loops service install` takes the PATH of the shell that it is run in: look whether every program is found",
    "HOME": "the unit's user has a home of its own: look whether it is the same",
}
_RESUME = (
    "the next start of the live launchers, at a reboot too, begins the plan again with phase 0, whatever was reached. Nothing "
    "like it is here: the phase stays. Set RESUME_PHASE=1 before you start them again, in a rollback above all"
)
_IGNORED = frozenset({".git", ".gitignore", ".gitattributes", ".gitmodules"})
_STATE = re.compile(r"\.(?:limited-.+|.+-session-id)\Z")


class Settings:
    """The launchers' settings.  ``origins``: where each fact came from; ``problems``: what makes no sense."""

    def __init__(self, files: Files, environment: Environment, main: str) -> None:
        self.files, self.environment = files, environment
        self.scripts = Scripts(World(files, environment.values))
        self.main: Module | None = self.scripts.module(main)
        self.origins: dict[str, str] = {}
        self.problems: list[Problem] = []
        self.used: set[str] = set()
        self.notes: list[Untranslated] = []

    def take(self, name: str, dotfile: str = "", *, as_: str = "") -> Setting | None:
        """Return the value of a variable, its dotfile, or the script's constant; None: none of them has any.

        *as_*: the fact that it becomes.
        """
        found = self._found(name, dotfile)
        if found is not None and as_:
            self.origins[as_] = found.origin
        return found

    def _found(self, name: str, dotfile: str) -> Setting | None:
        self.used |= {name, dotfile}
        given = self.environment.settings.get(name)
        if given is not None and given.value:
            return given
        return self.dotfile(dotfile) or self.constant(name)

    def dotfile(self, name: str) -> Setting | None:
        """Return what a dotfile says; None: it is not there, or empty."""
        self.used.add(name)
        text = (self.files.text(name) or "").strip() if name else ""
        return Setting(text, name) if text else None

    def constant(self, name: str, module: Module | None = None) -> Setting | None:
        """Return a constant of a script (of launch.py, unless another is named) as text."""
        module = module or self.main
        if module is None:
            return Setting(_USUAL[name], "the launchers' usual value") if name in _USUAL else None
        try:
            value = module.value(name)
        except KeyError:
            return None
        except CannotTell as error:
            self.note(error.place, f"the value of {name}", f"{error.what}: give it with --set {name}=VALUE")
            return None
        if value is None or value == "" or not isinstance(value, str | int | float | os.PathLike):
            return None
        asked = self.environment.settings.get(name)
        return Setting(str(value), asked.origin if asked and asked.value == str(value) else module.place(name))

    def value(self, name: str, module: Module | None = None) -> object:
        """Return a constant as it is; None: there is none that can be told."""
        module = module or self.main
        try:
            return module.value(name) if module is not None else None
        except (KeyError, CannotTell):
            return None

    def path(self, name: str, dotfile: str) -> str:
        """Return a path, absolute; of none that is given, that of *dotfile* itself, or nothing."""
        found = self.take(name)
        path = found.value if found is not None else dotfile
        if not path:
            return ""
        self.used.add(self.files.shown(path))
        return self.files.place(path)

    def seconds(self, name: str, as_: str) -> float | None:
        """Return a time in seconds."""
        found = self.take(name, as_=as_)
        if found is None:
            return None
        if not re.fullmatch(r"\d{1,9}(\.\d+)?", found.value):
            self.problems.append(Problem(found.origin, 0, name, f"must be a number of seconds, not {found.value!r}"))
            return None
        return float(found.value)

    def note(self, place: str, what: str, why: str) -> None:
        """List something that cannot be translated, once."""
        entry = Untranslated(place, what, why)
        if entry not in self.notes:
            self.notes.append(entry)

    def raise_problems(self) -> None:
        """Raise ConfigProblems when something made no sense."""
        if self.problems:
            raise ConfigProblems(self.problems)

    def completion_marks(self) -> Iterator[str]:
        """Where the mark of a finished sequence may lie."""
        yield "SEQUENCE-COMPLETE"
        log_dir = self.path("LOG_DIR", "")
        if log_dir:
            yield os.path.join(log_dir, "SEQUENCE-COMPLETE")
            yield os.path.join(log_dir, "state", "SEQUENCE-COMPLETE")

    # ---- the account -----------------------------------------------------------------------------------------------

    def left(self, steps: tuple[Step, ...], members: Collection[str]) -> tuple[Untranslated, ...]:
        """Return all that has no counterpart: notes, hazards, variables and dotfiles that became nothing."""
        self._resume_phase()
        for name, setting in self.environment.settings.items():
            if name not in self.used or name in _WITHOUT:
                why = _WITHOUT.get(
                    name, "no script reads it: if the agents need it, put it into env of [[agent]] or [backend]"
                )
                asked = self.scripts.world.asked.get(name)
                if asked is not None and name not in _WITHOUT:
                    why = f"{asked.place} reads it, and nothing here answers to it"
                self.note(setting.origin, f"the variable {name}", why)
        for name, asked in sorted(self.scripts.world.asked.items()):
            if name not in self.used and name not in self.environment.settings and not is_secret(name, "x"):
                self.note(
                    asked.place, f"the variable {name} (not set)", _WITHOUT.get(name, "nothing here answers to it")
                )
        for problem in self.scripts.problems:
            self.note(problem.place, "a script", f"{problem.what}: nothing of it was taken over")
        self._dotfiles(steps)
        return tuple(self.notes)

    def _resume_phase(self) -> None:
        found = self.take("RESUME_PHASE")
        if self.main is not None and (found is None or found.value != "1"):
            said = "RESUME_PHASE is not set" if found is None else f"RESUME_PHASE={found.value}"
            self.note(found.origin if found else self.main.world.files.shown(self.main.path), said, _RESUME)

    def _dotfiles(self, steps: tuple[Step, ...]) -> None:
        for name in self.files.names():
            if not name.startswith(".") or name in self.used | _IGNORED:
                continue
            if name.startswith(".loop-model-") and name.removeprefix(".loop-model-") not in {step.id for step in steps}:
                self.note(
                    name,
                    "the model of a phase",
                    "there is no such phase: it has no effect in the live deployment either",
                )
            elif name.endswith("-session-id"):
                self.note(name, "a conversation to resume", "nobody of that name is known: it is not resumed")
            elif _STATE.match(name):
                self.notes.append(engine_state.leftover(name, name))
            else:
                self.note(name, "a dotfile of unknown meaning", "nothing here reads it: look whether it still matters")
