"""Read what `status` has printed, by the earlier engine, its launchers, or this one.  Pure.

A status shows the effective model of each agent in the current phase, and nothing of the other phases: so it becomes
`Deployment.now`, not ``steps``.  The row of the supervisor itself (``watchdog``) is no agent of the deployment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from loops.config.model import Kind, Watch
from loops.config.problems import ConfigProblems, Problem
from loops.config.rules import SUPERVISOR
from loops.projects.deployment.model import Deployment, Form, Member, Step, Untranslated

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]")
_PHASE = re.compile(
    r"phase:\s+(?P<id>\S+)\s+\[(?P<at>\d{1,6})/(?P<of>\d{1,6})\](?:\s+plan=(?P<plan>\S*))?(?:\s+\((?P<how>[^)]*)\))?"
)
_KINDS = {kind.value for kind in Kind}
_WATCHES = {watch.value for watch in Watch} | {"-"}
_OFF = " (disabled)"
_HEAD = ("name", "kind", "backend", "model", "watch", "state")


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    kind: str
    backend: str
    model: str
    watch: str
    state: str


@dataclass(frozen=True, slots=True)
class _Phase:
    id: str
    index: int
    count: int
    plan: str | None
    how: str


def parse(text: str, source: str) -> Deployment:
    """Return the facts in *text*, captured from ``status``; *source* is what it is called in messages.

    Raises:
        ConfigProblems: no line of it is a row of a status, or a name is there twice.
    """
    document = _json(text)
    if document is not None:
        return _deployment(source, *_from_json(document, source), ())
    lines = [_ESCAPE.sub("", line).rstrip() for line in text.splitlines()]
    phase, rows, others = None, list[_Row](), list[Untranslated]()
    columns: tuple[int, ...] = ()
    for number, line in enumerate(lines, 1):
        place = f"{source}:{number}"
        found = _PHASE.match(line)
        if found:
            phase = _Phase(found["id"], int(found["at"]) - 1, int(found["of"]), found["plan"], found["how"] or "")
        elif tuple(line.lower().split())[:6] == _HEAD:
            columns = _columns(line)
        elif row := _row(line, columns):
            rows.append(row)
        elif line.strip() and not line.startswith("!"):
            others.append(Untranslated(place, "a line that is no row of a status", "it was passed over"))
    if phase is not None and len(columns) > len(_HEAD):  # our own table, which shortens the plan to its file's name
        phase = replace(phase, plan=None)
    return _deployment(source, phase, rows, others)


def _columns(head: str) -> tuple[int, ...]:
    """Where the columns of a table with a header begin."""
    return tuple(found.start() for found in re.finditer(r"\S+", head))


def _row(line: str, columns: Sequence[int]) -> _Row | None:
    cells = _cut(line, columns) if columns else None
    if cells is None or not _is_row(cells):
        cells = _split(line)
    return _Row(*cells[:6]) if cells is not None and _is_row(cells) else None


def _cut(line: str, columns: Sequence[int]) -> list[str]:
    ends = (*columns[1:], None)
    return [line[start:end].strip() for start, end in zip(columns, ends, strict=True)]


def _split(line: str) -> list[str] | None:
    """Without a header: words; the state is the rest, and a model that is empty leaves no word at all."""
    words = line.split()
    if len(words) >= 5 and words[3] in _WATCHES and not (len(words) >= 6 and words[4] in _WATCHES):
        words.insert(3, "")
    return [*words[:5], " ".join(words[5:])] if len(words) >= 6 else None


def _is_row(cells: Sequence[str]) -> bool:
    return len(cells) >= 6 and bool(cells[0]) and cells[1] in _KINDS and cells[4] in _WATCHES and bool(cells[5])


def _json(text: str) -> Mapping[str, Any] | None:
    try:
        document = json.loads(text) if text.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) and isinstance(document.get("agents"), list) else None


def _from_json(document: Mapping[str, Any], source: str) -> tuple[_Phase | None, list[_Row]]:
    rows = []
    for each in document["agents"]:
        cells = [str(each.get(key, "")) for key in _HEAD] if isinstance(each, dict) else []
        if not _is_row(cells):
            raise ConfigProblems([Problem(source, 0, "agents", "is not what `loops status --json` prints")])
        rows.append(_Row(*cells))
    told = document.get("phase")
    if not isinstance(told, dict) or not told.get("id") or not isinstance(told.get("index"), int):
        return None, rows
    count = told["count"] if isinstance(told.get("count"), int) else 0
    how = "complete" if told.get("complete") else "in progress"
    return _Phase(str(told["id"]), told["index"], count, None, how), rows


def _deployment(source: str, phase: _Phase | None, rows: Sequence[_Row], others: Sequence[Untranslated]) -> Deployment:
    if not rows:
        raise ConfigProblems(
            [Problem(source, 0, "", "holds no status: no line has a name, a kind, a backend and so on")]
        )
    twice = {row.name for row in rows if [each.name for each in rows].count(row.name) > 1}
    if twice:
        raise ConfigProblems(Problem(source, 0, name, "is there twice: capture one status only") for name in twice)
    members = [row for row in rows if row.name != SUPERVISOR]
    started = phase is not None and "not started" not in phase.how
    return Deployment(
        source=source,
        form=Form.STATUS,
        members=tuple(map(_member, members)),
        now=Step(phase.id, phase.plan or None, models=dict(_models(members))) if phase is not None else None,
        count=phase.count or None if phase is not None else None,
        at=phase.index if phase is not None and started else None,
        complete="complete" in phase.how if phase is not None and started and phase.how else None,
        untranslated=tuple(others),
    )


def _member(row: _Row) -> Member:
    service = row.kind == Kind.SERVICE.value
    loop = row.kind == Kind.LOOP.value
    return Member(
        row.name,
        kind=row.kind,
        backend=None if service or row.backend == "-" else row.backend,
        model=None if service or loop else _model(row),
        watch=None if row.watch == "-" else row.watch,
        enabled=not row.state.endswith(_OFF),
        state=row.state,
    )


def _models(rows: Sequence[_Row]) -> Iterator[tuple[str, str]]:
    return ((row.name, _model(row)) for row in rows if row.kind == Kind.LOOP.value)


def _model(row: _Row) -> str:
    return "" if row.model == "-" else row.model
