"""`loops cutover ...`."""

from __future__ import annotations

import argparse

from loops.cli.verb import Verb, seconds
from loops.cli.words import surroundings


def _sides(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("live", metavar="LIVE", help="the live deployment: its directory, agents.toml or .service file")
    parser.add_argument("staged", metavar="STAGED", help="the staged project's directory")
    for name, what in (("stop", "ends it"), ("start", "starts it, and keeps its phase")):
        parser.add_argument(
            f"--live-{name}",
            action="append",
            default=[],
            metavar="CMD",
            help=f"what {what}; may be given several times (default: known for its form, or its unit's)",
        )
    parser.add_argument("--live-status", default="", metavar="CMD", help="what shows it, and starts nothing")
    parser.add_argument(
        "--unit",
        default="",
        metavar="NAME",
        help="the systemd unit that starts it at boot; a path is only read (default: read the migration's)",
    )
    surroundings.variables(parser, otherwise="as the migration was told")
    parser.add_argument("--user", action="store_true", help="units belong to your own service manager")
    parser.add_argument("--tmux", default="", metavar="SOCKET", help="its tmux socket (default: your own server)")
    parser.add_argument("--allow", default="", metavar="FILE", help="differences that `loops parity` accepts")
    parser.add_argument(
        "--soak",
        type=seconds,
        default=600.0,
        metavar="SECONDS",
        help="how long the staged side is watched (default: 600)",
    )


def _plan(parser: argparse.ArgumentParser) -> None:
    _sides(parser)
    parser.add_argument("--to", default="", metavar="FILE.md", help="write the runbook there, which must not exist")


def _rehearse(parser: argparse.ArgumentParser) -> None:
    _sides(parser)
    parser.add_argument("--back", action="store_true", help="also the way back from every single step")
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="DIR",
        help="a directory that it needs besides (programs, logs), copied too; may be given several times",
    )
    parser.add_argument("--keep", action="store_true", help="leave the copy in place and name it")


def _run(parser: argparse.ArgumentParser) -> None:
    _sides(parser)
    parser.add_argument(
        "--supervised", action="store_true", help="you are asked before each step; there is no other way"
    )
    parser.add_argument("--back", action="store_true", help="return to the live side")
    parser.add_argument("--yes", action="store_true", help=argparse.SUPPRESS)


def _staged(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("staged", metavar="STAGED", help="the staged project's directory")


def _carry(parser: argparse.ArgumentParser) -> None:
    _staged(parser)
    parser.add_argument("--back", action="store_true", help="into the live side's own files, as far as it has moved on")


def _check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="CHECK", help="a check as the runbook names it, such as live-stopped")
    _staged(parser)


VERBS: tuple[Verb, ...] = (
    Verb(
        "cutover plan",
        "write the runbook for moving a live deployment to its staged project",
        "loops cutover plan /srv/cc-ci/plan /srv/staged/cc-ci --unit cc-ci-loops.service --to RUNBOOK.md",
        "cutover:plan",
        _plan,
    ),
    Verb(
        "cutover rehearse",
        "do the runbook's steps on a copy, there, back and there again",
        "loops cutover rehearse /srv/cc-ci/plan /srv/staged/cc-ci --back",
        "cutover:rehearse",
        _rehearse,
    ),
    Verb(
        "cutover run",
        "do the runbook's steps, asking before each",
        "loops cutover run /srv/cc-ci/plan /srv/staged/cc-ci --unit cc-ci-loops.service --supervised",
        "cutover:run",
        _run,
    ),
    Verb(
        "cutover note",
        "a step of the runbook: write down how the live side is",
        "loops cutover note /srv/staged/cc-ci",
        "cutover:note",
        _staged,
    ),
    Verb(
        "cutover carry",
        "a step of the runbook: carry phase and conversations over, or back",
        "loops cutover carry /srv/staged/cc-ci --back",
        "cutover:carry",
        _carry,
    ),
    Verb(
        "cutover check",
        "a check of the runbook; changes nothing",
        "loops cutover check live-stopped /srv/staged/cc-ci",
        "cutover:check",
        _check,
    ),
)
