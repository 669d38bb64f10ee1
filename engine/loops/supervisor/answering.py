"""Writes the answers to approvals where the agents' runners find them: `answers/RUN/ID.json` with `allow` and `reason`."""

from __future__ import annotations

import json
import os

from loops.places import State as StatePlaces
from loops.supervisor.action import Answer


def place(places: StatePlaces, answer: Answer) -> str:
    """The file of this answer.  The id comes from the agent's side: nothing in it leads out of the run's directory."""
    name = answer.approval.replace("/", "_").replace("\0", "_")
    return os.path.join(places.answers, f"{answer.agent}.{answer.incarnation}", f"{name}.json")


def write(places: StatePlaces, answer: Answer) -> None:
    """Write the file whole, by a rename: written twice it says the same.

    Raises:
        OSError: it cannot be written.
    """
    path = place(places, answer)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    part = f"{path}.part"
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(json.dumps({"allow": answer.allow, "reason": answer.reason}).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
