"""One record of the journal: a CloudEvents 1.0 event as one line of JSON, linked to the line before it.

The link is ``SHA-256(previous link + this line's bytes up to its own chain field)``.  The chain field stands last, so
it is computed over an exact byte prefix and checked from the bytes alone: nothing is encoded again to verify it.
Pure: no file, no clock.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from loops.errors import JournalError

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]

FORMAT = 1
TYPE_PREFIX = "dev.loops."
GENESIS = bytes(32)
"""The link before the first record."""
VERSIONED = b'{"specversion":"1.0","format":"'
HEAD = VERSIONED + b'%d","id":"' % FORMAT
"""How every line begins: each line says itself by which rules it must be read."""

_CHAIN_FIELD = b',"chain":"'
_CHAIN_LENGTH = len(_CHAIN_FIELD) + 64 + len(b'"}')
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Event:
    """What a caller appends.

    ``type`` comes without its "dev.loops."; ``time`` (RFC 3339) only when the source of the event gave one.
    """

    type: str
    subject: str
    data: Mapping[str, Json]
    time: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """What the journal holds.  ``recordedtime``: epoch seconds, the supervisor's clock; ``chain``: the link, hex."""

    sequence: int
    id: str
    type: str
    subject: str
    data: Mapping[str, Any]
    recordedtime: float
    time: str
    epoch: int
    chain: str


def encode(event: Event, *, source: str, sequence: int, epoch: int, recordedtime: float, chain: bytes) -> bytes:
    """Return the line of *event*, with its newline, linked to the link *chain*.

    All of it is ASCII (other characters and lone surrogates are escaped): a line holds no NUL and no second newline.

    Raises:
        JournalError: the data is not JSON (a NaN, a set, a cycle, a depth beyond Python's limit).
    """
    recorded = _EPOCH + round(recordedtime * 1e6) * _MICROSECOND
    fields: dict[str, object] = {
        "specversion": "1.0",
        "format": str(FORMAT),
        "id": f"{epoch}-{sequence:010d}",
        "source": source,
        "type": TYPE_PREFIX + event.type,
    }
    if event.time:
        fields["time"] = event.time
    fields["recordedtime"] = recorded.isoformat(timespec="microseconds").replace("+00:00", "Z")
    if event.subject:  # CloudEvents forbids an empty subject
        fields["subject"] = event.subject
    fields["sequence"] = f"{sequence:010d}"
    fields["epoch"] = epoch
    fields["datacontenttype"] = "application/json"
    fields["data"] = dict(event.data)
    try:
        body = _encode(fields)[:-1].encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise JournalError(f"event {event.type} of {event.subject or 'the project'} is not JSON: {error}") from error
    return body + _CHAIN_FIELD + sha256(chain + body).hexdigest().encode("ascii") + b'"}\n'


def link(chain: bytes, line: bytes) -> bytes | None:
    """Return the link of *line* (without newline) when it truly follows the link *chain*, else None."""
    digest = sha256(chain + line[:-_CHAIN_LENGTH])
    if line[-_CHAIN_LENGTH:] == _CHAIN_FIELD + digest.hexdigest().encode("ascii") + b'"}':
        return digest.digest()
    return None


def link_of(line: bytes) -> bytes:
    """Return the link that *line* (without newline), known to be good, carries."""
    return bytes.fromhex(line[-66:-2].decode("ascii"))


def decode(line: bytes) -> Record:
    """Read one verified line (with or without its newline)."""
    fields = json.loads(line)
    return Record(
        sequence=int(fields["sequence"]),
        id=fields["id"],
        type=fields["type"].removeprefix(TYPE_PREFIX),
        subject=fields.get("subject", ""),
        data=fields["data"],
        recordedtime=(datetime.fromisoformat(fields["recordedtime"]) - _EPOCH) // _MICROSECOND / 1e6,
        time=fields.get("time", ""),
        epoch=fields["epoch"],
        chain=fields["chain"],
    )
