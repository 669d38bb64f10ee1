"""BUILDER-INBOX and ADVERSARY-INBOX: a file that is there is a message; its deletion means that it was read.

Four messages were seen upstream, in four shapes; whatever the shape, a file with words in it is a message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from loops.protocol.moment import Moment, first_moment


@dataclass(frozen=True, slots=True)
class Message:
    """``sender`` is lower case (``adversary``), empty when the head does not say; ``body`` is what follows the head."""

    sender: str
    moment: Moment | None
    body: str


_SENDER = r"(?P<name>Adversary|Builder|Orchestrator|Upgrader|Assistant|Operator)"
_SENDERS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\bfrom:?\**\s+(?:the\s+)?{_SENDER}\b",
        rf"\b{_SENDER}\s*(?:→|->|⇒|to)\s*(?:Builder|Adversary)\b",
        rf"(?:^|—|–|-|\*)\s*{_SENDER}\s*:",
    )
)
_HEAD_LINES = 4


def parse_inbox(text: str) -> Message | None:
    """The message in an inbox file; None when the file holds no words."""
    rows = text[: 1 << 20].strip().splitlines()
    if not rows:
        return None
    sender, moment, head_end = "", None, 0
    head = [(index, row) for index, row in enumerate(rows[:20]) if row.strip()][:_HEAD_LINES]
    for index, row in head:
        row = row[:500]
        says = next((found["name"] for pattern in _SENDERS if (found := pattern.search(row))), "")
        when = first_moment(row)
        if says and not sender:
            sender, head_end = says.lower(), index + 1
        if when and moment is None and (says or index <= 2):
            moment = when
    return Message(sender, moment, _body(rows, head_end))


def _body(rows: list[str], head_end: int) -> str:
    """The rows below the head; a head that already says something ("… — Adversary: NEW policy") is part of the body."""
    head = rows[head_end - 1] if head_end else ""
    told = re.search(r"(?:Adversary|Builder|Orchestrator|Upgrader|Assistant|Operator)\s*:\s+(\S.*)", head)
    below = "\n".join(rows[head_end:]).strip()
    if told and not head.lstrip("#* ").lower().startswith("from"):
        return f"{told[1]}\n{below}".strip()
    return below or head.strip()
