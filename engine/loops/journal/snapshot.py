"""A snapshot: the state that the records up to a place fold to, so that a start need not replay them all.

It is a convenience and never evidence: it is believed only when its digest holds, and used only when the journal
carries the very link that it was taken at.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from loops.errors import JournalError
from loops.journal.record import FORMAT, Json, link_of
from loops.journal.segments import Place, flush_directory, path_of

NAME = "snapshot.json"
_DIGEST_FIELD = b',"sha256":"'
_DIGEST_LENGTH = len(_DIGEST_FIELD) + 64 + len(b'"}')


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state that all records before ``place`` fold to."""

    place: Place
    state: Any


def save(directory: str, place: Place, state: Json) -> None:
    """Replace the snapshot at once, or leave the old one: write beside it, flush, rename, flush the directory.

    Raises:
        JournalError: the state is not JSON, or the disk is full.
    """
    facts = {
        "format": FORMAT,
        "segment": place.segment,
        "offset": place.offset,
        "sequence": place.sequence,
        "chain": place.chain.hex(),
        "state": state,
    }
    path = os.path.join(directory, NAME)
    beside = path + ".new"
    try:
        body = json.dumps(facts, separators=(",", ":"), allow_nan=False)[:-1].encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise JournalError(f"the state at sequence {place.sequence} is not JSON: {error}") from error
    try:
        with open(beside, "wb", opener=_private) as file:
            file.write(body + _DIGEST_FIELD + sha256(body).hexdigest().encode("ascii") + b'"}')
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        flush_directory(directory)
    except OSError as error:
        with suppress(OSError):
            os.unlink(beside)
        raise JournalError(
            f"{path}: cannot write the snapshot: {error.strerror}; the journal itself is whole and the earlier "
            "snapshot stays. Free some space"
        ) from error


def load(directory: str) -> tuple[Snapshot | None, str]:
    """Return the snapshot, or None and why the one that is there is not believed ("" when there is none)."""
    path = os.path.join(directory, NAME)
    try:
        with open(path, "rb") as file:
            raw = file.read()
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        return None, f"{path}: ignored, cannot be read: {error.strerror}"
    body, digest = raw[:-_DIGEST_LENGTH], raw[-_DIGEST_LENGTH:]
    if digest != _DIGEST_FIELD + sha256(body).hexdigest().encode("ascii") + b'"}':
        return None, f"{path}: ignored, its digest does not hold; the journal is replayed from its beginning"
    facts = json.loads(raw)
    if facts["format"] != FORMAT:
        return None, f"{path}: ignored, its format is {facts['format']} and this loops reads {FORMAT}"
    place = Place(facts["segment"], facts["offset"], facts["sequence"], bytes.fromhex(facts["chain"]))
    return Snapshot(place, facts["state"]), ""


def is_in(directory: str, place: Place) -> bool:
    """Whether the journal has, exactly before *place*, the end of a line that carries the link of *place*."""
    try:
        with open(path_of(directory, place.segment), "rb") as file:
            file.seek(max(0, place.offset - 67))
            end = file.read(67)
    except OSError:
        return False
    try:
        return len(end) == 67 and end.endswith(b'"}\n') and link_of(end[:-1]) == place.chain
    except ValueError:
        return False


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
