"""What the supervisor knows of every session, by what the holder says of it, and the descriptors of the living."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

from loops.sessions import wire
from loops.sessions.events import (
    Activity,
    Event,
    Exited,
    Held,
    HolderEnds,
    HumanLine,
    NotWritten,
    Quiet,
    Refused,
    Spawned,
    SpawnFailed,
    SpawnOrder,
    Superseded,
    Tail,
    Written,
)

REMEMBERED_WRITES = 64


class Records:
    """``held``: every session, the dead until they are forgotten.  It outlives each holder that it is told by."""

    def __init__(self) -> None:
        self.held: dict[str, Held] = {}
        self._descriptors: dict[str, tuple[int, int]] = {}
        self._orders: dict[tuple[str, int], SpawnOrder] = {}

    def living(self) -> list[Held]:
        return [held for held in self.held.values() if held.alive]

    def descriptors(self, name: str) -> tuple[int, int]:
        """Master and pidfd of a living session, ours: not to be closed.  KeyError: it does not live."""
        return self._descriptors[name]

    def adopt(self, record: Mapping[str, Any], descriptors: list[int]) -> str:
        """Take in one session of the holder that was connected to, and its first two *descriptors* if it lives; its name."""
        held = _held(record)
        self._let_go(held.name)
        self.held[held.name] = held
        if held.alive:
            self._descriptors[held.name] = (descriptors.pop(0), descriptors.pop(0))
        return held.name

    def ordered(self, order: SpawnOrder) -> None:
        """This session is asked for: what the holder will not repeat in its answer is known from here."""
        self._orders[order.name, order.incarnation] = order

    def unanswered(self) -> None:
        """The connection ended: no order is answered any more."""
        self._orders.clear()

    def forget(self, name: str) -> None:
        """Drop the record of a dead session.  A living one is kept."""
        held = self.held.get(name)
        if held is not None and not held.alive:
            del self.held[name]

    def close(self) -> None:
        """Let go of every descriptor."""
        for name in tuple(self._descriptors):
            self._let_go(name)

    def _let_go(self, name: str) -> None:
        wire.close(self._descriptors.pop(name, ()))

    def understand(self, head: dict[str, Any], data: bytes, descriptors: list[int]) -> Event | None:
        """Take in what the holder said; the event that it is, if any.  Who keeps descriptors takes them out of the list."""
        op = head["op"]
        if op == "exit":
            return self._ended(head)
        if op == "spawned":
            return self._begun(head, descriptors)
        if op == "spawn-failed":
            self._orders.pop((head["name"], head["incarnation"]), None)
            return SpawnFailed(head["name"], head["incarnation"], head["errno"], head["reason"])
        if op == "written":
            held = self.held.get(head["name"])
            if held is not None and head["id"] not in held.written:
                self.change(held.name, written=(*held.written, head["id"])[-REMEMBERED_WRITES:])
            return Written(head["name"], head["id"], head["repeated"])
        if op == "not-written":
            return NotWritten(head["name"], head["id"], head["reason"])
        if op == "activity":
            self.change(head["name"], total=head["total"], last_output=head["at"])
            return Activity(head["name"], head["total"], head["at"])
        if op == "quiet":
            self.change(head["name"], total=head["total"])
            return Quiet(head["name"], head["total"], head["at"])
        if op == "human":
            self.change(head["name"], human=head["open"])
            return HumanLine(head["name"], head["open"])
        if op == "tail":
            self.change(head["name"], total=head["total"])
            return Tail(head["name"], head["tag"], head["total"], data)
        if op == "refused":
            return Refused(head["reason"])
        if op == "superseded":
            return Superseded(head["epoch"])
        if op == "ending":
            for held in self.living():
                self._let_go(held.name)
                del self.held[held.name]
            return HolderEnds()
        return None  # a newer holder says more than we know

    def _begun(self, head: dict[str, Any], descriptors: list[int]) -> Event:
        name, incarnation = head["name"], head["incarnation"]
        order = self._orders.pop((name, incarnation), None)
        self._let_go(name)
        self._descriptors[name] = (descriptors.pop(0), descriptors.pop(0))
        earlier = self.held.get(name)
        if order is not None and (earlier is None or earlier.incarnation != incarnation):
            self.held[name] = _held(
                {**{field: getattr(order, field) for field in _ORDERED}, **head, "last_output": _clock()}
            )
        return Spawned(name, incarnation, head["pid"], head["start_time"])

    def _ended(self, head: dict[str, Any]) -> Event | None:
        name, incarnation = head["name"], head["incarnation"]
        held = self.held.get(name)
        self._orders.pop((name, incarnation), None)
        if held is None or held.incarnation != incarnation or not held.alive:
            return None  # told already, by the record that was adopted
        self._let_go(name)
        self.change(name, alive=False, code=head["code"], signal=head["signal"], core=head["core"], human=False)
        return Exited(name, incarnation, head["pid"], head["code"], head["signal"], head["core"])

    def change(self, name: str, **facts: Any) -> None:
        """Note these facts of a session, if it is held."""
        held = self.held.get(name)
        if held is not None:
            self.held[name] = dataclasses.replace(held, **facts)


_ORDERED = ("rows", "cols", "log_path", "log_bytes", "log_keep")
_UNSAID: dict[str, Any] = {
    "alive": True,
    "code": None,
    "signal": None,
    "core": False,
    "total": 0,
    "written": (),
    "human": False,
    "quiet": 0.0,
}


def _held(record: Mapping[str, Any]) -> Held:
    facts = {**_UNSAID, **record}
    facts["written"] = tuple(facts["written"])
    return Held(**{field: facts[field] for field in Held.__slots__})


def as_record(held: Held) -> dict[str, Any]:
    """Say what is known of a session, for a holder that does not know it."""
    return {field: getattr(held, field) for field in Held.__slots__}


def _clock() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
