"""The steps of a cutover as far as they end the live side; their way back starts it.  Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from loops.projects.cutover import say
from loops.projects.cutover.plan import Check, Command, Ground, Side, Step, Way


def preflight(ground: Ground) -> Step:
    """It only looks."""
    config = ("--config", ground.staged_config)
    enabled = (say.enabled(ground, "its unit starts it at boot"),) if ground.unit else ()
    return Step(
        id="preflight",
        title="Look that everything is ready",
        why="What is missing must show while the live side still runs.",
        commands=(),
        before=(),
        after=(
            say.same(ground),
            Check("agents.toml and the files that it names are right", say.loops("validate", *config)),
            Check("nothing is missing on this machine", say.loops("doctor", *config)),
            say.check(ground, "space", "there is room on the disk"),
            say.check(ground, "at-rest", "the staged project was never started, or is down after a way back"),
            say.check(ground, "no-task", "no task runs on the live side: it would be cut off"),
            *enabled,
        ),
        back=Way("It only looked."),
        seconds=say.ESTIMATES["preflight"],
        measured=say.GUESS,
    )


def note(ground: Ground, words: say.Words) -> Step:
    """What is written down is in `loops.projects.cutover.note`."""
    return Step(
        id="note",
        title="Note how the live side is",
        why="Its phase, its conversations and its sessions are what the staged side must show, and what the way back returns to.",
        commands=(say.loops("cutover", "note", ground.staged_root),),
        before=(Check("the live side answers", words.status),),
        after=(say.check(ground, "noted", "the note names the phase and every session that runs"),),
        back=Way("The note is a file beside the record; nothing was changed."),
        seconds=say.ESTIMATES["note"],
        measured=say.GUESS,
    )


def stop(ground: Ground, words: say.Words) -> Step:
    """Supervisor first; nothing may be left."""
    return Step(
        id="stop-live",
        title="End the live side: its supervisor first, then its agents",
        why="Whoever supervises would start the agents again; two supervisors must never run at once.",
        commands=tuple(_stopping(ground, words)),
        before=(say.check(ground, "live-runs", "the live side runs as it was noted"),),
        after=(
            say.check(
                ground, "live-stopped", "nothing of the live side lives: no supervisor, no session, no process", True
            ),
        ),
        back=Way(
            "The live side is started again, in the phase in which it was.",
            tuple(_starting(ground, words)),
            tuple(_returned(ground, words)),
        ),
        seconds=say.ESTIMATES["stop-live"],
        measured=say.GUESS,
    )


def _stopping(ground: Ground, words: say.Words) -> Iterator[Command]:
    if ground.unit:
        yield Command((*say.systemctl(ground), "disable", "--now", ground.unit), timeout=say.CHECK_WITHIN)
    for session in ground.watchdogs:
        yield Command(
            (*say.tmux(ground), "kill-session", "-t", f"={session}"),
            may_fail="it may be gone already; the check after it tells",
        )
    yield from words.stop
    for member in ground.members:  # the launchers end only what they start by themselves
        if ground.form == "launchers" and not member.enabled and member.kind != "task":
            yield Command(
                (*say.tmux(ground), "kill-session", "-t", f"={member.session}"),
                may_fail=f"{member.name} runs only if somebody started it by hand; it is not started again",
            )


def _starting(ground: Ground, words: say.Words) -> Iterator[Command]:
    if ground.unit:
        yield Command((*say.systemctl(ground), "enable", ground.unit), timeout=say.CHECK_WITHIN)
    if ground.unit and words.unit_starts:
        yield Command((*say.systemctl(ground), "start", ground.unit), starts=Side.LIVE, timeout=say.CHECK_WITHIN)
    else:
        for command in words.start:
            yield dataclasses.replace(command, starts=Side.LIVE)


def _returned(ground: Ground, words: say.Words) -> Iterator[Check]:
    if ground.unit:
        yield say.enabled(ground, "its unit starts at boot again")
    yield Check("the live side answers", words.status)
    yield say.check(ground, "live-runs", "the live side runs as it was noted, in its phase")
