"""``loops gate``: claim a gate of a work list, in whatever clone it is kept, and refuse it with every reason at once.

A work list is a BACKLOG with boxes and a STATUS beside it; no agents.toml is needed.  What is claimed is written by
`loops.protocol.publish`, as for the agents; what is asked before that is more: all of the tree is committed and pushed, and
all other work of the list is done.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from loops.config.model import Handoff
from loops.config.problems import Problem, nearest
from loops.errors import ProtocolError
from loops.projects import gate_truth
from loops.projects.gate_list import WorkList
from loops.protocol import publish, writers
from loops.protocol.backlog import BacklogItem, BuildBacklog, read_build_backlog
from loops.protocol.clone import Clone
from loops.protocol.documents import is_document, names
from loops.protocol.publish import Published
from loops.protocol.statements import Vocabulary
from loops.protocol.status import FIELDS, GateState, Status, parse_status
from loops.protocol.subjects import SubjectKind, parse_subject
from loops.supervisor.table import printable

_NAMED = 10
"""Paths of a dirty tree that are named."""
_CLAIMS = re.compile(r"claim (?:the |its |this )?gate\b", re.IGNORECASE)


class GateRefused(ProtocolError):
    """The gate cannot be claimed; ``problems`` has every reason, ``key`` being the rule.  Nothing was written."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        shown = (Problem(printable(each.path), each.line, each.key, printable(each.message)) for each in problems)
        self.problems = tuple(shown)  # they quote paths and documents that anybody may have written
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class Gate:
    """What is to be claimed.

    Attributes:
        label: of the gate, one word.
        given: texts of WHAT, HOW, EXPECTED and WHERE; what is not given must stand in STATUS.
        box: id of the gate's own entry in BACKLOG, which may be open; empty: the one called like the gate, or like claiming it.
        agent: who claims, when that is known.
    """

    label: str
    given: Mapping[str, str]
    box: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look found.  ``standing``: the claim that says the same already, on the same code."""

    fields: Mapping[str, str]
    problems: tuple[Problem, ...]
    standing: Published | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """``again``: it had been claimed so before, and nothing was written."""

    published: Published
    again: bool


def claim(directory: str, work: WorkList, gate: Gate, now: float) -> Claimed:
    """Claim *gate* from the clone around *directory*, at *now* (epoch seconds).

    Raises:
        GateRefused: with every reason; nothing was written.
        ProtocolError: the push failed, and everything was taken back.
    """
    seen = check(directory, work, gate, now)
    if seen.standing is not None:
        return Claimed(seen.standing, again=True)
    published = publish.claim(directory, work.phase, work.handoff, gate.label, seen.fields, agent=gate.agent, now=now)
    return Claimed(published, again=False)


def check(directory: str, work: WorkList, gate: Gate, now: float) -> Seen:
    """The same look, claiming nothing.  Raises GateRefused, with every reason."""
    seen = look(directory, work, gate, now)
    if seen.problems:
        raise GateRefused(seen.problems)
    return seen


def look(directory: str, work: WorkList, gate: Gate, now: float) -> Seen:
    """Find every reason against the gate, and what would be claimed.  Raises ProtocolError: *directory* is in no clone."""
    clone = Clone(directory)
    place = publish.place_of(clone, work.handoff, names(work.phase).status)
    text = _text(clone, place)
    status = parse_status(text or "", Vocabulary((gate.label,)))
    fields = _fields(status, gate)
    problems = (
        *_tree(clone, work.handoff),
        *_pushed(clone, work.handoff),
        *_status(place, text, status, fields, work, gate, now),
        *_backlog(clone, work, gate),
        *gate_truth.untrue(clone, gate_truth.Said(fields, place, text or ""), _upstream(clone, work.handoff)),
        *_plan(clone, work, gate, place, text),
    )
    standing = None if problems else _standing(clone, work, gate, place, status, fields)
    return Seen(fields, tuple(problems), standing)


def _text(clone: Clone, place: str) -> str | None:
    path = Path(clone.root, place)
    return path.read_text("utf-8", errors="replace") if path.is_file() else None


# ---- the clone ---------------------------------------------------------------------------------------------------------


def _tree(clone: Clone, handoff: Handoff) -> Iterator[Problem]:
    busy = clone.busy()
    if busy:
        yield Problem(
            clone.root, 0, "busy", f"a {busy} is half-done: finish it (git {busy} --continue) or end it (--abort)"
        )
    branch = clone.branch()
    if branch != handoff.branch:
        here = f"branch {branch} is checked out" if branch else "no branch is checked out"
        yield Problem(
            clone.root, 0, "branch", f"{here}, but work is handed over on {handoff.branch}: git switch {handoff.branch}"
        )
    changes = clone.changes()
    if changes:
        shown = ", ".join(f"{path} ({_word(state)})" for state, path in changes[:_NAMED])
        more = f" and {len(changes) - _NAMED} more" if len(changes) > _NAMED else ""
        remedy = "commit, ignore or remove them: a claim speaks of what is pushed"
        yield Problem(clone.root, 0, "clean", f"not committed: {shown}{more}; {remedy}")


def _word(state: str) -> str:
    return "untracked" if state == "??" else "conflict" if "U" in state else "changed"


def _pushed(clone: Clone, handoff: Handoff) -> Iterator[Problem]:
    """HEAD is what everybody can fetch."""
    name = f"{handoff.remote}/{handoff.branch}"
    try:
        publish.fetch(clone, handoff)
    except ProtocolError as error:
        yield Problem(clone.root, 0, "pushed", f"whether HEAD is pushed cannot be told: {error}")
        return
    upstream = _upstream(clone, handoff)
    head = clone.commit_of("HEAD")
    if not head:
        yield Problem(clone.root, 0, "pushed", "there is no commit yet: commit and push the work first")
    elif not upstream:
        remedy = f"git push --set-upstream {handoff.remote} {handoff.branch}"
        yield Problem(clone.root, 0, "pushed", f"{name} is not there: {remedy}")
    elif upstream != head:
        ours, theirs = clone.run("rev-list", "--left-right", "--count", f"{head}...{upstream}").split()
        yield Problem(clone.root, 0, "pushed", _apart(int(ours), int(theirs), name))


def _upstream(clone: Clone, handoff: Handoff) -> str:
    """The commit that everybody can fetch; empty: there is none."""
    return clone.commit_of(f"refs/remotes/{handoff.remote}/{handoff.branch}")


def _apart(ours: int, theirs: int, name: str) -> str:
    if not theirs:
        return f"HEAD is {_commits(ours)} ahead of {name}: git push"
    if not ours:
        return f"HEAD is {_commits(theirs)} behind {name}: git pull --rebase, and look at what came"
    return f"HEAD has {_commits(ours)} that {name} lacks, and lacks {theirs} of its: git pull --rebase, then git push"


def _commits(count: int) -> str:
    return "1 commit" if count == 1 else f"{count} commits"


# ---- the documents -----------------------------------------------------------------------------------------------------


def _fields(status: Status, gate: Gate) -> dict[str, str]:
    said = _said(status, gate.label)
    found = {name: gate.given.get(name, "").strip() or said.get(name, "").strip() for name in FIELDS}
    return {name: text for name, text in found.items() if text}


def _said(status: Status, label: str) -> Mapping[str, str]:
    """What STATUS says for the gate: below its own heading; or anywhere, as long as no gate has sections of its own."""
    return status.gate_fields.get(label, {}) if status.gate_fields else status.fields


def _status(
    place: str, text: str | None, status: Status, fields: Mapping[str, str], work: WorkList, gate: Gate, now: float
) -> Iterator[Problem]:
    for unclosed in status.unclosed:
        message = f"{unclosed.source!r} is never closed, so all below it is hidden: close it"
        yield Problem(place, unclosed.number, "status", message)
    missing = [name for name in FIELDS if name not in fields]
    if missing:
        absent = "there is no such document" if text is None else f"says no {', no '.join(missing)} for {gate.label}"
        options = " ".join(f"--{name.lower()} TEXT" for name in missing)
        yield Problem(
            place, 0, "status", f"{absent}: write what is missing below a heading, and push it, or give {options}"
        )
    else:
        try:
            writers.claim_block(gate.label, dict(fields), now)
        except ProtocolError as error:
            yield Problem(place, 0, "status", str(error))
    try:
        publish.check_writer(gate.agent, work.handoff.builder, names(work.phase).status, "the Builder")
    except ProtocolError as error:
        yield Problem(place, 0, "author", str(error))


def _backlog(clone: Clone, work: WorkList, gate: Gate) -> Iterator[Problem]:
    """All work of the list is done, but for that of claiming it."""
    place = publish.place_of(clone, work.handoff, names(work.phase).backlog)
    text = _text(clone, place)
    backlog = read_build_backlog(text or "")
    if backlog is None:
        absent = "there is no such document" if text is None else 'has no heading "## Build backlog"'
        yield Problem(place, 0, "backlog", f"{absent}: write it, with a box for each piece of the work, and push it")
        return
    for unclosed in backlog.unclosed:
        message = f"{unclosed.source!r} is never closed, so all below it is hidden: close it"
        yield Problem(place, unclosed.number, "backlog", message)
    own = _own(backlog, gate)
    if gate.box and own is None:
        ids = [item.id for item in backlog.items]
        yield Problem(
            place, 0, "backlog", f"has no box {gate.box!r}{nearest(gate.box, ids)}: name the gate's own with --box"
        )
    for item in backlog.items:
        if not item.done and item != own:
            yield Problem(
                place, item.line, "backlog", f"{_called(item)} is open: finish it and tick its box, and push both"
            )
    for item in backlog.without_box:
        if item.id != gate.box:
            yield Problem(place, item.line, "backlog", f"{_called(item)} has no box: begin it with - [x] or - [ ]")


def _plan(clone: Clone, work: WorkList, gate: Gate, status: str, text: str | None) -> Iterator[Problem]:
    """The gate is one of the plan's, as far as any document names its gates."""
    place = publish.place_of(clone, work.handoff, names(work.phase).backlog)
    backlog = read_build_backlog(_text(clone, place) or "")
    if backlog is None or _own(backlog, gate) is not None:
        return
    documents = [(place, _text(clone, place) or ""), (status, text or "")]
    if work.phase.plan:
        plan = Path(clone.root, work.phase.plan)
        if not plan.is_file():
            return  # it lies with the project, and this clone does not show which gates it has
        documents.append((work.phase.plan, plan.read_text("utf-8", errors="replace")))
    ids = [work.phase.id, *(item.id for item in work.phase.items), *(item.id for item in backlog.items)]
    yield from gate_truth.unknown(gate.label, ids, documents)


def _own(backlog: BuildBacklog, gate: Gate) -> BacklogItem | None:
    wanted = gate.box or gate.label
    named = [item for item in backlog.items if item.id == wanted]
    claims = [item for item in backlog.items if not gate.box and _CLAIMS.match(item.title)]
    return next(iter(named or claims), None)


def _called(item: BacklogItem) -> str:
    title = item.title if len(item.title) <= 60 else f"{item.title[:59]}…"
    return f"{item.id} ({title})" if item.id and title else item.id or repr(title)


# ---- what is claimed already -------------------------------------------------------------------------------------------


def _standing(
    clone: Clone, work: WorkList, gate: Gate, place: str, status: Status, fields: Mapping[str, str]
) -> Published | None:
    """The newest claim of the gate, when STATUS still says it so and no code has changed since."""
    said = {name: text.strip() for name, text in _said(status, gate.label).items()}
    if status.state_of(gate.label) is not GateState.CLAIMED or said != fields:
        return None
    words = Vocabulary((gate.label,), work.phase.id)
    for line in clone.run("log", "--format=%H %s", "HEAD", "--", place).splitlines():
        sha, _, subject = line.partition(" ")
        read = parse_subject(subject, work.handoff, words)
        if read.kind is SubjectKind.CLAIM and gate.label in (read.labels or (work.phase.id,)):
            changed = clone.changed_between(sha, "HEAD")
            same = all(is_document(path, work.handoff.inbox) for path in changed)
            return Published(sha, subject, place) if same else None
    return None
