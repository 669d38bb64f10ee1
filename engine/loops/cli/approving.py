"""approvals, approve, deny: what agents wait for, and a person's answer."""

from __future__ import annotations

import argparse
import time
from typing import Any

from loops.cli.answer import Answer, columns
from loops.cli.project import of


def approvals(args: argparse.Namespace) -> Answer:
    """List what waits for an approval."""
    found = of(args).must_ask("approvals")["approvals"]
    head = ("ID", "AGENT", "SINCE", "EXPIRES IN", "WHAT")
    now = time.time()
    cells = [(a["id"], a["agent"], _clock(a["since"]), _left(a["expires"] - now), _line(a["text"])) for a in found]
    lines = columns([head, *cells]) if cells else ["nothing waits for an approval"]
    return Answer({"approvals": found}, lines)


def approve(args: argparse.Namespace) -> Answer:
    """Let the agent do what it asked for."""
    return _answer(args, "approve", "granted", "")


def deny(args: argparse.Namespace) -> Answer:
    """Refuse it; the reason is told to the agent."""
    return _answer(args, "deny", "denied", args.reason)


def _answer(args: argparse.Namespace, verb: str, outcome: str, reason: str) -> Answer:
    told: dict[str, Any] = of(args).must_ask(verb, approval=args.id, detail=reason)["approval"]
    facts = {"approval": told, "outcome": outcome, "reason": reason}
    return Answer(facts, [f"{outcome}: {told['id']} of {told['agent']}: {_line(told['text'])}"])


def _line(text: str) -> str:
    """One line without what would act on a terminal: agents write it."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))


def _left(seconds: float) -> str:
    from loops.protocol.moment import span

    return span(seconds) if seconds > 0 else "-"
