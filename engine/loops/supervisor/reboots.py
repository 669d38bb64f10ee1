"""Reboots: told by the boot id alone, counted, written down, and said once to whoever keeps an eye on the project.

A supervisor that comes back in the same boot is no reboot, whoever started it.  In doubt nothing is counted: a boot id that
nobody knows, or sessions that live on in a boot that should be new.
"""

from __future__ import annotations

from loops.config.model import Kind, NoticeKind
from loops.protocol import reboots
from loops.protocol.moment import iso, span
from loops.supervisor import events as ev
from loops.supervisor import in_flight, lives
from loops.supervisor.action import LogReboots
from loops.supervisor.observation import Began
from loops.supervisor.state import NudgeKind
from loops.supervisor.step import Step


def record(step: Step, seen: Began, since: float) -> ev.MachineRebooted | None:
    """Write down that the machine was rebooted, if it was.  *since*: the last that is known of the time before."""
    known = step.state.boot_id
    if not seen.boot_id:
        step.say(
            "this machine's boot id cannot be read, so no reboot is counted; put it into LOOPS_BOOT_ID (systemd: %b)"
        )
        return None
    if not known or seen.boot_id == known:
        return None
    living = sum(1 for session in seen.sessions if session.alive)
    if living:
        step.say(
            f"the boot id is another one ({seen.boot_id}, not {known}), but {living} sessions of before live on: that is "
            "no reboot, and it is not counted; see who sets LOOPS_BOOT_ID"
        )
        return None
    found = in_flight.facts(step.state)
    phase = "" if step.loop.complete else step.loop.phase
    count = step.state.reboots + 1
    event = ev.MachineRebooted(step.at, count, seen.boot_id, known, since, phase, in_flight.words(found), found)
    step.emit(event)
    where = f"in phase {phase}" if phase else "outside any phase"
    text = f"the machine was rebooted ({told(event)}) {where}; in flight: {len(event.in_flight)}, see `loops boot`"
    step.notice(NoticeKind.REBOOT, f"reboot {count}", text)
    return event


def catch_up(step: Step, reboot: ev.MachineRebooted | None) -> None:
    """A new row of REBOOTS.md, or one that an earlier supervisor did not live to write."""
    if step.state.reboots:
        step.act(LogReboots(step.state.reboots, reboot))


def tell(step: Step, reboot: ev.MachineRebooted) -> None:
    """Wake every persistent agent that is wanted, once for each reboot; a limit window defers it as any other nudge."""
    where = f"Phase {reboot.phase}" if reboot.phase else "All phases are done" if step.loop.complete else "No phase"
    under_way = "; ".join(reboot.in_flight) or "nothing"
    text = (
        f"The machine rebooted: {told(reboot)}. {where}. In flight when it went down: {under_way}. Whatever was wanted has "
        f"been started again, each agent in its conversation; {reboots.NAME} has a row for every reboot. See `loops status` "
        "and `loops boot`, make sure that the work goes on, and write the reboot into your journal."
    )
    why = f"the machine was rebooted, for time {reboot.count}"
    for name, spec in step.config.agents.items():
        if spec.kind is Kind.PERSISTENT and lives.wanted(step, name)[0] is lives.Want.RUN:
            step.queue(name, NudgeKind.REBOOT, text, cause=f"reboot {reboot.count}", why=why, rule="reboot")


def told(event: ev.MachineRebooted) -> str:
    """When, for how long, and how often so far."""
    away = span(event.at - event.down_since)
    return (
        f"down since {iso(event.down_since)}, back {iso(event.at)}, {away} later; reboot {event.count} of this project"
    )


def row(event: ev.MachineRebooted) -> reboots.Reboot:
    """The event as REBOOTS.md has it: whole seconds, one line."""
    return reboots.Reboot(
        event.count,
        float(int(event.at)),
        float(int(event.down_since)),
        event.phase,
        "; ".join(event.in_flight),
        event.boot_id,
    )
