"""completions: a script that completes this command line, made from its own words."""

from __future__ import annotations

import argparse

from loops.cli.answer import Answer
from loops.errors import LoopsError


def completions(args: argparse.Namespace) -> Answer:
    """Print the script for one shell."""
    import shtab

    from loops.cli.entry import parser

    if args.shell not in shtab.SUPPORTED_SHELLS:
        raise LoopsError(
            f"shtab {shtab.__version__}, which writes the completions, knows no {args.shell}: 1.9 and later do"
        )
    script = shtab.complete(parser(), args.shell)
    return Answer({"shell": args.shell, "script": script}, [script])
