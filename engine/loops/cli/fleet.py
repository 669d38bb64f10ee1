"""fleet validate, list, get, add, remove, update: the registry of many projects."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from loops.cli.answer import Answer, columns
from loops.errors import UsageError
from loops.places import find_fleet
from loops.supervisor.table import printable

if TYPE_CHECKING:
    from loops.config.fleet import Entry, Fleet
    from loops.projects.fleet.pins import Pin
    from loops.projects.fleet.update import Report


def validate(args: argparse.Namespace) -> Answer:
    """Check the file and the projects."""
    from loops.config import ConfigProblems
    from loops.projects.fleet.validate import validate as examine

    verdict = examine(find_fleet(args.fleet))
    if verdict.problems:
        raise ConfigProblems(verdict.problems)
    fleet = verdict.fleet
    lines = [f"{fleet.path}: good: {_count(fleet)}", *(f"note: {printable(note)}" for note in verdict.notes)]
    return Answer({"path": fleet.path, "projects": len(fleet.projects), "notes": list(verdict.notes)}, lines)


def show_all(args: argparse.Namespace) -> Answer:
    """One line a project, from the file alone; what is wrong with one hides no other."""
    from loops.config import ConfigProblems
    from loops.config.fleet import read_fleet

    reading = read_fleet(find_fleet(args.fleet))
    fleet = reading.fleet
    facts = [_entry(fleet, each) for each in fleet.projects]
    rows = [("NAME", "ENABLED", "HARNESS", "REF", "LOCATION")]
    for each, fact in zip(fleet.projects, facts, strict=True):
        place = each.location if fact["there"] else f"{each.location} (not there)"
        rows.append((each.name, _word(each.enabled), printable(each.harness), each.ref or "-", printable(place)))
    lines = columns(rows) if facts else [f"{fleet.path}: no projects; `loops fleet add` enters one"]
    problems = [str(each) for each in ConfigProblems(reading.problems).problems]
    lines += [f"! {problem}" for problem in problems]
    answer = {"path": fleet.path, "projects": facts, "notes": list(fleet.notes), "problems": problems}
    return Answer(answer, lines, ConfigProblems.exit_code if problems else 0)


def get(args: argparse.Namespace) -> Answer:
    """Everything about one project."""
    from loops.config.fleet import load_entry
    from loops.projects.fleet.survey import look

    fleet, entry = load_entry(find_fleet(args.fleet), args.name)
    sight = look(fleet, entry)
    facts = {
        **_entry(fleet, entry),
        "remote": sight.remote,
        "session_prefix": sight.prefix or None,
        "log_dir": sight.log_dir or None,
        "config_problems": [str(each) for each in sight.problems],
        "pin": _pin(sight.pin),
        "mirror": sight.mirror.value,
    }
    shown = {**facts, "secrets": ", ".join(entry.secrets) or "none", "pin": _pin_words(sight.pin)}
    shown["config_problems"] = f"{len(sight.problems)}, see `loops fleet validate`" if sight.problems else "none"
    rows = [
        (key, printable(_word(value) if isinstance(value, bool) else str(value or "-"))) for key, value in shown.items()
    ]
    return Answer(facts, columns(rows))


def add(args: argparse.Namespace) -> Answer:
    """Enter a project."""
    from loops.config.fleet import Entry
    from loops.projects.fleet import registry

    path = find_fleet(args.fleet)
    entry = Entry(
        name=args.name,
        location=_location(path, args.location),
        harness=args.harness or "loops",
        ref=args.ref,
        enabled=not args.disabled,
        secrets=tuple(args.secrets),
        config=args.project_config or "agents.toml",
        dir=args.dir,
    )
    registry.add(path, entry)
    return Answer({"path": path, "name": entry.name, "location": entry.location}, [f"{path}: added {entry.name}"])


def remove(args: argparse.Namespace) -> Answer:
    """Take a project out; what it is stays."""
    from loops.projects.fleet import registry

    path = find_fleet(args.fleet)
    registry.remove(path, args.name)
    lines = [f"{path}: removed {args.name}; the project itself is as it was, and goes on if it runs"]
    return Answer({"path": path, "name": args.name}, lines)


def update(args: argparse.Namespace) -> Answer:
    """Move the pin of a project's engine, or return to the one before."""
    from loops.projects.fleet import update as updating

    path = find_fleet(args.fleet)
    if args.undo:
        return _told(args, updating.undo(path, args.name, dry_run=args.dry_run))
    if args.to:
        return _told(args, updating.update(path, args.name, args.to, dry_run=args.dry_run))
    if args.dry_run:
        raise UsageError("--dry-run shows what --to REF, or --undo, would do: name one of them")
    done = updating.provide(path, args.name)
    return Answer({"name": args.name, "done": list(done)}, [printable(line) for line in done])


def _told(args: argparse.Namespace, report: Report) -> Answer:
    """What an update changes, then what it did."""
    from dataclasses import asdict

    facts = {"name": args.name, **asdict(report), "moved": bool(report.commit)}
    if report.before == report.after:
        return Answer(facts, [printable(f"{report.root}: {note}") for note in report.notes])
    way = f"{report.newer} commits newer" + (f", and {report.older} that it leaves out" if report.older else "")
    lines = [f"{args.name}: engine {report.before[:12]} -> {report.after[:12]} ({report.ref or 'no ref'}): {way}"]
    for what, changes in (("effective configuration", report.effective), ("keys of agents.toml", report.schema)):
        lines += [f"{what}: {len(changes) or 'no'} changes", *(f"  {change}" for change in changes)]
    lines += [f"shipped prompt changed: {name}" for name in report.prompts]
    if report.checked_by:
        lines.append(f"the new engine accepts the configuration (`{report.checked_by}`)")
    lines += [f"note: {note}" for note in report.notes]
    if report.running:
        lines.append(
            f"note: the project runs (supervisor {report.running}), with the engine that its supervisor was started with: "
            "where that is the project's own, `loops watchdog --takeover` there, or a restart of its service, brings the "
            "new one, and no agent notices"
        )
    if report.commit:
        lines.append(f"{report.root}: committed {report.commit[:12]}; push it where the project's remote is")
        if not args.undo:
            lines.append(f"`loops fleet update {args.name} --undo` returns to {report.before[:12]}")
    else:
        lines.append("nothing was moved (--dry-run)")
    return Answer(facts, [printable(line) for line in lines])


def _location(fleet: str, word: str) -> str:
    """A path is meant from where the command is given, and is written down from where fleet.toml is."""
    from loops.projects.fleet.places import is_url, location_of

    home = os.path.dirname(fleet)
    path = os.path.abspath(word)
    if is_url(word) or os.path.isabs(word) or (not os.path.isdir(path) and os.path.isdir(os.path.join(home, word))):
        return word
    return location_of(fleet, path)


def _entry(fleet: Fleet, entry: Entry) -> dict[str, Any]:
    from loops.projects.fleet import places

    root = places.root(fleet, entry)
    return {
        "name": entry.name,
        "location": entry.location,
        "harness": entry.harness,
        "ref": entry.ref,
        "enabled": entry.enabled,
        "secrets": list(entry.secrets),
        "root": root,
        "there": os.path.isdir(root),
        "config": places.config_path(fleet, entry),
    }


def _pin(pin: Pin | None) -> Mapping[str, Any] | None:
    if pin is None:
        return None
    return {"kind": pin.kind.value, "commit": pin.commit, "asked": pin.asked, "checked_out": pin.strays or pin.commit}


def _pin_words(pin: Pin | None) -> str:
    if pin is None:
        return "none found"
    strays = f", but {pin.strays[:12]} is checked out" if pin.strays else ""
    return f"{pin.commit} ({pin.kind.value}{strays})"


def _count(fleet: Fleet) -> str:
    disabled = sum(not each.enabled for each in fleet.projects)
    return f"{len(fleet.projects)} projects" + (f", {disabled} of them disabled" if disabled else "")


def _word(flag: bool) -> str:
    return "yes" if flag else "no"
