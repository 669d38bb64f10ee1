"""status, in full: with options, without a supervisor, or watched."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import replace

from loops.cli.project import Project, of


def status(args: argparse.Namespace) -> int:
    """Print the table; start nothing."""
    project = of(args)
    if args.watch:
        return _watch(project)
    answer = project.ask("status")
    if answer is None:
        answer, text = _at_rest(project)
    else:
        text = _text(project)
    if args.json:
        print(json.dumps(answer))
    else:
        sys.stdout.write(text)
    return 0


def _text(project: Project) -> str:
    from loops.cli.quick import table

    return table(project.runtime.control_socket).decode("utf-8", "replace")


def _at_rest(project: Project) -> tuple[dict[str, object], str]:
    """The project's status without a supervisor: from agents.toml and the journal, which a fresh clone does not have."""
    from loops.places import State as StatePlaces
    from loops.supervisor import table
    from loops.supervisor.ledger import peek
    from loops.supervisor.state import AgentState, Life, State
    from loops.supervisor.watching import compiled

    config = compiled(project.config_path)
    directory = StatePlaces(config.log_dir).journal
    state = peek(directory) if os.path.isdir(directory) else State()
    # What the journal last said of sessions is no longer so: nobody watches them.
    agents = {
        name: replace(agent, life=Life.OFF, pid=0, why="") if (agent := state.agents.get(name)) else AgentState(name)
        for name in config.agents
    }
    state = replace(state, config=config, agents=agents)
    now = time.time()
    return {"ok": True, "pid": 0, **table.as_json(state, now)}, table.text(state, now, colour=sys.stdout.isatty())


def _watch(project: Project) -> int:
    shown = ""
    while True:
        text = _text(project) or _at_rest(project)[1]
        if text != shown:
            sys.stdout.write(f"\x1b[H\x1b[2J{text}" if sys.stdout.isatty() else text)
            sys.stdout.flush()
            shown = text
        time.sleep(0.5)
