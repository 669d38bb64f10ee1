"""Replace the holder's program in place: the process stays, and with it every child, terminal and lock."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any


def replace(argv: Sequence[str], state: dict[str, Any]) -> None:
    """Become *argv* (interpreter, options, holder.py), with *state* in a memfd and its descriptors inherited.

    OSError: it cannot be run; nothing has changed then.
    """
    memfd = os.memfd_create("holder-state", 0)
    numbers = [memfd, *descriptors(state)]
    try:
        with open(memfd, "wb", closefd=False) as file:
            file.write(json.dumps(state).encode())
        for number in numbers:
            os.set_inheritable(number, True)
        os.execv(argv[0], [*argv, "--state", str(memfd)])
    except OSError:
        for number in numbers:
            os.set_inheritable(number, False)
        os.close(memfd)
        raise


def load(memfd: int) -> dict[str, Any]:
    """Read the state, and keep its descriptors from being inherited by sessions."""
    with open(memfd, "rb") as file:
        file.seek(0)
        state: dict[str, Any] = json.load(file)
    for number in descriptors(state):
        os.set_inheritable(number, False)
    return state


def descriptors(state: dict[str, Any]) -> list[int]:
    """Every descriptor that *state* names."""
    place, respawn = state["place"], state["respawn"]
    numbers = [place["lock"], place["listener"], respawn["pidfd"]]
    for session in state["sessions"]:
        numbers += (session["master"], session["pidfd"])
    return [number for number in numbers if number >= 0]
