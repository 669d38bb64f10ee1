"""The state as JSON, for the journal's snapshots: exactly what `loops.supervisor.state` holds, nothing derived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from loops.config import decode as decode_config
from loops.config import encode as encode_config
from loops.config.model import NoticeKind
from loops.protocol.encoding import decode as decode_evidence
from loops.protocol.encoding import encode as encode_evidence
from loops.supervisor.state import (
    AgentState,
    Approval,
    Asked,
    Check,
    Exit,
    Hold,
    Life,
    LoopState,
    Notice,
    Notices,
    Nudge,
    NudgeKind,
    Over,
    Spend,
    State,
    Turn,
    Usage,
)

FORMAT = 4
"""Raised when the state's meaning changes: an older snapshot is then ignored and the journal replayed."""

_AGENT_DEFAULT = AgentState("")


def encode(state: State) -> dict[str, Any]:
    """Return *state* as JSON values."""
    return {
        "format": FORMAT,
        "config": None if state.config is None else encode_config(state.config),
        "refused_config": state.refused_config,
        "agents": {name: _encode_agent(agent) for name, agent in state.agents.items()},
        "loop": _encode_loop(state.loop),
        "up": state.up,
        "stopped": state.stopped,
        "nudges": state.nudges,
        "spent": _plain(state.spent),
        "base": _plain(state.base),
        "running": state.running,
        "running_since": state.running_since,
        "ran": state.ran,
        "rows": state.rows,
        "logged": state.logged,
        "notices": _encode_notices(state.notices),
        "epoch": state.epoch,
        "watching": state.watching,
        "boot_id": state.boot_id,
        "reboots": state.reboots,
        "steady": state.steady,
    }


def decode(data: Mapping[str, Any]) -> State | None:
    """Return the state, or None when an engine of another format wrote it."""
    if data.get("format") != FORMAT:
        return None
    return State(
        config=None if data["config"] is None else decode_config(data["config"]),
        refused_config=data["refused_config"],
        agents={name: _decode_agent(name, agent) for name, agent in data["agents"].items()},
        loop=_decode_loop(data["loop"]),
        up=data["up"],
        stopped=data["stopped"],
        nudges=data["nudges"],
        spent=Usage(**data["spent"]),
        base=Spend(**data["base"]),
        running=data["running"],
        running_since=data["running_since"],
        ran=data["ran"],
        rows=data["rows"],
        logged=data["logged"],
        notices=_decode_notices(data["notices"]),
        epoch=data["epoch"],
        watching=data["watching"],
        boot_id=data["boot_id"],
        reboots=data["reboots"],
        steady=data["steady"],
    )


def _encode_notices(notices: Notices) -> dict[str, Any]:
    return {
        **_plain(notices),
        "waiting": [{**_plain(n), "kind": n.kind.value} for n in notices.waiting],
        "lost": [{**_plain(n), "kind": n.kind.value} for n in notices.lost],
    }


def _decode_notices(data: Mapping[str, Any]) -> Notices:
    return Notices(
        **{
            **data,
            "waiting": tuple(_decode_notice(n) for n in data["waiting"]),
            "lost": tuple(_decode_notice(n) for n in data["lost"]),
            "recent": tuple(data["recent"]),
            "told": tuple(data["told"]),
        }
    )


def _decode_notice(data: Mapping[str, Any]) -> Notice:
    return Notice(**{**data, "kind": NoticeKind(data["kind"]), "settled": tuple(data["settled"])})


def _plain(value: Any) -> dict[str, Any]:
    return {f.name: getattr(value, f.name) for f in fields(value)}


def _encode_agent(agent: AgentState) -> dict[str, Any]:
    """Only what differs from a fresh agent: most of a thousand idle agents is default."""
    found = {k: v for k, v in _plain(agent).items() if v != getattr(_AGENT_DEFAULT, k) and k != "name"}
    for key, encoder in _ENCODERS.items():
        if key in found:
            found[key] = encoder(found[key])
    return found


def _decode_agent(name: str, data: Mapping[str, Any]) -> AgentState:
    return AgentState(name, **{key: _DECODERS.get(key, _same)(value) for key, value in data.items()})


def _same(value: Any) -> Any:
    return value


def _encode_nudge(nudge: Nudge) -> dict[str, Any]:
    return {**_plain(nudge), "kind": nudge.kind.value}


def _decode_nudge(data: Mapping[str, Any]) -> Nudge:
    return Nudge(**{**data, "kind": NudgeKind(data["kind"])})


_ENCODERS: dict[str, Any] = {
    "life": lambda v: v.value,
    "asked": lambda v: v.value,
    "turn": lambda v: v.value,
    "hold": _plain,
    "unproven": _plain,
    "last_exit": _plain,
    "nudges": lambda v: [_encode_nudge(n) for n in v],
    "usage": lambda v: {phase: _plain(usage) for phase, usage in v.items()},
    "approvals": lambda v: [_plain(each) for each in v],
    "last_request": _plain,
    "uncosted": _plain,
    "since_row": _plain,
    "base": _plain,
    "over": _plain,
    "conversations": list,
}
_DECODERS: dict[str, Any] = {
    "life": Life,
    "asked": Asked,
    "turn": Turn,
    "hold": lambda v: Hold(**v),
    "unproven": lambda v: Hold(**v),
    "last_exit": lambda v: Exit(**v),
    "blind": tuple,
    "nudges": lambda v: tuple(_decode_nudge(n) for n in v),
    "usage": lambda v: {phase: Usage(**usage) for phase, usage in v.items()},
    "approvals": lambda v: tuple(Approval(**each) for each in v),
    "last_request": lambda v: Usage(**v),
    "uncosted": lambda v: Usage(**v),
    "since_row": lambda v: Usage(**v),
    "base": lambda v: Spend(**v),
    "over": lambda v: Over(**v),
    "conversations": tuple,
}


def _encode_loop(loop: LoopState) -> dict[str, Any]:
    return {
        **_plain(loop),
        "evidence": encode_evidence(loop.evidence),
        "check": None if loop.check is None else _plain(loop.check),
        "refused": list(loop.refused),
        "done": list(loop.done),
        "base": _plain(loop.base),
    }


def _decode_loop(data: Mapping[str, Any]) -> LoopState:
    return LoopState(
        **{
            **data,
            "evidence": decode_evidence(data["evidence"]),
            "check": None if data["check"] is None else Check(**data["check"]),
            "refused": tuple(data["refused"]),
            "done": tuple(data["done"]),
            "base": Spend(**data["base"]),
        }
    )
