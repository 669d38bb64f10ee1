"""What happens in the namespace of a rehearsal: the live side is started on its copy, then the plan is played, both ways.

Run as a program (``python -m loops.projects.cutover.inside SPEC``) by `loops.projects.cutover.rehearsal`.  It says what it
does on standard output and writes the rounds' records and its verdict into the directory that the spec names.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from loops.projects.cutover import acts, checks, note, sighting
from loops.projects.cutover.conduct import Answer, Conductor
from loops.projects.cutover.desk import Desk
from loops.projects.cutover.hands import Machine
from loops.projects.cutover.plan import Command, Plan, Side, Step, decode
from loops.projects.cutover.position import Course, Entry, Mark, Position
from loops.projects.cutover.record import Places, Record, keep_plan, write_json
from loops.projects.cutover.scene import Scene

COMES_WITHIN = 60.0
"""Seconds for the live side to come up on its copy."""
STAYS = 3.0
"""Seconds after which a session has not ended at once."""


class Turning(Desk):
    """Says yes until the step after *turns*; then back."""

    def __init__(self, turns: str) -> None:
        super().__init__(sys.stdout, yes=True)
        self.turns = turns
        self._reached = False

    def ask(self, step: Step, number: int, *, back: bool, again: bool) -> Answer:
        """As `Desk.ask`."""
        if self._reached and not back:
            return Answer.BACK
        self._reached = step.id == self.turns
        return Desk.ask(self, step, number, back=back, again=again)


def main(spec_path: str) -> int:
    """Play; 0 when every round ended as it should."""
    with open(spec_path, encoding="utf-8") as file:
        spec = json.load(file)
    plan, out = decode(spec["plan"]), str(spec["out"])
    places = Places(plan.ground.log_dir)
    keep_plan(places, plan)
    rounds: list[Mapping[str, Any]] = []
    began = _begin(plan, frozenset(spec["expected"]))
    if began:
        print(f"the live side does not come up on its copy: {began}", flush=True)
    else:
        for name, turns, wanted in _program(plan, every=bool(spec["every"])):
            print(f"\n=== {name}", flush=True)
            rounds.append(_round(name, plan, places, turns, wanted, out))
            if not rounds[-1]["good"]:
                break
    good = not began and all(each["good"] for each in rounds)
    write_json(os.path.join(out, "verdict.json"), {"good": good, "began": began, "rounds": rounds})
    _end(plan)
    return 0 if good else 1


def _program(plan: Plan, *, every: bool) -> Iterator[tuple[str, str, Course]]:
    yield "forward", "", Course.ARRIVED
    yield "back", "back", Course.RETURNED
    if every:
        for step in plan.steps[:-1]:
            yield f"forward to {step.id}, and back from there", step.id, Course.RETURNED
    yield "forward again", "", Course.ARRIVED


def _begin(plan: Plan, expected: frozenset[str]) -> str:
    """Start the live side on its copy; return what is wrong."""
    hands = Machine(plan.ground)
    for command in _starting(plan):
        outcome = hands.run(command)
        print(f"$ {command}\n{outcome.output.rstrip()}", flush=True)
        if outcome.code != 0:
            return f"`{command}` ended with {outcome.code}: {outcome.output.strip()[-500:]}"
    return _awaited(plan, expected)


def _starting(plan: Plan) -> list[Command]:
    """What the way back starts the live side with."""
    return [each for step in plan.steps for each in step.back.commands if each.starts is Side.LIVE]


def _awaited(plan: Plan, expected: frozenset[str]) -> str:
    """Wait until the sessions *expected* stay; return what is wrong: who is not there cannot be rehearsed."""
    if not expected:
        return "it names no session"
    deadline, since = time.monotonic() + COMES_WITHIN, dict[str, tuple[sighting.Session, float]]()
    restless = sorted(expected)
    while restless and time.monotonic() < deadline:
        time.sleep(0.1)
        now, there = time.monotonic(), sighting.live_sessions(plan.ground)
        since = {
            name: since[name] if name in since and since[name][0] == session else (session, now)
            for name, session in there.items()
        }
        restless = sorted(name for name in expected if name not in since or now - since[name][1] < STAYS)
    if not restless:
        return ""
    return f"sessions that do not stay: {', '.join(restless)}; does the copy lack a program or a directory (--also)?"


def _round(name: str, plan: Plan, places: Places, turns: str, wanted: Course, out: str) -> Mapping[str, Any]:
    began, before = time.monotonic(), _live_state(plan)
    with Record(places) as book:
        first = len(book.entries)
        position = _play(plan, book, turns)
        entries = book.entries[first:]
    wrong = _proof(plan, position, before)
    with open(os.path.join(out, "record.jsonl"), "a", encoding="utf-8") as file:
        for entry in entries:
            file.write(json.dumps({"round": name, **_facts(entry)}, ensure_ascii=False) + "\n")
    good = position.course is wanted and not wrong
    for each in wrong:
        print(f"  NOT SO {each}", flush=True)
    return {
        "name": name,
        "course": position.course.value,
        "why": "; ".join([position.why, *wrong]).strip("; ") if not good else "",
        "good": good,
        "seconds": round(time.monotonic() - began, 1),
        "steps": _seconds(entries),
    }


def _play(plan: Plan, book: Record, turns: str) -> Position:
    hands = Machine(plan.ground)
    if turns == "back":
        return Conductor(plan, book, hands, Desk(sys.stdout, yes=True)).back(ask=False)
    desk = Turning(turns) if turns else Desk(sys.stdout, yes=True)
    return Conductor(plan, book, hands, desk).forward()


def _proof(plan: Plan, position: Position, before: note.Reached) -> list[str]:
    """What is wrong at the end of a round, seen by other eyes than the steps' own checks."""
    sides = {side: sighting.lives(plan.ground, side) for side in Side}
    scene = Scene(plan.ground, lambda: acts.reached(acts.read_live(plan.ground)))
    if position.course is Course.ARRIVED:
        wrong = [f"the live side lives: {sides[Side.LIVE]}"] if sides[Side.LIVE] else []
        return wrong + checks.check("staged-runs", scene)
    if position.course is Course.RETURNED:
        wrong = [f"the staged side lives: {sides[Side.STAGED]}"] if sides[Side.STAGED] else []
        after = _live_state(plan)
        if (after.index, after.complete) != (before.index, before.complete) and not scene.since_phase():
            wrong.append(f"the live side's phase index was {before.index} and is {after.index}")
        return wrong if sides[Side.LIVE] else [*wrong, "the live side does not run"]
    return [position.why]


def _live_state(plan: Plan) -> note.Reached:
    return acts.reached(acts.read_live(plan.ground))


def _seconds(entries: Sequence[Entry]) -> dict[str, float]:
    """How long each step took, by its own entries."""
    found: dict[str, float] = {}
    start: dict[str, float] = {}
    for entry in entries:
        if entry.step and entry.mark in (Mark.RAN, Mark.DOING, Mark.UNDOING):
            start.setdefault(entry.step, entry.at - entry.seconds)
        if entry.mark in (Mark.DONE, Mark.UNDONE) and entry.step in start:
            found[entry.step] = round(entry.at - start.pop(entry.step), 1)
    return found


def _facts(entry: Entry) -> dict[str, Any]:
    facts = {name: getattr(entry, name) for name in Entry.__dataclass_fields__}
    return {**facts, "mark": entry.mark.value}


def _end(plan: Plan) -> None:
    """End both sides politely; the namespace ends whatever is left."""
    hands = Machine(plan.ground)
    for step in plan.backward():
        for command in (*(c for c in step.back.commands if not c.starts and "down" in c.words), *step.commands):
            if step.id == "stop-live" or "down" in command.words:
                hands.run(command)
    shutil.rmtree(os.path.join(Places(plan.ground.log_dir).root, "saved"), ignore_errors=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
