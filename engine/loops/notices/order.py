"""What the sending process gets on its standard input, and what it answers: one JSON object each.

No token passes through here, and of an address no key: the sending process reads them where they are.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from loops.config.model import Notify


@dataclass(frozen=True, slots=True)
class Message:
    """What is told.  ``at``: ISO 8601, when it happened."""

    id: str
    kind: str
    """A `loops.config.model.NoticeKind`, or ``several``."""
    title: str
    text: str
    project: str
    host: str
    at: str


@dataclass(frozen=True, slots=True)
class Order:
    """A message and its ways.  ``root``: the project's directory; ``settled``: channels that do not get it.

    ``config``: the agents.toml that names the ways; empty: no address of them is hidden.
    """

    message: Message
    notify: Notify
    root: str
    settled: tuple[str, ...] = ()
    config: str = ""

    def encode(self) -> bytes:
        """Return it for the sending process's standard input."""
        ways = self.notify
        channels = {
            "urls": ways.urls,
            "url_files": ways.url_files,
            "ntfy": ways.ntfy,
            "ntfy_token_file": ways.ntfy_token_file,
            "command": ways.command,
        }
        more = {"root": self.root, "settled": self.settled, "config": self.config}
        return json.dumps({"message": asdict(self.message), "notify": channels, **more}).encode()

    @staticmethod
    def decode(raw: bytes) -> Order:
        """Undo `encode`.  Raises ValueError, KeyError or TypeError for anything else."""
        document: dict[str, Any] = json.loads(raw)
        ways = document["notify"]
        notify = Notify(
            urls=tuple(ways["urls"]),
            url_files=tuple(ways["url_files"]),
            ntfy=ways["ntfy"],
            ntfy_token_file=ways["ntfy_token_file"],
            command=tuple(ways["command"]),
        )
        config = document.get("config", "")  # a supervisor that was started before an upgrade sends none
        return Order(Message(**document["message"]), notify, document["root"], tuple(document["settled"]), config)


class Fate(Enum):
    """What became of a message on one channel."""

    DELIVERED = "delivered"
    FAILED = "failed"
    """Nobody got it: it can be tried again."""
    UNKNOWN = "unknown"
    """It may have arrived: it must not be tried again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one channel; ``why`` in words that hold no address and no token."""

    channel: str
    fate: Fate
    why: str = ""


def encode_outcomes(outcomes: tuple[Outcome, ...]) -> str:
    """Return them as the sending process prints them."""
    return json.dumps([[each.channel, each.fate.value, each.why] for each in outcomes])


def decode_outcomes(raw: bytes) -> tuple[Outcome, ...]:
    """Undo `encode_outcomes`.  Raises ValueError, TypeError or AttributeError for anything else."""
    return tuple(Outcome(str(channel), Fate(fate), str(why)) for channel, fate, why in json.loads(raw))
