"""Which file a fact is the digest of.  Pure."""

from __future__ import annotations

from loops.projects.deployment.facts import Place
from loops.projects.deployment.model import Deployment, Document


def file_of(deployment: Deployment, place: Place) -> Document | None:
    """Return the document whose digest stands at *place*; None: that fact is no digest, or there is none."""
    if place.subject == "role":
        return (deployment.roles or {}).get(place.name)
    if place.subject != "agent":
        return None
    member = next((each for each in deployment.members if each.name == place.name), None)
    if member is None:
        return None
    if place.field == "prompt sha256":
        return member.prompt
    if place.field == "wake prompt sha256" and member.wakes is not None:
        return member.wakes.prompt
    return None
