"""What one side lacks as a whole: an agent, a service, a phase.  It is one difference, not one for each of its facts.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from loops.projects.deployment.facts import Place

PRESENT = "present"
ORDER = Place("phases", "", "order")
_MODEL = "model of "


def wholes(live: Mapping[Place, str], staged: Mapping[Place, str]) -> dict[Place, tuple[Place, ...]]:
    """Return each agent, service and phase that only one side has, with the places that it takes with it.

    No place is taken twice: the model of a missing agent in a missing phase goes with the first of them.
    """
    places = dict.fromkeys((*live, *staged))
    lacking = [place for place in places if place.field == PRESENT and (place in live) is not (place in staged)]
    ranks = {(whole.subject, whole.name): rank for rank, whole in enumerate(lacking)}
    phases = [rank for (subject, _), rank in ranks.items() if subject == "phase"]
    follows = phases[:1] if _same_order(live, staged) else []
    taken: list[list[Place]] = [[] for _ in lacking]
    for place in places:
        owners = follows if place == ORDER else [ranks[owner] for owner in _owners(place) if owner in ranks]
        if owners and place != lacking[min(owners)]:
            taken[min(owners)].append(place)
    return {whole: tuple(those) for whole, those in zip(lacking, taken, strict=True)}


def _owners(place: Place) -> Iterator[tuple[str, str]]:
    """Without which agents and phases there is no such place."""
    if place.subject in ("agent", "phase"):
        yield place.subject, place.name
    if place.subject == "phase" and place.field.startswith(_MODEL):
        yield "agent", place.field.removeprefix(_MODEL)
    if place.subject == "kickoff":
        phase, _, agent = place.name.rpartition("/")
        yield "phase", phase
        yield "agent", agent


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
