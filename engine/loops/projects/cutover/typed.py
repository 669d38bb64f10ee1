"""As whom the commands of a step are typed.  Pure."""

from __future__ import annotations

import dataclasses

from loops.projects.cutover.plan import ROOT, Check, Command, Ground, Step


def by_its_user(ground: Ground, step: Step) -> Step:
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
