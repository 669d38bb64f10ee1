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
from loops.projects.deployment import engine_state, script_kickoff
from loops.projects.deployment.environment import Environment
from loops.projects.deployment.files import Files
from loops.projects.deployment.launcher_members import Members
from loops.projects.deployment.launcher_settings import Settings
from loops.projects.deployment.model import Deployment, Document, Form, Relay, Step, Untranslated
from loops.projects.deployment.python.world import CannotTell
from loops.supervisor.texts import ROLE_TEXTS, fill

MAIN = "launch.py"
ROLES = ("builder", "adversary")
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
    members = Members(settings, steps)
    index_file = settings.path("PHASE_IDX_FILE", ".phase-idx")
    notes = list[Untranslated]()
    complete = any(os.path.lexists(files.place(mark)) for mark in settings.completion_marks())
    at = engine_state.index(files, index_file, len(steps), complete, notes)
    found = members.all()
    steps = tuple(replace(step, models=dict(members.models(step))) for step in steps)
    kickoffs, roles, template, said = _kickoffs(settings, steps, index_file)
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
        roles=roles or None,
        kickoffs=kickoffs or None,
        template=template,
        texts=members.texts,
        plans=settings.path("PLAN_DIR", "") or None,
        secrets=tuple(environment.secrets),
        origins=settings.origins,
        untranslated=(*environment.untranslated, *said, *notes, *settings.left(steps, members.names)),
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


def _kickoffs(
    settings: Settings, steps: tuple[Step, ...], index_file: str
) -> tuple[dict[tuple[str, str], str], dict[str, Document], str | None, list[Untranslated]]:
    """The kickoffs by phase and agent, the roles' texts, and the template."""
    files, scripts = settings.files, settings.scripts
    roles = {role: path for role in ROLES if (path := _role_path(settings, role))}
    documents = {role: files.document(path) for role, path in roles.items()}
    kickoff = script_kickoff.find(scripts, MAIN, steps, files.place(index_file)) if steps else None
    if kickoff is None:
        why = "no function of launch.py builds it: write prompts/kickoff.md by hand after the migration"
        return {}, documents, None, [Untranslated(MAIN, "the kickoff", why)] if steps else []
    found: dict[tuple[str, str], str] = {}
    try:
        found = {(step.id, role): kickoff.render(role, step) for step in steps for role in ROLES}
        template = kickoff.template({role: files.place(path) for role, path in roles.items()})
    except CannotTell as error:
        why = "what the script makes of it cannot be told without running it: write prompts/kickoff.md by hand, and compare"
        return found, documents, None, [Untranslated(error.place, f"the kickoff: {error.what}", why)]
    texts = {role: files.text(path) or "" for role, path in roles.items()}
    return found, documents, _plainest(template, found, steps, texts), []


def _role_path(settings: Settings, role: str) -> str:
    """Where the standing text of a role lies."""
    plan = settings.path("PLAN_DIR", "") or settings.files.root
    for directory in (os.path.join(plan, "prompts"), "prompts", plan):
        path = os.path.join(directory, f"{role}.md")
        if settings.files.bytes(path) is not None:
            return path
    return ""


def _plainest(
    template: str, kickoffs: dict[tuple[str, str], str], steps: tuple[Step, ...], roles: dict[str, str]
) -> str:
    """The template in the plainest form that gives the same kickoffs: without a slot for the role's text where that
    follows the template anyway, else with one of them."""
    as_it_is, stripped = ROLE_TEXTS
    for candidate in (template.removesuffix(as_it_is), template, template.replace(as_it_is, stripped)):
        if all(
            fill(candidate, _slots(step, role), text) == kickoffs.get((step.id, role))
            for step in steps
            for role, text in roles.items()
        ):
            return candidate
    return template


def _slots(step: Step, role: str) -> dict[str, str]:
    return {"phase_id": step.id, "plan": step.plan or "", "status": step.status or "", "role": role}
