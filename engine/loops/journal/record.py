"""One record of the journal: a CloudEvents 1.0 event as one line of JSON, linked to the line before it.

The link is ``SHA-256(previous link + this line's bytes up to its own chain field)``.  The chain field stands last, so
it is computed over an exact byte prefix and checked from the bytes alone: nothing is encoded again to verify it.
What is appended at once stands or falls together: each of its records but the last says ``"more":true``.
Pure: no file, no clock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
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
_MORE_FIELD = b',"more":true'
_CHAIN_LENGTH = len(_CHAIN_FIELD) + 64 + len(b'"}')
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_quote: Callable[[str], str] = json.encoder.encode_basestring_ascii
_decode = json.JSONDecoder().decode


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


@dataclass(frozen=True, slots=True)
class Writing:
    """What the records of one batch share: encoded once, for a batch may hold a thousand events of one storm."""

    source: str
    epoch: int
    recordedtime: float
    stamp: str

    @classmethod
    def at(cls, now: float, *, source: str, epoch: int) -> Writing:
        """Return it for *now* (epoch seconds, kept to the microsecond), *source* (a URN) and the writer's *epoch*."""
        microseconds = round(now * 1e6)
        stamp = (_EPOCH + microseconds * _MICROSECOND).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return cls(_quote(source), epoch, microseconds / 1e6, stamp)


def encode(
    event: Event, writing: Writing, sequence: int, chain: bytes, more: bool = False
) -> tuple[bytes, bytes, Record]:
    """Return the line of *event* with its newline, linked to the link *chain*; its own link; and how it will be read.

    *more*: it means nothing without the record that follows.

    All of the line is ASCII (other characters and lone surrogates are escaped): it holds no NUL and no second newline.

    Raises:
        JournalError: the data is not JSON (a NaN, a set, a cycle, a depth beyond Python's limit).
    """
    try:
        kind, subject, data = _quote(event.type), _quote(event.subject), _encode(dict(event.data))
    except (TypeError, ValueError, RecursionError) as error:
        raise JournalError(f"event {event.type} of {event.subject or 'the project'} is not JSON: {error}") from error
    number = f"{sequence:010d}"
    time = f',"time":{_quote(event.time)}' if event.time else ""
    about = f',"subject":{subject}' if event.subject else ""  # CloudEvents forbids an empty one
    body = (
        f'{{"specversion":"1.0","format":"{FORMAT}","id":"{writing.epoch}-{number}","source":{writing.source},'
        f'"type":"{TYPE_PREFIX}{kind[1:]}{time},"recordedtime":"{writing.stamp}"{about},"sequence":"{number}",'
        f'"epoch":{writing.epoch},"datacontenttype":"application/json","data":{data}'
    ).encode("ascii") + (_MORE_FIELD if more else b"")
    digest = sha256(chain + body)
    link = digest.hexdigest()
    # As it will be read: JSON joins two lone surrogates that make a pair, and turns tuples into lists.
    record = Record(
        sequence=sequence,
        id=f"{writing.epoch}-{number}",
        type=event.type if event.type.isascii() else _decode(kind),
        subject=event.subject if event.subject.isascii() else _decode(subject),
        data=_decode(data),
        recordedtime=writing.recordedtime,
        time=event.time if event.time.isascii() else _decode(_quote(event.time)),
        epoch=writing.epoch,
        chain=link,
    )
    return b'%b%b%b"}\n' % (body, _CHAIN_FIELD, link.encode("ascii")), digest.digest(), record


def link(chain: bytes, line: bytes) -> bytes | None:
    """Return the link of *line* (without newline) when it truly follows the link *chain*, else None."""
    digest = sha256(chain + line[:-_CHAIN_LENGTH])
    if line[-_CHAIN_LENGTH:] == _CHAIN_FIELD + digest.hexdigest().encode("ascii") + b'"}':
        return digest.digest()
    return None


def has_more(line: bytes) -> bool:
    """Whether *line* (without newline), known to be good, means nothing without the record that follows."""
    return line[:-_CHAIN_LENGTH].endswith(_MORE_FIELD)  # behind the data, which ends with a brace


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
