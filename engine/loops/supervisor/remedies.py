"""What only somebody outside can put right: by kind of block, how long to wait for the next probe, and what helps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Remedy:
    """``pause``: seconds between two probes; 0: the configured ``limit_probe_fallback``."""

    pause: float
    words: str
    """For the operator; {agent}, {model} and {backend} are filled in."""


LOGINS: Mapping[str, str] = MappingProxyType(
    {
        "claude": "log in with `claude /login`",
        "codex": "log in with `codex login`",
        "opencode": "log in with `opencode auth login`",
        "pi": "log in with `pi` and its `/login`, or give it a key in its environment",
    }
)
"""By adapter: how its login is made."""
LOGIN = "give it a valid login or key"

REMEDIES: Mapping[str, Remedy] = MappingProxyType(
    {
        "auth": Remedy(HOUR, "{login}, then `loops nudge {agent} go on`"),
        "billing": Remedy(HOUR, "add credit or raise the plan at the provider, then `loops nudge {agent} go on`"),
        "model_not_found": Remedy(HOUR, "name another model than {model!r} for {agent} in agents.toml"),
        "denied": Remedy(0.0, "every action was refused: allow more with `permissions` of {agent} in agents.toml"),
        "config": Remedy(HOUR, "mend what the text names in agents.toml or at the backend {backend}"),
        "other": Remedy(0.0, "see `loops logs {agent}`; `loops nudge {agent} go on` tries again at once"),
    }
)


def remedy(kind: str, *, agent: str, model: str, backend: str, adapter: str) -> str:
    """Say what helps against a block of *kind*; "" for what is no block."""
    found = REMEDIES.get(kind)
    if found is None:
        return ""
    return found.words.format(agent=agent, model=model, backend=backend, login=LOGINS.get(adapter, LOGIN))
