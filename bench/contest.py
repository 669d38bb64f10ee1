"""One contestant at one size: bring it up once, and take every wanted measure of it before it is ended."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from bench.arena import Arena, arena
from bench.measure import cost, median, quantile
from bench.peers.peer import Peer

SCENARIOS = ("start", "idle", "status", "heal", "mass")
"""In the order in which they are taken: the quiet ones before those that kill."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to look.  Times in seconds."""

    samples: int
    idle: float
    status: int
    bring_up: float

    @classmethod
    def of(cls, quick: bool) -> Pace:
        """Return the pace of a whole or a quick run."""
        return cls(5, 3.0, 3, 90.0) if quick else cls(20, 15.0, 7, 180.0)


@dataclass(frozen=True, slots=True)
class Result:
    """``figures`` a scenario: those of its columns; ``notes`` say what did not go as it should."""

    figures: dict[str, tuple[float | None, ...]]
    notes: tuple[str, ...]


def contest(kind: type[Peer], size: int, wanted: Set[str], pace: Pace) -> Result:
    """Run *kind* with *size* sessions and return its figures."""
    figures: dict[str, tuple[float | None, ...]] = {}
    notes: list[str] = []
    names = [f"s{n}" for n in range(size)]
    with arena() as place:
        peer = kind(place)
        try:
            peer.prepare(names)
            begin = time.monotonic_ns()
            peer.start(names)
            births = place.births(names, time.monotonic() + pace.bring_up)
            if len(births) < size:
                notes.append(f"only {len(births)} of {size} sessions started: {place.last_words()}")
                return Result({}, tuple(notes))
            figures["start"] = ((max(birth.at for birth in births) - begin) / 1e6,)
            if wanted & {"idle", "status", "heal", "mass"}:
                time.sleep(max(peer.settled, 2.0 if size < 1000 else 6.0))  # for what it still does after the start
            for scenario in SCENARIOS[1:]:
                if scenario in wanted:
                    figures[scenario] = _MEASURES[scenario](peer, place, names, pace)
        finally:
            peer.stop()
    return Result(figures, tuple(notes))


def idle(peer: Peer, place: Arena, names: Sequence[str], pace: Pace) -> tuple[float | None, ...]:
    """Return CPU ms a second, context switches a second, MB in all, KB a session, processes."""
    pids = peer.supervisors()
    before, begin = cost(pids), time.monotonic()
    time.sleep(max(pace.idle, peer.reaction))  # what is done every half minute belongs to idling too
    after, seconds = cost(pids), time.monotonic() - begin
    return (
        (after.cpu - before.cpu) / seconds * 1e3,
        (after.switches - before.switches) / seconds,
        after.pss / 1e6,
        after.pss / 1e3 / len(names),
        after.processes,
    )


def status(peer: Peer, place: Arena, names: Sequence[str], pace: Pace) -> tuple[float | None, ...]:
    """Return the milliseconds of the peer's own listing of all sessions: median and worst."""
    command = peer.status_command()
    return times(command, place.environment, pace.status) if command else (None, None)


def times(command: Sequence[str], environment: Mapping[str, str], count: int) -> tuple[float | None, float | None]:
    """Run *command* *count* times; return the milliseconds: median and worst, or none when it fails."""
    taken = []
    for _ in range(count):
        begin = time.perf_counter()
        done = subprocess.run(command, env=dict(environment), capture_output=True, check=False, timeout=60)
        if done.returncode:
            return (None, None)
        taken.append((time.perf_counter() - begin) * 1e3)
    return median(taken), max(taken)


def heal(peer: Peer, place: Arena, names: Sequence[str], pace: Pace) -> tuple[float | None, ...]:
    """Kill one at a time; return ms from the SIGKILL to the new child's first instruction: median, p95, worst.

    No figure when one of them did not come back.
    """
    if peer.reaction > 5 and len(names) > 1:
        taken = _overlapping(peer, place, names, pace)
    else:
        taken = _one_by_one(peer, place, names, pace)
    return (median(taken), quantile(taken, 0.95), max(taken)) if taken else (None, None, None)


def _one_by_one(peer: Peer, place: Arena, names: Sequence[str], pace: Pace) -> list[float]:
    samples = 3 if peer.reaction > 5 else pace.samples
    taken: list[float] = []
    chance = random.Random(1)
    order = chance.sample(list(names), len(names))
    for n in range(samples):
        name = order[n % len(order)]
        pause = chance.uniform(0, peer.reaction) if peer.reaction > 5 else chance.uniform(0.03, 0.1)
        time.sleep(pause + (peer.settled + chance.random() if len(names) < samples else 0))
        killed = peer.kill(name)
        births = place.births([name], time.monotonic() + 3 * peer.reaction + 10)
        if not births:
            return []  # it does not heal; a median of those that it did heal would flatter it
        taken += [(birth.at - killed) / 1e6 for birth in births]
    return taken


def _overlapping(peer: Peer, place: Arena, names: Sequence[str], pace: Pace) -> list[float]:
    """Where a reaction takes half a minute, kill many within it, at random moments, and wait for all."""
    chance = random.Random(1)
    chosen = chance.sample(list(names), min(len(names), pace.samples))
    moments = sorted(chance.uniform(0, peer.reaction) for _ in chosen)
    killed: dict[str, int] = {}
    begin = time.monotonic()
    births = []
    for name, moment in zip(chosen, moments, strict=True):
        while time.monotonic() < begin + moment:
            if birth := place.birth(begin + moment):
                births.append(birth)
        killed[name] = peer.kill(name)
    missing = [name for name in chosen if name not in {birth.name for birth in births}]
    births += place.births(missing, time.monotonic() + 3 * peer.reaction + 10)
    return [(birth.at - killed[birth.name]) / 1e6 for birth in births] if len(births) == len(chosen) else []


def mass(peer: Peer, place: Arena, names: Sequence[str], pace: Pace) -> tuple[float | None, ...]:
    """Kill all of them; return ms from the first SIGKILL until the last of them is back, and how many came back."""
    time.sleep(peer.settled)
    begin = peer.kill(names[0])
    for name in names[1:]:
        peer.kill(name)
    births = place.births(names, time.monotonic() + 2 * peer.reaction + 30)
    whole = len(births) == len(names)
    return (max(birth.at for birth in births) - begin) / 1e6 if whole else None, float(len(births))


_MEASURES = {"idle": idle, "status": status, "heal": heal, "mass": mass}
