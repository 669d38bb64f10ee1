"""migrate: from a live deployment to a staged project."""

from __future__ import annotations

import argparse
import shlex
from typing import Any

from loops.cli.answer import Answer


def migrate(args: argparse.Namespace) -> Answer:
    """Write the staged project; say what became of what, and what could not be translated."""
    from loops.config.codec import plain
    from loops.projects.deployment import reading
    from loops.projects.deployment.surroundings import Surroundings
    from loops.projects.migrate.staging import stage
    from loops.supervisor.table import printable

    around = Surroundings(args.unit, tuple(args.env), dict(args.set))
    live = reading.read(args.source, around)
    staged = stage(live, args.to, carry_state=args.carry_state, told=around)
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
    lines.append(
        f"next: read {staged.report}, then `{shlex.join(('loops', 'parity', done.source, staged.root, *around.words()))}`"
    )
    return Answer(facts, [printable(line) for line in lines])
