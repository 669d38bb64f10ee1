"""What one run of an agent is to be: written by the engine as JSON, read by the runner."""

from __future__ import annotations

import json
from typing import NamedTuple


class RunOrder(NamedTuple):
    """One run.  Paths are absolute."""

    backend: str
    """claude, codex, opencode, pi or acp."""
    mode: str
    """headless or tui."""
    agent: str
    run: str
    """``AGENT.INCARNATION``: names the run in events and approvals."""
    directory: str
    """The agent's working directory."""
    run_dir: str
    """For raw streams and ``events.normalized.jsonl``; made by the runner, mode 0700."""
    home: str
    """The private home, kept from run to run."""
    signals: str
    """The file that the supervisor reads: the events that concern it."""
    answers: str
    """Directory where ``APPROVAL_ID.json`` (``{"allow", "reason"}``) answers an approval."""
    bin: str
    flags: tuple[str, ...] = ()
    model: str = ""
    effort: str = ""
    permissions: str = "skip"
    conversation: str = ""
    """The id to resume; empty: a fresh conversation."""
    fresh_id: str = ""
    """An unused UUID 4 for a fresh conversation."""
    kickoff: str = ""
    task: bool = False
    """End after one turn."""
    approval_timeout: float = 3600.0
    silent_after: float = 600.0
    """Seconds after which a model that says nothing, while no tool runs, is interrupted; 0: never."""
    home_files: tuple[tuple[str, str], ...] | None = None
    """(path in the home, source); None: the backend's own login file."""
    wrap: tuple[str, ...] = ()
    """Words before the agent's program: its sandbox."""
    hook_socket: str = ""
    """Where hooks of a terminal interface report (a short path: sockets have 107 bytes)."""


def encode(order: RunOrder) -> bytes:
    """Return *order* as one JSON document."""
    return json.dumps(order._asdict()).encode() + b"\n"


def decode(document: bytes) -> RunOrder:
    """Return the order in *document*, which `encode` wrote."""
    facts = json.loads(document)
    for name in ("flags", "wrap"):
        facts[name] = tuple(facts[name])
    files = facts["home_files"]
    facts["home_files"] = None if files is None else tuple((place, source) for place, source in files)
    return RunOrder(**facts)
