"""Raw lines of one run in, normalized events out: pure, so that the same lines give the same bytes again."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from loops.secrets.redaction import holds_start, redacted
from loops.streams.detectors import Detectors
from loops.streams.encoding import SMALL, Clock, compact, encoded_somehow, shortened
from loops.streams.event import PREFIX, Event, Fact
from loops.streams.reader import raw_type, unmapped
from loops.streams.readers import reader
from loops.streams.reading import LATEST

FILES = {"err": "raw/err.txt"}
_TEXT_SHOWN = 300
_SHAPE = (TypeError, ValueError, KeyError, AttributeError, IndexError, OverflowError, RecursionError)
"""What a mapping raises on a document of a shape that nobody foresaw."""


class _Place:
    """Where the next line of a stream will be."""

    __slots__ = ("file", "line", "offset")

    def __init__(self, stream: str) -> None:
        name = FILES.get(stream) or f"raw/{stream}.jsonl"
        self.file = f'"raw":{{"file":{encoded_text(name)},'
        self.line, self.offset = 1, 0


class Normaliser:
    """One run's normaliser.

    ``conversation``: the id that the run was to resume.  ``utc_offset``: seconds east of Greenwich, for times that
    backends write without a zone (None: this machine's zone, and then the bytes depend on it).
    """

    def __init__(
        self,
        engine: str,
        engine_version: str,
        run: str,
        agent: str,
        phase: str = "",
        *,
        conversation: str = "",
        utc_offset: int | None = None,
    ) -> None:
        self._reader = reader(engine, run, conversation, utc_offset)
        self._reader.version = engine_version
        self._detectors = Detectors(hides=engine == "codex")
        self._quiet, self._heard = self._reader.quiet, self._reader.heard
        self._run, self._engine = run, engine
        self._whose: dict[str, Any] = {"agent": agent, "phase": phase} if phase else {"agent": agent}
        self._places: dict[str, _Place] = {}
        self._sequence = 0
        self._recorded, self._backend = Clock(), Clock()
        self._head = f'{{"specversion":"1.0","id":{encoded_text(run)[:-1]}-'
        self._source = f'","source":{encoded_text("urn:loops:run:" + run)},"type":"{PREFIX}'
        self._subject, self._tail = "", self._engine_part("")

    def feed(self, stream: str, raw: bytes, recorded: float) -> list[Event]:
        """Return the events of one raw line of *stream*.

        *raw* is the line without its newline (one that is there is taken off); *recorded*: epoch seconds.  Never
        raises: what cannot be read becomes ``backend.unmapped``.
        """
        if raw.endswith(b"\n"):
            raw = raw[:-1]
        place = self._places.get(stream)
        if place is None:
            place = self._places[stream] = _Place(stream)
        line, offset = place.line, place.offset
        place.line, place.offset = line + 1, offset + len(raw) + 1
        if not 0.0 <= recorded <= LATEST:
            recorded = LATEST if recorded > LATEST else 0.0
        recorded = int(recorded * 1e6 + 0.5) / 1e6  # as the index holds it; `round` takes ten times as long
        facts = self._facts(stream, raw, recorded)
        if not facts:
            return []
        facts = self._detectors.see(facts, recorded)
        if self._reader.conversation != self._subject:
            self._subject = self._reader.conversation
            self._tail = self._engine_part(self._subject)
        where = f'{place.file}"line":{line},"offset":{offset},"sha256":"{sha256(raw).hexdigest()}"}}}}}}'
        time = f'"recordedtime":"{self._recorded.write(recorded)}"'
        long = len(raw) > SMALL
        return [self._event(fact, time, where, long) for fact in facts]

    def _facts(self, stream: str, raw: bytes, recorded: float) -> list[Fact]:
        if stream == "err":
            return self._reader.complain(raw.decode("utf-8", "replace"), recorded)
        if stream == "out" and raw.startswith(self._quiet):
            return []
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = raw.decode("utf-8", "replace")  # the event cites the bytes as they are
        try:
            if text[:1].isspace():
                text = text.lstrip()
            document, end = _scan(text, 0)
        except (ValueError, RecursionError):
            return self._no_document(stream, raw, recorded)
        if end != len(text) and text[end:].strip():
            return self._no_document(stream, raw, recorded)
        if not isinstance(document, dict):
            return self._no_document(stream, raw, recorded)
        try:
            facts = (
                self._heard(document, recorded) if stream == "out" else self._reader.read(stream, document, recorded)
            )
        except _SHAPE as error:
            return [unmapped(raw_type(document), stream=stream, problem=type(error).__name__)]
        return [unmapped(raw_type(document), stream=stream)] if facts is None else facts

    def _no_document(self, stream: str, raw: bytes, recorded: float) -> list[Fact]:
        """A line that is no JSON object: words of the program itself, perhaps with a meaning."""
        if not raw.strip():
            return []
        words = raw[:8192].decode("utf-8", "replace")
        facts = [unmapped("text", stream=stream, text=words[:_TEXT_SHOWN])]
        if stream == "out" and not words.lstrip().startswith(("{", "[")) and self._reader.texts.meaning(words):
            facts += self._reader.complain(words, recorded)
        return facts

    def _event(self, fact: Fact, recorded: str, where: str, long: bool) -> Event:
        self._sequence += 1
        type_, data, moment = fact
        if type_.startswith("turn."):
            data = {**data, **self._whose}
        if long:
            data = shortened(data)
        time = f'"time":"{self._backend.write(moment)}",' if moment is not None else ""
        before = (
            f'{self._head}{self._sequence:06d}{self._source}{type_}",{time}{recorded},{self._tail}'
            f'"sequence":"{self._sequence:010d}","datacontenttype":"application/json","data":'
        )
        line = _written(before, data, where)
        if holds_start(line[len(before) : -len(where)]):  # nothing that looks like a key leaves the raw record
            data = redacted(data)
            line = _written(before, data, where)
        return Event(type_, data, line)

    def _engine_part(self, subject: str) -> str:
        named = f'"subject":{encoded_text(subject)},' if subject else ""
        return f'{named}"engine":{encoded_text(self._engine)},'


def _written(before: str, data: dict[str, Any], where: str) -> bytes:
    comma = "," if data else ""
    try:
        return f"{before}{compact(data)[:-1]}{comma}{where}".encode()
    except (ValueError, RecursionError):
        return f"{before}{encoded_somehow(data)[:-1]}{comma}{where}".encode()


def _no_number(name: str) -> None:
    """Read NaN and Infinity, which are no JSON, as null."""


_scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder(parse_constant=_no_number).raw_decode
"""Reads the document at a place of a text: what `json.loads` does, without making a decoder each time."""


def encoded_text(text: str) -> str:
    """Return *text* as a JSON string."""
    return json.dumps(text)
