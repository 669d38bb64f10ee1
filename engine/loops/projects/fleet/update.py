"""``loops fleet update``: moves the engine's pin of a project, and takes that back.

What another engine changes is found and checked first, in a scratch directory; `loops.projects.fleet.moving` does the rest.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace

from loops.config.fleet import Entry, Fleet, load_entry
from loops.errors import ConfigError, LoopsError, UsageError
from loops.places import Runtime
from loops.projects.fleet import checkout, pins, places, record, registry
from loops.projects.fleet.changes import Change, differences, schema_changes
from loops.projects.fleet.engines import write_out
from loops.projects.fleet.holding import Holding, holding
from loops.projects.fleet.moving import carry_out, mend
from loops.projects.fleet.record import Move
from loops.protocol.clone import Clone, GitError
from loops.supervisor.table import printable


@dataclass(frozen=True, slots=True)
class Report:
    """What an update does, or did."""

    root: str
    before: str
    after: str
    """Commits of the engine."""
    ref: str
    newer: int = 0
    """Commits that the new engine has and the old one has not."""
    older: int = 0
    """And the other way round."""
    effective: tuple[Change, ...] = ()
    """Of the project's configuration."""
    schema: tuple[Change, ...] = ()
    prompts: tuple[str, ...] = ()
    """Shipped prompts whose text is another one."""
    checked_by: str = ""
    """The new engine's verb that accepted the configuration."""
    running: int = 0
    """Pid of the project's supervisor, which goes on with the old engine."""
    commit: str = ""
    """Of the project; empty: nothing was moved."""
    notes: tuple[str, ...] = ()
    """What is worth a line besides."""


def provide(fleet_path: str, name: str) -> tuple[str, ...]:
    """Clone or fetch the project *name*, and mend an update of it that was broken off; return what was done.

    Raises:
        UsageError: there is no such project.
        LoopsError: it cannot be had.
    """
    fleet, entry = load_entry(fleet_path, name)
    done = checkout.provide(fleet, entry)
    project = _project(fleet, entry)
    with record.locked(project):
        return (*done, *mend(project, fleet.path, name, may=True).notes)


def update(fleet_path: str, name: str, to: str, *, dry_run: bool = False) -> Report:
    """Move the engine's pin of the project *name* to the tag, branch or commit *to*.

    Raises:
        UsageError: there is no such project, or no such commit.
        ConfigError: the new engine refuses the project's configuration; nothing was moved.
        LoopsError: it cannot be moved; everything is as it was.
    """
    fleet, entry = load_entry(fleet_path, name)
    registry.check_ref(fleet.path, name, to)
    cloned: tuple[str, ...] = ()
    if places.is_url(entry.location) and pins.clone_at(places.root(fleet, entry)) is None and not dry_run:
        cloned = checkout.provide(fleet, entry)
    project = _project(fleet, entry)
    with record.locked(project), tempfile.TemporaryDirectory(prefix="loops-update-") as scratch:
        mended = mend(project, fleet.path, name, may=not dry_run).notes
        _, entry = load_entry(fleet_path, name)
        held = _held(project)
        engine = held.repository(scratch)
        fetched = _fetch(engine, to)
        commit, full = _resolved(engine, to, fetched)
        notes = (*cloned, *mended, *fetched)
        if commit == held.pin.commit:
            return _already(fleet, entry, held, to, notes, dry_run=dry_run)
        report = _examine(fleet, entry, held, engine, scratch, commit=commit, ref=to)
        report = replace(report, notes=(*notes, *report.notes))
        if dry_run:
            return report
        move = Move(
            before=held.pin.commit,
            after=commit,
            ref_before=entry.ref,
            ref_after=to,
            name_before=held.pin.asked,
            name_after=full,
            subject=f"Pin the engine at {to}",
            head=project.head(),
            engine_head=held.engine_head(),
        )
        return replace(report, commit=carry_out(fleet.path, name, held, move))


def undo(fleet_path: str, name: str, *, dry_run: bool = False) -> Report:
    """Return to the pin before the last update of the project *name*: by a commit of its own, for that may be pushed.

    An update that was broken off is taken back, and nothing else.

    Raises:
        UsageError: there is no such project, or nothing to undo.
        LoopsError: it cannot be undone; everything is as it was.
    """
    fleet, entry = load_entry(fleet_path, name)
    project = _project(fleet, entry)
    with record.locked(project), tempfile.TemporaryDirectory(prefix="loops-update-") as scratch:
        mended = mend(project, fleet.path, name, may=not dry_run)
        _, entry = load_entry(fleet_path, name)
        if mended.taken_back:
            commit = _pin(project)
            return Report(project.root, commit, commit, entry.ref, notes=mended.notes)
        last = _last(project, name)
        held = _held(project)
        if held.pin.commit != last.after:
            raise LoopsError(
                f"{project.root}: the pin was moved since, from {last.after[:12]} to {held.pin.commit[:12]}, by somebody "
                f"else: `loops fleet update {name} --to {last.before[:12]}` moves it where it was"
            )
        engine = held.repository(scratch)
        if not engine.commit_of(last.before):
            _fetch(engine, last.before)
        report = _examine(fleet, entry, held, engine, scratch, commit=last.before, ref=last.ref_before, must=False)
        report = replace(report, notes=(*mended.notes, *report.notes))
        if dry_run:
            return report
        move = Move(
            before=last.after,
            after=last.before,
            ref_before=entry.ref,
            ref_after=last.ref_before,
            name_before=last.name_after,
            name_after=last.name_before,
            subject=f"Pin the engine at {last.ref_before or last.before[:12]}",
            head=project.head(),
            engine_head=held.engine_head(),
            undoes=last.commit,
        )
        return replace(report, commit=carry_out(fleet.path, name, held, move))


def _last(project: Clone, name: str) -> Move:
    moves = record.read(project).moves
    if not moves:
        raise UsageError(f"{project.root}: no update of {name} is recorded: there is nothing to undo")
    return moves[-1]


# ---- before anything is moved ------------------------------------------------------------------------------------------


def _project(fleet: Fleet, entry: Entry) -> Clone:
    root = places.root(fleet, entry)
    project = pins.clone_at(root)
    if project is None:
        remedy = f": `loops fleet update {entry.name}` clones it" if places.is_url(entry.location) else ""
        raise LoopsError(f"{root}: is no git repository with its top there, so that it has no pin to move{remedy}")
    if not project.commit_of("HEAD"):
        raise LoopsError(f"{root}: has no commit yet: commit the project first")
    return project


def _held(project: Clone) -> Holding:
    """How the project holds its pin, once it is sure that nobody's work is in the way."""
    if busy := project.busy():
        raise LoopsError(f"{project.root}: a {busy} is half-done there: end it first")
    if changed := [path for state, path in project.changes() if state != "??"]:
        listed = printable(", ".join(changed[:5])) + (" …" if len(changed) > 5 else "")
        raise LoopsError(f"{project.root}: has changes that are not committed ({listed}): commit or undo them first")
    held = holding(project)
    if not held.pin.commit:
        raise LoopsError(
            f"{project.root}: the flake's input {held.pin.input} is not locked yet: `nix flake lock`, and commit"
        )
    held.check_able()
    return held


def _pin(project: Clone) -> str:
    pin = pins.read_pin(project.root)
    return pin.commit if pin is not None else ""


def _fetch(engine: Clone, ref: str) -> tuple[str, ...]:
    """Fetch what *ref* may name; return why that could not be done."""
    if pins.COMMIT.fullmatch(ref) and engine.commit_of(ref):
        return ()
    if "origin" not in engine.run("remote").split():
        return ()
    words = ("fetch", "--quiet", "--no-write-fetch-head", "origin")
    try:
        engine.run(*words, "+refs/heads/*:refs/remotes/origin/*", "refs/tags/*:refs/tags/*", network=True)
        if pins.COMMIT.fullmatch(ref) and not engine.commit_of(ref):
            engine.run(*words, ref, network=True)  # a commit that no branch leads to
    except GitError as error:
        said = printable(" ".join(str(error).split()))
        return (f"the engine's remote cannot be fetched ({said}): {ref} is what it was when it was seen last",)
    return ()


def _resolved(engine: Clone, ref: str, fetched: tuple[str, ...]) -> tuple[str, str]:
    commit, full = pins.resolve(engine, ref)
    if not commit:
        newest = ", ".join(engine.run("tag", "--list", "--sort=-version:refname").splitlines()[:5])
        tags = f"; its newest tags: {newest}" if newest else "; it has no tags"
        raise UsageError("; ".join((f"the engine has no tag, branch or commit {ref!r}{tags}", *fetched)))
    return commit, full


def _examine(
    fleet: Fleet, entry: Entry, held: Holding, engine: Clone, scratch: str, *, commit: str, ref: str, must: bool = True
) -> Report:
    """Find what the engine at *commit* changes.  ConfigError: it refuses the configuration, and *must* not."""
    before, config = held.pin.commit, places.config_path(fleet, entry)
    new = write_out(engine, commit, os.path.join(scratch, "new"))
    notes: list[str] = []
    verb = ""
    try:
        verb = new.accept(config)
    except ConfigError as error:
        if must:
            raise
        notes.append(str(error))
    try:
        old = write_out(engine, before, os.path.join(scratch, "old"))
    except LoopsError as error:
        old = None
        notes.append(f"the present engine's files cannot be had, so that nothing is compared: {error}")
    report = Report(held.project.root, before, commit, ref, checked_by=verb, running=_running(config))
    if old is None:
        return replace(report, notes=tuple(notes))
    was, will = old.effective(config), new.effective(config)
    notes += [each for each in (was, will) if isinstance(each, str)]
    return replace(
        report,
        newer=int(engine.run("rev-list", "--count", f"{before}..{commit}")),
        older=int(engine.run("rev-list", "--count", f"{commit}..{before}")),
        effective=() if isinstance(was, str) or isinstance(will, str) else differences(was, will),
        schema=schema_changes(old.schema(), new.schema()),
        prompts=tuple(engine.run("diff", "--name-only", "--no-renames", before, commit, "--", "prompts").splitlines()),
        notes=tuple(notes),
    )


def _running(config: str) -> int:
    from loops.supervisor.control import listener

    return listener(Runtime(config).control_socket)


def _already(fleet: Fleet, entry: Entry, held: Holding, ref: str, notes: tuple[str, ...], *, dry_run: bool) -> Report:
    """Only the mirror can differ."""
    if entry.ref != ref and not dry_run:
        registry.set_ref(fleet.path, entry.name, ref)
    said = "" if entry.ref == ref else f"; the mirror in {fleet.path} {'would be' if dry_run else 'is'} set to it"
    pin = held.pin.commit
    return Report(held.project.root, pin, pin, ref, notes=(*notes, f"the engine is pinned there already{said}"))
