"""logs, attach, nudge: what a session printed, being in it, and sending it a message."""

from __future__ import annotations

import argparse
import json
import os
import select
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from loops.cli.answer import Answer
from loops.cli.project import check_names, of
from loops.errors import UsageError
from loops.places import State as StatePlaces

if TYPE_CHECKING:
    from loops.sessions.logfile import Follower

SETTLED = 0.3
"""Seconds after which a line that has no end yet is shown all the same."""
LOOK_AGAIN = 5.0
"""Seconds; the net below inotify."""


# ---- logs --------------------------------------------------------------------------------------------------------------


def logs(args: argparse.Namespace) -> Answer | int:
    """Print the end of a session's log; with ``-f`` go on."""
    path = _log_path(args)
    from loops.sessions.logfile import Follower, last_lines

    follower = Follower(path) if args.follow else None  # before the end is read: nothing falls between the two
    tail = last_lines(path, args.lines)
    if follower is None and not args.raw:
        lines = _plain_lines(tail, args.lines)
        return Answer({"name": args.name, "path": path, "lines": lines}, lines)
    _write(tail, args)
    if follower is not None:
        for piece in _pieces(follower, path, whole_lines=not args.raw):
            _write(piece, args)
    return 0


def _log_path(args: argparse.Namespace) -> str:
    config = of(args).config()
    places = StatePlaces(config.log_dir)
    others = {"watchdog": os.path.join(config.log_dir, "holder.log"), "checks": places.session_log("checks")}
    if args.name not in config.agents and args.name in others:
        if args.name == "watchdog":
            _refuse_journal(config.path)
        return others[args.name]
    check_names([args.name], [*config.agents, *others])
    return places.session_log(args.name)


def _plain_lines(data: bytes, count: int) -> list[str]:
    from loops.sessions.screen import plain, tail_lines

    return tail_lines(plain(data), count)


def _refuse_journal(config_path: str) -> None:
    """What the supervisor of a service says, the service manager keeps."""
    from loops.boot import installed

    unit = installed.find(config_path)
    if unit is not None:
        raise UsageError(f"this project is a service: `{unit.journal}` has what its supervisor says")


def _write(data: bytes, args: argparse.Namespace) -> None:
    """Print a piece of a log at once: as it is, as text, or as one JSON object a line."""
    if args.raw and not args.json:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
    else:
        from loops.sessions.screen import plain

        text = data.decode("utf-8", "replace") if args.raw else plain(data)
        if args.json:
            text = "".join(json.dumps({"line": line.rstrip()}) + "\n" for line in text.splitlines())
        sys.stdout.write(text)
    sys.stdout.flush()


def _pieces(follower: Follower, path: str, *, whole_lines: bool) -> Iterator[bytes]:
    """What is written to the log from now on.  Half a line, which may hold half an escape, waits a moment for its rest."""
    from loops.supervisor.inotify import Inotify

    inotify = Inotify()
    poll = select.poll()
    poll.register(inotify.fileno(), select.POLLIN)
    held = b""
    while True:
        inotify.watch(os.path.dirname(path))
        fresh = follower.read()
        held += fresh
        end = held.rfind(b"\n") + 1 if whole_lines and fresh else len(held)
        if end:
            yield held[:end]
            held = held[end:]
        poll.poll((SETTLED if held else LOOK_AGAIN) * 1000)
        list(inotify.read())


# ---- attach, nudge -----------------------------------------------------------------------------------------------------


def attach(args: argparse.Namespace) -> int:
    """Be in the session's terminal until the person leaves it."""
    from loops.sessions.attach import attach as relay

    if args.json:
        raise UsageError("a terminal has no facts to print; `loops logs NAME --json` has what it showed")
    project = of(args)
    check_names([args.name], project.config().agents)
    return relay(project.runtime.holder_socket, args.name)


def nudge(args: argparse.Namespace) -> Answer:
    """Queue a message; the supervisor delivers it when the agent can take it, once."""
    project = of(args)
    text = message(args.text)
    status = project.must_ask("status")
    check_names([args.name], [row["name"] for row in status["agents"] if row["name"] != "watchdog"])
    answer = project.must_ask("nudge", names=[args.name], detail=text)
    return Answer({"name": args.name, "nudge": answer["nudge"]}, [f"{answer['nudge']} waits for {args.name}"])


def message(words: list[str]) -> str:
    """The message of a command's *words*; ``-`` alone is standard input."""
    text = " ".join(words)
    if text == "-":
        try:
            text = sys.stdin.read() if sys.stdin is not None else ""
        except UnicodeDecodeError as error:
            raise UsageError(f"standard input is not UTF-8 (byte {error.start})") from None
    if not text.strip():
        raise UsageError("the message is empty")
    return text.strip()
