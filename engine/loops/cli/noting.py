"""note: the orchestrator's memory from one session to the next."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

from loops.cli.answer import Answer
from loops.errors import LoopsError, UsageError
from loops.protocol import noting, session_journal
from loops.protocol.noting import Noted

FILE = "JOURNAL.md"
_OPTIONS = {"Left off": "left_off", "Phase / loop state": "state", "Open items": "open", "Notes": "notes"}


def note(args: argparse.Namespace) -> Answer:
    """Print the newest session, append one, or append an event to it."""
    path = _path(args)
    given = {name: getattr(args, option) for name, option in _OPTIONS.items()}
    if args.event:
        if any(given.values()):
            raise UsageError("an event stands below a session: note the one or the other")
        return _change(path, lambda now: (_with_event(args, now), f"journal: {' '.join(args.event.split())[:60]}"))
    if args.text:
        raise UsageError("--text is an event's text: name the event with --event")
    if any(given.values()):
        fields = {**given, **{name: given[name] or "none" for name in ("Open items", "Notes")}}
        return _change(path, lambda now: (_with_session(fields, now), "journal: the session rests"))
    return _newest(path)


def _path(args: argparse.Namespace) -> str:
    """The file: the named one, else that in the calling agent's directory, else here."""
    if args.file:
        return os.path.abspath(str(args.file))
    me = os.environ.get("LOOPS_AGENT", "")
    if me:
        from loops.cli.project import of

        try:
            known = of(args).config().agents
        except LoopsError:
            known = {}  # a bad edit of agents.toml must not cost anybody's memory
        if me in known:
            return os.path.join(known[me].dir, FILE)
    return os.path.abspath(FILE)


def _with_event(args: argparse.Namespace, now: float) -> Callable[[str], str]:
    block = session_journal.event_block(args.event, args.text, now)
    return lambda text: session_journal.with_event(text, block)


def _with_session(fields: dict[str, str], now: float) -> Callable[[str], str]:
    block = session_journal.session_block(fields, now)
    return lambda text: session_journal.with_session(text, block)


def _change(path: str, what: Callable[[float], tuple[Callable[[str], str], str]]) -> Answer:
    edit, subject = what(time.time())
    noted = noting.change(path, edit, subject)
    facts: dict[str, Any] = {
        "file": path,
        "changed": noted.changed,
        "commit": noted.commit,
        "pushed": noted.pushed,
        "trouble": noted.trouble,
    }
    return Answer(facts, [_told(path, noted)])


def _told(path: str, noted: Noted) -> str:
    if not noted.changed:
        return f"{path} says that already"
    kept = f"committed as {noted.commit[:10]}{' and pushed' if noted.pushed else ''}" if noted.commit else "written"
    return f"{path}: {kept}" + (f"; {noted.trouble}" if noted.trouble else "")


def _newest(path: str) -> Answer:
    journal = session_journal.parse(noting.read(path))
    newest = journal.newest
    if newest is None:
        return Answer({"file": path, "sessions": 0}, [f"{path}: no session is noted yet"])
    facts = {
        "file": path,
        "sessions": len(journal.sessions),
        "at": newest.at,
        "fields": dict(newest.fields),
        "events": [{"clock": e.clock, "label": e.label, "text": e.text} for e in newest.events],
    }
    return Answer(facts, newest.source.splitlines())
