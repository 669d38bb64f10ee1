"""init, validate, config show: writing, checking and explaining agents.toml."""

from __future__ import annotations

import argparse
import json
import os

from loops.cli.answer import Answer, columns
from loops.places import find_config


def init(args: argparse.Namespace) -> Answer:
    """Write a first agents.toml and its prompts."""
    from loops.projects import scaffold

    written = scaffold.write(os.path.abspath(args.directory), prefix=args.prefix)
    lines = [f"wrote {path}" for path in written]
    return Answer({"files": written}, [*lines, "next: edit agents.toml, then `loops validate` and `loops up`"])


def validate(args: argparse.Namespace) -> Answer:
    """Check the file, and whether the files that it names are there (a build has the file alone)."""
    from loops import config as configuration

    config = configuration.load(find_config(args.config), env=os.environ)
    missing = () if args.no_files else configuration.check_files(config)
    if missing:
        raise configuration.ConfigProblems(missing)
    agents = len(config.agents)
    lines = [f"{config.path}: good: {agents} agents and services, {len(config.loop.phases)} phases"]
    lines += [f"note: {note}" for note in config.notes]
    facts = {"path": config.path, "agents": agents, "phases": len(config.loop.phases), "notes": list(config.notes)}
    return Answer(facts, lines)


def show(args: argparse.Namespace) -> Answer:
    """Print every effective value, and where it came from."""
    from loops import config as configuration

    path = find_config(args.config)
    overrides = configuration.Overrides.from_env(os.environ, configuration.load(path))
    rows = configuration.rows_with_origin(path, args.phase, overrides)
    facts = [{"key": row.key, "value": row.value, "origin": str(row.origin)} for row in rows]
    text = [(row.key, json.dumps(row.value, ensure_ascii=False), str(row.origin)) for row in rows]
    return Answer({"path": path, "values": facts}, columns(text if args.origin else [cells[:2] for cells in text]))
