"""Sees pushes: through the pushing clone's own remote-tracking ref at once, through a fetch into a mirror as the net.

The engine never fetches into an agent's clone, so it never holds a lock that an agent's git wants.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from loops.config.model import Handoff
from loops.protocol.evidence import Commit
from loops.supervisor import gitlog
from loops.supervisor.errands import Errands, Result
from loops.supervisor.inotify import Inotify
from loops.supervisor.observation import Pushed


@dataclass(frozen=True, slots=True)
class Subject:
    """What is read of the branch: the current phase's documents, from ``head`` on ("" = everything, quietly)."""

    handoff: Handoff
    status: str
    review: str
    head: str

    @property
    def wanted(self) -> gitlog.Wanted:
        """Which documents to read of the commits."""
        handoff = self.handoff
        return gitlog.Wanted(handoff.inbox, self.status, self.review, (handoff.claim, handoff.review))


Ask = Callable[[], Subject | None]
Tell = Callable[[Pushed], None]


class Repository:
    """Watches the clones of one project.  *ask* gives what to read next, *tell* takes what was pushed, *say* a complaint."""

    def __init__(
        self,
        errands: Errands,
        inotify: Inotify,
        mirror: str,
        *,
        ask: Ask,
        tell: Tell,
        say: Callable[[str], None],
        now: Callable[[], float],
    ) -> None:
        self._errands = errands
        self._inotify = inotify
        self._mirror = mirror
        self._ask = ask
        self._tell = tell
        self._say = say
        self._now = now
        self._clones: dict[str, str] = {}
        self._directories: dict[str, str] = {}
        self._seen: dict[str, str] = {}
        self._waiting: deque[tuple[str, str]] = deque()
        self._busy = False
        self._fetching = False
        self._complaint = ""

    # -- what to watch

    def watch(self, clones: Iterable[str], handoff: Handoff) -> None:
        """Watch the remote-tracking ref of each clone; call it again whenever clones may have appeared."""
        for clone in clones:
            git_dir = _git_dir(clone)
            if git_dir is None:
                continue
            directory = os.path.join(git_dir, "refs", "remotes", handoff.remote)
            self._clones[clone] = os.path.join(directory, handoff.branch)
            # A branch name may hold slashes: the watch stands on the directory of its last part.
            for each in (git_dir, os.path.dirname(self._clones[clone])):
                if self._inotify.watch(each):
                    self._directories[each] = clone
        self._clones[self._mirror] = os.path.join(self._mirror, "refs", "heads", handoff.branch)

    def changed(self, directory: str) -> bool:
        """A file changed in *directory*; True when it was one of ours."""
        clone = self._directories.get(directory)
        if clone is None:
            return False
        self.look(clone)
        return True

    def lost(self, directory: str) -> None:
        self._directories.pop(directory, None)

    def look(self, clone: str) -> None:
        """Read the clone's ref; if it moved, read what is new."""
        ref = self._clones.get(clone)
        value = _read_ref(ref) if ref is not None else ""
        if value and self._seen.get(clone) != value:
            self._seen[clone] = value
            self._waiting.append((clone, value))
            self._next()

    def look_everywhere(self, *, again: bool = False) -> None:
        """Look at every clone; *again*: also at refs that have not moved (the subject changed)."""
        if again:
            self._seen.clear()
        for clone in list(self._clones):
            self.look(clone)

    # -- the net

    def fetch(self, repo: str, handoff: Handoff) -> None:
        """Fetch the branch into the mirror, for pushes that no clone here made."""
        if self._fetching or _git_dir(repo) is None:
            return
        self._fetching = True
        script = (
            'test -d "$0" || git init --quiet --bare "$0"; cd "$0" && '
            'git fetch --quiet --no-tags "$(git -C "$1" remote get-url "$2")" "+refs/heads/$3:refs/heads/$3"'
        )
        argv = ["sh", "-c", script, self._mirror, repo, handoff.remote, handoff.branch]
        self._errands.run(argv, self._fetched, timeout=120.0)

    def _fetched(self, result: Result) -> None:
        self._fetching = False
        complaint = "" if result.code == 0 else f"fetch failed: {result.error or result.code}"
        if complaint and complaint != self._complaint:
            self._say(complaint)
        self._complaint = complaint
        if not complaint:
            self.look(self._mirror)

    # -- reading what is new, one clone at a time

    def _next(self) -> None:
        while not self._busy and self._waiting:
            clone, new = self._waiting.popleft()
            subject = self._ask()
            if subject is None or subject.head == new:
                continue
            self._busy = True
            reading = _Reading(clone, new, subject)
            argv = gitlog.new_commits(clone, subject.head, new) if subject.head else gitlog.all_commits(clone, new)
            self._errands.run(argv, partial(self._log, reading))

    def _done(self) -> None:
        self._busy = False
        self._next()

    def _log(self, reading: _Reading, result: Result) -> None:
        if not result.output:
            self._say(f"git log in {reading.clone} failed: {result.error}")
            self._seen.pop(reading.clone, None)
            self._done()
            return
        ancestry, commits = gitlog.parse_log(result.output)
        if ancestry == 128:  # this clone has never seen our head, so its ref is older than it
            self._done()
        elif ancestry == 1:
            argv = gitlog.is_older(reading.clone, reading.new, reading.subject.head)
            self._errands.run(argv, partial(self._diverged, reading))
        else:
            self._read_documents(reading, commits, rewritten=False)

    def _diverged(self, reading: _Reading, answer: Result) -> None:
        if answer.output.strip() == b"0":  # a clone that lags behind
            self._done()
            return
        argv = gitlog.all_commits(reading.clone, reading.new)
        self._errands.run(argv, lambda r: self._read_documents(reading, gitlog.parse_log(r.output)[1], rewritten=True))

    def _read_documents(self, reading: _Reading, commits: list[Commit], *, rewritten: bool) -> None:
        subject = reading.subject
        folder = subject.handoff.inbox
        names = subject.wanted.objects(commits)
        quiet = rewritten or not subject.head
        inbox = {} if quiet else gitlog.inbox_files(commits, folder)
        names.extend(f"{reading.new}:{path}" for path in inbox)
        if not names:
            self._report(reading, commits, {}, inbox, quiet, rewritten)
            return

        def found(result: Result) -> None:
            if result.code != 0:
                self._say(f"git cat-file in {reading.clone} failed: {result.error}")
                self._seen.pop(reading.clone, None)
                self._done()
                return
            self._report(reading, commits, gitlog.parse_objects(result.output, names), inbox, quiet, rewritten)

        self._errands.run(gitlog.objects(reading.clone), found, input="".join(f"{n}\n" for n in names).encode())

    def _report(
        self,
        reading: _Reading,
        commits: list[Commit],
        texts: dict[str, tuple[str, str]],
        inbox: dict[str, str],
        quiet: bool,
        rewritten: bool,
    ) -> None:
        subject = reading.subject
        with_documents = tuple((commit, subject.wanted.documents(commit, texts)) for commit in commits)
        standing = tuple(
            (os.path.basename(path), texts[name][0], sha)
            for path, sha in inbox.items()
            if (name := f"{reading.new}:{path}") in texts
        )
        current = self._ask()
        if current is not None and (current.head, current.status) == (subject.head, subject.status):
            self._tell(Pushed(self._now(), reading.new, with_documents, standing, quiet, rewritten))
        else:  # the phase changed while we read: read again for the new one
            self._waiting.append((reading.clone, reading.new))
        self._done()


@dataclass(frozen=True, slots=True)
class _Reading:
    """One reading under way."""

    clone: str
    new: str
    subject: Subject


def _git_dir(clone: str) -> str | None:
    """The directory in which the clone's refs live (a worktree and a submodule point elsewhere)."""
    path = os.path.join(clone, ".git")
    if os.path.isdir(path):
        return path
    try:
        with open(path, encoding="utf-8") as file:
            head, _, target = file.read(4096).partition(": ")
    except OSError:
        return None
    if head != "gitdir":
        return None
    git_dir = os.path.normpath(os.path.join(clone, target.strip()))
    try:
        with open(os.path.join(git_dir, "commondir"), encoding="utf-8") as file:
            return os.path.normpath(os.path.join(git_dir, file.read().strip()))
    except OSError:
        return git_dir


def _read_ref(path: str) -> str:
    """The commit that the ref file at *path* names, packed or loose; "" when there is none."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError):
        pass
    git_dir, found, rest = path.rpartition("/refs/")
    if not found:
        return ""
    try:
        with open(os.path.join(git_dir, "packed-refs"), encoding="utf-8") as file:
            for line in file:
                sha, _, name = line.strip().partition(" ")
                if name == f"refs/{rest}":
                    return sha
    except OSError:
        pass
    return ""
