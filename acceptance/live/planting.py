"""Planting a difference into the files of one side, and naming what parity must say of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit

from .live_plan import PLAN

DIFFERENT, MISSING = "DIFFERENT", "MISSING"
LOOPS = ("builder", "adversary")
Findings = dict[str, str]
"""By place: the class."""
Edit = Callable[["Side"], None]


class Side:
    """The files of one side: an agents.toml and what it names, or the launchers' scripts and dotfiles."""

    def __init__(self, root: Path) -> None:
        self.root = root
        path = root / "agents.toml"
        self.doc: Any = tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else None

    def save(self) -> None:
        path = self.root / "agents.toml"
        text = tomlkit.dumps(self.doc) if self.doc is not None else ""
        if text and text != path.read_text(encoding="utf-8"):
            path.write_text(text, encoding="utf-8")

    def entry(self, name: str) -> Any:
        """The table of an agent or service."""
        return next(entry for kind in ("agent", "service") for entry in self.doc[kind] if entry["name"] == name)

    def drop(self, name: str) -> None:
        for kind in ("agent", "service"):
            left = [entry for entry in self.doc[kind] if entry["name"] != name]
            if len(left) != len(self.doc[kind]):
                array = tomlkit.aot()
                for entry in left:
                    array.append(entry)
                self.doc[kind] = array

    def add(self, kind: str, /, **keys: Any) -> None:
        table = tomlkit.table()
        table.update(keys)
        self.doc[kind].append(table)

    @property
    def loop(self) -> Any:
        return self.doc["loop"]

    @property
    def phases(self) -> list[Any]:
        return [dict(phase.unwrap() if hasattr(phase, "unwrap") else phase) for phase in self.loop["phases"]]

    @phases.setter
    def phases(self, phases: list[Any]) -> None:
        """Inline tables, or tables of their own: whatever the file had, it now has an array of tables."""
        del self.loop["phases"]
        array = tomlkit.aot()
        for phase in phases:
            table = tomlkit.table()
            table.update(phase)
            array.append(table)
        self.loop["phases"] = array

    def phase(self, id: str, /, **keys: Any) -> None:
        """Set keys of a phase; None takes one away."""
        changed = self.phases
        found = next(phase for phase in changed if phase["id"] == id)
        for key, value in keys.items():
            found.pop(key, None)
            if value is not None:
                found[key] = value
        self.phases = changed

    @property
    def handoff(self) -> Any:
        return self.loop["handoff"]

    def path(self, name: str) -> Path:
        """A file by what it is: ``kickoff``, a role, an agent's prompt, ``wake`` of the orchestrator."""
        if name == "kickoff":
            return self.root / str(self.loop["kickoff_template"])
        if name in LOOPS:
            return self.root / str(self.loop["roles_dir"]) / f"{name}.md"
        if name == "wake":
            return self.root / str(self.entry("orchestrator")["wake"]["prompt_file"])
        return self.root / str(self.entry(name)["prompt_file"])

    def rewrite(self, name: str, change: Callable[[bytes], bytes]) -> None:
        path = self.path(name)
        before = path.read_bytes()
        after = change(before)
        assert after != before, f"nothing was changed in {path}"
        path.write_bytes(after)


@dataclass(frozen=True, slots=True)
class Planted:
    """One difference.  ``live``: planted into the live side instead of the staged one."""

    name: str
    edit: Edit
    finds: Findings
    live: bool = False


def _files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and not path.is_symlink() and ".git" not in path.parts]


@contextmanager
def planted(root: Path, edit: Edit) -> Iterator[None]:
    """Plant into the files below *root*, and put every file back afterwards, byte for byte."""
    kept = {path: path.read_bytes() for path in _files(root)}
    try:
        side = Side(root)
        edit(side)
        side.save()
        assert kept != {path: path.read_bytes() for path in _files(root)}, "nothing was planted"
        yield
    finally:
        for path in [path for path in _files(root) if path not in kept]:
            path.unlink()
        for path, was in kept.items():
            if not path.exists() or path.read_bytes() != was:
                path.write_bytes(was)


# ---- edits -----------------------------------------------------------------------------------------------------------


def setting(name: str, **keys: Any) -> Edit:
    """Set keys of an agent or service; None takes one away."""

    def edit(side: Side) -> None:
        for key, value in keys.items():
            side.entry(name).pop(key, None)
            if value is not None:
                side.entry(name)[key] = value

    return edit


def at(*path: str, to: Any = None) -> Edit:
    """Set the value at *path* of the document; None takes it away."""

    def edit(side: Side) -> None:
        table = side.doc
        for key in path[:-1]:
            table = table[key]
        if to is None:
            del table[path[-1]]
        else:
            table[path[-1]] = to

    return edit


def dropped(name: str) -> Edit:
    return lambda side: side.drop(name)


def added(kind: str, /, **keys: Any) -> Edit:
    return lambda side: side.add(kind, **keys)


def phase(id: str, /, **keys: Any) -> Edit:
    return lambda side: side.phase(id, **keys)


def phases(change: Callable[[list[Any]], list[Any]]) -> Edit:
    def edit(side: Side) -> None:
        side.phases = change(side.phases)

    return edit


def text(name: str, old: bytes, new: bytes) -> Edit:
    return lambda side: side.rewrite(name, lambda data: data.replace(old, new, 1))


def bytes_of(name: str, change: Callable[[bytes], bytes]) -> Edit:
    return lambda side: side.rewrite(name, change)


def dotfile(name: str, content: str | None) -> Edit:
    """What a dotfile of the launchers says; None takes it away."""

    def edit(side: Side) -> None:
        path = side.root / name
        if content is None:
            path.unlink()
        else:
            path.write_text(f"{content}\n" if content else "", encoding="utf-8")

    return edit


def script(name: str, old: str, new: str) -> Edit:
    """A place in one of the launchers' own files."""

    def edit(side: Side) -> None:
        path = side.root / name
        before = path.read_text(encoding="utf-8")
        assert old in before, f"{path} has no {old!r}"
        path.write_text(before.replace(old, new, 1), encoding="utf-8")

    return edit


def both(*edits: Edit) -> Edit:
    def edit(side: Side) -> None:
        for each in edits:
            each(side)

    return edit


def swapped(first: int, second: int) -> Edit:
    def change(found: list[Any]) -> list[Any]:
        found[first], found[second] = found[second], found[first]
        return found

    return phases(change)


def flipped(data: bytes) -> bytes:
    """One bit of one byte, in the middle."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


# ---- what they must be called ----------------------------------------------------------------------------------------


def different(*places: str) -> Findings:
    return dict.fromkeys(places, DIFFERENT)


def missing(*places: str) -> Findings:
    return dict.fromkeys(places, MISSING)


def kickoffs(*agents: str, ids: tuple[str, ...] = ()) -> Findings:
    """The kickoffs of *agents*, in all phases or in those of *ids*: what follows from a changed text."""
    return different(*(f"kickoff {id}/{a}: sha256" for id in ids or [p.id for p in PLAN] for a in agents))


def models_without_override(agent: str) -> Findings:
    return different(*(f"phase {p.id}: model of {agent}" for p in PLAN if agent not in p.models))


def role(name: str) -> Findings:
    return {**different(f"role {name}: sha256"), **kickoffs(name)}
