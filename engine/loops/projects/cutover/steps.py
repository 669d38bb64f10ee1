"""The steps of a cutover, made from what stands on the machine and from the operator's own words: pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from loops.projects.cutover import steps_live, steps_staged
from loops.projects.cutover.plan import Ground, Plan, Step
from loops.projects.cutover.say import Words
from loops.projects.cutover.typed import by_its_user


def build(
    ground: Ground, words: Words, *, measured: Mapping[str, float] | None = None, notes: tuple[str, ...] = ()
) -> Plan:
    """The plan.  *measured*: seconds by step, from a rehearsal."""
    steps = [
        steps_live.preflight(ground),
        steps_live.note(ground, words),
        steps_live.stop(ground, words),
        steps_staged.carry(ground),
    ]
    if ground.unit:
        steps.append(steps_staged.boot(ground))
    steps += [steps_staged.up(ground), steps_staged.soak(ground), steps_staged.keep(ground)]
    timed = (_timed(step, measured or {}) for step in steps)
    return Plan(ground, tuple(by_its_user(ground, step) for step in timed), (*notes, *_remarks(ground)))


def _timed(step: Step, measured: Mapping[str, float]) -> Step:
    if step.id in measured and step.id != "soak":
        return dataclasses.replace(step, seconds=round(measured[step.id], 1), measured="measured by a rehearsal")
    return step


def _remarks(ground: Ground) -> Iterator[str]:
    yield "What is irreversible: nothing. The live deployment's files are neither moved nor removed, so the way back stays open."
    if not ground.unit:
        yield (
            "No unit was named (--unit): nothing is changed about what starts at boot. If something starts the live side at "
            "boot, name it; else a reboot in between brings the live side back, and the checks will say so."
        )
    if not any(member.kind == "loop" for member in ground.members):
        yield "The live deployment names no loop agents."
