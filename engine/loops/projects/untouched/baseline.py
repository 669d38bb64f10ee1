"""Takes one look at everything of a scope, and leaves no trace of it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from operator import attrgetter

from loops.projects.untouched import files, ports, processes, repositories, terminals, units
from loops.projects.untouched.model import Baseline, Entry, Scope
from loops.projects.untouched.rules import Rule
from loops.supervisor.clock import boot_id


def take(scope: Scope, earlier: Baseline | None = None, rules: Sequence[Rule] = ()) -> Baseline:
    """Look once.

    Args:
        scope: what to look at.
        earlier: the look that this one will be compared with, so that logs which only grew are known.
        rules: what the operator knows of this live system's own ways, to be kept with the look.
    """
    made = time.time()
    known = {each.path: each for each in earlier.entries} if earlier is not None else {}
    # What runs comes first: reading files can take long, and what is compared should be of one moment.
    servers, running = terminals.look(scope), processes.look(scope)
    found, unseen = units.look(scope.units)
    return Baseline(
        made=made,
        host=socket.gethostname(),
        boot=boot_id(),
        uid=os.getuid(),
        scope=scope,
        servers=servers,
        processes=running,
        units=found,
        unseen=unseen,
        listeners=ports.look() if scope.ports else (),
        repositories=tuple(repositories.look(path) for path in scope.repositories),
        entries=tuple(sorted(_entries(scope.roots, known), key=attrgetter("path"))),
        rules=tuple(rules),
    )


def _entries(roots: Sequence[str], known: files.Earlier) -> list[Entry]:
    found: list[Entry] = []
    for root in roots:
        try:
            found += files.look(root, known)
        except FileNotFoundError:  # it was removed: that shows in the comparison
            continue
    return found
