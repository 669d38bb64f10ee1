"""fleet status, up, down, doctor, watchdog: running the projects of a fleet."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from loops.cli.answer import Answer, columns
from loops.errors import ConfigError, LoopsError, SessionError, UsageError
from loops.places import find_fleet
from loops.projects.fleet.fate import Fate
from loops.projects.fleet.roster import Listed, Roster, roster
from loops.sessions.text import printable

if TYPE_CHECKING:
    from loops.cli.project import Project
    from loops.supervisor.membership import CrewPlace

AT_ONCE = 8
"""Projects that are brought up, or put down, at the same time."""


def _roster(args: argparse.Namespace) -> Roster:
    return roster(find_fleet(args.fleet))


# ---- status ------------------------------------------------------------------------------------------------------------


def status(args: argparse.Namespace) -> Answer | int:
    """Print the table; start nothing."""
    path = find_fleet(args.fleet)
    if args.watch:
        from loops.cli.show import watch

        return watch(lambda: _look(path), as_json=args.json)
    facts, text = _look(path)
    return Answer(facts, text.splitlines())


def _look(path: str) -> tuple[dict[str, Any], str]:
    from loops.projects.fleet import status as fleet

    found = fleet.look(roster(path))
    projects = [{**asdict(line), "condition": line.condition.value} for line in found.lines]
    facts = {"fleet": found.path, "crew": found.crew, "projects": projects, "problems": list(found.problems)}
    lines = columns([fleet.HEAD, *(fleet.cells(line) for line in found.lines)])
    if any(line.as_of and line.phases for line in found.lines):
        lines.append("* as the journal's last snapshot has it")
    lines += [f"! {printable(problem)}" for problem in found.problems]
    return facts, "\n".join([*lines, fleet.counts(found.lines)]) + "\n"


# ---- up and down -------------------------------------------------------------------------------------------------------


def up(args: argparse.Namespace) -> Answer:
    """Bring projects up, each for itself: one that fails stops no other; then say of each whether all of it runs."""
    from loops.projects.fleet import arrival
    from loops.supervisor.membership import CrewPlace

    known = _roster(args)
    wanted, fates = _asked(known, args.names)
    place = None if args.own else CrewPlace(known.path)
    if wanted and not args.json:
        print(f"starting {len(wanted)} project{'' if len(wanted) == 1 else 's'}", flush=True)
    if place is not None and wanted:
        _ensure_crew(place, wanted)
    asked: list[arrival.Asked] = []

    def begin(listed: Listed) -> Fate | None:
        asked.append(arrival.Asked(listed, *_up(listed, place)))
        return None

    done = _each(args, fates, wanted, begin)
    for fate in arrival.await_all(asked, args.timeout):
        done.append(_whole(args, fate))
        _print(args, done[-1])
    return _sum(args, known, done)


def down(args: argparse.Namespace) -> Answer:
    """Put projects down, each for itself; all of them: the process that they share ends too."""
    from loops.projects.fleet import crew_process
    from loops.supervisor.membership import CrewPlace

    known = _roster(args)
    _check(known, args.names)
    wanted = [each for each in known.projects if not args.names or each.name in args.names]
    done = _each(args, [], wanted, lambda listed: _down(listed, args.timeout))
    if not args.names:
        crew_process.end_if_idle(CrewPlace(known.path))
    return _sum(args, known, done)


def _asked(known: Roster, names: Sequence[str]) -> tuple[list[Listed], list[Fate]]:
    """Which projects are meant, and what is said of those that are left alone."""
    _check(known, names)
    wanted, fates = [], []
    for each in known.projects:
        if names and each.name not in names:
            continue
        if each.enabled:
            wanted.append(each)
        elif names:
            fates.append(Fate(each.name, False, f"is disabled in {known.path}: set enabled = true there"))
        else:
            fates.append(Fate(each.name, None, "is disabled: left alone"))
    return wanted, fates


def _check(known: Roster, names: Sequence[str]) -> None:
    from loops.config.problems import nearest

    have = [each.name for each in known.projects]
    for name in names:
        if name not in have:
            listed = ", ".join(have) or "nobody"
            raise UsageError(f"no project is called {name!r}{nearest(name, have)}; {known.path} names {listed}")


def _each(
    args: argparse.Namespace, fates: Iterable[Fate], wanted: Sequence[Listed], act: Callable[[Listed], Fate | None]
) -> list[Fate]:
    """Do *act* for each of *wanted*, some at a time; print a line for each whose fate it is, as it happens."""
    from concurrent.futures import ThreadPoolExecutor, as_completed

    done = list(fates)
    for fate in done:
        _print(args, fate)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for future in as_completed([threads.submit(_safely, act, listed) for listed in wanted]):
            if (found := future.result()) is not None:
                done.append(_whole(args, found))
                _print(args, done[-1])
    return done


def _whole(args: argparse.Namespace, fate: Fate) -> Fate:
    """What is to be typed next names the fleet as this command did."""
    if args.fleet and fate.next.startswith("loops fleet "):
        return replace(fate, next=f"{fate.next} --fleet {shlex.quote(args.fleet)}")
    return fate


def _sum(args: argparse.Namespace, known: Roster, done: Sequence[Fate]) -> Answer:
    good, bad = sum(fate.ok is True for fate in done), sum(fate.ok is False for fate in done)
    problems = [] if args.names else list(known.problems)
    lines = [f"! {printable(problem)}" for problem in problems]
    lines.append(
        f"{good} of {good + bad} projects"
        + (f"; {len(done) - good - bad} left alone" if len(done) - good - bad else "")
    )
    facts = {"projects": [asdict(fate) for fate in done], "problems": problems}
    return Answer(facts, lines, LoopsError.exit_code if bad or problems else 0)


def _safely(act: Callable[[Listed], Fate | None], listed: Listed) -> Fate | None:
    try:
        return act(listed)
    except ConfigError as error:
        if _is_absent(listed):
            return Fate(
                listed.name, False, f"{os.path.dirname(listed.config_path)} is not there", "loops fleet validate"
            )
        return Fate(listed.name, False, str(error), shlex.join(["loops", "--config", listed.config_path, "validate"]))
    except (LoopsError, OSError) as error:
        return Fate(listed.name, False, str(error), f"loops fleet doctor {listed.name}")


def _is_absent(listed: Listed) -> bool:
    """Its directory is not there: not cloned yet, or the path is wrong."""
    return not os.path.isdir(os.path.dirname(listed.config_path))


def _print(args: argparse.Namespace, fate: Fate) -> None:
    if not args.json:
        text = f"{fate.text}\nnext: `{fate.next}`" if fate.next else fate.text
        first, *more = [printable(line) for line in text.splitlines()] or [""]
        mark = "FAIL" if fate.ok is False else "ok  " if fate.ok else "-   "
        print("\n".join([f"{mark}  {fate.name}: {first}", *(f"      {line}" for line in more)]), flush=True)


def _project(listed: Listed) -> Project:
    """The project, if there is one.  ConfigError: no agents.toml, and nothing that runs for it."""
    from loops.cli.project import of

    return of(argparse.Namespace(config=listed.config_path))


def _up(listed: Listed, place: CrewPlace | None) -> tuple[bool, tuple[str, ...]]:
    """Have it come up; return whether it was not up at all, and the agents that are started for that."""
    project = _project(listed)
    fresh = project.ask("status") is None
    if fresh:
        _start(project, place)
    return fresh, tuple(each["name"] for each in project.must_ask("up", names=[])["started"])


def _start(project: Project, place: CrewPlace | None) -> None:
    """Start its supervisor: in the shared process at *place*, or one of its own; a service's where it is one."""
    from loops.boot import installed
    from loops.cli.lifecycle import start_supervisor
    from loops.projects.fleet import crew_process
    from loops.supervisor import membership

    if place is None:
        membership.leave(project.runtime)
    if place is None or installed.find(project.config_path) is not None:
        start_supervisor(project)
        return
    crew_process.bring(project.config_path, place)


def _ensure_crew(place: CrewPlace, wanted: Sequence[Listed]) -> None:
    from loops.projects.fleet import crew_process

    crew_process.ensure(place, [each.config_path for each in wanted])


def _down(listed: Listed, seconds: float) -> Fate:
    from loops.cli.lifecycle import end

    try:
        project = _project(listed)
    except ConfigError:  # nothing runs for it either
        if not _is_absent(listed):
            raise
        return Fate(listed.name, True, "is down already: it is not there")
    ended = end(project, (), seconds, lambda _: None)
    if ended is None:
        return Fate(listed.name, True, "is down already")
    said = f"down; ended {', '.join(ended.names)}" if ended.names else "down; nothing was running"
    return Fate(listed.name, True, f"{said}; {ended.note}" if ended.note else said)


# ---- the process that many share ---------------------------------------------------------------------------------------


def watchdog(args: argparse.Namespace) -> int:
    """Supervise all projects in this process, in the foreground."""
    from loops.projects.fleet import watchdog as process
    from loops.sessions.respawn import TAKEN
    from loops.supervisor import processes
    from loops.supervisor.membership import CrewPlace

    if args.json:
        raise UsageError("the watchdog runs in the foreground; `loops fleet status --json` has facts")
    path = find_fleet(args.fleet)
    roster(path)  # says best what is wrong with the path
    code = process.run(path, all=True, take_over=args.takeover)
    if code == TAKEN:
        pid = processes.lock_owner(CrewPlace(path).lock)
        raise SessionError(f"the process {pid or 'of another user'} supervises the projects of {path} already")
    return code


# ---- doctor ------------------------------------------------------------------------------------------------------------


def doctor(args: argparse.Namespace) -> Answer:
    """Examine every project, and what they share; exit code 1 when something will fail."""
    from loops.projects.finding import Level
    from loops.projects.fleet.doctor import examine

    known = _roster(args)
    _check(known, args.names)
    found = examine(known, args.names)
    facts = [
        {**asdict(each.finding), "level": each.finding.level.value, "projects": list(each.projects)} for each in found
    ]
    rows = []
    for each in found:
        finding = each.finding
        text = printable(f"{finding.text} -> {finding.remedy}" if finding.remedy else finding.text)
        rows.append((finding.level.value, _whose(each.projects), finding.check, text))
    shown = [row for row in rows if row[0] != Level.OK.value or row[1] == "-"]
    good = sum(row[0] == Level.OK.value for row in rows)
    lines = [*columns(shown), f"{good} of {len(rows)} findings are well; `--json` has all of them"]
    code = LoopsError.exit_code if any(each.finding.level is Level.FAIL for each in found) else 0
    return Answer({"checks": facts}, lines, code)


def _whose(names: Sequence[str]) -> str:
    if not names:
        return "-"
    return ", ".join(names) if len(names) <= 3 else f"{names[0]}, {names[1]} and {len(names) - 2} more"
