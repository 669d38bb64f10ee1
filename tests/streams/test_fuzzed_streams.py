"""Whatever comes down a stream: no exception, nothing dropped, the same bytes again, every event within the contract."""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

import contract
import pytest
import recordings
from hypothesis import given, settings
from hypothesis import strategies as st
from loops.streams.normaliser import Normaliser
from loops.streams.recording import Raw

ENGINES = ("claude", "codex", "opencode", "pi", "acp")
STREAMS = ("out", "in", "err", "hook", "runner", "rollout")
WRONG = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        2**70,
        1e300,
        0.5,
        "",
        "x",
        "\ud800",
        "[nudge n1]",
        [],
        [None, 1, "x", {}],
        {},
        {"type": "text"},
    ]
)


@cache
def known(engine: str) -> list[Raw]:
    """Return the lines of all recordings of an engine, each once by its shape."""
    found: dict[str, Raw] = {}
    for name in recordings.NAMES:
        if recordings.engine(name) == engine:
            for raw in recordings.lines(name):
                found.setdefault(f"{raw.stream} {shape(raw.line)}", raw)
    runner = [
        {"type": "interrupted", "reason": "x"},
        {"type": "approval.expired", "request": "0"},
        {"type": "approval.answered", "request": "0", "allow": True},
        {"type": "approval.preseeded", "name": "trust", "text": "x"},
        {"type": "resume.failed", "reason": "x"},
        {"type": "silence", "seconds": 600},
        {"type": "ready"},
    ]
    return [*found.values(), *(Raw("runner", json.dumps(line).encode(), 1_795_246_754.0) for line in runner)]


def shape(line: bytes) -> str:
    """Return what a line looks like without its values."""
    try:
        return repr(keys(json.loads(line)))
    except ValueError:
        return "text"


def keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: keys(row) for key, row in value.items() if key not in ("input", "arguments")} | {
            "=": [
                value.get(key)
                for key in ("type", "subtype", "method", "status", "stopReason")
                if key in value and isinstance(value[key], str)
            ]
        }
    return [keys(row) for row in value[:1]] if isinstance(value, list) else type(value).__name__


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths to everything in a document."""
    if isinstance(value, dict):
        inner = [found for key, row in value.items() for found in places(row, (*path, key))]
    elif isinstance(value, list):
        inner = [found for index, row in enumerate(value) for found in places(row, (*path, index))]
    else:
        inner = []
    return [path, *inner] if path else inner


@st.composite
def spoilt(draw: st.DrawFn, engine: str) -> Raw:
    """Return a line of a recording, with up to three of its values replaced or taken away, or cut, or as it was."""
    raw = draw(st.sampled_from(known(engine)))
    way = draw(st.sampled_from(["as it was", "values", "values", "values", "cut", "bytes", "stream"]))
    if way == "cut":
        return raw._replace(line=raw.line[: draw(st.integers(0, len(raw.line)))])
    if way == "bytes":
        at = draw(st.integers(0, len(raw.line)))
        return raw._replace(line=raw.line[:at] + draw(st.binary(max_size=4)).replace(b"\n", b"") + raw.line[at:])
    if way == "stream":
        return raw._replace(stream=draw(st.sampled_from(STREAMS)))
    if way == "values":
        try:
            document = copy.deepcopy(json.loads(raw.line))
        except ValueError:
            return raw
        for path in draw(st.lists(st.sampled_from(places(document) or [()]), max_size=3)):
            spoil(document, path, draw(WRONG), draw(st.booleans()))
        return raw._replace(line=json.dumps(document).encode())
    return raw


def spoil(document: Any, path: tuple[Any, ...], wrong: Any, take: bool) -> None:
    try:
        for step in path[:-1]:
            document = document[step]
        if take:
            del document[path[-1]]
        else:
            document[path[-1]] = copy.deepcopy(wrong)
    except (KeyError, IndexError, TypeError):
        pass  # an earlier replacement took the place away


def normalized(engine: str, lines: list[Raw]) -> list[bytes]:
    """Normalize, and check what must hold of every line."""
    normaliser = Normaliser(engine, "", "b.1", "b", utc_offset=0)
    found: list[bytes] = []
    for raw in lines:
        found += [event.line for event in normaliser.feed(*raw)]
    return found


def check(engine: str, lines: list[Raw]) -> None:
    found = normalized(engine, lines)
    assert found == normalized(engine, lines)
    assert [problem for line in found for problem in contract.problems(line)] == []
    assert [json.loads(line)["sequence"] for line in found] == [f"{n:010d}" for n in range(1, len(found) + 1)]


@pytest.mark.parametrize("engine", ENGINES)
@given(data=st.data())
@settings(max_examples=150)
def test_spoilt_and_reordered_lines_give_valid_events(engine: str, data: st.DataObject) -> None:
    check(engine, data.draw(st.lists(spoilt(engine), max_size=12)))


@pytest.mark.parametrize("engine", ENGINES)
@given(lines=st.lists(st.tuples(st.sampled_from(STREAMS), st.binary(max_size=60)), max_size=6))
@settings(max_examples=60)
def test_any_bytes_give_valid_events(engine: str, lines: list[tuple[str, bytes]]) -> None:
    check(engine, [Raw(stream, line.replace(b"\n", b""), 1e9) for stream, line in lines])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("engine", ENGINES)
@given(kind=st.text(max_size=10), more=st.dictionaries(st.text(max_size=6), JSON, max_size=4))
@settings(max_examples=60)
def test_a_kind_that_nobody_knows_is_unmapped_and_never_dropped(engine: str, kind: str, more: dict[str, Any]) -> None:
    more.pop("response", None)
    line = json.dumps({**more, "type": f"?{kind}"}).encode()
    normaliser = Normaliser(engine, "", "b.1", "b", utc_offset=0)
    (event,) = normaliser.feed("out", line, 1e9)
    assert event.type == "backend.unmapped"
    assert contract.problems(event.line) == []


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b'{"type":',
        b"[" * 100_000,
        b'{"type":"assistant","message":' + b"[" * 5000,
        b"\xff\xfe{}",
        b"null",
        b"[]",
        b"12",
        b'"text"',
        b"NaN",
        b'{"type":' + b"9" * 10_000 + b"}",
        b"\x00",
    ],
    ids=lambda line: line[:12].decode("latin-1"),
)
def test_what_is_no_document_is_kept_as_unmapped(engine: str, line: bytes) -> None:
    normaliser = Normaliser(engine, "", "b.1", "b", utc_offset=0)
    assert [event.type for event in normaliser.feed("out", line, 1e9)] == ["backend.unmapped"]


@pytest.mark.parametrize("engine", ENGINES)
def test_an_empty_line_says_nothing(engine: str) -> None:
    normaliser = Normaliser(engine, "", "b.1", "b", utc_offset=0)
    assert normaliser.feed("out", b"", 1e9) == []


HUGE = "x" * 3_000_000
HUGE_LINES = {
    "claude": {"type": "user", "message": {"content": [{"type": "tool_result", "tool_use_id": "t", "content": HUGE}]}},
    "codex": {
        "method": "item/completed",
        "params": {"item": {"type": "commandExecution", "id": "t", "status": "completed", "aggregatedOutput": HUGE}},
    },
    "opencode": {
        "type": "message.part.updated",
        "properties": {
            "part": {"type": "tool", "callID": "t", "tool": "bash", "state": {"status": "completed", "output": HUGE}}
        },
    },
    "pi": {"type": "tool_execution_end", "toolCallId": "t", "result": {"content": [{"type": "text", "text": HUGE}]}},
    "acp": {
        "method": "session/update",
        "params": {
            "update": {
                "sessionUpdate": "tool_call_update",
                "toolCallId": "t",
                "status": "completed",
                "content": [{"type": "content", "content": {"type": "text", "text": HUGE}}],
            }
        },
    },
}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_huge_output_is_cut_and_its_length_and_digest_are_told(engine: str) -> None:
    normaliser = Normaliser(engine, "", "b.1", "b", utc_offset=0)
    found = normaliser.feed("out", json.dumps(HUGE_LINES[engine]).encode(), 1e9)
    completed = next(event for event in found if event.type == "tool.completed")
    assert len(completed.line) < 20_000
    (cut,) = json.loads(completed.line)["data"]["cut"]
    assert (cut["at"], cut["characters"]) == ("/output", len(HUGE))
    assert contract.problems(completed.line) == []


def test_a_huge_line_of_an_unknown_kind_is_cited_and_not_copied() -> None:
    normaliser = Normaliser("claude", "", "b.1", "b", utc_offset=0)
    (event,) = normaliser.feed("out", b"?" * 3_000_000, 1e9)
    assert event.type == "backend.unmapped"
    assert len(event.line) < 2000


def test_a_document_with_very_many_parts_gives_small_events() -> None:
    normaliser = Normaliser("claude", "", "b.1", "b", utc_offset=0)
    given = {f"k{index}": ["v" * 50] * 300 for index in range(300)}
    block = {"type": "tool_use", "id": "t", "name": "Write", "input": given}
    found = normaliser.feed("out", json.dumps({"type": "assistant", "message": {"content": [block]}}).encode(), 1e9)
    assert all(len(event.line) < 1_000_000 for event in found)
    assert [problem for event in found for problem in contract.problems(event.line)] == []


def test_half_a_surrogate_and_a_number_without_end_are_written_as_json() -> None:
    normaliser = Normaliser("claude", "", "b.1", "b", utc_offset=0)
    line = b'{"type":"assistant","message":{"content":[{"type":"text","text":"\\ud800"},{"type":"tool_use","id":"t",'
    line += b'"name":"Bash","input":{"n":1e999,"m":NaN}}]}}'
    found = normaliser.feed("out", line, 1e9)
    assert [problem for event in found for problem in contract.problems(event.line)] == []
    started = next(event for event in found if event.type == "tool.started")
    assert json.loads(started.line)["data"]["input"] == {"n": None, "m": None}


@pytest.mark.parametrize("recorded", [-5.0, 0.0, 1e18, 253_402_300_799.9999999])
def test_a_clock_that_is_wrong_breaks_nothing(recorded: float) -> None:
    normaliser = Normaliser("claude", "", "b.1", "b", utc_offset=0)
    (event,) = normaliser.feed("out", b'{"type":"?"}', recorded)
    assert contract.problems(event.line) == []
