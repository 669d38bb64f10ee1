"""What it means that a deployment has no fact at a place: there is none of it, or its source does not tell.  Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase

from loops.projects.deployment import forms, further
from loops.projects.deployment.facts import Place
from loops.projects.deployment.model import Deployment, Form

_COLUMNS = frozenset(("present", "kind", "backend", "watch", "state", "enabled"))
"""What a captured status tells of an agent or service, besides the model."""
_DASHES = frozenset(("backend", "watch"))
"""Of a service it prints a dash for them, whatever they are."""
_ALWAYS = frozenset(("kind", "session", "dir", "backend", "model", "watch", "enabled", "resume", "isolate"))
"""What every agent has: without a value the source does not tell it."""


def tells(deployment: Deployment, place: Place) -> bool:
    """Whether the source of *deployment* would tell the fact at *place*; when it has no entry, there is none of it.

    A configuration tells all that belongs to its agents and phases, and whether there is a handoff.  Of a collection
    that is None (phases, times, backends, roles, kickoffs) it tells nothing; nor of what always has some value.
    """
    if any(fnmatchcase(str(place), pattern) for pattern in deployment.untold):
        return False
    if deployment.form is Form.STATUS:
        return _shown(deployment, place)
    if place.field in further.OURS.get(place.subject, ()):  # the others have no such thing, and that is told
        return deployment.form is Form.LOOPS or place.field != "credentials"
    if place.subject == "agent":
        if place.field.startswith(further.VARIABLE):
            return deployment.form is not Form.LAUNCHERS
        return place.field not in _ALWAYS and place.field != "state"
    if place.subject == "phase" and place.field.startswith("model of "):
        return any(step.id == place.name and step.models is not None for step in deployment.steps or ())
    if place.subject in ("times", "backend"):
        return _knows(deployment.form, place) and _collection(deployment, place.subject)
    return _collection(deployment, place.subject)


def _knows(form: Form, place: Place) -> bool:
    """Whether such a system has that time or setting of a backend at all: the launchers' scripts give what they give."""
    if form is Form.ENGINE:
        return place.field in (forms.TIMES if place.subject == "times" else forms.SETTINGS)
    return form is Form.LOOPS


def _shown(d: Deployment, place: Place) -> bool:
    """Of a captured status: its columns, and whether there are phases, one of which its head names."""
    if place.subject == "agent":
        services = {member.name for member in d.members if member.kind == "service"}
        return place.field in _COLUMNS and not (place.name in services and place.field in _DASHES)
    return place.subject == "phase" and place.field == "present" and (d.now is None or d.now.id == place.name)


def _collection(d: Deployment, subject: str) -> bool:
    if subject in ("phase", "phases"):
        return d.steps is not None
    if subject == "handoff":
        return d.relay is None  # there is none; one that is there has all its values
    collections = {"backend": d.clis, "times": d.times, "role": d.roles, "kickoff": d.kickoffs}
    return collections.get(subject) is not None
