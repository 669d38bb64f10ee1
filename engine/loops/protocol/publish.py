"""``loops claim`` and ``loops verdict``: write the canonical form into the agent's own clone, commit it and push it.

All or nothing: what fails leaves the work tree, the branch and the remote as they were.  Nothing is ever forced.  One that
was killed is typed again with the same words, and goes on with what it left.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from loops.config.model import Handoff, Phase
from loops.errors import ProtocolError
from loops.protocol import repeated, writers
from loops.protocol.clone import Clone, GitError
from loops.protocol.documents import is_document, names
from loops.protocol.repeated import Writing
from loops.protocol.review import Result, parse_review, veto_reason
from loops.protocol.writers import ItemVerdict

_PUSHES = 5
"""How often a push that somebody else overtook is tried on top of theirs."""


@dataclass(frozen=True, slots=True)
class Published:
    """What was pushed: the commit, its subject, and the document (from the clone's root)."""

    sha: str
    subject: str
    document: str


def claim(
    directory: str,
    phase: Phase,
    handoff: Handoff,
    label: str,
    fields: Mapping[str, str],
    *,
    agent: str = "",
    now: float | None = None,
) -> Published:
    """Claim gate *label* from the clone at *directory*; *fields* are the texts of WHAT, HOW, EXPECTED and WHERE.

    *agent*: who claims, when that is known; only the Builder writes STATUS.  ProtocolError: nothing was written.
    """
    when = time.time() if now is None else now
    check_writer(agent, handoff.builder, names(phase).status, "the Builder")
    writers.claim_block(label, dict(fields), when)
    clone = _ready(directory, handoff)
    document = place_of(clone, handoff, names(phase).status)
    others = [path for _, path in clone.changes() if path not in (document, _draft(document))]
    if others:
        raise ProtocolError(
            f"{clone.root}: {listed(others)} not committed, but a claim speaks of what is pushed; "
            "commit or ignore these files, then claim again"
        )
    subject = writers.claim_subject(handoff.claim, phase.id, label, fields["WHAT"])

    def edit(text: str, committed: str, at: float) -> str:
        return writers.with_claim(text, label, writers.claim_block(label, dict(fields), at))  # in place of its own, too

    return _publish(clone, handoff, document, Writing(edit, lambda at: subject), when)


def verdict(
    directory: str,
    phase: Phase,
    handoff: Handoff,
    items: Sequence[ItemVerdict],
    *,
    findings: Sequence[str] = (),
    veto: str = "",
    withdraw: bool = False,
    agent: str = "",
    now: float | None = None,
) -> Published:
    """Give verdicts on *items*, file *findings* beside them, raise the *veto* or *withdraw* the one that stands, from the
    clone at *directory*.

    A PASS is refused when code has changed on the remote since the commit that is checked out here: it would count for
    what was not seen.  ProtocolError: nothing was written.
    """
    when = time.time() if now is None else now
    check_writer(agent, handoff.adversary, names(phase).review, "the Adversary")
    if not items and not veto and not withdraw:
        raise ProtocolError("a verdict names at least one item with PASS or FAIL, or a veto")
    twice = {one.item for one in items if sum(other.item == one.item for other in items) > 1}
    if twice:
        raise ProtocolError(f"{', '.join(sorted(twice))}: named twice in one verdict")
    _given(items, veto, when)
    clone = _ready(directory, handoff)
    document = place_of(clone, handoff, names(phase).review)
    _only_untracked(clone, document)

    def subject(at: float) -> str:
        return writers.verdict_subject(handoff.review, phase.id, items, at, veto=veto, withdraw=withdraw)

    def write(text: str, at: float) -> str:
        parts = [writers.veto_withdrawal(_standing_veto(text, document), at)] if withdraw else []
        filed = writers.finding_blocks(text, phase.id, findings, at)
        for block in (*parts, *_given(items, veto, at), *filed):
            text = writers.appended(text, block)
        return text

    def edit(text: str, committed: str, at: float) -> str:
        return write(repeated.without(text, committed, write), at)

    judged = clone.head()
    passes = any(one.result is Result.PASS for one in items)
    return _publish(clone, handoff, document, Writing(edit, subject), when, judged if passes else "")


def _given(items: Sequence[ItemVerdict], veto: str, when: float) -> list[str]:
    """The blocks of the verdicts and of the veto.  Raises ProtocolError: one of them would be read as something else."""
    vetoes = [writers.veto_block(veto, when)] if veto else []
    return [*(writers.verdict_block(one, when) for one in items), *vetoes]


def _standing_veto(text: str, document: str) -> str:
    standing = parse_review(text).standing
    if len(standing) != 1:
        told = "no veto stands" if not standing else "several vetoes stand"
        raise ProtocolError(f"{document}: {told}; withdraw one by hand with a heading that quotes its reason")
    return veto_reason(standing[0].text)


def check_writer(agent: str, allowed: Sequence[str], document: str, owner: str) -> None:
    """Raise ProtocolError when *agent* is known, and is none of those who write *document*."""
    if agent and agent not in allowed:
        raise ProtocolError(
            f"{document} is written by {owner} ({', '.join(allowed)}) alone, and you are {agent}; "
            "send a message through the inbox file instead"
        )


def _ready(directory: str, handoff: Handoff) -> Clone:
    clone = Clone(directory)
    busy = clone.busy()
    if busy:
        raise ProtocolError(
            f"{clone.root}: a {busy} is half-done; finish it (git {busy} --continue) or end it (--abort)"
        )
    branch = clone.branch()
    if branch != handoff.branch:
        here = f"is on branch {branch}" if branch else "has a detached head"
        raise ProtocolError(
            f"{clone.root}: {here}, but the handoff is on {handoff.branch}; git switch {handoff.branch}"
        )
    if not clone.commit_of("HEAD"):
        raise ProtocolError(f"{clone.root}: has no commit yet; commit and push the work first")
    return clone


def place_of(clone: Clone, handoff: Handoff, name: str) -> str:
    """Where the document lies or belongs: in the inbox directory when there is one, else in the root.

    Raises:
        ProtocolError: a link leads out of the clone, and what lies there would be published.
    """
    home = handoff.inbox.strip("/")
    there = [directory for directory in (home, "") if Path(clone.root, directory, name).is_file()]
    place = Path(there[0] if there else home if home and Path(clone.root, home).is_dir() else "", name)
    if not Path(clone.root, place).resolve().is_relative_to(Path(clone.root).resolve()):
        raise ProtocolError(f"{clone.root}: {place} is a link out of the clone: have a file of its own in its place")
    return str(place)


def _only_untracked(clone: Clone, document: str) -> None:
    """An Adversary may have probes lying about, but nothing that a rebase would stumble over."""
    others = [path for state, path in clone.changes() if path != document and state != "??"]
    if others:
        raise ProtocolError(
            f"{clone.root}: {listed(others)} changed and not committed; commit or restore, then judge again"
        )


def listed(paths: Sequence[str]) -> str:
    """*paths* as the subject of a sentence, the first three by name."""
    shown = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
    return f"{shown} {'is' if len(paths) == 1 else 'are'}"


def _publish(
    clone: Clone, handoff: Handoff, document: str, writing: Writing, when: float, judged: str = ""
) -> Published:
    """Edit, commit, rebase onto the remote branch, push; *judged*: the commit a PASS was given on."""
    upstream = f"refs/remotes/{handoff.remote}/{handoff.branch}"
    begun = repeated.unpushed(clone, document, writing, upstream)  # before the fetch, which may tell that it arrived
    fetch(clone, handoff)
    if begun and repeated.contained(clone, "HEAD", upstream):
        return Published(clone.head(), begun, document)
    _still_judged(clone, handoff, judged, upstream)
    subject = begun or writing.subject(when)
    with _undone_on_failure(clone, document):
        if not begun:
            path = Path(clone.root, document)
            text = path.read_text("utf-8") if path.exists() else ""
            _replace(path, writing.edit(text, repeated.text_of(clone, "HEAD", document), when))
            clone.commit(subject, (document,))
        for _ in range(_PUSHES):
            if clone.commit_of(upstream):
                _rebase(clone, upstream)
            sha = clone.head()  # now: nothing shall come between the push and the answer
            try:
                clone.run("push", "--quiet", handoff.remote, f"HEAD:refs/heads/{handoff.branch}", network=True)
            except GitError as error:
                refused = error
            else:
                return Published(sha, subject, document)
            fetch(clone, handoff)
            _still_judged(clone, handoff, judged, upstream)
            if repeated.contained(clone, upstream, "HEAD"):  # then it failed for another reason than a race
                break
        raise ProtocolError(f"{clone.root}: the push was rejected and everything was taken back: {refused}")


def fetch(clone: Clone, handoff: Handoff) -> None:
    """Bring the clone's own copy of the remote branch up to date.  Raises ProtocolError when the remote cannot be read."""
    refspec = f"+refs/heads/{handoff.branch}:refs/remotes/{handoff.remote}/{handoff.branch}"
    try:
        clone.run("fetch", "--quiet", handoff.remote, refspec, network=True)
    except GitError as error:
        if "couldn't find remote ref" in str(error):  # nor may a copy of what it once was pass for it
            clone.run("update-ref", "-d", f"refs/remotes/{handoff.remote}/{handoff.branch}")
            return
        raise ProtocolError(f"{clone.root}: the remote {handoff.remote} cannot be read: {error}") from error


def _still_judged(clone: Clone, handoff: Handoff, judged: str, upstream: str) -> None:
    if not judged or not clone.commit_of(upstream):
        return
    code = [path for path in clone.changed_between(judged, upstream) if not is_document(path, handoff.inbox)]
    if code:
        raise ProtocolError(
            f"{clone.root}: {listed(code)} changed on {handoff.remote}/{handoff.branch} after {judged[:10]}, "
            "which you judged; git pull --rebase, verify again, then give the verdict"
        )


def _rebase(clone: Clone, upstream: str) -> None:
    try:
        clone.run("rebase", "--quiet", upstream)
    except GitError as error:
        with suppress(GitError):
            clone.run("rebase", "--abort")
        raise ProtocolError(
            f"{clone.root}: your commits conflict with {upstream.removeprefix('refs/remotes/')}; "
            f"git pull --rebase, resolve, and try again ({error})"
        ) from error


@contextmanager
def _undone_on_failure(clone: Clone, document: str) -> Iterator[None]:
    """Put the branch and the document back when the body fails, be it by an interrupt."""
    path = Path(clone.root, document)
    before = path.read_bytes() if path.exists() else None
    head = clone.head()
    try:
        yield
    except BaseException:
        if clone.busy():
            clone.run("rebase", "--abort")
        if clone.head() != head:
            # --keep, not --hard: it touches only what our own commits changed and never a file somebody edits just now.
            clone.run("reset", "--quiet", "--keep", head)
        if before is None:
            with suppress(GitError):
                clone.run("rm", "--quiet", "--cached", "--ignore-unmatch", "--", document)
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(before)
            with suppress(GitError):
                clone.run("reset", "--quiet", "--", document)
        raise


def _draft(document: str) -> str:
    """Where the document's new text is written first: always the same place, so that a killed command leaves one at most."""
    return str(Path(document).with_name(f".{Path(document).name}.draft"))


def _replace(path: Path, text: str) -> None:
    """Write the whole file or nothing of it."""
    draft = Path(_draft(str(path)))
    draft.unlink(missing_ok=True)
    try:
        with draft.open("x", encoding="utf-8") as stream:  # never through a link
            stream.write(text)
        draft.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
