"""What can be wrong in a fleet.toml by itself, without a look at the projects that it names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from loops.config.contract import Breach
from loops.config.fleet import KEYS
from loops.config.problems import DocPath, Value, nearest, quoted
from loops.secrets.locations import password_in, value_in
from loops.secrets.redaction import redact

_TYPO = 0.75
"""How alike two names of keys must be to be taken for one."""
_TABLES = {"fleet": ("version",), "project": KEYS}

_PATH = re.compile(r"[A-Za-z0-9_/.][A-Za-z0-9_./+@:-]*")
_INSIDE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)?")
_PLAIN = {
    "name": re.compile(r"[a-z0-9]{1,32}(-[a-z0-9]{1,15}){0,2}"),
    "location": _PATH,
    "harness": _INSIDE,
    "ref": re.compile(r"([A-Za-z0-9]+([./-][A-Za-z0-9]+)*)?"),
    "secrets": re.compile(r"[\w./:-]*", re.ASCII),
    "config": _INSIDE,
    "dir": _PATH,
}
"""Values that the schema surely takes, and nearly all that there are."""


def breaches(document: Mapping[str, Value]) -> tuple[list[Breach], list[Breach]]:
    """Return what must not be taken from *document*, since the schema refuses it or it is a secret; and what else is wrong."""
    typos = list(_typos(document))
    unfit: list[Breach] = []
    if not is_plain(document):
        from loops.config import contract

        misspelt = {(*place[:-1], meant) for place, meant, _ in typos}
        found = contract.breaches(document, "fleet")
        unfit = [each for each in found if not (each[0] in misspelt and each[1].startswith("is missing"))]
    unfit += list(_values(document, {place for place, _ in unfit}))
    return unfit, [*((place, message) for place, _, message in typos), *_repeated_names(document)]


def unknown(document: Mapping[str, Value]) -> Iterator[DocPath]:
    """Yield where *document* has a key that is not known here."""
    for place, table in _tables(document):
        known = _TABLES[str(place[0])]
        yield from ((*place, key) for key in table if key not in known and not nearest(key, known, likeness=_TYPO))


def is_plain(document: Mapping[str, Value]) -> bool:
    """Return whether the schema surely takes *document*: a tenth of a second less than to ask the validator."""
    about, tables = document.get("fleet", {}), document.get("project", [])
    if not document.keys() <= _TABLES.keys() or not isinstance(about, dict) or not isinstance(tables, list):
        return False
    if not about.keys() <= {"version"} or type(about.get("version", 1)) is not int or about.get("version", 1) != 1:
        return False
    return all(isinstance(table, dict) and _is_plain_project(table) for table in tables)


def _is_plain_project(table: Mapping[str, Value]) -> bool:
    return {"name", "location"} <= table.keys() <= set(KEYS) and all(
        isinstance(value, bool) if key == "enabled" else isinstance(value, str) and bool(_PLAIN[key].fullmatch(value))
        for key, value in table.items()
    )


def _tables(document: Mapping[str, Value]) -> Iterator[tuple[DocPath, Mapping[str, Value]]]:
    if isinstance(document.get("fleet"), dict):
        yield ("fleet",), document["fleet"]
    projects = document.get("project")
    for index, table in enumerate(projects if isinstance(projects, list) else ()):
        if isinstance(table, dict):
            yield ("project", index), table


def _typos(document: Mapping[str, Value]) -> Iterator[tuple[DocPath, str, str]]:
    """Where, which key was meant, and what to say."""
    for place, table in _tables(document):
        known = _TABLES[str(place[0])]
        for key in table:
            hint = "" if key in known else nearest(key, known, likeness=_TYPO)
            if hint:
                yield (*place, key), hint.split('"')[1], f"there is no such key{hint}"


def _repeated_names(document: Mapping[str, Value]) -> Iterator[Breach]:
    seen: dict[str, int] = {}
    for place, table in _tables(document):
        name = table.get("name")
        if place[0] != "project" or not isinstance(name, str):
            continue
        if name in seen:
            message = f"{quoted(name)} is the name of project number {seen[name]} too: each needs one of its own"
            yield (*place, "name"), message
        seen.setdefault(name, int(place[1]) + 1)


def _values(document: Mapping[str, Value], misread: set[DocPath]) -> Iterator[Breach]:
    """Secrets that stand in the file; what they are is never said."""
    for place, table in _tables(document):
        for key, value in table.items():
            for inner, text in _texts(value, (*place, key)):
                if inner in misread:
                    continue
                if key == "secrets" and place[0] == "project" and (kind := value_in(text)):
                    yield (
                        inner,
                        (
                            f"holds {kind} where a location belongs: put it into a file, name that file here"
                            " (or credential:NAME, sops:FILE, vault:PATH), and let who may have read it no longer have it"
                        ),
                    )
                elif redact(text) != text:
                    yield inner, "looks like a secret: put it into a file, and name that file in secrets"
                elif key == "location" and password_in(text):
                    yield (
                        inner,
                        ("holds a password or a token: leave it out of the URL, git asks its credential helper or ssh"),
                    )


def _texts(value: Value, place: DocPath) -> Iterator[tuple[DocPath, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, (*place, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*place, index))
