"""The move of a pin itself, and every way back from the middle of it.

Three steps, each of which is taken back when it, or a later one, fails: the work tree, the commit, the mirror in
fleet.toml.  A record in the project's git directory holds the intent, so that the next call mends what a kill or a power
cut broke off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from loops.config.fleet import load_entry
from loops.errors import LoopsError
from loops.projects.fleet import record, registry
from loops.projects.fleet.holding import Holding, holding
from loops.projects.fleet.record import Move, Record
from loops.protocol.clone import Clone


def carry_out(fleet_path: str, name: str, held: Holding, move: Move) -> str:
    """Make the *move*, or leave everything as it was; return the project's new commit."""
    project, kept = held.project, record.read(held.project)
    body = f"Undoes {move.undoes}." if move.undoes else f"It was at {move.before}."
    back: list[Callable[[], None]] = []
    try:
        record.write(project, replace(kept, under_way=move))
        back.append(lambda: held.switch_back(move.engine_head))
        held.switch(move.after, move.name_after)
        commit = held.commit(move.after, move.subject, body)
        record.write(project, replace(kept, under_way=replace(move, commit=commit)))
        back.append(lambda: held.take_back(commit, move.head))
        held.place(commit, move.head)
        mirror = registry.RefChange(fleet_path, name, move.ref_after)
        back.append(mirror.take_back)
        mirror.make()
        record.write(project, _finished(kept, replace(move, commit=commit)))
    except BaseException as error:
        _go_back(back, project, kept, name, error)
        if isinstance(error, LoopsError | OSError):
            raise LoopsError(f"{error}; the project and {fleet_path} are as they were") from error
        raise
    return commit


def _go_back(back: list[Callable[[], None]], project: Clone, kept: Record, name: str, error: BaseException) -> None:
    try:
        for step in reversed(back):
            step()
        record.write(project, kept)
    except (LoopsError, OSError) as trouble:
        raise LoopsError(
            f"{error}; and it cannot be taken back now ({trouble}): `loops fleet update {name}` tries that again"
        ) from error


def _finished(kept: Record, move: Move) -> Record:
    return Record(kept.moves[:-1] if move.undoes else (*kept.moves, move))


@dataclass(frozen=True, slots=True)
class Mended:
    """What became of a move that was broken off."""

    notes: tuple[str, ...] = ()
    taken_back: bool = False
    """It was an update, and the pin is where it was before it."""


def mend(project: Clone, fleet_path: str, name: str, *, may: bool) -> Mended:
    """Bring a move to its end that a kill or a power cut broke off: back, or forward when it had been committed."""
    kept = record.read(project)
    move = kept.under_way
    if move is None:
        return Mended()
    if not may:
        raise LoopsError(
            f"{project.root}: an update was broken off there: `loops fleet update {name}` mends that first"
        )
    held, head = holding(project), project.head()
    what = f"an update to {move.ref_after or move.after[:12]} had been broken off"
    mirrored = load_entry(fleet_path, name)[1].ref == move.ref_after != move.ref_before
    if move.commit and _contains(project, move.commit, head) and (mirrored or head != move.commit):
        project.run("reset", "--quiet", "--", *held.paths)
        held.switch_on(move.after)
        registry.set_ref(fleet_path, name, move.ref_after)
        record.write(project, _finished(kept, move))
        return Mended((f"{what} when it was all but done, and is at its end now",))
    held.take_back(move.commit, move.head)
    held.switch_back(move.engine_head)
    record.write(project, replace(kept, under_way=None))
    return Mended((f"{what}, and has been taken back",), taken_back=not move.undoes)


def _contains(project: Clone, commit: str, head: str) -> bool:
    return bool(project.commit_of(commit)) and project.run("merge-base", commit, head) == commit
