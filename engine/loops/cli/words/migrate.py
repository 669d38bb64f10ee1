"""`loops migrate`."""

from __future__ import annotations

import argparse

from loops.cli.verb import Verb
from loops.cli.words import surroundings


def _migrate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="the live deployment: its directory, agents.toml, .service unit or environment file; it is only read",
    )
    parser.add_argument("--to", required=True, metavar="DIR", help="where the staged project is made: new, or empty")
    parser.add_argument("--unit", default="", metavar="FILE", help="the systemd unit that starts the launchers")
    surroundings.variables(parser)
    parser.add_argument(
        "--carry-state", action="store_true", help="the first start goes on with the phase and conversations of now"
    )


VERBS: tuple[Verb, ...] = (
    Verb(
        "migrate",
        "write a staged project from a live deployment, which is only read",
        "loops migrate /srv/ci/plan --unit /etc/systemd/system/ci-loops.service --to /srv/ci/staged --carry-state",
        "migrate:migrate",
        _migrate,
    ),
)
