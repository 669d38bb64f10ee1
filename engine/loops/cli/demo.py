"""demo: the main job, on a throwaway project."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict


def demo(args: argparse.Namespace) -> int:
    """Run the demo and name its report."""
    from loops.projects.demo import run

    outcome = run(args.report, keep=args.keep, plain=args.json or args.plain)
    if args.json:
        print(json.dumps({"ok": not outcome.problems, **asdict(outcome)}))
    else:
        print(outcome.summary)
        for problem in outcome.problems:
            print(f"PROBLEM: {problem}")
        print(f"report: {outcome.report_path}")
    return 1 if outcome.problems else 0
