"""What the scripts of the earlier launchers name: sessions, rows of tables, scripts of their own, the common prefix."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from loops.projects.deployment.launcher_settings import Settings
from loops.projects.deployment.python.scripts import Module

ALIASES = {"adv": "adversary", "orch": "orchestrator"}
"""Agents by the names that the launchers' constants and dotfiles give them."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table in the script: a name, its session, and a directory or a command."""

    name: str
    session: str
    dir: str
    command: tuple[str, ...]


class Names:
    """All of it.  ``sessions`` by agent, ``places`` where each is named, ``rows`` and ``scripts`` by agent."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.places: dict[str, str] = {}
        self.sessions = dict(self._named_sessions())
        self.rows = {row.name: row for row in self._table_rows()}
        self.scripts = dict(self._launchers())
        self.prefix = self._prefix()

    def session(self, name: str, known: str) -> str | None:
        """Return the session of *name*; *known*: what else is known of it."""
        found = self.sessions.get(name, "") or known
        if found:
            self._settings.origins[f"agent {name}: session"] = self.places.get(found, "launch.py")
        return found or None

    def _named_sessions(self) -> Iterator[tuple[str, str]]:
        """Sessions by the name of their constant: ``ADV_SESSION`` is that of adversary."""
        main = self._settings.main
        for name in main.names if main is not None else ():
            if name.endswith("_SESSION"):
                found = self._settings.constant(name)
                if found is not None:
                    self._settings.used.add(name)
                    key = name.removesuffix("_SESSION").lower().replace("_", "-")
                    self.places[found.value] = found.origin
                    yield ALIASES.get(key, key), found.value

    def _table_rows(self) -> Iterator[Row]:
        main = self._settings.main
        for name in main.names if main is not None else ():
            table = self._settings.value(name)
            for row in table if isinstance(table, list | tuple) else ():
                if isinstance(row, list | tuple) and len(row) >= 3 and isinstance(row[0], str):
                    found = self._row(row[0], row[1], row[2])
                    if found is not None:
                        yield found

    def _row(self, name: str, session: object, third: object) -> Row | None:
        if session not in self.sessions.values() or not isinstance(session, str):
            return None
        if isinstance(third, list | tuple) and third and all(isinstance(word, str) for word in third):
            return Row(name, session, "", tuple(map(str, third)))
        return Row(name, session, str(third), ()) if isinstance(third, str | os.PathLike) else None

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
        sessions = [*self.sessions.values(), *(row.session for row in self.rows.values())]
        starts = {session[: at + 1] for session in sessions for at, letter in enumerate(session) if letter == "-"}
        common = [start for start in starts if all(session.startswith(start) for session in sessions)]
        prefix = max(common, key=len, default="")
        if prefix and len(set(sessions)) > 1:
            self._settings.origins["loop: session_prefix"] = "what all sessions begin with"
        return (prefix if len(set(sessions)) > 1 else "") or None
