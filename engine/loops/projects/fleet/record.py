"""What was moved in a project, kept in its git directory: the way back, and how far a broken-off move had come."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields

from loops.errors import LoopsError
from loops.protocol.clone import Clone

_MOST = 100
"""Moves that are kept."""


@dataclass(frozen=True, slots=True)
class Move:
    """One move of a pin, from its intent on."""

    before: str
    """Commit of the engine."""
    after: str
    ref_before: str
    """Mirror in fleet.toml."""
    ref_after: str
    name_before: str
    """The whole name of the tag or branch, where the project's pin has one; so that it can be written again."""
    name_after: str
    subject: str
    head: str
    """The project's commit that the move starts from."""
    engine_head: str = ""
    """What ``engine/`` had checked out: a branch (``refs/heads/…``) or a commit."""
    commit: str = ""
    """The project's commit that moves the pin; known before it stands anywhere."""
    undoes: str = ""
    """The project's commit of the move that this one undoes; empty: it is an update."""


@dataclass(frozen=True, slots=True)
class Record:
    """All that is kept of one project."""

    moves: tuple[Move, ...] = ()
    """Those that can be undone, the newest last."""
    under_way: Move | None = None
    """Stands exactly as long as a move may be half done."""


def read(project: Clone) -> Record:
    """Return the record of *project*.  Raises LoopsError: it is not readable."""
    path = _path(project)
    try:
        with open(path, encoding="utf-8") as file:
            kept = json.load(file)
        moves = tuple(_move(each) for each in kept["moves"])
        return Record(moves, _move(kept["under_way"]) if kept["under_way"] else None)
    except FileNotFoundError:
        return Record()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LoopsError(
            f"{path}: cannot be read ({error}): move it away; what it remembers cannot be undone then"
        ) from error


def write(project: Clone, record: Record) -> None:
    """Replace the record of *project*, durably."""
    path = _path(project)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    under_way = asdict(record.under_way) if record.under_way else None
    text = json.dumps({"moves": [asdict(each) for each in record.moves[-_MOST:]], "under_way": under_way}, indent=1)
    draft = f"{path}.draft"
    try:
        with open(draft, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(draft)
        raise


@contextmanager
def locked(project: Clone) -> Iterator[None]:
    """Be the only one who moves this project's pin.  Raises LoopsError: somebody else does."""
    path = f"{_path(project)}.lock"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise LoopsError(f"{project.root}: another update of this project goes on; wait for its end") from None
    finally:
        os.close(descriptor)


def _move(kept: dict[str, object]) -> Move:
    known = {each.name for each in fields(Move)}
    return Move(**{name: value for name, value in kept.items() if name in known})  # type: ignore[arg-type]


def _path(project: Clone) -> str:
    return os.path.join(project.root, project.run("rev-parse", "--git-dir"), "loops", "pin.json")
