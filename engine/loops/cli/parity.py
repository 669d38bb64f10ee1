"""parity: a live deployment held against a staged one."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from loops.cli.answer import Answer
from loops.errors import UsageError

if TYPE_CHECKING:
    from loops.projects.deployment.model import Deployment
    from loops.projects.parity.comparison import Comparison

_ELSEWHERE = 120
"""Columns where the output is no terminal."""


def parity(args: argparse.Namespace) -> Answer:
    """Compare, report, and say by the exit code whether anything is MISSING or DIFFERENT."""
    from loops.projects.parity.document import document
    from loops.projects.parity.terminal import lines

    comparison = _compared(args)
    written = list(_write(args, comparison))
    terminal = sys.stdout is not None and sys.stdout.isatty()
    wanted = terminal or "COLUMNS" in os.environ
    width = shutil.get_terminal_size((_ELSEWHERE, 24)).columns if wanted else _ELSEWHERE
    shown = lines(comparison, width=width, every=args.all, wide=args.wide, colour=terminal)
    facts = {**document(comparison), "reports": written} if args.json else {}
    return Answer(facts, (*shown, *(f"wrote {path}" for path in written)), 0 if comparison.clean else 1)


def _compared(args: argparse.Namespace) -> Comparison:
    from loops.projects.parity.compare import compare
    from loops.projects.parity.looking import looked
    from loops.projects.parity.rulefile import load_rules
    from loops.projects.parity.sources import read_staged
    from loops.projects.parity.together import together

    if len(args.sides) < (1 if args.live_command else 2):
        raise UsageError("name LIVE and STAGED, or STAGED and a --live-command; `loops parity --help` shows how")
    if args.sides.count("-") > 1:
        raise UsageError("standard input can be read once: capture the other status into a file")
    rules = load_rules(args.allow) if args.allow else ()
    today = args.date or datetime.now(UTC).date()
    live = list(_live(args))
    staged = read_staged(args.sides[-1])
    found = together([compare(each, staged, rules, today, carried_later=args.carried_later) for each in live])
    return looked(found, live, staged)


def _live(args: argparse.Namespace) -> list[Deployment]:
    from loops.projects.deployment.surroundings import Surroundings
    from loops.projects.parity.sources import read_asked, read_live

    around = Surroundings(args.unit, tuple(args.env), dict(args.set))
    found = [read_live(source, around) for source in args.sides[:-1]]
    if args.live_command:
        found.append(read_asked(args.live_command, around, within=args.within, trusted=args.trust_command))
    return found


def _write(args: argparse.Namespace, comparison: Comparison) -> list[str]:
    from loops.projects.parity.markdown import MARK, markdown
    from loops.projects.parity.page import GENERATOR, html
    from loops.projects.parity.writing import write

    written = []
    if args.report:
        write(args.report, html(comparison), mark=GENERATOR)
        written.append(args.report)
    if args.markdown:
        write(args.markdown, markdown(comparison), mark=MARK)
        written.append(args.markdown)
    return written
