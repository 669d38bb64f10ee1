"""migrate: from a live deployment to a staged project."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from typing import Any

from loops.cli.answer import Answer


def migrate(args: argparse.Namespace) -> Answer:
    """Write the staged project; say what became of what, and what could not be translated."""
    from loops.config.codec import plain
    from loops.projects.deployment import reading
    from loops.projects.migrate.staging import stage
    from loops.supervisor.table import printable

    live = reading.read(args.source, unit=args.unit, env_files=args.env, settings=dict(args.set))
    staged = stage(live, args.to, carry_state=args.carry_state)
    done = staged.migration
    facts: dict[str, Any] = {
        "root": staged.root,
        "config": staged.config_path,
        "report": staged.report,
        "facts": staged.facts,
        "migration": plain(done),
        "left": list(done.reached.left),
    }
    reached = done.reached
    lines = [
        f"staged {staged.root} from {done.source} ({done.form}): {len(live.members)} agents and services, "
        f"{len(live.steps or ())} phases",
        f"copied {len(done.copied)} documents byte for byte; {len(done.kickoffs)} kickoffs render to the same text",
    ]
    if reached.carried:
        phase = f"phase {reached.phase} (index {reached.index})" if reached.index is not None else "no phase"
        lines.append(f"carried: {phase}, {len(reached.conversations) - len(reached.left)} conversations")
    lines += [f"not carried: {line}" for line in reached.left]
    lines += [f"secret: {name}: put its value into credential:{where}" for name, where in done.secrets.items()]
    lines += [f"not translated: {note.place}: {note.what}: {note.why}" for note in done.untranslated]
    lines.append(f"next: read {staged.report}, then `{shlex.join(_comparing(args, done.source, staged.root))}`")
    return Answer(facts, [printable(line) for line in lines])


def _comparing(args: argparse.Namespace, live: str, staged: str) -> Iterator[str]:
    """The words of the comparison: with the environment that the migration was told of, but for its secrets."""
    from loops.projects.deployment.environment import is_secret

    yield from ("loops", "parity", live, staged)
    if args.unit:
        yield from ("--unit", args.unit)
    for path in args.env:
        yield from ("--env", path)
    for name, value in args.set:
        if not is_secret(name, value):
            yield from ("--set", f"{name}={value}")
