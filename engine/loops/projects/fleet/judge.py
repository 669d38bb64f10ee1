"""What is wrong between a fleet.toml and the projects that it names, and between the projects.  Pure.

A finding names the project, by its number, and the key of fleet.toml that it is about; `loops.projects.fleet.validate`
adds the line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loops.projects.fleet.pins import Kind, Mirror
from loops.projects.fleet.survey import Sight

OURS = ("loops", "loops-engine", "agent-orchestrator")
"""Harnesses whose agents.toml this engine reads; by the end of a URL, too."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about a project; a note is no mistake."""

    number: int
    """Of the project in the fleet, from 0."""
    key: str
    message: str
    note: bool = False


def judge(sights: Sequence[Sight]) -> tuple[Finding, ...]:
    """Return everything about the projects of one fleet, in its order."""
    return tuple(_all(sights))


def is_ours(harness: str) -> bool:
    """Return whether *harness* is this engine, or the one whose files it reads."""
    return harness.rstrip("/").rpartition("/")[2].rpartition(":")[2].removesuffix(".git") in OURS


def _all(sights: Sequence[Sight]) -> Iterator[Finding]:
    for number, sight in enumerate(sights):
        yield from _place(number, sight)
        yield from _config(number, sight)
        if sight.there:
            yield from _pin(number, sight)
    for late, later in enumerate(sights):
        for early, earlier in enumerate(sights[:late]):
            yield from _common(late, later, earlier)
            yield from _sessions(late, later, earlier)
            yield from _sessions(early, earlier, later)


def _place(number: int, sight: Sight) -> Iterator[Finding]:
    entry = sight.entry
    if entry.dir and not sight.remote:
        message = "says where the checkout of a URL is, but the location is a directory: leave it out"
        yield Finding(number, "dir", message)
    if sight.there:
        return
    if sight.remote:
        message = f"is not checked out in {sight.root}: `loops fleet update {entry.name}` clones it"
        yield Finding(number, "location", message, note=True)
    else:
        yield Finding(number, "location", f"there is no directory {sight.root}: create it, or correct the path")


def _config(number: int, sight: Sight) -> Iterator[Finding]:
    if not sight.problems:
        return
    count = len(sight.problems)
    text = f"{sight.config_path} has {count} {'mistake' if count == 1 else 'mistakes'}: {sight.problems[0].message}"
    if is_ours(sight.entry.harness):
        yield Finding(number, "config", text)
    else:
        about = f"is none of this engine's ({', '.join(OURS)}), and its configuration cannot be read: {text}"
        yield Finding(number, "harness", about, note=True)


def _pin(number: int, sight: Sight) -> Iterator[Finding]:
    name, pin, ref = sight.entry.name, sight.pin, sight.entry.ref
    if sight.trouble:
        yield Finding(number, "ref", f"the pin of {sight.root} cannot be read: {sight.trouble}", note=True)
        return
    if pin is None:
        if ref:
            message = f"mirrors no pin: {sight.root} has neither an engine/ submodule nor a flake.lock with an engine"
            yield Finding(number, "ref", message, note=True)
        return
    where = "engine/" if pin.kind is Kind.SUBMODULE else f"the flake's input {pin.input}"
    at = " of ".join(filter(None, (pin.commit[:12], pin.asked))) + ("" if pin.commit else ", and not locked")
    if sight.mirror is Mirror.DIFFERENT:
        remedy = f"`loops fleet update {name} --to REF` moves both, or correct the mirror"
        yield Finding(number, "ref", f'is "{ref}", but {where} is pinned at {at}: {remedy}')
    elif sight.mirror is Mirror.UNKNOWN:
        why = "the engine's own repository is not there, or has no such ref"
        yield Finding(number, "ref", f'whether "{ref}" is {at}, the pin of {where}, cannot be told: {why}', note=True)
    if pin.strays:
        remedy = f"`git -C {sight.root} submodule update engine`, or commit the new pin"
        yield Finding(number, "ref", f"engine/ has {pin.strays[:12]} checked out, but is pinned at {at}: {remedy}")


def _common(number: int, later: Sight, earlier: Sight) -> Iterator[Finding]:
    """What two projects must not have in common, said of the later one."""
    path, other = later.config_path, earlier.entry.name
    if later.root == earlier.root:
        yield Finding(number, "location", f"is that of {other} too ({later.root}): one project needs one name")
        return
    if later.log_dir and later.log_dir == earlier.log_dir:
        message = f"log_dir of {path} is that of {other} too ({later.log_dir}): each needs one of its own"
        yield Finding(number, "config", message)
    mine, its = later.prefix, earlier.prefix
    if not mine or not its:
        return
    if mine == its:
        yield Finding(number, "config", f'session_prefix "{mine}" of {path} is that of {other} too: choose another')
    elif _collide(mine, its):
        message = f'session_prefix "{mine}" of {path} and "{its}" of {other}: one begins with the other'
        yield Finding(number, "config", f"{message}, so that sessions can be taken for each other's: choose another")


def _sessions(number: int, one: Sight, other: Sight) -> Iterator[Finding]:
    """Sessions with names of their own that look like those of the *other* project."""
    if not other.prefix or one.root == other.root:
        return
    names = {session for _, session in other.sessions}
    for agent, session in one.sessions:
        # Where the prefixes collide, that is the one thing to mend.
        if session in names or (session.startswith(other.prefix) and not _collide(one.prefix, other.prefix)):
            message = f'session "{session}" of {agent} can be taken for one of {other.entry.name} ("{other.prefix}")'
            yield Finding(number, "config", f"{message}: give it another name in {one.config_path}")


def _collide(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
