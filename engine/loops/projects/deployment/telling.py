"""What it means that a deployment has no fact at a place: there is none of it, or its source does not tell.  Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase

from loops.projects.deployment.facts import Place
from loops.projects.deployment.model import Deployment, Form

_COLUMNS = frozenset(("present", "kind", "backend", "watch", "state", "enabled"))
"""What a captured status tells of an agent or service, besides the model."""
_ALWAYS = frozenset(("kind", "session", "dir", "backend", "model", "watch", "enabled", "resume", "schedule"))
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
    if place.subject == "agent":
        return place.field not in _ALWAYS and place.field != "state"
    if place.subject == "phase" and place.field.startswith("model of "):
        return any(step.id == place.name and step.models is not None for step in deployment.steps or ())
    return _collection(deployment, place.subject)


def _shown(d: Deployment, place: Place) -> bool:
    """Of a captured status: its columns, and whether there are phases, one of which its head names."""
    if place.subject == "agent":
        return place.field in _COLUMNS
    return place.subject == "phase" and place.field == "present" and (d.now is None or d.now.id == place.name)


def _collection(d: Deployment, subject: str) -> bool:
    if subject in ("phase", "phases"):
        return d.steps is not None
    if subject == "handoff":
        return d.relay is None  # there is none; one that is there has all its values
    collections = {"backend": d.clis, "times": d.times, "role": d.roles, "kickoff": d.kickoffs}
    return collections.get(subject) is not None
