"""How a terminal interface is started, and how its hooks reach us.  Pure."""

from __future__ import annotations

import json
import os
import shlex
import sys
from typing import Any

from loops.known.model import Known, Words
from loops.runner.argv import fill, slots_of
from loops.runner.order import RunOrder

HOOK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hook.py")
HOOK_WITHIN = 30
"""Seconds for a hook that only reports: it takes a fiftieth of one."""
SPARE = 60
"""Seconds that an agent waits for an answer beyond our own limit: the expiry is ours to say."""
FOR_EVER = 10 * 366 * 86400
_SPECIAL = ("-", "/", "@", "!", "#")
"""Beginnings by which a kickoff would be taken for a flag, a command, a file or a shell's line."""


def command(order: RunOrder, known: Known) -> tuple[str, ...]:
    """Return the whole command line: sandbox, program, words, the user's flags, conversation, kickoff.

    The conversation's words stand after the user's flags: an option that takes several words cannot swallow the kickoff.
    """
    own = known.tui_words or Words(known.model, known.effort, known.fresh, known.resume, known.permissions)
    words = [*known.tui]
    if order.model:
        words += own.model
    if order.effort:
        words += own.effort
    words += own.permissions.get(order.permissions, ())
    slots = slots_of(order)
    return (
        *order.wrap,
        order.bin,
        *(fill(word, slots) for word in words),
        *by_words(order, known),
        *order.flags,
        *(fill(word, slots) for word in _conversation(order, own)),
        *kickoff(order.kickoff),
    )


def by_words(order: RunOrder, known: Known) -> tuple[str, ...]:
    """Return the words that name our hooks; nothing where a file in the home does (`hooks_file`)."""
    return ("--settings", json.dumps({"hooks": hooks(order, known)})) if known.hooks and not known.hooks_file else ()


def hooks_file(before: bytes, order: RunOrder, known: Known) -> bytes:
    """Return the file of hooks with ours in it instead of an earlier run's; the user's own stay."""
    try:
        document = json.loads(before)
    except (ValueError, RecursionError):
        document = None
    root: dict[str, Any] = document if isinstance(document, dict) else {}
    table = root.get("hooks")
    kept: dict[str, Any] = table if isinstance(table, dict) else {}
    ours = hooks(order, known)
    for event in {**kept, **ours}:
        entries = kept.get(event)
        theirs = [entry for entry in entries if HOOK not in json.dumps(entry)] if isinstance(entries, list) else []
        kept[event] = theirs + ours.get(event, [])
    return json.dumps({**root, "hooks": kept}, indent=2).encode() + b"\n"


def hooks(order: RunOrder, known: Known) -> dict[str, Any]:
    """Return our hooks in the shape that claude and codex share."""
    words = shlex.join((sys.executable, "-I", "-S", "-E", HOOK, order.hook_socket))
    patience = int(order.approval_timeout) + SPARE if order.approval_timeout else FOR_EVER
    return {
        event: [
            {
                "hooks": [
                    {
                        "type": "command",
                        "command": words,
                        "timeout": patience if event == "PermissionRequest" else HOOK_WITHIN,
                    }
                ]
            }
        ]
        for event in known.hooks
    }


def hook_answer(allow: bool, reason: str) -> bytes:
    """Return what the hook ``PermissionRequest`` prints."""
    decision: dict[str, Any] = {"behavior": "allow"} if allow else {"behavior": "deny", "message": reason or "denied"}
    said = {"hookSpecificOutput": {"hookEventName": "PermissionRequest", "decision": decision}}
    return json.dumps(said, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def plain_answer(allow: bool, reason: str) -> bytes:
    """Return what an extension of ours reads."""
    return json.dumps({"allow": allow, "reason": reason}, ensure_ascii=False).encode("utf-8", "replace")


def kickoff(text: str) -> tuple[str, ...]:
    """Return the kickoff as the last word: a text is never a flag, a command or a file."""
    if not text:
        return ()
    return (f" {text}" if text.startswith(_SPECIAL) else text,)


def _conversation(order: RunOrder, own: Words) -> tuple[str, ...]:
    if order.conversation:
        return own.resume
    return own.fresh if order.fresh_id else ()
