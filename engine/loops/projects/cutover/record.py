"""The cutover's durable record: JSON lines, each synced before anything follows from it; and the lock that it is written under."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from typing import Any

from loops.errors import LoopsError
from loops.projects.cutover.plan import Plan, decode, encode
from loops.projects.cutover.position import Entry, Mark

OUTPUT = 16_384
"""Bytes of a command's output that are kept, the last ones."""


class Places:
    """The cutover's own files, below the staged project's ``log_dir``."""

    __slots__ = ("root",)

    def __init__(self, log_dir: str) -> None:
        self.root = os.path.join(log_dir, "cutover")

    @property
    def plan(self) -> str:
        """The plan that was printed last, or that is being run."""
        return os.path.join(self.root, "plan.json")

    @property
    def record(self) -> str:
        return os.path.join(self.root, "record.jsonl")

    @property
    def note(self) -> str:
        """How the live side was when the cutover began."""
        return os.path.join(self.root, "note.json")

    @property
    def saved(self) -> str:
        """The live side's own state files as they were then."""
        return os.path.join(self.root, "saved")

    @property
    def lock(self) -> str:
        return os.path.join(self.root, "lock")

    @property
    def running(self) -> str:
        """The command that runs now; what is left of it when its conductor was killed."""
        return os.path.join(self.root, "running.json")

    @property
    def times(self) -> str:
        """What a rehearsal has measured."""
        return os.path.join(self.root, "measured.json")

    @property
    def rehearsals(self) -> str:
        return os.path.join(self.root, "rehearsals")


def write_json(path: str, facts: Any) -> None:
    """Write *facts* so that a crash leaves the old file or the new one, whole and on the disk."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.new"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(facts, file, indent=1, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.rename(temporary, path)
    _sync_directory(os.path.dirname(path))


def read_json(path: str) -> Any:
    """What stands there; None: nothing.  LoopsError: it is no JSON."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise LoopsError(f"{path}: is not what the cutover has written: {error}; move it away") from error


def keep_plan(places: Places, plan: Plan) -> None:
    """Keep *plan*: the checks read it, and an interrupted run goes on with exactly this one."""
    write_json(places.plan, encode(plan))


def kept_plan(places: Places) -> Plan:
    """The plan that was kept.  LoopsError: there is none."""
    facts = read_json(places.plan)
    if facts is None:
        raise LoopsError(f"{places.plan} is not there: `loops cutover plan LIVE STAGED` writes it")
    try:
        return decode(facts)
    except (KeyError, TypeError, ValueError) as error:
        raise LoopsError(f"{places.plan}: is no plan of this engine ({error!r}): make it anew") from error


class Record:
    """The record, open for appending.  One process at a time has it."""

    def __init__(self, places: Places) -> None:
        """Take the lock and read what there is.

        Raises:
            LoopsError: another process has it, or the record is broken.
        """
        os.makedirs(places.root, exist_ok=True)
        self._lock = os.open(places.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = os.pread(self._lock, 32, 0).decode("ascii", "replace").strip()
            os.close(self._lock)
            raise LoopsError(
                f"{places.lock}: process {pid or 'unknown'} runs this cutover now; there is one at a time. "
                "Answer it, or end it: its record stays, and the next run goes on from there"
            ) from None
        os.ftruncate(self._lock, os.pwrite(self._lock, b"%d\n" % os.getpid(), 0))
        self._path = places.record
        self.entries, whole = _read(self._path)
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._file, whole)  # a torn last line: its write was never acted on
        _sync_directory(places.root)

    def append(self, entry: Entry) -> None:
        """Write *entry*; it is on the disk when this returns."""
        line = json.dumps(_facts(entry), ensure_ascii=False) + "\n"
        data = line.encode("utf-8", "replace")
        while data:
            data = data[os.write(self._file, data) :]
        os.fsync(self._file)
        self.entries.append(entry)

    def close(self) -> None:
        """Free the lock."""
        os.close(self._file)
        os.close(self._lock)

    def __enter__(self) -> Record:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def entries(places: Places) -> list[Entry]:
    """All entries so far, without the lock."""
    return _read(places.record)[0]


def _read(path: str) -> tuple[list[Entry], int]:
    """The entries, and how many bytes they take."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return [], 0
    whole = data.rfind(b"\n") + 1
    return list(_parsed(path, data[:whole])), whole


def _parsed(path: str, data: bytes) -> Iterator[Entry]:
    for number, line in enumerate(data.splitlines(), 1):
        try:
            facts = json.loads(line)
            yield Entry(**{**facts, "mark": Mark(facts["mark"])})
        except (ValueError, TypeError, KeyError) as error:
            raise LoopsError(
                f"{path}:{number}: is no entry of a cutover's record ({error}); nobody may edit it. "
                "Find out by the runbook where things stand, and move it away"
            ) from error


def _facts(entry: Entry) -> dict[str, Any]:
    facts = {name: getattr(entry, name) for name in Entry.__dataclass_fields__}
    kept = {name: value for name, value in facts.items() if value not in ("", 0.0) or name == "code"}
    if entry.mark is not Mark.RAN:
        kept.pop("code", None)
    return {**kept, "mark": entry.mark.value}


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
