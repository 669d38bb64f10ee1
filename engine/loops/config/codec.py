"""The configuration as plain JSON values and back, exactly: for the cache and for the journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum

from loops.config.model import (
    Agent,
    Backend,
    Backoff,
    Budget,
    Config,
    Delivery,
    Done,
    Granularity,
    Handoff,
    Item,
    Kind,
    Loop,
    Mode,
    Network,
    NoticeKind,
    Notify,
    Permissions,
    Phase,
    Price,
    Verdicts,
    Wake,
    Watch,
    Watchdog,
)
from loops.config.problems import TYPE_CHECKING, Value


def encode(config: Config) -> dict[str, Value]:
    """Return *config* in dicts, lists, texts and numbers."""
    encoded: dict[str, Value] = plain(config)
    return encoded


def decode(encoded: Mapping[str, Value]) -> Config:
    """Undo `encode`.  Raises TypeError, KeyError, ValueError or AttributeError for anything that it did not write."""
    config: Config = _record(Config)(encoded)
    return config


def plain(value: object) -> Value:
    """Return a fact in JSON's terms."""
    if is_dataclass(value):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    return value


if TYPE_CHECKING:
    _Reader = Callable[[Value], Value]


def _record(kind: type) -> _Reader:
    def read(encoded: Mapping[str, Value]) -> object:
        values = dict(encoded)
        for name, convert in _CONVERTED[kind].items():
            if name in values:  # a journal of an engine that did not know the key yet
                values[name] = convert(values[name])
        return kind(**values)

    return read


def _optional(read: _Reader) -> _Reader:
    return lambda encoded: None if encoded is None else read(encoded)


def _each(read: _Reader) -> _Reader:
    return lambda encoded: tuple([read(inner) for inner in encoded])


def _by_name(read: _Reader) -> _Reader:
    return lambda encoded: {name: read(inner) for name, inner in encoded.items()}


# Only the fields that JSON does not hold as they are.  Written out, because reading the annotations at run time would
# take longer than all the rest of a start from the cache.
_CONVERTED: dict[type, dict[str, _Reader]] = {}
_CONVERTED |= {
    Backoff: {},
    Budget: {},
    Wake: {},
    Done: {"verdicts": Verdicts},
    Watchdog: {"restart_backoff": _record(Backoff), "budget": _record(Budget), "token_granularity": Granularity},
    Backend: {"flags": tuple, "resume_flags": tuple, "session_flags": tuple, "prompt_delivery": Delivery, "mode": Mode},
    Agent: {
        "kind": Kind,
        "watch": Watch,
        "wake": _optional(_record(Wake)),
        "command": tuple,
        "budget": _record(Budget),
        "mode": _optional(Mode),
        "permissions": Permissions,
        "network": Network,
        **dict.fromkeys(("blind", "reads", "writes", "env_keep"), tuple),
    },
    Handoff: {"builder": tuple, "adversary": tuple},
    Item: {"covers": tuple},
    Price: {},
    Notify: {**dict.fromkeys(("urls", "url_files", "command"), tuple), "events": _each(NoticeKind)},
    Phase: {"items": _each(_record(Item)), "checks": tuple, "budget": _record(Budget)},
    Loop: {"handoff": _optional(_record(Handoff)), "done": _record(Done), "phases": _each(_record(Phase))},
    Config: {
        "watchdog": _record(Watchdog),
        "backends": _by_name(_record(Backend)),
        "agents": _by_name(_record(Agent)),
        "loop": _record(Loop),
        "prices": _by_name(_record(Price)),
        "notify": _record(Notify),
        "notes": tuple,
    },
}
