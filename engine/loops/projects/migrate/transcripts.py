"""Conversations' own files, taken along: an agent of this engine has a private home, and its program looks for them there.

A resume id is worth nothing without the file that it stands for.  Only programs that run with a private home need it
(`loops.runner.home`); one that is described by data goes on with the user's own files.
"""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from loops.config.model import Config
from loops.known.all import KNOWN
from loops.known.model import Known
from loops.places import State as StatePlaces
from loops.runner.home import login_source
from loops.supervisor.state import State


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one conversation.  ``why`` empty: its file is where it has to be."""

    agent: str
    conversation: str
    why: str = ""

    def __str__(self) -> str:
        """As people read it."""
        return f"{self.agent}: conversation {self.conversation}{': ' if self.why else ''}{self.why}"


def take_over(config: Config, conversations: Iterable[tuple[str, str]]) -> tuple[Taken, ...]:
    """Copy the files of *conversations* (agent, id) from the user's own home to the agents' private ones.

    Raises:
        OSError: a private home cannot be written.
    """
    return tuple(_taken(config, conversations, back=False))


def after(config: Config, state: State, conversations: Iterable[tuple[str, str]]) -> tuple[Taken, ...]:
    """Say of each of *conversations*, handed to the journal whose *state* this is, what became of it; take its files along.

    Raises:
        OSError: a private home cannot be written.
    """
    asked = tuple(conversations)
    went = tuple(each for each in asked if each in {(a.name, a.conversation) for a in state.agents.values()})
    stay = (Taken(name, id, _why_not(config, name)) for name, id in asked if (name, id) not in went)
    return (*stay, *take_over(config, went))


def _why_not(config: Config, name: str) -> str:
    agent = config.agents.get(name)
    if agent is None:
        return f"it stays behind: the staged project has no {name}"
    return f"it stays behind: {name} is a {agent.kind.value}, which begins afresh each time"


def take_back(config: Config, conversations: Iterable[tuple[str, str]]) -> tuple[Taken, ...]:
    """The other way, for what has been said since: only onto a file that the new one goes on from.

    Raises:
        OSError: the user's home cannot be written.
    """
    return tuple(_taken(config, conversations, back=True))


def _taken(config: Config, conversations: Iterable[tuple[str, str]], *, back: bool) -> Iterator[Taken]:
    for name, id in conversations:
        agent = config.agents.get(name)
        backend = config.backends.get(agent.backend) if agent is not None else None
        known = KNOWN.get(backend.adapter) if backend is not None else None
        if known is None or not id:
            continue
        if not known.conversations[0]:
            yield Taken(name, id, f"{known.name} keeps it in no file of its own, so that it begins afresh")
            continue
        theirs, ours = _places(config, name, known)
        yield Taken(name, id, _copied(*((ours, theirs) if back else (theirs, ours)), known, id))


def _places(config: Config, name: str, known: Known) -> tuple[str, str]:
    """The directory of the user's conversations, and that of the agent's."""
    directory = known.conversations[0]
    return login_source(known, directory), os.path.join(StatePlaces(config.log_dir).homes, name, directory)


def _copied(source: str, target: str, known: Known, id: str) -> str:
    """Copy the file of *id*; return why not, if not."""
    pattern = known.conversations[1].replace("{id}", glob.escape(id))
    found = sorted(glob.glob(os.path.join(glob.escape(source), pattern)))
    if not found:
        return f"there is no {os.path.join(source, pattern)}, so that it begins afresh"
    for path in found:
        place = os.path.join(target, os.path.relpath(path, source))
        if not _goes_on(path, place):
            return f"{place} holds what {path} does not, and stays as it is"
        os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
        beside = f"{place}.{os.getpid()}.new"
        shutil.copy2(path, beside)
        os.rename(beside, place)
    return ""


def _goes_on(path: str, place: str) -> bool:
    """Whether the file at *place*, if there is one, is the beginning of that at *path*."""
    try:
        with open(place, "rb") as file:
            there = file.read()
    except FileNotFoundError:
        return True
    with open(path, "rb") as file:
        return file.read(len(there)) == there
