"""claim and verdict: the canonical forms, written, committed and pushed for agents."""

from __future__ import annotations

import argparse
import json
import os

from loops.cli.project import of
from loops.config.model import Handoff, Phase
from loops.errors import ProtocolError
from loops.protocol.publish import Published
from loops.protocol.writers import ItemVerdict


def claim(args: argparse.Namespace) -> int:
    """Claim a gate."""
    from loops.protocol import publish

    phase, handoff = _context(args)
    fields = {"WHAT": args.what, "HOW": args.how, "EXPECTED": args.expected, "WHERE": args.where}
    return _print(args, publish.claim(os.getcwd(), phase, handoff, args.label, fields, agent=_me()))


def verdict(args: argparse.Namespace) -> int:
    """Give verdicts, raise a veto, or withdraw it."""
    from loops.protocol import publish

    phase, handoff = _context(args)
    items = [_item(text) for text in args.items]
    published = publish.verdict(
        os.getcwd(),
        phase,
        handoff,
        items,
        findings=args.finding,
        veto=args.veto,
        withdraw=args.withdraw_veto,
        agent=_me(),
    )
    return _print(args, published)


def _me() -> str:
    """Which agent calls; empty for a person."""
    return os.environ.get("LOOPS_AGENT", "")


def _item(text: str) -> ItemVerdict:
    """Read ``ITEM=PASS`` or ``ITEM=FAIL:note``."""
    from loops.protocol.review import Result

    item, equals, rest = text.partition("=")
    word, _, note = rest.partition(":")
    if not item or not equals or word.upper() not in ("PASS", "FAIL"):
        raise ProtocolError(f"{text!r} is no verdict: write ITEM=PASS or ITEM=FAIL, with :a note behind it")
    return ItemVerdict(item, Result[word.upper()], note.strip())


def _context(args: argparse.Namespace) -> tuple[Phase, Handoff]:
    """The phase that is spoken of, and how work passes between the agents."""
    from loops.supervisor.watching import compiled

    project = of(args)
    config = compiled(project.config_path)
    handoff = config.loop.handoff
    wanted = args.phase or os.environ.get("LOOPS_PHASE", "")
    phase = next((each for each in config.loop.phases if each.id == wanted), None)
    if handoff is None:
        raise ProtocolError(f"{config.path}: [loop] has no handoff, so there is nobody to claim to; add one")
    if phase is None:
        known = ", ".join(each.id for each in config.loop.phases) or "none"
        raise ProtocolError(f"no phase {wanted!r}: name one with --phase; agents.toml has {known}")
    return phase, handoff


def _print(args: argparse.Namespace, published: Published) -> int:
    if args.json:
        facts = {"ok": True, "commit": published.sha, "subject": published.subject, "document": published.document}
        print(json.dumps(facts))
    else:
        print(f"{published.sha[:10]} {published.subject}")
    return 0
