"""status, in full: with options, without a supervisor, or watched."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from loops.cli.answer import Answer
from loops.cli.project import Project, of

ANSWER_WITHIN = 3.0
"""Seconds; the quick way has waited for two already."""
LOOK_EVERY = 0.5


def status(args: argparse.Namespace) -> Answer | int:
    """Print the table; start nothing."""
    project = of(args)
    if args.watch:
        return watch(lambda: _look(project, as_json=args.json), as_json=args.json)
    facts, text = _look(project, as_json=args.json)
    return Answer(facts, text.splitlines())


def _look(project: Project, *, as_json: bool) -> tuple[dict[str, Any], str]:
    answer = project.ask("status", timeout=ANSWER_WITHIN)
    if answer is None:
        return _at_rest(project)
    if as_json:
        return answer, ""
    from loops.cli.quick import table

    return answer, table(project.runtime.control_socket).decode("utf-8", "replace") or _at_rest(project)[1]


def _at_rest(project: Project) -> tuple[dict[str, Any], str]:
    """The project's status without a supervisor."""
    from loops.cli.quick import wants_colour
    from loops.supervisor import offline, table

    state = offline.at_rest(project.config(), project.runtime)
    now = time.time()
    text = table.text(state, now, colour=wants_colour())
    if any(agent.alive for agent in state.agents.values()):
        text += "! no supervisor watches over these sessions: `loops up` starts it\n"
    return {"pid": 0, **table.as_json(state, now)}, text


def watch(look: Callable[[], tuple[dict[str, Any], str]], *, as_json: bool) -> int:
    """Print what *look* gives, the table or else the facts as one JSON object, whenever it has changed."""
    screen = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not as_json
    shown = ""
    try:
        while True:
            facts, text = look()
            if as_json:
                text = json.dumps({"ok": True, **facts}) + "\n"
            if text != shown:
                shown = text
                sys.stdout.write(_over_the_last(text) if screen else text)
                sys.stdout.flush()
            time.sleep(LOOK_EVERY)
    finally:
        if screen:
            sys.stdout.write("\x1b[?7h\x1b[?25h")


def _over_the_last(text: str) -> str:
    """*text* in place of what the terminal shows: no flicker, no wrapped lines, no cursor."""
    return "\x1b[?25l\x1b[?7l\x1b[H" + text.replace("\n", "\x1b[K\n") + "\x1b[J"
