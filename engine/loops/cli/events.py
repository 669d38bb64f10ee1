"""events: what an agent with a protocol of its own did, from the recording of its runs."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from typing import Any

from loops.cli.answer import Answer, columns
from loops.cli.project import check_names, of
from loops.errors import LoopsError, UsageError
from loops.places import State as StatePlaces
from loops.streams import recording

_SHOWN = 160
"""Characters of an event's own words on its line."""
_SAID = (
    "text",
    "message",
    "tool",
    "output",
    "state",
    "conversation",
    "path",
    "pattern",
    "raw_type",
    "question",
    "reason",
)


def events(args: argparse.Namespace) -> Answer | int:
    """Print the normalized events of a run, its raw lines, or whether normalizing again gives the same."""
    config = of(args).config()
    runs = StatePlaces(config.log_dir).runs
    if not args.name:
        return _runs(runs)
    check_names([args.name], [*config.agents, *_listed(runs)])
    run_dir = _run_dir(runs, args.name, args.run)
    if args.again:
        return _again(run_dir)
    if args.raw:
        return _raw(run_dir, args.json)
    return _normalized(run_dir, args.json)


def _listed(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def _numbers(runs: str, name: str) -> list[int]:
    return sorted(int(entry) for entry in _listed(os.path.join(runs, name)) if entry.isdecimal())


def _runs(runs: str) -> Answer:
    """List every recorded run."""
    found = [(name, number) for name in _listed(runs) for number in _numbers(runs, name)]
    rows = [(name, str(number), os.path.join(runs, name, str(number))) for name, number in found]
    facts = [{"agent": name, "run": int(number), "directory": path} for name, number, path in rows]
    lines = columns([("AGENT", "RUN", "DIRECTORY"), *rows]) if rows else ["no run was recorded yet"]
    return Answer({"runs": facts}, lines)


def _run_dir(runs: str, name: str, number: int) -> str:
    known = _numbers(runs, name)
    if not known:
        raise LoopsError(
            f"{os.path.join(runs, name)}: {name} has no recorded run; only claude, codex, opencode, pi and acp do"
        )
    if number and number not in known:
        raise UsageError(f"--run {number}: {name} has the runs {', '.join(map(str, known))}")
    return os.path.join(runs, name, str(number or known[-1]))


def _again(run_dir: str) -> Answer:
    """Normalize the recording again and compare."""
    try:
        difference = recording.compare(run_dir)
    except (OSError, ValueError) as error:
        raise LoopsError(f"{run_dir}: cannot be normalized again: {error}") from error
    facts: dict[str, Any] = {"directory": run_dir, "same": difference is None}
    if difference is None:
        return Answer(facts, [f"{run_dir}: normalized again, every event is the same"])
    facts |= {"line": difference.line}
    words = (
        f"{os.path.join(run_dir, recording.EVENTS)}:{difference.line}: is not what the recording gives",
        f"stored: {difference.stored.decode('utf-8', 'replace').strip() or '(nothing)'}",
        f"again:  {difference.again.decode('utf-8', 'replace').strip() or '(nothing)'}",
    )
    return Answer(facts, words, 1)


def _raw(run_dir: str, as_json: bool) -> Answer | int:
    try:
        lines = list(recording.read(run_dir))
    except OSError as error:
        raise LoopsError(f"{run_dir}: {error.strerror}: the run has no recording") from error
    if as_json:
        for raw in lines:
            line = {"stream": raw.stream, "recorded": raw.recorded, "line": raw.line.decode("utf-8", "replace")}
            print(json.dumps(line))
        return 0
    return Answer(lines=(f"{raw.stream:<7} {raw.line.decode('utf-8', 'replace')}" for raw in lines))


def _normalized(run_dir: str, as_json: bool) -> Answer | int:
    stored = _stored(os.path.join(run_dir, recording.EVENTS))
    if as_json:
        for event in stored:
            print(json.dumps(event, ensure_ascii=False))
        return 0
    return Answer(lines=map(_line, stored))


def _stored(path: str) -> Iterator[dict[str, Any]]:
    try:
        with open(path, "rb") as file:
            found = file.readlines()
    except OSError as error:
        raise LoopsError(f"{path}: {error.strerror}: the run has no events") from error
    for line in found:
        try:
            event = json.loads(line)
        except ValueError:
            return  # its end is torn
        if isinstance(event, dict):
            yield event


def _line(event: dict[str, Any]) -> str:
    data = event.get("data")
    time = str(event.get("recordedtime", ""))[11:23]
    type_ = str(event.get("type", "")).removeprefix("dev.loops.")
    return f"{time}  {type_:<20}  {_words(data if isinstance(data, dict) else {})}".rstrip()


def _words(data: dict[str, Any]) -> str:
    """Say on one line what an event says."""
    parts = [str(data[name]) for name in ("nudge", "approval_id", "class", "stop_reason", "status") if data.get(name)]
    usage, cost = data.get("usage"), data.get("cost")
    if isinstance(usage, dict):
        parts.append(f"{usage.get('input_tokens')} in, {usage.get('output_tokens')} out")
    if isinstance(cost, dict):
        parts.append(f"{cost.get('amount')} {cost.get('currency')}")
    if data.get("attempt"):
        parts.append(f"attempt {data['attempt']}")
    parts += [str(data[name]) for name in _SAID if isinstance(data.get(name), str) and data[name]]
    if isinstance(data.get("input"), dict) and "text" not in data:
        parts.append(json.dumps(data["input"], ensure_ascii=False))
    words = " ".join(" · ".join(parts).split())
    return words if len(words) <= _SHOWN else words[: _SHOWN - 1] + "…"
