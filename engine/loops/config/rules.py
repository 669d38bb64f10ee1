"""What the schema cannot say: rules between the parts of agents.toml."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from loops.config.backends import BUILT_IN
from loops.config.contract import Breach
from loops.config.problems import DocPath, Value, nearest, quoted
from loops.secrets.redaction import redact

SUPERVISOR = "watchdog"
"""The supervisor's own row in ``loops status``, and its session."""

_REGEXES = ("active_re", "limit_re", "fatal_re", "ready_re", "dialog_re")
_NO_TUI = 'cannot be "tui": the Agent Client Protocol is all that is known of this agent; leave mode out'
_NO_PERMISSIONS = (
    "nothing but its own flags restrains an agent of this backend; leave it out, and put them in [backend] flags"
)
_CREDENTIAL = 'as in credentials = { ANTHROPIC_API_KEY = "anthropic" }'
_UNUSABLE = re.compile(r"[:.\s\x00-\x1f\x7f-\x9f]")


def without(document: Mapping[str, Any], places: Collection[DocPath]) -> dict[str, Any]:
    """Return a copy without what stands at *places*, so that one mistake is not reported twice.

    A list keeps its length: an element that is left out becomes None.
    """

    def copy(value: Value, path: DocPath) -> Value:
        if path in places:
            return None
        if isinstance(value, dict):
            return {key: copy(inner, (*path, key)) for key, inner in value.items() if (*path, key) not in places}
        if isinstance(value, list):
            return [copy(inner, (*path, index)) for index, inner in enumerate(value)]
        return value

    kept: dict[str, Any] = copy(document, ())
    return kept


def breaches(document: Mapping[str, Any], misread: Collection[DocPath] = ()) -> Iterator[Breach]:
    """Yield what is wrong between the parts.  *misread*: places that the schema refused and that `without` took out."""
    project = _Project(document, misread)
    yield from project.names()
    yield from project.sessions()
    yield from project.backends()
    yield from project.uses_of_backends()
    yield from project.phases()
    yield from project.handoff()
    yield from project.judges()
    yield from project.completion()
    yield from project.schedules()
    yield from project.two_spellings()
    yield from project.notices()
    yield from _secrets(document, ())
    yield from project.credentials()


class _Project:
    def __init__(self, document: Mapping[str, Any], misread: Collection[DocPath]) -> None:
        self._document, self._misread = document, misread
        self._defaults: Mapping[str, Any] = document.get("defaults", {})
        self._loop: Mapping[str, Any] = document.get("loop", {})
        self._backends: Mapping[str, Any] = document.get("backend", {})
        self._members = [
            ((kind, index), table)
            for kind in ("agent", "service")
            for index, table in enumerate(document.get(kind, ()))
            if table is not None and "name" in table
        ]
        self._kinds = {
            table["name"]: table.get("kind", "loop") if path[0] == "agent" else "service"
            for path, table in self._members
        }

    def names(self) -> Iterator[Breach]:
        seen: set[str] = set()
        for path, table in self._members:
            name = table["name"]
            if name == SUPERVISOR:
                yield (*path, "name"), f'"{name}" is the name of the supervisor itself: choose another'
            elif name in seen:
                yield (*path, "name"), f'the name "{name}" is taken: every agent and service needs its own'
            seen.add(name)

    def sessions(self) -> Iterator[Breach]:
        prefix = self._defaults.get("session_prefix")
        if prefix is not None:
            yield from _session_name(prefix, ("defaults", "session_prefix"))
        owners = {f"{prefix}{SUPERVISOR}": SUPERVISOR} if prefix is not None else {}
        for path, table in self._members:
            if "session" in table:
                yield from _session_name(table["session"], (*path, "session"))
            elif prefix is None:
                continue
            session = table.get("session", f"{prefix}{table['name']}")
            owner = owners.setdefault(session, table["name"])
            if owner != table["name"]:
                where = (*path, "session") if "session" in table else (*path, "name")
                yield where, f'the session {quoted(session)} is that of "{owner}": give this one a session of its own'

    def credentials(self) -> Iterator[Breach]:
        for path, table in self._members:
            for name in table.get("credentials", {}):
                if name in table.get("env", {}):
                    yield (*path, "credentials", name), f"stands in env too: let {name} be a credential alone"

    def backends(self) -> Iterator[Breach]:
        for name, table in self._backends.items():
            path: DocPath = ("backend", name)
            for key in _REGEXES:
                try:
                    re.compile(table.get(key, ""))
                except (re.error, OverflowError, RecursionError) as error:
                    yield (*path, key), f"is not a regular expression: {error}"
            for key in ("flags", "resume_flags", "session_flags"):
                yield from _words(table.get(key), (*path, key))
            named = "bin" in table or "command" in table
            if not named and not {(*path, "bin"), (*path, "command")} & set(self._misread):
                yield from _no_program(name, table, path)
            if table.get("mode") == "tui" and self._adapter(name) == "acp":
                yield (*path, "mode"), _NO_TUI

    def uses_of_backends(self) -> Iterator[Breach]:
        refused = {str(path[1]) for path in self._misread if path[:1] == ("backend",) and path[1:]}
        known = {*self._backends, *BUILT_IN, *refused}
        if "backend" in self._defaults:
            yield from _unknown(self._defaults["backend"], known, "backend", ("defaults", "backend"))
        for path, table in self._members:
            if path[0] == "service":
                continue
            if "backend" in table:
                yield from _unknown(table["backend"], known, "backend", (*path, "backend"))
            adapter = self._adapter(table.get("backend", self._defaults.get("backend")))
            if table.get("mode") == "tui" and adapter == "acp":
                yield (*path, "mode"), _NO_TUI
            limits = table.get("permissions", "skip")
            if limits != "skip" and adapter in ("command", "demo"):
                yield (*path, "permissions"), f'cannot be "{limits}": {_NO_PERMISSIONS}'
            places = {(*path, "backend"), ("defaults", "backend")}
            if "backend" not in table and "backend" not in self._defaults and not places & set(self._misread):
                yield (*path, "backend"), 'is missing: name a backend here or in [defaults], such as backend = "claude"'

    def _adapter(self, name: object) -> str:
        """What drives a backend, as far as the file says; empty: that cannot be told."""
        usual = BUILT_IN.get(name) if isinstance(name, str) else None
        table = self._backends.get(name) if isinstance(name, str) else None
        if ("backend", name, "adapter") in self._misread:
            return ""
        if table is None:
            return usual.adapter if usual else ""
        if table.get("prompt_delivery") == "exec" and "adapter" not in table:
            return "command"
        adapter = usual.adapter if usual else "acp" if "command" in table else "command"
        return str(table.get("adapter", adapter))

    def phases(self) -> Iterator[Breach]:
        seen: set[str] = set()
        for index, phase in enumerate(self._loop.get("phases", ())):
            path: DocPath = ("loop", "phases", index)
            if phase is None:
                continue
            if phase.get("id") in seen:
                yield (*path, "id"), f'the phase "{phase["id"]}" is there twice: every phase needs an id of its own'
            if "id" in phase:
                seen.add(phase["id"])
            for name in phase.get("models", {}):
                yield from self._agent(name, (*path, "models", name))
            yield from _repeated_items(phase.get("items", ()), (*path, "items"))

    def handoff(self) -> Iterator[Breach]:
        table: Mapping[str, Any] = self._loop.get("handoff", {})
        named: dict[str, list[str]] = {"builder": [], "adversary": []}
        for key, names in named.items():
            given = table.get(key, [])
            path: DocPath = ("loop", "handoff", key)
            pairs = (
                [(given, path)] if isinstance(given, str) else [(name, (*path, at)) for at, name in enumerate(given)]
            )
            for name, place in pairs:
                if name is None:
                    continue
                yield from self._agent(name, place)
                if key == "adversary" and name in named["builder"]:
                    yield place, f'"{name}" is a builder too: nobody judges their own claim'
                names.append(name)

    def judges(self) -> Iterator[Breach]:
        if self._loop.get("done", {}).get("verdicts") != "optional":
            return
        for at, phase in enumerate(self._loop.get("phases", ())):
            path: DocPath = ("loop", "phases", at)
            if phase is not None and not phase.get("checks") and (*path, "checks") not in self._misread:
                place = (*path, "checks") if "checks" in phase else path
                yield place, "nobody would judge it: verdicts are optional, and it has no checks; give it some"

    def completion(self) -> Iterator[Breach]:
        path: DocPath = ("loop", "on_complete", "run")
        name = self._loop.get("on_complete", {}).get("run")
        if name is None:
            return
        yield from self._agent(name, path)
        kind = self._kinds.get(name, "task")
        owner = next((at for at, table in self._members if table["name"] == name), ())
        if kind not in ("task", "service") and (*owner, "kind") not in self._misread:
            yield path, f'"{name}" is of kind {kind}, and only an agent of kind task can run once: set kind = "task"'

    def schedules(self) -> Iterator[Breach]:
        for path, table in self._members:
            if path[0] != "agent" or "schedule" not in table:
                continue
            if self._kinds[table["name"]] != "task" and (*path, "kind") not in self._misread:
                yield (*path, "schedule"), 'only an agent of kind task has one: set kind = "task", or use wake'
            yield from _schedule(table["schedule"], (*path, "schedule"))

    def two_spellings(self) -> Iterator[Breach]:
        loop, done = self._loop, self._loop.get("done", {})
        if "marker" in done and loop.get("done_marker", done["marker"]) != done["marker"]:
            yield ("loop", "done_marker"), "differs from done.marker, which says the same: keep one of them"
        tokens = self._document.get("watchdog", {}).get("log_tokens")
        if tokens is not None and loop.get("log_tokens", tokens) != tokens:
            yield ("loop", "log_tokens"), "differs from [watchdog] log_tokens, which says the same: keep one of them"

    def notices(self) -> Iterator[Breach]:
        notify = self._document.get("notify", {})
        if "ntfy_token_file" in notify and "ntfy" not in notify and ("notify", "ntfy") not in self._misread:
            yield ("notify", "ntfy_token_file"), 'is for ntfy, which is missing: add ntfy = "https://ntfy.sh/my-topic"'

    def _agent(self, name: str, place: DocPath) -> Iterator[Breach]:
        agents = [known for known, kind in self._kinds.items() if kind != "service"]
        if self._kinds.get(name) == "service":
            yield place, f'"{name}" is a service, and only an agent can stand here'
        else:
            yield from _unknown(name, agents, "agent", place)


def _secrets(value: object, path: DocPath) -> Iterator[Breach]:
    """The file is copied into the journal, into a Nix store, into a report: no place for a key."""
    if isinstance(value, str):
        if redact(value) != value:
            yield path, f"looks like a secret ({_kind(value)}): put it into a file and name it, {_CREDENTIAL}"
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _secrets(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _secrets(inner, (*path, index))


def _kind(text: str) -> str:
    return redact(text).partition("[redacted: ")[2].partition("]")[0]


def _no_program(name: str, table: Mapping[str, Any], path: DocPath) -> Iterator[Breach]:
    adapter = table.get("adapter", "command")
    if adapter == "acp":
        yield (*path, "command"), 'is missing: add command = ["the-agent", "acp"], the program that speaks the protocol'
    elif adapter == "command" and name not in BUILT_IN:
        yield (*path, "bin"), 'is missing: add bin = "program", for nothing is built in for a backend of this name'


def _unknown(name: str, known: Collection[str], what: str, place: DocPath) -> Iterator[Breach]:
    if name not in known:
        hint = nearest(name, known) or f"; known: {', '.join(sorted(known)) or 'none'}"
        yield place, f'there is no {what} "{name}"{hint}'


def _session_name(name: str, place: DocPath) -> Iterator[Breach]:
    """What tmux would change, or read as something else than a name."""
    bad = _UNUSABLE.search(name)
    if bad:
        why = f"no {_spoken(bad.group())} in it (use letters, digits, - and _)"
        yield place, f"{quoted(name)} cannot name a tmux session: {why}"
    elif name[0] in "=-$@%":
        yield place, f'{quoted(name)} cannot name a tmux session: tmux reads a leading "{name[0]}" as something else'


def _spoken(character: str) -> str:
    return f'"{character}"' if character in ":." else "white space" if character.isspace() else "control character"


def _words(value: object, place: DocPath) -> Iterator[Breach]:
    if isinstance(value, str):
        try:
            shlex.split(value)
        except ValueError as error:
            yield place, f"cannot be split into words ({error}): close the quote, or write a list of texts"


def _schedule(text: str, place: DocPath) -> Iterator[Breach]:
    from loops.config import calendar, zones

    try:
        zone = calendar.parse(text).zone
    except calendar.BadCalendar as error:
        yield place, str(error)
        return
    known = zones.known() if zone not in ("", "UTC") else ()
    if known and zone not in known:
        hint = nearest(zone, known) or '; write it as in "Europe/Berlin", or UTC'
        yield place, f"there is no time zone {quoted(zone)}{hint}"


def _repeated_items(items: Sequence[Any], place: DocPath) -> Iterator[Breach]:
    seen: set[str | None] = set()
    for index, item in enumerate(items):
        name = item.get("id") if isinstance(item, dict) else item
        if name is not None and name in seen:
            yield (*place, index), f"the item {quoted(name)} is there twice in this phase"
        seen.add(name)
