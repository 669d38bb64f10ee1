"""cutover plan, rehearse, run, and the runbook's own small commands: moving a live deployment to its staged project."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from typing import TYPE_CHECKING, Any

from loops.cli.answer import Answer
from loops.errors import LoopsError, UsageError
from loops.places import find_config

if TYPE_CHECKING:
    from loops.projects.cutover.plan import Plan
    from loops.projects.cutover.position import Position
    from loops.projects.cutover.record import Places
    from loops.projects.cutover.rehearsed import Asked

REHEARSAL = "LOOPS_REHEARSAL"
"""Set in the namespace of a rehearsal: only there is nobody asked."""


def plan(args: argparse.Namespace) -> Answer:
    """Make the plan, keep it beside the staged project's state, and write the runbook."""
    from loops.projects.cutover import record, runbook, user
    from loops.projects.cutover.plan import VERSION, encode
    from loops.projects.cutover.position import fold

    made, places = _made(args)
    user.refuse_another(made.ground)
    text = runbook.markdown(made)
    with record.Record(places) as book:  # a run that has asked "Begin?" must find its own plan afterwards
        _refuse_under_way(fold(book.entries))
        if args.to:
            _write_new(args.to, text)
        record.keep_plan(places, made)
    facts = {
        "version": VERSION,
        "digest": made.digest,
        "seconds": made.seconds,
        "irreversible": list(made.irreversible()),
    }
    lines = [f"{args.to}: {len(made.steps)} steps"] if args.to else text.splitlines()
    return Answer({**facts, **encode(made), "runbook": args.to}, lines)


def _refuse_under_way(position: Position) -> None:
    from loops.projects.cutover.position import Course

    if position.midway:
        raise LoopsError(
            f"a cutover is under way ({position.course.value}); `loops cutover run` says where, and goes on"
        )
    if position.course is Course.ARRIVED:
        raise LoopsError(
            "this cutover is done, and its own plan is kept for the way back (`loops cutover run --supervised --back`); "
            "another could be made when that has been taken"
        )


def run(args: argparse.Namespace) -> Answer:
    """Do the steps, asking before each; or go on, or back, from where an earlier run was."""
    from loops.projects.cutover import record, user
    from loops.projects.cutover.conduct import Conductor
    from loops.projects.cutover.desk import Desk
    from loops.projects.cutover.hands import Machine

    if not args.supervised:
        raise UsageError("`loops cutover run` wants --supervised: somebody is asked before each step")
    if args.yes and not os.environ.get(REHEARSAL):
        raise UsageError("--yes is for rehearsals; here somebody answers")
    if not args.yes and not sys.stdin.isatty():
        raise UsageError("nobody can be asked: standard input is no terminal")
    places = record.Places(_staged(args.staged)[1])
    # Before there is a record: another user's files would be in the way of the right one.
    kept = os.path.exists(places.plan)
    user.refuse_another((record.kept_plan(places) if kept else _made(args)[0]).ground)
    desk = Desk(sys.stderr if args.json else sys.stdout, yes=args.yes)
    with record.Record(places) as book:
        made, word = _begin(args, places, book, desk)
        conductor = Conductor(made, book, Machine(made.ground), desk)
        position = conductor.position
        if word == "forward":
            position = conductor.forward()
        elif word == "back":
            position = conductor.back(ask=not args.yes)
    return _told(position, made, back=args.back)


def _begin(args: argparse.Namespace, places: Places, book: Any, desk: Any) -> tuple[Plan, str]:
    """The plan, and the direction: forward, back, or empty for neither."""
    from loops.projects.cutover import record, user
    from loops.projects.cutover.conduct import Answer as Word
    from loops.projects.cutover.position import Course, fold

    position = fold(book.entries)
    if position.midway or (args.back and position.course is Course.ARRIVED):
        made = record.kept_plan(places)
        if made.digest != position.plan:
            raise LoopsError(f"{places.plan} is not the plan of {places.record}: go by the runbook, or put it back")
        if args.back or position.course is Course.ARRIVED:
            return made, "back"
        return made, _go_on(position, desk)
    if position.course is Course.ARRIVED:
        desk.say("This cutover is done; --back returns to the live side.")
        return record.kept_plan(places), ""
    if args.back:
        raise LoopsError("there is nothing to take back: no cutover was begun")
    made, _ = _made(args)
    user.refuse_another(made.ground)
    if made.irreversible():
        raise LoopsError(f"these steps have no way back: {', '.join(made.irreversible())}")
    record.keep_plan(places, made)
    desk.say(f"{len(made.steps)} steps, about {made.seconds / 60:.0f} minutes; plan {made.digest[:16]}")
    for note in made.notes:
        desk.say(f"- {note}")
    answer = desk.choose("Begin?")
    return made, "forward" if answer is Word.YES else ""


def _go_on(position: Position, desk: Any) -> str:
    from loops.projects.cutover.conduct import Answer as Word
    from loops.projects.cutover.position import Course

    desk.say(where(position))
    if position.course is Course.FORWARD:
        answer = desk.choose("Go on?")
        return {Word.YES: "forward", Word.BACK: "back", Word.NO: ""}[answer]
    answer = desk.choose("Go on with the way back?")
    return "" if answer is Word.NO else "back"


def where(position: Position) -> str:
    """Where a cutover stands, in words."""
    said = f"The cutover is {position.course.value}"
    if position.inside:
        said += f"; it was interrupted, or failed, in step {position.inside}"
    if position.done:
        said += f"; these steps stand: {', '.join(position.done)}"
    return f"{said}. {position.why}".rstrip()


def _told(position: Position, made: Plan, *, back: bool) -> Answer:
    from loops.projects.cutover.position import Course

    good = Course.RETURNED if back else Course.ARRIVED
    facts = {
        "course": position.course.name.lower(),
        "done": list(position.done),
        "inside": position.inside,
        "why": position.why,
        "plan": made.digest,
    }
    endings = {
        Course.ARRIVED: "DONE: the staged side runs; the live side is kept for the way back (--back)",
        Course.RETURNED: f"TAKEN BACK: the live side runs as before{': ' + position.why if position.why else ''}",
    }
    line = endings.get(position.course, f"{where(position)} Run it again to go on or back.")
    return Answer(facts, ["", line], 0 if position.course is good else 1)


def rehearse(args: argparse.Namespace) -> Answer:
    """Do the same on a copy in namespaces of its own."""
    from loops.projects.cutover import rehearsal, user

    real, places = _made(args)
    user.refuse_another(real.ground)
    # No service manager runs in there, and nobody else: the unit's own commands are played, and nothing is installed.
    unit, args.unit = real.ground.unit, real.ground.unit_file
    made, _ = _made(args, user="")
    asked = dataclasses.replace(_asked(args, made), unit=unit)
    verdict = rehearsal.rehearse(asked, places, _progress(args))
    facts = {
        "passed": verdict.passed,
        "rounds": [
            {"name": each.name, "course": each.course, "seconds": each.seconds, "good": each.good, "why": each.why}
            for each in verdict.rounds
        ],
        "transcript": verdict.transcript,
        "left_out": list(verdict.left_out),
        "measured": dict(verdict.measured),
        "why": verdict.why,
    }
    return Answer(facts, verdict.lines(), 0 if verdict.passed else 1)


def _asked(args: argparse.Namespace, made: Plan) -> Asked:
    """What the rehearsal copies, and which programs the agents of both sides are."""
    from loops import config as configuration
    from loops.projects.cutover import acts, copied_world, ground, live_state, rehearsed

    live = acts.read_live(made.ground)
    config = configuration.load(made.ground.staged_config)
    folders = [each.dir for each in live.members if each.dir] + [each.dir for each in config.agents.values()]
    folders += [os.path.dirname(path) for path in live_state.find(live).paths()]
    programs = [settings["bin"] for settings in (live.clis or {}).values() if settings.get("bin")]
    programs += [each.bin for each in config.backends.values() if each.bin and " " not in each.bin]
    unit = ground.read_unit(made.ground.around, made.ground.live_root)
    search = dict(unit.env).get("PATH", "")
    return rehearsed.Asked(
        made,
        copied_world.directories(folders, [os.path.abspath(each) for each in args.also]),
        tuple(dict.fromkeys(programs)),
        search or os.environ.get("PATH", os.defpath),
        tuple(acts.reached(live).conversations.values()),
        unit.files,
        frozenset(name for name, _ in unit.env),
        args.back,
        args.keep,
    )


def _progress(args: argparse.Namespace) -> Any:
    return lambda line: print(line, file=sys.stderr if args.json else sys.stdout, flush=True)


# ---- the runbook's own commands ----------------------------------------------------------------------------------------


def note(args: argparse.Namespace) -> Answer:
    """Write down how the live side is."""
    from loops.projects.cutover import acts

    said = acts.take_note(acts.scene_of(_staged(args.staged)[1]))
    return Answer({"noted": said}, said)


def carry(args: argparse.Namespace) -> Answer:
    """Carry phase and conversations over, or back."""
    from loops.projects.cutover import acts

    scene = acts.scene_of(_staged(args.staged)[1])
    said = acts.carry_back(scene) if args.back else acts.carry_over(scene)
    return Answer({"carried": said}, said)


def check(args: argparse.Namespace) -> Answer:
    """One check; 1 when it is not so."""
    from loops.config.problems import nearest
    from loops.projects.cutover import acts, checks

    if args.what not in checks.CHECKS:
        known = ", ".join(checks.CHECKS)
        raise UsageError(f"there is no check {args.what!r}{nearest(args.what, checks.CHECKS)}; there are {known}")
    wrong = checks.check(args.what, acts.scene_of(_staged(args.staged)[1]))
    return Answer({"check": args.what, "wrong": wrong}, wrong or ["ok"], 1 if wrong else 0)


# ---- both sides --------------------------------------------------------------------------------------------------------


def _staged(directory: str) -> tuple[str, str]:
    """The staged project's agents.toml and its log_dir."""
    from loops import config as configuration

    path = find_config(directory)
    return path, configuration.load(path).log_dir


def _made(args: argparse.Namespace, *, user: str | None = None) -> tuple[Plan, Places]:
    """The plan as it is now, and where it belongs.  *user*: instead of the one that the unit names."""
    from loops.projects.cutover import ground, record, steps
    from loops.projects.deployment import reading
    from loops.projects.migrate.told import told

    path, log_dir = _staged(args.staged)
    places = record.Places(log_dir)
    asked = ground.Asked(
        args.live,
        args.staged,
        tuple(args.live_stop),
        tuple(args.live_start),
        args.live_status,
        args.unit,
        args.user,
        args.tmux,
        args.soak,
        args.allow,
        tuple(args.env),
        dict(args.set),
    )
    around = ground.surroundings(asked, told(os.path.dirname(path)))
    live = reading.read(args.live, around)
    standing, words, notes = ground.survey(live, reading.read(path), asked, around, staged_config=path, log_dir=log_dir)
    if user is not None:
        standing = dataclasses.replace(standing, user=user)
    measured = record.read_json(places.times) or {}
    return steps.build(standing, words, measured=measured, notes=notes), places


def _write_new(path: str, text: str) -> None:
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} is there already: name another file, or move it away") from None
