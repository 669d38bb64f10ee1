"""Changes of a fleet.toml that leave every other byte of it alone.  Pure: bytes in, bytes out.

Whole lines are put in and taken out, so that comments, order, blank lines and line ends stay the user's.  Adding a project
and removing it again gives the same bytes.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from loops.config.fleet import Entry, no_such_project
from loops.config.problems import DocPath
from loops.config.toml_file import TomlFile, parse_toml
from loops.errors import LoopsError

if TYPE_CHECKING:
    from tomlkit.items import Table

FIRST = b"[fleet]\nversion = 1\n"
"""What a new file begins with."""


class EditRefused(LoopsError):
    """The file is written in a way that cannot be changed without changing more of it.  Nothing was written."""


def added(path: str, raw: bytes, entry: Entry) -> bytes:
    """Return *raw*, the bytes of the file at *path*, with a table for *entry* after the last line that is not blank."""
    import tomlkit

    file = parse_toml(path, raw)
    _refuse_inline(file)
    mark, lines = _lines(raw)
    table = _table(entry)
    block = ["[[project]]", *tomlkit.dumps(table).rstrip("\n").split("\n")]
    count = max((number for number, line in enumerate(lines, 1) if line.strip()), default=0)
    body, rest = lines[:count], lines[count:]
    new = [*body, *([""] if body else []), *block]
    if lines[0].endswith("\r"):  # only the line that ends the file has no line end
        bare = len(new) - 1 if not rest else len(new)
        new = [line if line.endswith("\r") or number >= bare else f"{line}\r" for number, line in enumerate(new)]
    tables = [*file.document.get("project", []), dict(table.unwrap())]
    return _checked(file, mark, [*new, *rest], {**file.document, "project": tables})


def removed(path: str, raw: bytes, name: str) -> bytes:
    """Return *raw* without the table of the project *name*, and without one blank line before it.

    Comments before and after it stay: whose they are is not known.
    """
    file = parse_toml(path, raw)
    _refuse_inline(file)
    place = _place(file, name)
    first, last = file.positions.line(place), file.positions.end(place)
    others = [each for each in file.positions.paths() if each[:2] != place and each != ("project",)]
    if any(first < file.positions.line(each) <= last for each in others):
        raise EditRefused(f"{path}:{first}: other tables stand between those of {name}: bring its own together first")
    mark, lines = _lines(raw)
    before, after = lines[: first - 1], lines[last:]
    if before and not before[-1].strip():
        before.pop()
    elif not before and any(line.strip() for line in after) and not after[0].strip():
        after.pop(0)
    if not after and before:  # what ends the file now has no line end either
        before[-1] = before[-1].removesuffix("\r")
    document = {**file.document, "project": [t for i, t in enumerate(file.document["project"]) if i != place[1]]}
    if not document["project"]:
        del document["project"]
    return _checked(file, mark, [*before, *after], document)


def with_ref(path: str, raw: bytes, name: str, ref: str) -> bytes:
    """Return *raw* with *ref* as the ``ref`` of the project *name*."""
    file = parse_toml(path, raw)
    place = _place(file, name)
    tables = [dict(table) for table in file.document["project"]]
    index = int(place[1])
    key = "ref" if "ref" in tables[index] else "location"
    if key not in tables[index]:
        raise EditRefused(f"{path}:{file.positions.line(place)}: {name} has no location: add it first")
    tables[index]["ref"] = ref
    mark, lines = _lines(raw)
    first, last = file.positions.line((*place, key)), file.positions.end((*place, key))
    pair = lines[first - 1 : last]
    changed = _with_value(pair, ref) if key == "ref" else _with_line_below(pair, ref)
    return _checked(file, mark, [*lines[: first - 1], *changed, *lines[last:]], {**file.document, "project": tables})


def _with_value(pair: list[str], ref: str) -> list[str]:
    """The lines of ``ref = …`` with another value; spaces and the comment stay."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    end = "\r" if pair[-1].endswith("\r") else ""  # its LF is not here
    try:
        alone = tomlkit.parse("\n".join(pair).removesuffix("\r"))
        alone["ref"] = ref
    except TOMLKitError:
        return pair  # more than the pair stands on these lines; `_checked` sees that nothing changed
    return f"{tomlkit.dumps(alone)}{end}".split("\n")


def _with_line_below(pair: list[str], ref: str) -> list[str]:
    import tomlkit

    indent = pair[0][: len(pair[0]) - len(pair[0].lstrip())]
    return [*pair, f"{indent}ref = {tomlkit.string(ref).as_string()}" + ("\r" if pair[-1].endswith("\r") else "")]


def _table(entry: Entry) -> Table:
    """All that every reader of such files asks for, and what is not as usual besides."""
    import tomlkit

    table = tomlkit.table()
    table["name"] = entry.name
    table["location"] = entry.location
    table["harness"] = entry.harness
    table["ref"] = entry.ref
    table["enabled"] = entry.enabled
    table["secrets"] = entry.secrets[0] if len(entry.secrets) == 1 else list(entry.secrets) or ""
    usual = Entry(entry.name, entry.location)
    for key in ("config", "dir"):
        if getattr(entry, key) != getattr(usual, key):
            table[key] = getattr(entry, key)
    return table


def _lines(raw: bytes) -> tuple[bytes, list[str]]:
    """The mark that a file may begin with, and its lines, each with the CR that it may end with."""
    mark = codecs.BOM_UTF8 if raw.startswith(codecs.BOM_UTF8) else b""
    return mark, raw[len(mark) :].decode().split("\n")


def _place(file: TomlFile, name: str) -> DocPath:
    tables = file.document.get("project")
    names = [
        table.get("name") if isinstance(table, dict) else None for table in (tables if isinstance(tables, list) else ())
    ]
    found: list[DocPath] = [("project", index) for index, each in enumerate(names) if each == name]
    if len(found) > 1:
        lines = ", ".join(str(file.positions.line(place)) for place in found)
        raise EditRefused(
            f"{file.path}: {len(found)} projects are called {name} (lines {lines}): rename one by hand first"
        )
    if not found:
        raise no_such_project(file.path, name, [each for each in names if isinstance(each, str)])
    return found[0]


def _refuse_inline(file: TomlFile) -> None:
    """Only [[tables]] end on lines of their own; ``project = [{...}]`` does not."""
    if "project" not in file.document:
        return
    line = file.positions.line(("project",))
    if not _lines(file.raw)[1][line - 1].lstrip().startswith("[["):
        raise EditRefused(f"{file.path}:{line}: project: is no list of [[project]] tables: write each project as one")


def _checked(file: TomlFile, mark: bytes, lines: list[str], expected: Mapping[str, Any]) -> bytes:
    """The bytes of *lines*, once it is sure that they say what is *expected* and nothing else."""
    raw = mark + "\n".join(lines).encode()
    if parse_toml(file.path, raw).document != expected:
        raise EditRefused(f"{file.path}: is written in a way that is not changed without risk: edit it by hand")
    return raw
