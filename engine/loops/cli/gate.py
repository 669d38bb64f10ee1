"""gate claim, gate check: a gate of a work list that is kept in any clone."""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace

from loops.cli.answer import Answer
from loops.config.model import Config
from loops.places import find_config
from loops.projects import gate as gates
from loops.projects.gate_list import WorkList, work_list
from loops.protocol.clone import Clone
from loops.supervisor.table import printable


def claim(args: argparse.Namespace) -> Answer:
    """Claim the gate, or give every reason against it."""
    directory = os.getcwd()
    claimed = gates.claim(directory, *_asked(args, directory), time.time())
    done = claimed.published
    facts = {"commit": done.sha, "subject": done.subject, "document": done.document, "again": claimed.again}
    line = f"{done.sha[:10]} {printable(done.subject)}"
    return Answer(facts, [f"claimed already, and nothing has changed since: {line}" if claimed.again else line])


def check(args: argparse.Namespace) -> Answer:
    """Say whether the gate could be claimed."""
    directory = os.getcwd()
    seen = gates.check(directory, *_asked(args, directory), time.time())
    claimed = seen.standing.sha if seen.standing is not None else None
    facts = {"label": args.label, "claimed": claimed, "fields": dict(seen.fields)}
    told = f"is claimed already, in {claimed[:10]}" if claimed else "can be claimed"
    return Answer(facts, [f"{args.label} {told}: the tree is clean and pushed, STATUS says all, the backlog is done"])


def _asked(args: argparse.Namespace, directory: str) -> tuple[WorkList, gates.Gate]:
    """The list and the gate.  The project's own words hold in a clone of its own, not in one that only lies below it."""
    given = {"WHAT": args.what, "HOW": args.how, "EXPECTED": args.expected, "WHERE": args.where}
    gate = gates.Gate(args.label, {name: text for name, text in given.items() if text}, args.box)
    phase = args.phase or os.environ.get("LOOPS_PHASE", "")
    config = _config(args, directory)
    if config is None:
        return work_list(directory, phase, None), gate
    work = work_list(directory, phase, config.loop.handoff, config.loop.phases)
    return work, replace(gate, agent=os.environ.get("LOOPS_AGENT", ""))


def _config(args: argparse.Namespace, directory: str) -> Config | None:
    from loops.cli.project import of

    path = find_config(args.config)
    if args.config is None and not os.path.isfile(path):
        return None
    config = of(args).config()
    root = os.path.realpath(Clone(directory).root)
    handoff = config.loop.handoff
    places = [*(agent.dir for agent in config.agents.values()), *([handoff.repo] if handoff is not None else [])]
    return config if args.config is not None or root in map(os.path.realpath, places) else None
