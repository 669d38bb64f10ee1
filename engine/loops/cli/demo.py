"""demo: the main job, seen on a throwaway project."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from loops.cli.answer import Answer


def demo(args: argparse.Namespace) -> Answer:
    """Run the demo, which shows itself, and name its report."""
    from loops.projects.demo import run

    outcome = run(args.report, keep=args.keep, plain=args.plain, aside=args.json)
    lines = [outcome.summary, *(f"PROBLEM: {each}" for each in outcome.problems)]
    return Answer(asdict(outcome), lines, 1 if outcome.problems else 0)
