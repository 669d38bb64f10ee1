"""`loops parity`."""

from __future__ import annotations

import argparse
from datetime import date

from loops.cli.verb import Verb, seconds
from loops.cli.words import surroundings

_CODES = """\
exit codes of this verb:
  0    nothing is MISSING or DIFFERENT
  1    something is
  3    a side, the rule file or a report's file cannot be read, asked or written: whether there is parity is not known"""


def _day(word: str) -> date:
    """A day."""
    try:
        return date.fromisoformat(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word!r} is no day such as 2027-01-31") from None


def _parity(parser: argparse.ArgumentParser) -> None:
    parser.description = f"{parser.description}\n\n{_CODES}"
    parser.usage = "loops parity [-h] [--json] [OPTION ...] LIVE [LIVE ...] STAGED"
    parser.set_defaults(gathers="sides")
    parser.add_argument(
        "sides",
        nargs="*",
        metavar="SIDE",
        help="the last one is STAGED, a project or a captured status of it; each before it is a LIVE: a directory, "
        "agents.toml, .service unit, environment file or captured status (- for standard input)",
    )
    parser.add_argument(
        "--live-command",
        metavar="COMMAND",
        default="",
        help="also ask this command for a status: it runs where it can change nothing and reach no session",
    )
    parser.add_argument(
        "--within", type=seconds, default=30.0, metavar="SECONDS", help="how long the command may take (default: 30)"
    )
    parser.add_argument(
        "--trust-command", action="store_true", help="run it even where it cannot be kept from changing something"
    )
    parser.add_argument(
        "--unit",
        default="",
        metavar="FILE",
        help="the systemd unit that starts LIVE: its variables are those of the launchers, and of the command",
    )
    surroundings.variables(parser)
    parser.add_argument("--allow", metavar="FILE", default="", help="rules: differences that are accepted, until a day")
    parser.add_argument("--date", type=_day, metavar="DAY", help="the day by which rules expire (default: today)")
    parser.add_argument(
        "--carried-later",
        action="store_true",
        help="phase and conversations may differ: `loops cutover` carries them over when the live side has ended",
    )
    parser.add_argument("--report", metavar="FILE.html", default="", help="write the report as one HTML page")
    parser.add_argument("--markdown", metavar="FILE.md", default="", help="write the report as Markdown")
    parser.add_argument("--all", action="store_true", help="list also what is the same, and what was not compared")
    parser.add_argument("--wide", action="store_true", help="values in full, however wide the terminal is")


VERBS: tuple[Verb, ...] = (
    Verb(
        "parity",
        "hold a live deployment against a staged one, fact by fact",
        "loops parity /srv/ci/live status.txt /srv/ci/staged --allow rules.toml --report parity.html",
        "parity:parity",
        _parity,
    ),
)
