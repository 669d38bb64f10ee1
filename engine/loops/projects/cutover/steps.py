"""The steps of a cutover, made from what stands on the machine and from the operator's own words: pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from loops.projects.cutover.plan import Check, Command, Ground, Plan, Side, Step, Way

ROOT = "root"
CHECK_WITHIN = 180.0
"""Seconds in which one check ends: it waits for what takes a while, on a machine that is busy."""
ESTIMATES: Mapping[str, float] = {
    "preflight": 30.0,
    "note": 5.0,
    "stop-live": 30.0,
    "carry": 5.0,
    "boot": 15.0,
    "up": 45.0,
    "keep": 5.0,
}
"""Seconds, with their checks; the soak takes what was asked for."""
GUESS = "an estimate: `loops cutover rehearse` measures it"


@dataclass(frozen=True, slots=True)
class Words:
    """How the live side is ended, started and asked: known for its form, unless the operator said otherwise."""

    stop: tuple[Command, ...]
    start: tuple[Command, ...]
    """It keeps the phase: the launchers begin again with phase 0 unless RESUME_PHASE=1 is set."""
    status: Command
    unit_starts: bool = False
    """The unit is what starts it, and keeps the phase."""


def build(
    ground: Ground, words: Words, *, measured: Mapping[str, float] | None = None, notes: tuple[str, ...] = ()
) -> Plan:
    """The plan.  *measured*: seconds by step, from a rehearsal."""
    steps = [_preflight(ground), _note(ground, words), _stop(ground, words), _carry(ground)]
    if ground.unit:
        steps.append(_boot(ground))
    steps += [_up(ground), _soak(ground), _keep(ground)]
    timed = (_timed(step, measured or {}) for step in steps)
    return Plan(ground, tuple(_by_its_user(ground, step) for step in timed), (*notes, *_remarks(ground)))


def _by_its_user(ground: Ground, step: Step) -> Step:
    """Each command says as whom it is typed, when the live side has a user of its own."""
    if not ground.user:
        return step

    def typed(command: Command) -> Command:
        return dataclasses.replace(command, user=ROOT if _of_the_system(command.words) else ground.user)

    def seen(checks: tuple[Check, ...]) -> tuple[Check, ...]:
        return tuple(dataclasses.replace(each, command=typed(each.command)) for each in checks)

    back = dataclasses.replace(step.back, commands=tuple(map(typed, step.back.commands)), checks=seen(step.back.checks))
    return dataclasses.replace(
        step, commands=tuple(map(typed, step.commands)), before=seen(step.before), after=seen(step.after), back=back
    )


def _of_the_system(words: tuple[str, ...]) -> bool:
    """Whether it changes what the system's service manager has."""
    return (words[0] == "systemctl" and words[1] != "is-enabled") or words[:2] == ("loops", "service")


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


# ---- the steps ---------------------------------------------------------------------------------------------------------


def _preflight(ground: Ground) -> Step:
    config = ("--config", ground.staged_config)
    enabled = (_enabled(ground, "its unit starts it at boot"),) if ground.unit else ()
    return Step(
        id="preflight",
        title="Look that everything is ready",
        why="What is missing must show while the live side still runs.",
        commands=(),
        before=(),
        after=(
            _same(ground),
            Check("agents.toml and the files that it names are right", _loops("validate", *config)),
            Check("nothing is missing on this machine", _loops("doctor", *config)),
            _check(ground, "space", "there is room on the disk"),
            _check(ground, "at-rest", "the staged project was never started, or is down after a way back"),
            _check(ground, "no-task", "no task runs on the live side: it would be cut off"),
            *enabled,
        ),
        back=Way("It only looked."),
        seconds=ESTIMATES["preflight"],
        measured=GUESS,
    )


def _note(ground: Ground, words: Words) -> Step:
    return Step(
        id="note",
        title="Note how the live side is",
        why="Its phase, its conversations and its sessions are what the staged side must show, and what the way back returns to.",
        commands=(_loops("cutover", "note", ground.staged_root),),
        before=(Check("the live side answers", words.status),),
        after=(_check(ground, "noted", "the note names the phase and every session that runs"),),
        back=Way("The note is a file beside the record; nothing was changed."),
        seconds=ESTIMATES["note"],
        measured=GUESS,
    )


def _stop(ground: Ground, words: Words) -> Step:
    return Step(
        id="stop-live",
        title="End the live side: its supervisor first, then its agents",
        why="Whoever supervises would start the agents again; two supervisors must never run at once.",
        commands=tuple(_stopping(ground, words)),
        before=(_check(ground, "live-runs", "the live side runs as it was noted"),),
        after=(
            _check(
                ground, "live-stopped", "nothing of the live side lives: no supervisor, no session, no process", True
            ),
        ),
        back=Way(
            "The live side is started again, in the phase in which it was.",
            tuple(_starting(ground, words)),
            tuple(_returned(ground, words)),
        ),
        seconds=ESTIMATES["stop-live"],
        measured=GUESS,
    )


def _stopping(ground: Ground, words: Words) -> Iterator[Command]:
    if ground.unit:
        yield Command((*_systemctl(ground), "disable", "--now", ground.unit), timeout=CHECK_WITHIN)
    for session in ground.watchdogs:
        yield Command(
            (*_tmux(ground), "kill-session", "-t", f"={session}"),
            may_fail="it may be gone already; the check after it tells",
        )
    yield from words.stop
    for member in ground.members:  # the launchers end only what they start by themselves
        if ground.form == "launchers" and not member.enabled and member.kind != "task":
            yield Command(
                (*_tmux(ground), "kill-session", "-t", f"={member.session}"),
                may_fail=f"{member.name} runs only if somebody started it by hand; it is not started again",
            )


def _starting(ground: Ground, words: Words) -> Iterator[Command]:
    if ground.unit:
        yield Command((*_systemctl(ground), "enable", ground.unit), timeout=CHECK_WITHIN)
    if ground.unit and words.unit_starts:
        yield Command((*_systemctl(ground), "start", ground.unit), starts=Side.LIVE, timeout=CHECK_WITHIN)
    else:
        for command in words.start:
            yield dataclasses.replace(command, starts=Side.LIVE)


def _returned(ground: Ground, words: Words) -> Iterator[Check]:
    if ground.unit:
        yield _enabled(ground, "its unit starts at boot again")
    yield Check("the live side answers", words.status)
    yield _check(ground, "live-runs", "the live side runs as it was noted, in its phase")


def _carry(ground: Ground) -> Step:
    return Step(
        id="carry",
        title="Carry the phase and the conversations over",
        why="They may have moved since the migration; what counts is where the live side was when it ended.",
        commands=(_loops("cutover", "carry", ground.staged_root),),
        before=(
            _check(ground, "live-stopped", "nothing of the live side lives"),
            _check(ground, "staged-stopped", "nothing of the staged side lives"),
        ),
        after=(
            _check(ground, "carried", "the staged project stands in the live side's phase, with its conversations"),
        ),
        back=Way(
            "If the phase has moved on under the staged side, the live side's own files get the new phase and the "
            "conversations of it; else they stay byte for byte as they were noted.",
            (_loops("cutover", "carry", ground.staged_root, "--back"),),
            (_check(ground, "live-state", "the live side's files name the phase that it shall go on in"),),
        ),
        seconds=ESTIMATES["carry"],
        measured=GUESS,
    )


def _boot(ground: Ground) -> Step:
    user = ("--user",) if ground.personal else ()
    config = ("--config", ground.staged_config)
    runs_as = ("--run-as", ground.user) if ground.user else ()
    install = _loops("service", "install", *user, *runs_as, *config)
    return Step(
        id="boot",
        title="Have the staged project started at boot",
        why="The live side's unit is disabled; from now on a reboot brings up this project.",
        commands=(dataclasses.replace(install, starts=Side.STAGED),),
        before=(_check(ground, "live-stopped", "nothing of the live side lives"),),
        after=(_check(ground, "service", "its unit is installed, and its supervisor answers"),),
        back=Way(
            "The units are removed; the live side's own unit is enabled again further on.",
            (_loops("service", "uninstall", *user, *config),),
            (_check(ground, "staged-stopped", "nothing of the staged side lives"),),
        ),
        seconds=ESTIMATES["boot"],
        measured=GUESS,
    )


def _up(ground: Ground) -> Step:
    config = ("--config", ground.staged_config)
    return Step(
        id="up",
        title="Bring the staged side up",
        why="Now it is the only supervisor; it resumes every agent's conversation.",
        commands=(dataclasses.replace(_loops("up", *config), starts=Side.STAGED),),
        before=(_check(ground, "live-stopped", "nothing of the live side lives"), _same(ground)),
        after=(
            _check(ground, "staged-runs", "every agent and service that ran on the live side is RUNNING"),
            _check(ground, "conversations", "each agent goes on in the conversation that it had"),
            _check(ground, "phase", "the phase is the live side's"),
            _check(ground, "models", "each agent has the effective model that it had"),
            _check(ground, "views", "each session is shown in tmux under the name that it had"),
        ),
        back=Way(
            "The staged side is ended, before anything of the live side is started.",
            (_loops("down", *config),),
            (
                _check(
                    ground,
                    "staged-ended",
                    "none of its agents lives" + (" (its service waits)" if ground.unit else ", nor its supervisor"),
                ),
            ),
        ),
        seconds=ESTIMATES["up"],
        measured=GUESS,
    )


def _soak(ground: Ground) -> Step:
    return Step(
        id="soak",
        title=f"Watch it for {_span(ground.soak)}",
        why="A crash loop, or a conversation that is not accepted, shows within minutes.",
        commands=(),
        before=(_check(ground, "live-stopped", "nothing of the live side lives"),),
        after=(
            dataclasses.replace(
                _check(ground, "soak", "all agents stay up, without a restart"),
                command=dataclasses.replace(
                    _loops("cutover", "check", "soak", ground.staged_root), timeout=ground.soak + CHECK_WITHIN
                ),
            ),
            _check(ground, "conversations", "each agent is still in the conversation that it had"),
        ),
        back=Way("It only watched."),
        seconds=ground.soak + 5,
        measured="as it was asked for (--soak)",
    )


def _keep(ground: Ground) -> Step:
    return Step(
        id="keep",
        title="Keep the live deployment for the way back",
        why=f"Nothing in {ground.live_root or ground.live} is removed: `loops cutover run` with --back returns to it.",
        commands=(),
        before=(),
        after=(
            _check(ground, "live-stopped", "nothing of the live side lives"),
            _check(ground, "staged-runs", "every agent and service that ran on the live side is RUNNING"),
        ),
        back=Way("Nothing was done."),
        seconds=ESTIMATES["keep"],
        measured=GUESS,
    )


# ---- words -------------------------------------------------------------------------------------------------------------


def _loops(*words: str) -> Command:
    return Command(("loops", *words), timeout=CHECK_WITHIN)


def _check(ground: Ground, what: str, sees: str, lasting: bool = False) -> Check:
    return Check(sees, _loops("cutover", "check", what, ground.staged_root), lasting=lasting)


def _same(ground: Ground) -> Check:
    """Asked twice, for hours and an editor may lie between the first step and the start."""
    around = ground.around if ground.unit_file != ground.live else dataclasses.replace(ground.around, unit="")
    accepted = ("--allow", ground.allow) if ground.allow else ()
    return Check(
        "live and staged are the same, but for phase and conversations, which are carried over",
        _loops("parity", ground.live, ground.staged_root, "--carried-later", *around.words(), *accepted),
    )


def _enabled(ground: Ground, sees: str) -> Check:
    return Check(sees, Command((*_systemctl(ground), "is-enabled", ground.unit), timeout=CHECK_WITHIN))


def _systemctl(ground: Ground) -> tuple[str, ...]:
    return ("systemctl", "--user") if ground.personal else ("systemctl",)


def _tmux(ground: Ground) -> tuple[str, ...]:
    return ("tmux", "-S", ground.tmux) if ground.tmux else ("tmux",)


def _span(seconds: float) -> str:
    return f"{seconds / 60:g} minutes" if seconds >= 60 else f"{seconds:g} seconds"
