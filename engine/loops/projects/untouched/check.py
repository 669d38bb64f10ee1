"""Two looks compared: every difference, and who could have caused it.  Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from loops.projects.untouched import compare_files, compare_git, compare_running
from loops.projects.untouched.difference import Difference
from loops.projects.untouched.model import Baseline, Unseen
from loops.projects.untouched.rules import Rule
from loops.projects.untouched.touch import Cause, Thing, Touch

_ORDER = {Cause.OURS: 0, Cause.UNKNOWN: 1, Cause.LIVE: 3}


def compare(before: Baseline, after: Baseline, rules: Sequence[Rule]) -> tuple[Touch, ...]:
    """Return every difference, the most alarming first.

    What carries loops' marks is ours; else the first of *rules* that explains a difference decides, the baseline's own
    before them; what nobody explains is unknown.
    """
    lived = compare_running.lived(before, after)
    every = (*before.rules, *rules)
    touches = [_judged(each, every, lived) for each in _differences(before, after)]
    return tuple(sorted(touches, key=lambda each: (severity(each), list(Thing).index(each.thing))))


def severity(touch: Touch) -> int:
    """From 0, the worst: ours, unknown, ours but beside the live system, the live system's own."""
    return 2 if touch.cause is Cause.OURS and touch.beside else _ORDER[touch.cause]


def not_compared(before: Baseline, after: Baseline) -> tuple[Unseen, ...]:
    """What the earlier look, or both, could not see: no difference, but no proof either."""
    found = {(each.thing, each.place): each for look in (after, before) for each in _unseen(look)}
    hidden = {(each.thing, each.place) for each in _unseen(before)}
    return tuple(each for key, each in found.items() if key in hidden)


def _differences(before: Baseline, after: Baseline) -> Iterator[Difference]:
    yield from compare_running.machine(before, after)
    yield from compare_files.differences(before.entries, after.entries, before.scope.roots)
    yield from compare_running.tmux(before.servers, after.servers)
    yield from compare_running.processes(before, after)
    yield from compare_running.units(before, after)
    yield from compare_git.differences(before.repositories, after.repositories)
    yield from compare_running.ports(before.listeners, after.listeners)


def _judged(each: Difference, rules: Sequence[Rule], lived: Collection[str]) -> Touch:
    if each.mark:
        return _touch(each, Cause.OURS, each.mark)
    names = (each.place, *each.names)
    for rule in rules:
        if rule.explains(each.thing, each.change, names, lived):
            return _touch(each, rule.cause, rule.why, rule.id)
    return _touch(each, Cause.UNKNOWN, "")


def _touch(each: Difference, cause: Cause, why: str, rule: str = "") -> Touch:
    beside = each.beside and cause is Cause.OURS
    return Touch(each.thing, each.place, each.change, each.before, each.after, cause, why, rule, each.hints, beside)


def _unseen(look: Baseline) -> Iterator[Unseen]:
    yield from look.unseen
    yield from (Unseen(Thing.FILE, each.path, each.unread) for each in look.entries if each.unread)
    yield from (Unseen(Thing.TMUX, each.socket, each.unseen) for each in look.servers if each.unseen)
    yield from (Unseen(Thing.GIT, each.path, each.unseen) for each in look.repositories if each.unseen)
