"""explain, journal verify, tokens: what the journal says."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict
from itertools import chain

from loops.cli.answer import Answer, columns
from loops.cli.project import of
from loops.config.problems import nearest
from loops.errors import JournalError, UsageError
from loops.places import State as StatePlaces


def explain(args: argparse.Namespace) -> Answer:
    """Say why something was done: what was observed, and the rule."""
    from loops.supervisor.explain import lines
    from loops.supervisor.ledger import history
    from loops.supervisor.notice_events import SUBJECT

    config = of(args).config()
    about = args.about
    known = [*config.agents, *(phase.id for phase in config.loop.phases), SUBJECT]
    if about and about not in known and not about.isdecimal():
        raise UsageError(
            f"{about!r} is no agent, phase or event{nearest(about, known)}; name one of {', '.join(known)}"
        )
    told = lines(history(StatePlaces(config.log_dir).journal), about)
    if args.json:
        return Answer({"about": about, "lines": list(told)})
    first = next(told, f"the journal has nothing about {about}" if about else "the journal is empty")
    return Answer(lines=chain([first], told))


def verify(args: argparse.Namespace) -> Answer:
    """Check every byte of a journal."""
    from loops.journal import verify as verified

    directory = args.directory or _journal(args)
    if not os.path.isdir(directory):
        raise JournalError(f"{directory}: there is no journal; the project has not been up yet, or its name is another")
    found = verified(directory)
    if not found.sound:
        raise JournalError(found.text)
    facts = {"directory": directory, "records": found.records, "segments": found.segments, "torn": found.torn}
    return Answer({**facts, "sound": True, "text": found.text}, found.text.splitlines())


def tokens(args: argparse.Namespace) -> Answer:
    """Print what was used: by agent and phase, or by what ``--by`` names."""
    from loops.supervisor import spending

    keys = (args.by,) if args.by else ("agent", "phase")
    rows = spending.together(spending.rows(of(args).config()), keys)
    shown = ("phase", "gate") if args.by == "gate" else keys
    head = (*(key.upper() for key in shown), "INPUT", "CACHED", "OUTPUT", "TOTAL", "USD", "FROM")
    cells = [
        (
            *(getattr(row, key) or "-" for key in shown),
            f"{row.input_tokens:,}",
            f"{row.cached_tokens:,}",
            f"{row.output_tokens:,}",
            f"{row.total:,}",
            spending.cost_text(row.usd, row.unpriced) if row.source == "journal" else "-",
            row.source,
        )
        for row in rows
    ]
    lines = columns([head, *cells]) if cells else ["no agent has reported any use yet"]
    return Answer({"by": list(keys), "tokens": [asdict(row) for row in rows]}, lines)


def _journal(args: argparse.Namespace) -> str:
    return StatePlaces(of(args).config().log_dir).journal
