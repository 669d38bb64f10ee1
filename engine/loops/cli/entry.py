"""The command line: verbs, their words, and one way to fail.

A verb's code is imported when it is called: ``loops --help`` and ``loops claim`` must not pay for each other.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from loops import __version__
from loops.errors import LoopsError

EXIT_CODES = """exit codes: 0 done · 1 failed · 2 wrong words · 3 agents.toml · 4 claim or verdict refused ·
5 journal · 6 session, holder or supervisor"""


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb: its words, its example, and where its code is (``module:function``)."""

    words: str
    help: str
    example: str
    code: str
    arguments: Callable[[argparse.ArgumentParser], None] = lambda parser: None


def _names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="agent or service (default: all)")


def _up(parser: argparse.ArgumentParser) -> None:
    _names(parser)
    parser.add_argument("--model", default="", help="model for this start only")
    parser.add_argument("--backend", default="", help="backend for this start only")


def _down(parser: argparse.ArgumentParser) -> None:
    _names(parser)
    _timeout(parser)


def _timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="how long to wait (default: 60)")


def _stop(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all-now", action="store_true", help="kill every session of the project at once")
    _timeout(parser)


def _watchdog(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--takeover", action="store_true", help="replace the supervisor that runs; no agent notices")
    parser.add_argument("--no-holder", action="store_true", help="a service manager restarts us, not the holder")


def _status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--watch", action="store_true", help="show it again whenever it changes, until Ctrl-C")


def _claim(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("label", metavar="LABEL", help="the gate or item, such as M1")
    _phase_option(parser)
    for name, help_text in (
        ("what", "what is claimed"),
        ("how", "how to verify it cold, from a fresh clone"),
        ("expected", "what the verification must show"),
        ("where", "which files, commits or pages"),
    ):
        parser.add_argument(f"--{name}", required=True, help=help_text)


def _verdict(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("items", nargs="*", metavar="ITEM=PASS|FAIL[:NOTE]", help="one verdict an item")
    _phase_option(parser)
    parser.add_argument("--finding", action="append", default=[], metavar="TEXT", help="file a finding in BACKLOG")
    parser.add_argument("--veto", default="", metavar="REASON", help="raise a veto over done")
    parser.add_argument("--withdraw-veto", action="store_true", help="withdraw the veto that stands")


def _phase_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--phase", default="", metavar="ID", help="default: the phase that the agent was started for")


VERBS: tuple[Verb, ...] = (
    Verb("up", "start what is not running", "loops up builder", "lifecycle:up", _up),
    Verb("down", "end agents, or the whole project", "loops down adversary", "lifecycle:down", _down),
    Verb("status", "one table of everything; starts nothing", "loops status --json", "show:status", _status),
    Verb("stop", "emergency stop", "loops stop --all-now", "lifecycle:stop", _stop),
    Verb(
        "watchdog", "run the supervisor in the foreground", "loops watchdog --takeover", "lifecycle:watchdog", _watchdog
    ),
)


def parser() -> argparse.ArgumentParser:
    """Build the whole parser."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", metavar="PATH", default=argparse.SUPPRESS, help="agents.toml, or its directory")
    common.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print facts as JSON")
    top = argparse.ArgumentParser(
        prog="loops",
        description="Runs coding agents unattended, keeps them honest, and proves what they did.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common],
    )
    top.add_argument("--version", action="version", version=f"loops {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    groups: dict[str, argparse._SubParsersAction[argparse.ArgumentParser]] = {}
    for verb in VERBS:
        first, _, second = verb.words.partition(" ")
        under = verbs
        if second:
            if first not in groups:
                group = verbs.add_parser(first, help=f"{first} commands", parents=[common])
                groups[first] = group.add_subparsers(dest="second", metavar="VERB", required=True)
            under = groups[first]
        each = under.add_parser(
            second or first,
            help=verb.help,
            description=verb.help[0].upper() + verb.help[1:] + ".",
            epilog=f"example: {verb.example}\n\n{EXIT_CODES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            parents=[common],
        )
        verb.arguments(each)
        each.set_defaults(code=verb.code)
    return top


def run(words: Sequence[str]) -> int:
    """Run one command; print an error as one message, never as a traceback."""
    args = parser().parse_args(list(words))
    for name, default in (("config", None), ("json", False)):
        if not hasattr(args, name):
            setattr(args, name, default)
    module, _, function = args.code.partition(":")
    try:
        code: int = getattr(import_module(f"loops.cli.{module}"), function)(args)
    except LoopsError as error:
        return _fail(error, as_json=args.json)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    return code


def _fail(error: LoopsError, *, as_json: bool) -> int:
    if as_json:
        import json

        problems = getattr(error, "problems", ())
        print(json.dumps({"ok": False, "error": str(error), "problems": [str(p) for p in problems]}))
    else:
        print(f"loops: {error}", file=sys.stderr)
    return error.exit_code
