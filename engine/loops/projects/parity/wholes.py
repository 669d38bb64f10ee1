"""What one side lacks as a whole: an agent, a service, a phase.  It is one difference, not one for each of its facts.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from loops.projects.deployment.facts import Place

PRESENT = "present"
ORDER = Place("phases", "", "order")


def wholes(live: Mapping[Place, str], staged: Mapping[Place, str]) -> dict[Place, tuple[Place, ...]]:
    """Return each agent, service and phase that only one side has, with the places that it takes with it.

    No place is taken twice: the model of a missing agent in a missing phase goes with the first of them.
    """
    places = tuple(dict.fromkeys((*live, *staged)))
    lacking = [place for place in places if place.field == PRESENT and (place in live) is not (place in staged)]
    left = [place for place in places if place not in lacking]
    found: dict[Place, tuple[Place, ...]] = {}
    follows = _same_order(live, staged)
    for whole in lacking:
        taken = [place for place in left if _belongs(place, whole) or (follows and _orders(place, whole))]
        found[whole] = tuple(taken)
        left = [place for place in left if place not in taken]
    return found


def _belongs(place: Place, whole: Place) -> bool:
    if place.subject == whole.subject:
        return place.name == whole.name
    phase, _, agent = place.name.rpartition("/")
    if whole.subject == "phase":
        return place.subject == "kickoff" and phase == whole.name
    return (place.subject == "kickoff" and agent == whole.name) or (
        place.subject == "phase" and place.field == f"model of {whole.name}"
    )


def _orders(place: Place, whole: Place) -> bool:
    return place == ORDER and whole.subject == "phase"


def _same_order(live: Mapping[Place, str], staged: Mapping[Place, str]) -> bool:
    """Whether the phases that both sides have stand in the same order, so that only what is missing makes the difference."""
    first, second = common(live.get(ORDER, "").split(" "), staged.get(ORDER, "").split(" "))
    return first == second


def common(live: Sequence[str], staged: Sequence[str]) -> tuple[list[str], list[str]]:
    """Both orders, without what only one of them has."""
    both = set(live) & set(staged)
    return [each for each in live if each in both], [each for each in staged if each in both]


def described(whole: Place, told: Mapping[Place, str]) -> str:
    """What is missing, in a few words: ``loop claude, claude-opus-4-8, session cc-ci-builder``."""
    return ", ".join(_described(whole, told))


def _described(whole: Place, told: Mapping[Place, str]) -> Iterator[str]:
    for field in ("kind", "backend", "model", "session", "plan", "status", "command"):
        value = told.get(Place(whole.subject, whole.name, field))
        if value:
            yield f"{field} {value}"
