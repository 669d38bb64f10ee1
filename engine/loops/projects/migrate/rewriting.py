"""agents.toml of the staged project from one that is there: as it is, but for what must be another in a new place.

Comments, order and spelling stay.  What is changed says so at the end of its line, where TOML has a place for that.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import tomli
import tomlkit
from tomlkit.items import Array, InlineTable, Item

from loops.config.positions import locate
from loops.projects.deployment.environment import is_secret
from loops.projects.deployment.model import Form
from loops.projects.migrate.copies import Copies
from loops.secrets.credentials import PREFIX
from loops.supervisor.table import printable

Table: TypeAlias = MutableMapping[str, Any]
LOG_DIR = ".loops"
_STAYS = "it works where it has worked"
_OPEN = "it sees what it has seen; without this line it would be isolated"


@dataclass(frozen=True, slots=True)
class Change:
    """One value that is not what it was.  ``was`` empty: it was not given."""

    place: str
    was: str
    now: str
    why: str


def rewrite(text: str, copies: Copies) -> tuple[str, tuple[Change, ...]]:
    """Return the staged text of the checked agents.toml *text*, and what was changed in it; the documents go to *copies*."""
    engine = copies.deployment.form is Form.ENGINE
    text, added = _completed(text.replace("\r\n", "\n"), copies.files.root, engine)
    work = _Rewriting(tomlkit.parse(text), copies)
    work.all()
    head = (
        f"# Staged by `loops migrate` from {printable(copies.deployment.source)}; MIGRATION.md says what was changed.\n"
    )
    return head + tomlkit.dumps(work.document), (*work.changes, *added)


class _Rewriting:
    def __init__(self, document: tomlkit.TOMLDocument, copies: Copies) -> None:
        self.document = document
        self.changes: list[Change] = []
        self._copies = copies
        self._root = copies.files.root

    def all(self) -> None:
        self._drop_strange()
        self._set(
            self.document["defaults"], "log_dir", LOG_DIR, "defaults.log_dir", "two supervisors never share state"
        )
        self._loop(self.document.get("loop", {}))  # its documents come first, for their names are not free
        for name, backend in self.document.get("backend", {}).items():
            self._backend(backend, f"backend.{name}")
        for kind in ("agent", "service"):
            for member in self.document.get(kind, ()):
                self._member(member, f"{kind}.{member['name']}")
        self._notify(self.document.get("notify", {}))

    def _drop_strange(self) -> None:
        for place in self._copies.deployment.strange:
            holder: Any = self.document
            for part in place[:-1]:
                holder = holder[part]
            value = str(holder.pop(place[-1]))
            was = "(not shown)" if is_secret(str(place[-1]), value) else value
            named = ".".join(map(str, place))
            self.changes.append(Change(named, was, "", "there is no such key here: see what could not be translated"))

    def _backend(self, table: Table, place: str) -> None:
        if table.get("prompt_delivery") != "exec":
            self._program(table, "bin", place)
        for name in table.get("home", {}):
            self._file(table["home"], name, f"{place}.home.{name}")

    def _program(self, table: Table, key: str, place: str) -> None:
        """A program that is named by a path is looked for from the directory of the file."""
        given = table.get(key)
        if isinstance(given, str) and "/" in given and not os.path.isabs(given):
            self._set(table, key, self._copies.files.place(given), f"{place}.{key}", "it stays where it is")
        elif isinstance(given, list) and given and "/" in given[0] and not os.path.isabs(given[0]):
            was = str(given[0])
            given[0] = self._copies.files.place(was)
            self.changes.append(Change(f"{place}.{key}", was, given[0], "it stays where it is"))

    def _member(self, table: Table, place: str) -> None:
        live = self._copies.files.place(table.get("dir", "."))
        self._set(table, "dir", live, f"{place}.dir", _STAYS)
        self._copied(table, "prompt_file", place)
        if "wake" in table:
            self._copied(table["wake"], "prompt_file", f"{place}.wake")
        for key in ("reads", "writes"):
            for index, _ in enumerate(table.get(key, ())):
                self._file(table[key], index, f"{place}.{key}[{index}]")

    def _notify(self, table: Table) -> None:
        self._program(table, "command", "notify")
        for index, _ in enumerate(table.get("url_files", ())):
            self._file(table["url_files"], index, f"notify.url_files[{index}]")
        if "ntfy_token_file" in table:
            self._file(table, "ntfy_token_file", "notify.ntfy_token_file")

    def _loop(self, table: Table) -> None:
        if "roles_dir" in table:
            self._roles(table)
        if "kickoff_template" in table:
            self._kickoff(table)
        if "handoff" in table:
            repo = self._copies.files.place(table["handoff"]["repo"])
            self._set(table["handoff"], "repo", repo, "loop.handoff.repo", "the clone stays where it is")
        for phase in table.get("phases", ()):
            plan = phase.get("plan", "")
            if plan and not os.path.isabs(plan) and self._copies.files.shown(plan) == os.path.normpath(plan):
                self._copies.take(plan)

    def _kickoff(self, table: Table) -> None:
        given = str(table["kickoff_template"])
        if "{role}" not in os.path.basename(given):
            self._copied(table, "kickoff_template", "loop", want="prompts/kickoff.md")
            return
        folder, name = os.path.split(given)
        for role in self._copies.deployment.roles or {}:
            self._copies.take(os.path.join(folder, name.replace("{role}", role)), f"prompts/kickoff-{role}.md")
        self._set(
            table, "kickoff_template", "prompts/kickoff-{role}.md", "loop.kickoff_template", "the texts are copied"
        )

    def _roles(self, table: Table) -> None:
        """The directory keeps its name where it lies in the project, else its files go to prompts/."""
        live = self._copies.files.place(table["roles_dir"])
        shown = self._copies.files.shown(live)
        home = "prompts" if os.path.isabs(shown) or shown == "." else shown
        for role in self._copies.deployment.roles or {}:
            self._copies.take(os.path.join(live, f"{role}.md"), f"{home}/{role}.md")
        self._set(table, "roles_dir", home, "loop.roles_dir", "the roles' texts are copied")

    def _copied(self, table: Table, key: str, place: str, *, want: str = "") -> None:
        if key in table:
            name = self._copies.take(table[key], want) or self._copies.absent(table[key])
            self._set(table, key, name, f"{place}.{key}", "the text is copied")

    def _file(self, holder: Any, key: Any, place: str) -> None:
        """A path that is named as it is, and must go on leading to the same file."""
        given = str(holder[key])
        if given.startswith(PREFIX) or os.path.isabs(given):
            return
        self._set(holder, key, self._copies.files.place(given), place, "it stays where it is")

    def _set(self, table: Any, key: Any, value: str, place: str, why: str) -> None:
        was = table[key] if isinstance(key, int) or key in table else None
        if was == value:
            return
        said = why if was is None else f"was {was}"
        old = was.trivia.comment.lstrip("# ") if isinstance(was, Item) else ""
        table[key] = value
        if not isinstance(table, InlineTable | Array):
            table[key].comment(printable(f"{old}; {said}" if old else said))
        self.changes.append(Change(place, "" if was is None else str(was), value, why))


def _completed(text: str, root: str, engine: bool) -> tuple[str, list[Change]]:
    """Add below the name of each member what it has never had to say: ``dir`` where that was the project's own
    directory and, of the earlier *engine*, which isolates nobody, ``isolate``.

    In the text, for a key that tomlkit appends would come behind the comment of the next table.
    """
    document, positions = tomli.loads(text), locate(text)
    lines, changes = text.split("\n"), list[Change]()
    places = [(kind, index) for kind in ("agent", "service") for index, _ in enumerate(document.get(kind, ()))]
    below = {positions.line((*place, "name")): place for place in places}
    for line, (kind, index) in sorted(below.items(), reverse=True):
        if positions.line((kind, index)) == line:
            continue  # an inline table
        indent = lines[line - 1][: len(lines[line - 1]) - len(lines[line - 1].lstrip())]
        table = document[kind][index]
        for key, value, now, why in reversed(list(_unsaid(table, kind, root, engine))):
            lines.insert(line, f"{indent}{key} = {value} # {why}")
            changes.insert(0, Change(f"{kind}.{table['name']}.{key}", "", now, why))
    return "\n".join(lines), changes


def _unsaid(table: Mapping[str, Any], kind: str, root: str, engine: bool) -> Iterator[tuple[str, str, str, str]]:
    """Key, value as TOML, value as text, and why, of what *table* leaves to a default that is another here."""
    if "dir" not in table:
        yield "dir", tomlkit.string(root).as_string(), root, _STAYS
    if engine and kind == "agent" and table.get("kind", "loop") == "loop" and "isolate" not in table:
        yield "isolate", "false", "false", _OPEN
