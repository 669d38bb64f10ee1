"""What each agent used in each phase: from the state, and from the token log of the earlier engine where there is one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from loops.config.model import Config
from loops.places import State as StatePlaces
from loops.supervisor.ledger import peek


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens of one agent in one phase ("" outside any).  The earlier engine's log knows no more than ``total``.

    ``source``: "journal" or "token-log".
    """

    agent: str
    phase: str
    source: str
    total: int
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0


def rows(config: Config) -> list[Spent]:
    """One row an agent and phase, agents in the order of the file.  JournalError: the journal is broken."""
    places = StatePlaces(config.log_dir)
    agents = peek(places.journal).agents
    order = [*config.agents, *(name for name in agents if name not in config.agents)]
    found = [
        Spent(
            name,
            phase,
            "journal",
            usage.input_tokens + usage.output_tokens,
            usage.input_tokens,
            usage.output_tokens,
            usage.usd,
        )
        for name in order
        if name in agents
        for phase, usage in agents[name].usage.items()
    ]
    return [*found, *_logged(places.token_log)]


def _logged(path: str) -> Iterator[Spent]:
    """The rows ``{"phase_id": "1c:M1", "tokens": {"builder": 1234}}`` of the earlier engine; others are passed over."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    for line in lines:
        try:
            row = json.loads(line)
            tokens = dict(row["tokens"])
        except (ValueError, TypeError, KeyError):
            continue
        for agent, count in tokens.items():
            if isinstance(count, int):
                yield Spent(str(agent), str(row.get("phase_id", "")), "token-log", count)
