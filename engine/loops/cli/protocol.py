"""claim and verdict: the canonical forms, written, committed and pushed for agents."""

from __future__ import annotations

import argparse
import os

from loops.cli.answer import Answer
from loops.cli.project import of
from loops.config.model import Handoff, Phase
from loops.config.problems import nearest
from loops.errors import ProtocolError, UsageError
from loops.protocol.publish import Published
from loops.protocol.writers import ItemVerdict


def claim(args: argparse.Namespace) -> Answer:
    """Claim a gate."""
    from loops.protocol import publish

    phase, handoff = _context(args)
    fields = {"WHAT": args.what, "HOW": args.how, "EXPECTED": args.expected, "WHERE": args.where}
    return _told(publish.claim(os.getcwd(), phase, handoff, args.label, fields, agent=_me()))


def verdict(args: argparse.Namespace) -> Answer:
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
    return _told(published)


def _me() -> str:
    """Which agent calls; empty for a person."""
    return os.environ.get("LOOPS_AGENT", "")


def _item(text: str) -> ItemVerdict:
    """Read ``ITEM=PASS`` or ``ITEM=FAIL:note``."""
    from loops.protocol.review import Result

    item, equals, rest = text.partition("=")
    word, _, note = rest.partition(":")
    if not item or not equals or word.upper() not in ("PASS", "FAIL"):
        raise UsageError(f"{text!r} is no verdict: write ITEM=PASS or ITEM=FAIL, with :a note behind it")
    return ItemVerdict(item, Result[word.upper()], note.strip())


def _context(args: argparse.Namespace) -> tuple[Phase, Handoff]:
    """The phase that is spoken of, and how work passes between the agents."""
    config = of(args).config()
    handoff = config.loop.handoff
    wanted = args.phase or os.environ.get("LOOPS_PHASE", "")
    phase = next((each for each in config.loop.phases if each.id == wanted), None)
    if handoff is None:
        raise ProtocolError(f"{config.path}: [loop] has no handoff, so there is nobody to claim to; add one")
    if phase is None:
        ids = [each.id for each in config.loop.phases]
        said = f"there is no phase {wanted!r}{nearest(wanted, ids)}" if wanted else "no phase is named"
        raise UsageError(f"{said}; name one with --phase: agents.toml has {', '.join(ids) or 'none'}")
    return phase, handoff


def _told(published: Published) -> Answer:
    facts = {"commit": published.sha, "subject": published.subject, "document": published.document}
    return Answer(facts, [f"{published.sha[:10]} {published.subject}"])
