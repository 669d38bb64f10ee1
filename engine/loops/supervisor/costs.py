"""What a request cost: the backend's own word, else the configured prices, else nobody knows.

A backend may tell the tokens request by request and the money with the turn's end (claude).  Until then the prices
speak, where there are any; then the backend's word replaces them.
"""

from __future__ import annotations

from loops.agents import port
from loops.config.model import Config, Price
from loops.supervisor import events as ev
from loops.supervisor.state import AgentState, Usage

MILLION = 1_000_000


def usage(config: Config, agent: AgentState, signal: port.UsageReported, at: float) -> ev.UsageUpdated:
    """The event of one request, or of the rest of a turn."""
    model = signal.model or agent.model
    usd, basis = signal.usd, "backend"
    told = agent.uncosted if signal.turn else Usage()
    if usd is None:
        price = config.prices.get(model) or config.prices.get(agent.model)
        usd, basis = (None, "") if price is None else (cost(price, signal), "prices")
    else:
        usd = max(0.0, usd - told.usd)
    return ev.UsageUpdated(
        agent.name,
        at,
        agent.phase,
        signal.input_tokens,
        signal.output_tokens,
        usd,
        min(signal.cached_tokens, signal.input_tokens),
        model,
        basis,
        rest=told.tokens > 0,
        covers=told.unpriced if basis == "backend" else 0,
    )


def cost(price: Price, signal: port.UsageReported) -> float:
    """USD of one request: cached input has a price of its own."""
    cached = min(signal.cached_tokens, signal.input_tokens)
    fresh = signal.input_tokens - cached
    return (fresh * price.input + cached * price.cached + signal.output_tokens * price.output) / MILLION
