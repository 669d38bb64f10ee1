"""What a claim says and this very clone shows is not so: a commit, a file of evidence, a program, or a gate that is not there.

Only what can mean one thing is looked up: ``commit ID`` or a whole id, a path with a directory and an ending, a quoted
command that begins with ``./``, the gate's own label.  All else is for whoever verifies the claim.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from loops.config.problems import Problem, nearest
from loops.protocol.clone import Clone, GitError

_COMMIT = re.compile(r"\bcommit\s+`?([0-9a-f]{7,40})(?!\w)|(?<![\w@/:.+-])([0-9a-f]{40})(?!\w)")
_FILE = re.compile(r"(?<![\w@:/.~$*+-])((?:[\w+-][\w.+-]*/)+[\w.+-]*\.[A-Za-z][A-Za-z0-9]{0,5})(?![\w/*+-])")
_PROGRAM = re.compile(r"`\./([\w.+-]+(?:/[\w.+-]+)*)(?![\w/*+-])")
_GITLINK = "160000 "


@dataclass(frozen=True, slots=True)
class Said:
    """The ``fields`` of a claim, and the ``document`` with the ``text`` in which they stand or will."""

    fields: Mapping[str, str]
    document: str
    text: str


def untrue(clone: Clone, said: Said, upstream: str) -> Iterator[Problem]:
    """What *said* names and *clone* does not have.  *upstream*: the commit that everybody can fetch; empty: there is none."""
    for name in ("WHAT", "HOW", "WHERE"):
        text = said.fields.get(name, "")
        for id in dict.fromkeys(whole or short for short, whole in _COMMIT.findall(text)):
            if why := _no_commit(clone, id, upstream):
                yield _problem(said, id, "commit", f"{name} names the commit {id}, which {why}")
    for path in dict.fromkeys(_FILE.findall(said.fields.get("WHERE", ""))):
        if "." not in path.partition("/")[0] and not _has(clone, path, said.document):
            yield _problem(said, path, "evidence", f"WHERE names {path}, which {_missing(clone, path)}")
    for path in dict.fromkeys(_PROGRAM.findall(said.fields.get("HOW", ""))):
        if not _has(clone, path, said.document) and not _ignored(clone, path):
            yield _problem(said, path, "command", f"HOW runs ./{path}, which {_missing(clone, path)}")


def unknown(label: str, ids: Iterable[str], documents: Iterable[tuple[str, str]]) -> Iterator[Problem]:
    """That the gate *label* is none of *ids*, and stands in none of *documents* (each with its place)."""
    known, there = list(ids), list(documents)
    word = re.compile(rf"(?<![\w-]){re.escape(label)}(?![\w-])")
    if label not in known and not any(word.search(text) for _, text in there):
        where = " nor in ".join(place for place, _ in there)
        remedy = "name the gate as the plan does, or its own entry with --box"
        yield Problem(there[0][0], 0, "plan", f"{label!r} stands neither in {where}{nearest(label, known)}: {remedy}")


def _no_commit(clone: Clone, id: str, upstream: str) -> str:
    """Why nobody can fetch the commit *id*; empty: everybody can."""
    try:
        commit = clone.run("rev-parse", "--verify", "--quiet", f"{id}^{{commit}}")
    except GitError:
        return "is none of this repository: correct it; one of another repository is written REPOSITORY@ID"
    try:
        clone.run("merge-base", "--is-ancestor", commit, upstream or commit)
    except GitError:
        return "is not in what is pushed: push it on this branch, or name the one that was"
    return ""


def _has(clone: Clone, path: str, document: str) -> bool:
    """Whether *path*, from the root or from beside the *document*, is committed; or there, in a submodule that is."""
    home = os.path.dirname(document)
    for each in dict.fromkeys((path, os.path.normpath(os.path.join(home, path)))):
        if each == document or _listed(clone, each):
            return True
        parents = [each[: match.start()] for match in re.finditer("/", each)]
        if os.path.exists(os.path.join(clone.root, each)) and any(
            _listed(clone, parent).startswith(_GITLINK) for parent in parents
        ):
            return True
    return False


def _ignored(clone: Clone, path: str) -> bool:
    """Whether git ignores *path*: what HOW builds or installs before it runs it is in no commit."""
    try:
        clone.run("check-ignore", "--quiet", "--", path)
    except GitError:  # or it lies behind a link, which may be ignored itself
        above = os.path.dirname(path)
        return bool(above) and _ignored(clone, above)
    return True


def _listed(clone: Clone, path: str) -> str:
    return clone.run("ls-files", "--stage", "--", f":(literal){path}")


def _missing(clone: Clone, path: str) -> str:
    if os.path.exists(os.path.join(clone.root, path)):
        return "is here and not committed: commit and push it (git add --force where it is ignored)"
    return "is not there: write and push it, or correct the path; what is elsewhere has a whole path or a URL"


def _problem(said: Said, word: str, rule: str, message: str) -> Problem:
    lines = said.text.splitlines()
    line = next((number for number, each in enumerate(lines, 1) if word in each), 0)
    return Problem(said.document, line, rule, message)
