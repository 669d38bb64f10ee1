"""What was used, by agent, phase, gate and model: from the journal, and from the token log of the earlier engine."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from loops.config.model import Config
from loops.places import State as StatePlaces
from loops.supervisor import events as ev
from loops.supervisor.fold_usage import used
from loops.supervisor.ledger import history
from loops.supervisor.state import Usage

KEYS = ("agent", "phase", "gate", "model")


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens of one agent in one phase ("" outside any) for one gate ("": for none) with one model.

    The earlier engine's log knows no more than ``total``.  ``source``: "journal" or "token-log".  ``usd`` None: nobody
    knows the cost; with ``unpriced`` tokens it is that of the others alone.
    """

    agent: str
    phase: str
    source: str
    total: int
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = None
    cached_tokens: int = 0
    unpriced: int = 0
    gate: str = ""
    model: str = ""


class Meter:
    """Adds events up; what an agent used waits until the next claim or verdict of its own says for which gate it was."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str, str, str], Usage] = defaultdict(Usage)
        self._open: dict[str, dict[tuple[str, str], Usage]] = defaultdict(lambda: defaultdict(Usage))

    def take(self, event: ev.Event) -> None:
        """Take the next event."""
        if isinstance(event, ev.UsageUpdated):
            sums = self._open[event.agent]
            key = (event.phase, event.model)
            sums[key] = sums[key].plus(used(event))
        elif isinstance(event, ev.TokensMeasured) and event.gate:
            for name in event.agents:
                self._close(name, event.phase, event.gate)
        elif isinstance(event, ev.PhaseStarted) and event.rule != "phase-moved":
            for name in list(self._open):
                self._close(name, "", "")

    def _close(self, agent: str, phase: str, gate: str) -> None:
        for (in_phase, model), usage in self._open.pop(agent, {}).items():
            key = (agent, in_phase, gate if in_phase == phase else "", model)
            self._sums[key] = self._sums[key].plus(usage)

    def sums(self) -> dict[tuple[str, str, str, str], Usage]:
        """By agent, phase, gate and model; what waits still is nobody's gate yet."""
        for name in list(self._open):
            self._close(name, "", "")
        return dict(self._sums)


def metered(events: Iterable[ev.Event]) -> list[Spent]:
    """One row an agent, phase, gate and model, in the order of their first use."""
    meter = Meter()
    for event in events:
        meter.take(event)
    return spent_of(meter)


def spent_of(meter: Meter) -> list[Spent]:
    """The meter's sums as rows."""
    return [_spent(*key, usage) for key, usage in meter.sums().items()]


def _spent(agent: str, phase: str, gate: str, model: str, usage: Usage) -> Spent:
    return Spent(
        agent,
        phase,
        "journal",
        usage.tokens,
        usage.input_tokens,
        usage.output_tokens,
        usage.cost,
        usage.cached_tokens,
        usage.unpriced,
        gate,
        model,
    )


def rows(config: Config) -> list[Spent]:
    """All rows, agents in the order of the file.  JournalError: the journal is broken."""
    places = StatePlaces(config.log_dir)
    found = metered(event for _, event in history(places.journal))
    order = {name: place for place, name in enumerate(config.agents)}
    found.sort(key=lambda row: order.get(row.agent, len(order)))
    return [*found, *_logged(places.token_log)]


def together(rows: Iterable[Spent], keys: tuple[str, ...]) -> list[Spent]:
    """The rows added up by *keys* (of `KEYS`) and source; the other keys of a sum are empty."""
    found: dict[tuple[str, ...], Spent] = {}
    for row in rows:
        kept = {*keys, "phase"} if "gate" in keys else set(keys)  # a gate's name says little without its phase
        agent, phase, gate, model = (str(getattr(row, key)) if key in kept else "" for key in KEYS)
        key = (row.source, agent, phase, gate, model)
        known = found.get(key)
        if known is None:
            found[key] = replace(row, agent=agent, phase=phase, gate=gate, model=model)
        else:
            found[key] = _sum(known, row)
    return list(found.values())


def _sum(one: Spent, other: Spent) -> Spent:
    usd = None if one.usd is None and other.usd is None else (one.usd or 0.0) + (other.usd or 0.0)
    return replace(
        one,
        total=one.total + other.total,
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        usd=usd,
        cached_tokens=one.cached_tokens + other.cached_tokens,
        unpriced=one.unpriced + other.unpriced,
    )


def cost_text(usd: float | None, unpriced: int) -> str:
    """USD for people: "?" when nobody knows, "1.20+?" when it is more than that."""
    if usd is None:
        return "?"
    return f"{usd:.2f}+?" if unpriced > 0 else f"{usd:.2f}"


def _logged(path: str) -> Iterator[Spent]:
    """The rows ``{"phase_id": "1c:M1", "tokens": {"builder": 1234}}`` of the earlier engine; others are passed over.

    Our own rows carry a number, and are in the journal.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    for line in lines:
        try:
            row: dict[str, Any] = json.loads(line)
            tokens = dict(row["tokens"])
        except (ValueError, TypeError, KeyError):
            continue
        if "row" in row:
            continue
        for agent, count in tokens.items():
            if isinstance(count, int):
                yield Spent(str(agent), str(row.get("phase_id", "")), "token-log", count)
