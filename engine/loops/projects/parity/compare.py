"""Two deployments held against each other: every place gets exactly one class.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from datetime import date

from loops.projects.deployment.facts import Place, facts
from loops.projects.deployment.model import Deployment, Form
from loops.projects.deployment.telling import tells
from loops.projects.parity.comparison import Comparison, Finding, Gap, Side, Verdict
from loops.projects.parity.files import file_of
from loops.projects.parity.parting import of_orders, of_texts
from loops.projects.parity.rules import Rule, explain
from loops.projects.parity.status import as_status
from loops.projects.parity.wholes import ORDER, common, described, wholes

INDEX = Place("loop", "", "phase index")
COMPLETE = Place("loop", "", "complete")
LOG_DIR = Place("loop", "", "log_dir")
CONVERSATION = "conversation"


def compare(
    live: Deployment, staged: Deployment, rules: Sequence[Rule], today: date, *, carried_later: bool = False
) -> Comparison:
    """Return what is the same, what may differ, and what must not.

    Args:
        live: one side.
        staged: the other.
        rules: which differences are accepted.
        today: which of the rules have expired.
        carried_later: how far each side is may differ: a cutover carries it over when the live side has ended.
    """
    if (live.form is Form.STATUS) is (staged.form is Form.STATUS):
        pair = _Pair(live, staged, carried_later)
    else:  # what a captured status shows of the one is compared with what it would show of the other
        pair = _Pair(as_status(live, staged), as_status(staged, live), carried_later)
    findings, gaps = pair.classed()
    seen = pair.live.keys() | pair.staged.keys()
    unseen = (*_unseen(live, seen, "staged"), *_unseen(staged, seen, "live"))
    explained, uses = explain(findings, rules, today)
    return Comparison(
        live=(_side(live),),
        staged=_side(staged),
        today=today,
        findings=explained,
        gaps=(*gaps, *unseen),
        rules=uses,
    )


def _side(deployment: Deployment) -> Side:
    return Side(deployment.source, deployment.form.value, deployment.root)


def _unseen(whole: Deployment, seen: Set[Place], other: str) -> Iterator[Gap]:
    """What one side told and a captured status of the *other* could not have shown."""
    for place in facts(whole):
        if place not in seen:
            yield Gap(place, f"{other} is a captured status, which does not tell it")


class _Pair:
    """The facts of both sides."""

    def __init__(self, live: Deployment, staged: Deployment, carried_later: bool) -> None:
        self._live, self._staged = live, staged
        self._carried_later = carried_later
        self.live, self.staged = facts(live), facts(staged)
        self._wholes = wholes(self.live, self.staged)

    def classed(self) -> tuple[list[Finding], list[Gap]]:
        """Every place in a finding or in a gap, once."""
        covered = {place for taken in self._wholes.values() for place in taken}
        findings: list[Finding] = []
        gaps: list[Gap] = []
        for place in dict.fromkeys((*self.live, *self.staged)):
            if place in covered:
                continue
            found = self._class(place)
            if isinstance(found, Gap):
                gaps.append(found)
            else:
                findings.append(self._with_origins(found))
        return findings, gaps

    def _class(self, place: Place) -> Finding | Gap:
        live, staged = self.live.get(place), self.staged.get(place)
        if live == staged:
            return Finding(place, Verdict.SAME, live, staged)
        expected = self._expected(place, live, staged)
        if expected:
            return Finding(place, Verdict.EXPECTED, live, staged, note=expected)
        if place in self._wholes:
            return self._whole(place, live, staged)
        if live is not None and staged is not None:
            return self._different(place, live, staged)
        return self._one_sided(place, live, staged)

    # ---- what may differ -----------------------------------------------------------------------------------------------

    def _expected(self, place: Place, live: str | None, staged: str | None) -> str:
        """Why the difference is no difference in what will run; empty: it is one."""
        if place.subject == "agent" and place.field == "state":
            return "state: it changes by itself"
        if place == LOG_DIR and live is not None and staged is not None:
            return "each project keeps its own state"
        if place == COMPLETE and "yes" not in (live, staged):
            return "not complete, or nothing said of it"
        if place in (INDEX, COMPLETE) or (place.subject == "agent" and place.field == CONVERSATION):
            return self._not_carried(place, live, staged)
        return ""

    def _not_carried(self, place: Place, live: str | None, staged: str | None) -> str:
        if self._carried_later:
            return "the cutover carries it over when the live side has ended"
        for side, value, deployment in (("live", live, self._live), ("staged", staged, self._staged)):
            if value not in (None, "no"):
                continue
            if not _carries(deployment):
                loss = "begin new conversations" if place.field == CONVERSATION else "begin with the first phase"
                return f"{side} was never started and carries no state: it would {loss}"
            if place.field == CONVERSATION and "yes" not in self._at(Place("agent", place.name, "resume")):
                return "the agent does not resume"
        return ""

    def _at(self, place: Place) -> tuple[str | None, str | None]:
        return self.live.get(place), self.staged.get(place)

    # ---- what must not -------------------------------------------------------------------------------------------------

    def _whole(self, place: Place, live: str | None, staged: str | None) -> Finding:
        told, lacking = (self.live, "staged") if live is not None else (self.staged, "live")
        kind = told.get(Place(place.subject, place.name, "kind"), "")
        what = "service" if kind == "service" else place.subject
        about = described(place, told)
        note = f"the whole {what} {place.name} is not in {lacking}" + (f" ({about})" if about else "")
        verdict = Verdict.MISSING if live is not None else Verdict.DIFFERENT
        return Finding(place, verdict, live, staged, note=note, covers=self._wholes[place])

    def _one_sided(self, place: Place, live: str | None, staged: str | None) -> Finding | Gap:
        side, lacking = ("staged", self._staged) if staged is None else ("live", self._live)
        if not tells(lacking, place) and place not in (INDEX, COMPLETE):
            return Gap(place, f"{side} does not tell it")
        verdict = Verdict.MISSING if staged is None else Verdict.DIFFERENT
        return self._with_files(Finding(place, verdict, live, staged, note=f"{side} has none of it"))

    def _different(self, place: Place, live: str, staged: str) -> Finding:
        found = self._with_files(Finding(place, Verdict.DIFFERENT, live, staged))
        if place == ORDER:
            orders = live.split(" "), staged.split(" ")
            return replace(found, parting=of_orders(*common(*orders)) or of_orders(*orders))
        if place.subject == "kickoff":
            return replace(found, parting=of_texts(_kickoff(self._live, place), _kickoff(self._staged, place)))
        return found

    def _with_origins(self, found: Finding) -> Finding:
        origins = [deployment.origins.get(str(found.place), "") for deployment in (self._live, self._staged)]
        return replace(found, live_origin=origins[0], staged_origin=origins[1]) if any(origins) else found

    def _with_files(self, found: Finding) -> Finding:
        files = file_of(self._live, found.place), file_of(self._staged, found.place)
        return replace(found, live_file=files[0], staged_file=files[1])


def _kickoff(deployment: Deployment, place: Place) -> str:
    phase, _, agent = place.name.rpartition("/")
    return (deployment.kickoffs or {}).get((phase, agent), "")


def _carries(deployment: Deployment) -> bool:
    """Whether it has state that a next start would go on with."""
    return (
        deployment.at is not None
        or bool(deployment.complete)
        or any(member.conversation is not None for member in deployment.members)
    )
