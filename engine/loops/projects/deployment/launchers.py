"""Read the deployment of the earlier launchers: scripts, dotfiles, and the environment that they are started with.

A value comes from the environment, else from its dotfile, else from the script; where a function of the script itself decides
(the model of a phase), that function is followed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace

from loops.config.problems import ConfigProblems, Problem
from loops.projects.deployment import engine_state, launcher_kickoffs
from loops.projects.deployment.environment import Environment
from loops.projects.deployment.files import Files
from loops.projects.deployment.launcher_kickoffs import MAIN
from loops.projects.deployment.launcher_members import Members
from loops.projects.deployment.launcher_settings import Settings
from loops.projects.deployment.model import Deployment, Form, Relay, Step, Untranslated

_PHASE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
_OPEN = {"isolate": "no"}
"""Their agents see all that their user may see."""
_TIMES = {"SIGNAL_INTERVAL": "signal_interval", "WATCH_INTERVAL": "heavy_interval", "STALL_GRACE": "stall_grace"}


def read(root: str, environment: Environment, source: str, files: Files) -> Deployment:
    """Read the launchers' directory *root* as they would be started with *environment*.

    Raises:
        ConfigProblems: a setting that is there has no meaning (a phase without a plan, a time that is no number).
    """
    settings = Settings(files, environment, MAIN)
    steps = _steps(settings)
    members = Members(settings)
    index_file = settings.path("PHASE_IDX_FILE", ".phase-idx")
    notes = list[Untranslated]()
    complete = any(os.path.lexists(files.place(mark)) for mark in settings.completion_marks())
    at = engine_state.index(files, index_file, len(steps), complete, notes)
    found = members.all()
    steps = tuple(replace(step, models=dict(members.models.overridden(step))) for step in steps)
    kickoffs = launcher_kickoffs.read(settings, steps, index_file)
    builder = settings.path("BUILDER_DIR", "")
    times, clis = dict(_times(settings)), members.clis()
    settings.raise_problems()
    return Deployment(
        source=source,
        form=Form.LAUNCHERS,
        root=root,
        prefix=members.prefix,
        members=tuple(each if each.kind == "service" else replace(each, further=_OPEN) for each in found),
        steps=steps,
        at=at,
        complete=complete or (None if at is None else False),
        relay=Relay(repo=builder, builder=("builder",), adversary=("adversary",)) if builder else None,
        on_complete=members.on_complete(),
        clis=clis,
        times=times,
        roles=kickoffs.roles or None,
        kickoffs=kickoffs.texts or None,
        template=kickoffs.template,
        templates=kickoffs.templates,
        texts=members.texts,
        plans=settings.path("PLAN_DIR", "") or None,
        secrets=tuple(environment.secrets),
        origins=settings.origins,
        untranslated=(*environment.untranslated, *kickoffs.untranslated, *notes, *settings.left(steps, members.names)),
        documents=files.documents,
    )


def _steps(settings: Settings) -> tuple[Step, ...]:
    """The plan, from ``id|plan|status;...``."""
    spec = settings.take("PHASES_SPEC", ".phases-spec", as_="phases: order")
    if spec is None:
        return ()
    steps, problems = list[Step](), list[Problem]()
    for number, entry in enumerate((each for each in spec.value.split(";") if each.strip()), 1):
        fields = [field.strip() for field in entry.split("|")]
        what = f"phase {number} ({entry.strip()!r})"
        if len(fields) != 3 or not all(fields):
            problems.append(Problem(spec.origin, 0, what, "must have an id, a plan and a status file: ID|PLAN|STATUS"))
        elif not _PHASE_ID.match(fields[0]):
            problems.append(Problem(spec.origin, 0, what, "has an id that is none: letters, digits, -, _ and ."))
        elif any(step.id == fields[0] for step in steps):
            problems.append(Problem(spec.origin, 0, what, "has the id of an earlier phase"))
        else:
            steps.append(Step(fields[0], fields[1], fields[2]))
            for key in ("plan", "status"):
                settings.origins[f"phase {fields[0]}: {key}"] = spec.origin
    if problems:
        raise ConfigProblems(problems)
    return tuple(steps)


def _times(settings: Settings) -> Iterator[tuple[str, float]]:
    for name, key in _TIMES.items():
        value = settings.seconds(name, f"times: {key}")
        if value is not None:
            yield key, value
