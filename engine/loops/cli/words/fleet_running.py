"""`loops fleet status | up | down | doctor | watchdog`: running the projects of a fleet."""

from __future__ import annotations

import argparse

from loops.cli.verb import Verb, seconds


def _fleet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fleet",
        default="",
        metavar="PATH",
        help="fleet.toml, or its directory (default: $LOOPS_FLEET, else the nearest one at or above this directory)",
    )


def _names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="project (default: all that are enabled)")


def _status(parser: argparse.ArgumentParser) -> None:
    _fleet(parser)
    parser.add_argument("--watch", action="store_true", help="show it again whenever it changes, until Ctrl-C")


def _up(parser: argparse.ArgumentParser) -> None:
    _names(parser)
    _fleet(parser)
    parser.add_argument(
        "--own", action="store_true", help="a supervisor for each project (default: one process for all of them)"
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=30.0,
        metavar="SECONDS",
        help="how long to wait, for all together, until every agent runs (default: 30; they are tried on after that)",
    )


def _down(parser: argparse.ArgumentParser) -> None:
    _names(parser)
    _fleet(parser)
    parser.add_argument(
        "--timeout", type=seconds, default=60.0, metavar="SECONDS", help="how long to wait for each (default: 60)"
    )


def _watchdog(parser: argparse.ArgumentParser) -> None:
    _fleet(parser)
    parser.add_argument("--takeover", action="store_true", help="replace the process that runs; no agent notices")


def _doctor(parser: argparse.ArgumentParser) -> None:
    _names(parser)
    _fleet(parser)


VERBS: tuple[Verb, ...] = (
    Verb(
        "fleet status",
        "all projects in one table: what runs, what waits, for what, since when",
        "loops fleet status --watch",
        "fleet_running:status",
        _status,
    ),
    Verb("fleet up", "bring up all projects, or the named ones", "loops fleet up shop blog", "fleet_running:up", _up),
    Verb("fleet down", "end all projects, or the named ones", "loops fleet down blog", "fleet_running:down", _down),
    Verb(
        "fleet doctor",
        "find what is missing before it hurts, in every project and on this machine",
        "loops fleet doctor",
        "fleet_running:doctor",
        _doctor,
    ),
    Verb(
        "fleet watchdog",
        "supervise all projects in one process, in the foreground, for a service manager",
        "loops fleet watchdog --takeover --fleet /srv/fleet/fleet.toml",
        "fleet_running:watchdog",
        _watchdog,
    ),
)
