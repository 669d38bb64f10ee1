"""The live side's own state files: the phase index, the resume ids, the marker of completion."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from loops.projects.deployment.model import Deployment, Form

COMPLETE = "SEQUENCE-COMPLETE"
INDEX_NAMES = ("phase-idx", ".phase-idx")


@dataclass(frozen=True, slots=True)
class StateFiles:
    """Where they are, whether they exist or not."""

    index: str
    complete: str
    ids: Mapping[str, str] = field(default_factory=dict)
    """By agent."""

    def paths(self) -> Iterator[str]:
        """All of them."""
        yield self.index
        yield self.complete
        yield from self.ids.values()


def find(live: Deployment) -> StateFiles:
    """Where *live* keeps its state: as far as its reader saw the files, there; else where its form keeps them."""
    root = live.root or os.path.dirname(os.path.abspath(live.source))
    seen = {os.path.basename(path): path for path in live.documents}
    index = next((seen[name] for name in INDEX_NAMES if name in seen), "")
    if live.form is Form.LAUNCHERS:
        index = index or os.path.join(root, ".phase-idx")
        names = {member.name: f".{member.name}-session-id" for member in live.members}
        return StateFiles(
            index,
            seen.get(COMPLETE, os.path.join(root, COMPLETE)),
            {name: seen.get(file, os.path.join(root, file)) for name, file in names.items()},
        )
    state = os.path.dirname(index) if index else _engine_state(root, live)
    return StateFiles(
        index or os.path.join(state, "phase-idx"),
        seen.get(COMPLETE, os.path.join(state, COMPLETE)),
        {member.name: os.path.join(state, f"{member.name}.id") for member in live.members},
    )


def _engine_state(root: str, live: Deployment) -> str:
    """``<log_dir>/state``, with ``log_dir`` as the earlier engine's agents.toml says."""
    import tomllib

    path = next((each for each in live.documents if each.endswith(".toml")), os.path.join(root, "agents.toml"))
    try:
        with open(path, "rb") as file:
            log_dir = str(tomllib.load(file)["defaults"]["log_dir"])
    except (OSError, ValueError, KeyError, TypeError):
        log_dir = "."
    return os.path.join(os.path.dirname(path), log_dir, "state")


def digest(path: str) -> str:
    """SHA-256 of a file; empty: it is not there."""
    try:
        with open(path, "rb") as file:
            return sha256(file.read()).hexdigest()
    except FileNotFoundError:
        return ""


def put(path: str, text: str) -> bool:
    """Make *path* hold *text* and a newline, or be gone when *text* is empty; return whether that changed it."""
    wanted = f"{text}\n".encode()
    try:
        with open(path, "rb") as file:
            there: bytes | None = file.read()
    except FileNotFoundError:
        there = None
    if not text:
        if there is None:
            return False
        os.unlink(path)
        return True
    if there is not None and there.strip() == wanted.strip():
        return False
    temporary = f"{path}.new"
    with open(temporary, "wb") as file:
        file.write(wanted)
        file.flush()
        os.fsync(file.fileno())
    if there is not None:
        os.chmod(temporary, os.stat(path).st_mode & 0o7777)
    os.rename(temporary, path)
    return True
