"""Which work list a gate belongs to: its documents, and the branch on which it is handed over."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from loops.config.model import Handoff, Phase
from loops.errors import ProtocolError
from loops.protocol.clone import Clone, GitError


@dataclass(frozen=True, slots=True)
class WorkList:
    """Whose gate it is: the documents are those of ``phase``, the branch that of ``handoff``."""

    phase: Phase
    handoff: Handoff


def work_list(directory: str, phase: str, handoff: Handoff | None, phases: tuple[Phase, ...] = ()) -> WorkList:
    """The work list of *phase* in the clone around *directory*; empty: that of the only STATUS there.

    *handoff* and *phases* are those of the project that the clone belongs to; None: it belongs to no project, and its own
    upstream is where work is handed over.

    Raises:
        ProtocolError: there is no clone, no upstream, or nothing tells which work list is meant.
    """
    clone = Clone(directory)
    own = handoff or _upstream(clone)
    if known := next((each for each in phases if each.id == phase), None):
        return WorkList(known, own)
    if phase:
        return WorkList(Phase(phase, status=f"STATUS-{phase}.md"), own)
    homes = dict.fromkeys((own.inbox.strip("/"), ""))
    found = sorted({path.name for home in homes for path in Path(clone.root, home).glob("STATUS*.md")})
    named = [name for name in found if re.fullmatch(r"STATUS(-[^/]+)?\.md", name)]
    if len(named) != 1:
        there = f"there are {', '.join(named)}" if named else "there is no STATUS document"
        raise ProtocolError(f"{clone.root}: {there}: name the work list with --phase ID, for STATUS-ID.md")
    name = named[0].removeprefix("STATUS").removesuffix(".md").removeprefix("-")
    return WorkList(Phase(name, status=named[0]), own)


def _upstream(clone: Clone) -> Handoff:
    """Work is handed over where the branch that is checked out is pushed to."""
    branch = clone.branch()
    try:
        remote = clone.run("config", f"branch.{branch}.remote")
        merge = clone.run("config", f"branch.{branch}.merge")
    except GitError:
        here = f"branch {branch} has no upstream" if branch else "no branch is checked out"
        raise ProtocolError(
            f"{clone.root}: {here}, so nobody could see a claim: git switch BRANCH, git push --set-upstream origin BRANCH"
        ) from None
    if remote == ".":
        raise ProtocolError(
            f"{clone.root}: {branch} follows another branch of this clone, so nobody could see a claim: push it"
        )
    return Handoff(repo=clone.root, branch=merge.removeprefix("refs/heads/"), remote=remote)
