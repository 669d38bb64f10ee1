"""What a check found, for people: a table with the worst first and one line at its end, or all of it as Markdown."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loops.projects.untouched.check import severity
from loops.projects.untouched.difference import clock
from loops.projects.untouched.model import Baseline, Unseen
from loops.projects.untouched.touch import Change, Thing, Touch
from loops.secrets.redaction import redact
from loops.supervisor.table import printable

HEADS = (
    "OURS, ON THE LIVE SYSTEM: what loops did to it",
    "UNKNOWN: nobody explains these",
    "ours, beside the live system: no harm",
    "the live system's own doing",
)
"""By `severity`."""
_ALARMING = 2
"""Classes of them that mean: touched."""
_WHOLE = (Change.ADDED, Change.REMOVED)
MOST = 40
"""Differences of a class that the table shows."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One check.  ``touches``: the most alarming first."""

    before: Baseline
    after: Baseline
    touches: tuple[Touch, ...]
    unseen: tuple[Unseen, ...]

    @property
    def clean(self) -> bool:
        """Whether the live system is untouched."""
        return not any(each.alarming for each in self.touches)

    def of(self, level: int) -> list[Touch]:
        """The differences of one class."""
        return [each for each in self.touches if severity(each) == level]

    @property
    def verdict(self) -> str:
        """The whole in one line."""
        counts = [len(self.of(level)) for level in range(len(HEADS))]
        since = f"since {clock(self.before.made)}"
        blind = f"; {len(self.unseen)} things could not be compared" if self.unseen else ""
        if not self.clean:
            parts = [f"{counts[0]} by loops"] if counts[0] else []
            parts += [f"{counts[1]} that nobody explains"] if counts[1] else []
            return f"TOUCHED {since}: {', '.join(parts)}; {counts[3]} are the live system's own{blind}"
        if not self.touches:
            return f"UNTOUCHED {since}: no difference{blind}"
        beside = f", {counts[2]} of ours beside it" if counts[2] else ""
        return f"UNTOUCHED {since}: {counts[3]} differences of the live system's own{beside}{blind}"


def lines(checked: Checked) -> Iterator[str]:
    """The table."""
    for level, head in enumerate(HEADS):
        touches = checked.of(level)
        if not touches:
            continue
        yield f"{head} ({len(touches)})"
        if level < _ALARMING:
            yield from _table(touches, checked.before.scope.repositories)
        else:
            yield from _summary(touches)
        yield ""
    for each in checked.unseen:
        yield safe(f"not compared: {each.thing.value} {each.place}: {each.why}")
    if checked.before.uid != checked.after.uid:
        yield f"note: uid {checked.before.uid} took the baseline, uid {checked.after.uid} checks it"
    yield checked.verdict


def _table(touches: Sequence[Touch], repositories: Sequence[str]) -> Iterator[str]:
    shown, below = _folded(touches, repositories)
    for each in shown[:MOST]:
        yield safe(f"  {each.thing.value:<8}{each.change.value:<10} {each.place}")
        yield safe(f"{' ' * 12}{_change(each)}")
        if below.get(each.place):
            yield f"{' ' * 12}and {below[each.place]:,} paths below it"
        for word, texts in (("because", [each.why] if each.why else []), ("see", each.hints)):
            for text in texts:
                yield safe(f"{' ' * 12}{word}: {text}")
    for path in repositories:
        if below.get(f"{path}/.git"):
            yield safe(
                f"  git     files      {below[f'{path}/.git']:,} in {path}/.git, as what git was told above changes them"
            )
    if len(shown) > MOST:
        yield f"  ... and {len(shown) - MOST} more: --report or --json tells all"


def _folded(touches: Sequence[Touch], repositories: Sequence[str]) -> tuple[list[Touch], dict[str, int]]:
    """Those that need lines of their own, and how many of the others are below which path.

    A tree that came or went is told by its top, and the files of a repository by what git says of it.
    """
    tops = {(each.change, each.place) for each in touches if each.thing is Thing.FILE and each.change in _WHOLE}
    told = {each.place.partition(": ")[0] for each in touches if each.thing is Thing.GIT}
    insides = [f"{path}/.git" for path in repositories if path in told]
    shown: list[Touch] = []
    below: dict[str, int] = {}
    for each in touches:
        top = ""
        if each.thing is Thing.FILE:
            inside = (path for path in insides if each.place == path or each.place.startswith(path + "/"))
            top = next(inside, "") or _top(each, tops)
        if top:
            below[top] = below.get(top, 0) + 1
        else:
            shown.append(each)
    return shown, below


def _top(touch: Touch, tops: set[tuple[Change, str]]) -> str:
    """The highest path above it that came, or went, as it did; empty: there is none."""
    found, path = "", touch.place
    while (above := os.path.dirname(path)) != path:
        path = above
        if (touch.change, path) in tops:
            found = path
    return found


def _change(touch: Touch) -> str:
    if touch.change is Change.ADDED:
        return f"now: {touch.after}"
    if touch.change is Change.REMOVED:
        return f"was: {touch.before}"
    return f"{touch.before} -> {touch.after}"


def _summary(touches: Sequence[Touch]) -> Iterator[str]:
    """By reason; what is as it should be needs no line each."""
    reasons: dict[tuple[str, str], list[Touch]] = {}
    for each in touches:
        reasons.setdefault((each.rule, each.why), []).append(each)
    for (rule, why), those in reasons.items():
        first = those[0]
        more = f" and {len(those) - 1} more" if len(those) > 1 else ""
        told = f"{first.thing.value} {first.change.value}: {first.place}{more}"
        yield safe(f"  {told}\n".rstrip())
        yield safe(f"{' ' * 12}because: {why}{f' (rule {rule})' if rule else ''}")


def markdown(checked: Checked) -> Iterator[str]:
    """Everything, to be kept as evidence."""
    before, after = checked.before, checked.after
    yield "# Untouched?"
    yield ""
    yield f"**{checked.verdict}**"
    yield ""
    yield f"- baseline: {clock(before.made)} on {_cell(before.host)}, by uid {before.uid}"
    yield f"- check: {clock(after.made)} on {_cell(after.host)}, by uid {after.uid}"
    for name, values in scope_rows(before):
        yield f"- {name}: {', '.join(map(_cell, values))}"
    for level, head in enumerate(HEADS):
        touches = checked.of(level)
        if not touches:
            continue
        yield ""
        yield f"## {head} ({len(touches)})"
        yield ""
        yield "| thing | change | place | before | after | because | see |"
        yield "| --- | --- | --- | --- | --- | --- | --- |"
        for each in touches:
            why = f"{each.why} (rule {each.rule})" if each.rule else each.why
            cells = [
                each.thing.value,
                each.change.value,
                each.place,
                each.before,
                each.after,
                why,
                "; ".join(each.hints),
            ]
            yield f"| {' | '.join(map(_cell, cells))} |"
    if checked.unseen:
        yield ""
        yield "## Not compared"
        yield ""
        yield from (f"- {each.thing.value} {_cell(each.place)}: {_cell(each.why)}" for each in checked.unseen)


def scope_rows(look: Baseline) -> Iterator[tuple[str, Sequence[str]]]:
    """What was looked at: a word, and the things of that kind; the paths with the number of what is below them."""
    scope = look.scope
    if scope.roots:
        yield f"{len(look.entries):,} paths below", scope.roots
    if scope.sockets or scope.socket_directories:
        sessions = sum(len(each.sessions) for each in look.servers)
        yield (
            f"{len(look.servers)} tmux sockets with {sessions} sessions",
            [each.socket for each in look.servers] or ["none"],
        )
    if scope.patterns or scope.cgroups:
        yield f"{len(look.processes)} processes of", [*scope.cgroups, *scope.patterns]
    if scope.units:
        yield f"{len(look.units)} units of", scope.units
    if scope.repositories:
        yield "git repositories", scope.repositories
    if scope.ports:
        yield "sockets that listen", [str(len(look.listeners))]


def safe(text: str) -> str:
    """*text* of anybody, for a terminal and without keys."""
    return printable(redact(text))


def _cell(text: str) -> str:
    return safe(text).replace("|", "\\|").replace("<", "&lt;") or "-"
