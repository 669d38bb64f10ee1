"""demo: the main job, seen on a throwaway project."""

from __future__ import annotations

import argparse


def demo(args: argparse.Namespace) -> int:
    """Run it; it prints for itself."""
    from loops.projects import demo as project

    code: int = project.main(args)
    return code
