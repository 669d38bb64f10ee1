"""completions: a script that completes this command line, made from its own words."""

from __future__ import annotations

import argparse

from loops.cli.answer import Answer


def completions(args: argparse.Namespace) -> Answer:
    """Print the script for one shell."""
    import shtab

    from loops.cli.entry import parser

    script = shtab.complete(parser(), args.shell)
    return Answer({"shell": args.shell, "script": script}, [script])
