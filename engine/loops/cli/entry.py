"""The command line: from words to a verb's function, and from its answer, or its failure, to what is printed.

A verb's code is imported when it is called: ``loops --help`` and ``loops claim`` must not pay for each other.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

from loops import __version__
from loops.cli.answer import Answer
from loops.cli.verb import Verb
from loops.cli.verbs import VERBS
from loops.errors import LoopsError, UsageError

if TYPE_CHECKING:
    from loops.config.problems import Problem

EXIT_CODES = """\
exit codes:
  0    done
  1    failed; the message says what helps
  2    wrong words: an unknown verb, option, agent or phase
  3    agents.toml or fleet.toml is missing, unreadable or wrong
  4    a claim or verdict was refused; nothing was written or pushed
  5    the journal is broken, or somebody else is its writer
  6    a session, the holder or the supervisor could not be reached, started or ended
  130  interrupted"""


class Parser(argparse.ArgumentParser):
    """Argparse, except that wrong words are an error like any other: one message, or JSON."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of printing and leaving."""
        _, choice, rest = message.partition("argument VERB: invalid choice: ")
        if choice:
            from loops.config.problems import nearest

            word = rest.partition(" (")[0].strip("'\"")
            depth = self.prog.count(" ")  # 0: `loops WORD`, 1: `loops config WORD`
            known = [verb.words.split()[depth] for verb in VERBS if f"loops {verb.words} ".startswith(f"{self.prog} ")]
            message = f"there is no verb {word!r}{nearest(word, known)}"
        raise UsageError(f"{message}; `{self.prog} --help` shows how it is written")


def parser() -> Parser:
    """Build the whole parser."""
    common = Parser(add_help=False)
    common.add_argument("--config", metavar="PATH", default=argparse.SUPPRESS, help="agents.toml, or its directory")
    common.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print facts as JSON")
    top = Parser(
        prog="loops",
        description="Runs coding agents unattended, keeps them honest, and proves what they did.",
        epilog=f"example: loops up && loops status --watch\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common],
    )
    top.add_argument("--version", action="version", version=f"loops {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    groups: dict[str, argparse._SubParsersAction[Any]] = {}
    for verb in VERBS:
        first, _, second = verb.words.partition(" ")
        if second and first not in groups:
            group = verbs.add_parser(first, help=f"{first} {second}: {verb.help}", parents=[common])
            groups[first] = group.add_subparsers(dest="second", metavar="VERB", required=True)
        _add(groups[first] if second else verbs, second or first, verb, common)
    return top


def _add(under: argparse._SubParsersAction[Any], word: str, verb: Verb, common: Parser) -> None:
    each = under.add_parser(
        word,
        help=verb.help,
        description=verb.help[0].upper() + verb.help[1:] + ".",
        epilog=f"example: {verb.example}\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common],
    )
    verb.arguments(each)
    each.set_defaults(code=verb.code)


def run(words: Sequence[str]) -> int:
    """Run one command; print a failure as one message, never as a traceback."""
    _take_any_text()
    as_json = "--json" in words[: words.index("--") if "--" in words else None]
    try:
        code = _call(words)
        if sys.stdout is not None:
            sys.stdout.flush()  # a full disk, or a reader that went away, shows here at the latest
    except LoopsError as error:
        return _fail(error, as_json)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `loops logs builder | head`
        _write_no_more()
        return 0
    except OSError as error:
        if error.errno is None:  # Python's own word, of no file
            return _fail(LoopsError(str(error)), as_json)
        if error.filename is None:  # standard output takes nothing any more, JSON neither
            _write_no_more()
            return _fail(LoopsError(f"cannot write to standard output: {error.strerror or error}"), as_json=False)
        return _fail(LoopsError(f"{os.fsdecode(error.filename)}: {error.strerror}"), as_json)
    return code


def _call(words: Sequence[str]) -> int:
    try:
        args = _parsed(words)
    except SystemExit as done:  # --help and --version have printed
        return int(done.code or 0)
    for name, default in (("config", None), ("json", False)):
        if not hasattr(args, name):
            setattr(args, name, default)
    module, _, function = args.code.partition(":")
    answer: Answer | int = getattr(import_module(f"loops.cli.{module}"), function)(args)
    if isinstance(answer, int):
        return answer
    if args.json:
        import json

        print(json.dumps({"ok": answer.code == 0, **answer.facts}))
    else:
        for line in answer.lines:
            print(line)
    return answer.code


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    """The words with their meaning.  Of a verb that ``gathers`` words into a list, options may stand among them."""
    whole = parser()
    args, left = whole.parse_known_args(list(words))
    if hasattr(args, "gathers") and not any(word.startswith("-") for word in left if word != "-"):
        getattr(args, args.gathers).extend(left)
    elif left:
        whole.error(f"unrecognized arguments: {' '.join(left)}")
    return args


def _take_any_text() -> None:
    """A locale without UTF-8 must not end a command that prints a dash."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _write_no_more() -> None:
    """Let the interpreter's last flush of standard output succeed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _fail(error: LoopsError, as_json: bool) -> int:
    problems: Sequence[Problem] = getattr(error, "problems", ())
    with suppress(OSError):
        if as_json:
            import json
            from dataclasses import asdict

            told = [asdict(problem) for problem in problems]
            facts = {"ok": False, "exit": error.exit_code, "error": str(error), "problems": told}
            print(json.dumps(facts), flush=True)
        elif problems and sys.stderr is not None and sys.stderr.isatty():
            _show(problems)
        else:
            print(f"loops: {error}", file=sys.stderr, flush=True)
    return error.exit_code


def _show(problems: Sequence[Problem]) -> None:
    """The same for a person at a terminal: place and key stand out, and lines break between words."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False)
    for problem in problems:
        place = f"{problem.path}:{problem.line}" if problem.line else problem.path
        key = Text.assemble((problem.key, "cyan"), ": ") if problem.key else Text()
        console.print(Text.assemble((place, "bold"), ": ", key, problem.message))
