"""The kickoffs of the launchers, the roles' texts, and the templates that give the same kickoffs again."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256

from loops.projects.deployment import script_kickoff
from loops.projects.deployment.launcher_settings import Settings
from loops.projects.deployment.model import Document, Step, Untranslated
from loops.projects.deployment.python.world import CannotTell
from loops.projects.deployment.script_kickoff import Kickoff
from loops.supervisor.texts import ROLE_TEXTS, fill

MAIN = "launch.py"
ROLES = ("builder", "adversary")
NO_TEXT = Document("", sha256(b"").hexdigest())
"""Of a role whose kickoff holds no text of it."""
_BY_HAND = (
    "what the script makes of it cannot be told without running it: write prompts/kickoff.md by hand, and compare"
)


@dataclass(frozen=True, slots=True)
class Kickoffs:
    """``texts``: by phase and agent.  ``templates``: by role, where there is no ``template`` for all.

    Where there is a template, ``roles`` has an empty text for each whose kickoff holds none.
    """

    texts: Mapping[tuple[str, str], str] = field(default_factory=dict)
    roles: Mapping[str, Document] = field(default_factory=dict)
    template: str | None = None
    templates: Mapping[str, str] = field(default_factory=dict)
    untranslated: tuple[Untranslated, ...] = ()


def read(settings: Settings, steps: tuple[Step, ...], index_file: str) -> Kickoffs:
    """Render every kickoff as launch.py would, and find the plainest templates for them."""
    files = settings.files
    paths = {role: files.place(path) for role in ROLES if (path := _role_path(settings, role))}
    roles = {role: files.document(path) for role, path in paths.items()}
    if not steps:
        return Kickoffs(roles=roles)
    kickoff = script_kickoff.find(settings.scripts, MAIN, steps, files.place(index_file))
    if kickoff is None:
        why = "no function of launch.py builds it: write prompts/kickoff.md by hand after the migration"
        return Kickoffs(roles=roles, untranslated=(Untranslated(MAIN, "the kickoff", why),))
    try:
        texts = {(step.id, role): kickoff.render(role, step) for step in steps for role in ROLES}
    except CannotTell as error:
        return Kickoffs(roles=roles, untranslated=(Untranslated(error.place, f"the kickoff: {error.what}", _BY_HAND),))
    standing = {role: _text(files.text(path) or "") for role, path in paths.items()}
    with suppress(CannotTell):
        template = kickoff.template(paths)
        for placed in (standing, {}) if _holds_none(template) else (standing,):
            plainest = _plainest(template, texts, steps, {role: placed.get(role, "") for role in ROLES})
            if plainest is not None:
                return Kickoffs(texts, _held(roles, placed), plainest)
    templates, used = _by_role(kickoff, texts, steps, paths, standing)
    return Kickoffs(texts, _held(roles, used) if templates else roles, templates=templates)


def _held(roles: Mapping[str, Document], placed: Collection[str]) -> dict[str, Document]:
    return {role: roles[role] if role in placed else NO_TEXT for role in ROLES}


def _text(text: str) -> str:
    """*text* with the line ends that Python gives to who opens a file as text."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _role_path(settings: Settings, role: str) -> str:
    """Where the standing text of a role lies."""
    plan = settings.path("PLAN_DIR", "") or settings.files.root
    for directory in (os.path.join(plan, "prompts"), "prompts", plan):
        path = os.path.join(directory, f"{role}.md")
        if settings.files.bytes(path) is not None:
            return path
    return ""


def _plainest(
    template: str, kickoffs: Mapping[tuple[str, str], str], steps: tuple[Step, ...], roles: Mapping[str, str]
) -> str | None:
    """The template in the plainest form that gives the same kickoffs: without a slot for the role's text where that
    follows the template anyway, else with one of them.  None: it gives others."""
    as_it_is, stripped = ROLE_TEXTS
    candidates = (template.rstrip().removesuffix(as_it_is), template, template.replace(as_it_is, stripped))
    for candidate in (*candidates, f"{template}{as_it_is}"):
        if all(
            fill(candidate, _slots(step, role), text) == kickoffs.get((step.id, role))
            for step in steps
            for role, text in roles.items()
        ):
            return candidate
    return None


def _by_role(
    kickoff: Kickoff,
    kickoffs: Mapping[tuple[str, str], str],
    steps: tuple[Step, ...],
    paths: Mapping[str, str],
    standing: Mapping[str, str],
) -> tuple[dict[str, str], list[str]]:
    """A template for each role, of a script that says different things to them, and the roles whose text is in theirs.

    Whatever is not the same is shown later.
    """
    found: dict[str, str] = {}
    used = list(paths)
    for role in ROLES:
        try:
            template = kickoff.template_of(role, paths.get(role, ""))
        except CannotTell:
            continue
        plainest = _plainest(template, kickoffs, steps, {role: standing.get(role, "")})
        if plainest is None and role in used and _holds_none(template):
            plainest = _plainest(template, kickoffs, steps, {role: ""})
            if plainest is not None:
                used.remove(role)
        found[role] = template if plainest is None else plainest
    return found, used


def _holds_none(template: str) -> bool:
    """Whether no role's text stands in it: it names the file, or says all by itself."""
    return ROLE_TEXTS[0] not in template


def _slots(step: Step, role: str) -> dict[str, str]:
    return {"phase_id": step.id, "plan": step.plan or "", "status": step.status or "", "role": role}
