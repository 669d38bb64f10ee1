"""What a project that runs has reached: the earlier engine's state files, or this engine's journal."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from loops.errors import LoopsError
from loops.places import State as StatePlaces
from loops.projects.deployment.files import Files
from loops.projects.deployment.model import Untranslated

CONVERSATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}\Z")
"""What the known agents' ids of conversations look like."""

INDEX = "the index of the phase"


@dataclass(frozen=True, slots=True)
class Reached:
    """How far it is.  ``conversations``: ids by the agent's name."""

    at: int | None = None
    complete: bool | None = None
    conversations: Mapping[str, str] = field(default_factory=dict)
    untranslated: tuple[Untranslated, ...] = ()


def of_engine(files: Files, log_dir: str, names: tuple[str, ...], phases: int) -> Reached:
    """Read the earlier engine's state below *log_dir*; *names*: the agents, *phases*: how many there are."""
    state, notes = os.path.join(log_dir, "state"), list[Untranslated]()
    known = {"phase-idx"} | {f"{name}.id" for name in names}
    marks = [os.path.join(place, "SEQUENCE-COMPLETE") for place in (log_dir, state)]
    complete = any(os.path.lexists(files.place(mark)) for mark in marks)
    at = index(files, os.path.join(state, "phase-idx"), phases, complete, notes)
    conversations = {}
    for name in names:
        found = conversation(files, os.path.join(state, f"{name}.id"), notes)
        if found:
            conversations[name] = found
    for name in files.names(state):
        if name in known or name == "SEQUENCE-COMPLETE":
            continue
        notes.append(leftover(files.shown(os.path.join(state, name)), name))
    return Reached(at, complete or (None if at is None else False), conversations, tuple(notes))


def of_journal(log_dir: str) -> Reached:
    """Read this engine's journal below *log_dir*, without becoming its writer."""
    from loops.supervisor.ledger import peek

    try:
        state = peek(StatePlaces(log_dir).journal)
    except LoopsError as error:
        note = Untranslated(StatePlaces(log_dir).journal, "the journal", f"it cannot be read: {error}")
        return Reached(untranslated=(note,))
    conversations = {name: agent.conversation for name, agent in state.agents.items() if agent.conversation}
    if state.loop.index < 0:
        return Reached(conversations=conversations)
    return Reached(state.loop.index, state.loop.complete, conversations)


def index(files: Files, path: str, phases: int, complete: bool, notes: list[Untranslated]) -> int | None:
    """Read the index of a phase (from 0); None, with a note, when it is none.  A *complete* plan may be one behind the last."""
    text = files.text(path)
    if text is None:
        return None
    what = text.strip()
    if not re.fullmatch(r"[0-9]{1,6}", what):
        why = (
            "it holds no whole number, so the phase is not known: look where the live loops are, and `loops phase set`"
        )
        notes.append(Untranslated(files.shown(path), INDEX, why))
        return None
    if complete and phases and int(what) == phases:
        return phases - 1
    if int(what) >= max(phases, 1):
        why = f"it is {int(what)}, and there are {phases} phases: look where the live loops are, and `loops phase set`"
        notes.append(Untranslated(files.shown(path), INDEX, why))
        return None
    return int(what)


def conversation(files: Files, path: str, notes: list[Untranslated]) -> str:
    """Read the id of a conversation; empty, with a note when there is something else."""
    text = files.text(path)
    what = (text or "").strip()
    if what and not CONVERSATION.match(what):
        why = "it holds no id of a conversation: this agent starts with a fresh one"
        notes.append(Untranslated(files.shown(path), "a conversation to resume", why))
        return ""
    return what


def leftover(place: str, name: str) -> Untranslated:
    """Say what becomes of a state file that has no counterpart."""
    if re.fullmatch(r"\.?limited-.+", name):
        why = "not carried: the first turn that meets the limit opens its window anew, and nothing is lost but one try"
        return Untranslated(place, "a window of a usage limit", why)
    return Untranslated(
        place, "a state file of unknown meaning", "nothing here reads it: look whether it still matters"
    )
