"""The steps of a cutover that bring the staged side up; their way back ends it.  Pure."""

from __future__ import annotations

import dataclasses

from loops.projects.cutover import say
from loops.projects.cutover.plan import Ground, Side, Step, Way


def carry(ground: Ground) -> Step:
    """Done while nobody lives."""
    return Step(
        id="carry",
        title="Carry the phase and the conversations over",
        why="They may have moved since the migration; what counts is where the live side was when it ended.",
        commands=(say.loops("cutover", "carry", ground.staged_root),),
        before=(
            say.check(ground, "live-stopped", "nothing of the live side lives"),
            say.check(ground, "staged-stopped", "nothing of the staged side lives"),
        ),
        after=(
            say.check(ground, "carried", "the staged project stands in the live side's phase, with its conversations"),
        ),
        back=Way(
            "If the phase has moved on under the staged side, the live side's own files get the new phase and the "
            "conversations of it; else they stay byte for byte as they were noted.",
            (say.loops("cutover", "carry", ground.staged_root, "--back"),),
            (say.check(ground, "live-state", "the live side's files name the phase that it shall go on in"),),
        ),
        seconds=say.ESTIMATES["carry"],
        measured=say.GUESS,
    )


def boot(ground: Ground) -> Step:
    """Only where a unit starts the live side."""
    user = ("--user",) if ground.personal else ()
    config = ("--config", ground.staged_config)
    runs_as = ("--run-as", ground.user) if ground.user else ()
    install = say.loops("service", "install", *user, *runs_as, *config)
    return Step(
        id="boot",
        title="Have the staged project started at boot",
        why="The live side's unit is disabled; from now on a reboot brings up this project.",
        commands=(dataclasses.replace(install, starts=Side.STAGED),),
        before=(say.check(ground, "live-stopped", "nothing of the live side lives"),),
        after=(say.check(ground, "service", "its unit is installed, and its supervisor answers"),),
        back=Way(
            "The units are removed; the live side's own unit is enabled again further on.",
            (say.loops("service", "uninstall", *user, *config),),
            (say.check(ground, "staged-stopped", "nothing of the staged side lives"),),
        ),
        seconds=say.ESTIMATES["boot"],
        measured=say.GUESS,
    )


def up(ground: Ground) -> Step:
    """Begins nothing unless the live side is gone."""
    config = ("--config", ground.staged_config)
    return Step(
        id="up",
        title="Bring the staged side up",
        why="Now it is the only supervisor; it resumes every agent's conversation.",
        commands=(dataclasses.replace(say.loops("up", *config), starts=Side.STAGED),),
        before=(say.check(ground, "live-stopped", "nothing of the live side lives"), say.same(ground)),
        after=(
            say.check(ground, "staged-runs", "every agent and service that ran on the live side is RUNNING"),
            say.check(ground, "conversations", "each agent goes on in the conversation that it had"),
            say.check(ground, "phase", "the phase is the live side's"),
            say.check(ground, "models", "each agent has the effective model that it had"),
            say.check(ground, "views", "each session is shown in tmux under the name that it had"),
        ),
        back=Way(
            "The staged side is ended, before anything of the live side is started.",
            (say.loops("down", *config),),
            (
                say.check(
                    ground,
                    "staged-ended",
                    "none of its agents lives" + (" (its service waits)" if ground.unit else ", nor its supervisor"),
                ),
            ),
        ),
        seconds=say.ESTIMATES["up"],
        measured=say.GUESS,
    )


def soak(ground: Ground) -> Step:
    """It only watches."""
    return Step(
        id="soak",
        title=f"Watch it for {say.span(ground.soak)}",
        why="A crash loop, or a conversation that is not accepted, shows within minutes.",
        commands=(),
        before=(say.check(ground, "live-stopped", "nothing of the live side lives"),),
        after=(
            dataclasses.replace(
                say.check(ground, "soak", "all agents stay up, without a restart"),
                command=dataclasses.replace(
                    say.loops("cutover", "check", "soak", ground.staged_root), timeout=ground.soak + say.CHECK_WITHIN
                ),
            ),
            say.check(ground, "conversations", "each agent is still in the conversation that it had"),
        ),
        back=Way("It only watched."),
        seconds=ground.soak + 5,
        measured="as it was asked for (--soak)",
    )


def keep(ground: Ground) -> Step:
    """The last look; nothing is removed."""
    return Step(
        id="keep",
        title="Keep the live deployment for the way back",
        why=f"Nothing in {ground.live_root or ground.live} is removed: `loops cutover run` with --back returns to it.",
        commands=(),
        before=(),
        after=(
            say.check(ground, "live-stopped", "nothing of the live side lives"),
            say.check(ground, "staged-runs", "every agent and service that ran on the live side is RUNNING"),
        ),
        back=Way("Nothing was done."),
        seconds=say.ESTIMATES["keep"],
        measured=say.GUESS,
    )
