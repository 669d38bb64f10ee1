"""The options that say with what launchers are started, the same for every verb that reads a live deployment."""

from __future__ import annotations

import argparse

from loops.cli.verb import setting


def variables(parser: argparse.ArgumentParser, *, otherwise: str = "") -> None:
    """Take ``--env`` and ``--set``.  *otherwise*: what holds when one is not given."""
    default = f" (default: {otherwise})" if otherwise else ""
    parser.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="FILE",
        help=f"a file of variables over those of the unit{default}",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=setting,
        metavar="NAME=VALUE",
        help=f"a variable over all the others, such as LOOP_MODEL=opus{default}",
    )
