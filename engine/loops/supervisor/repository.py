"""Sees pushes: through the pushing clone's own remote-tracking ref at once, through a fetch into a mirror as the net.

The engine never fetches into an agent's clone, so it never holds a lock that an agent's git wants.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from loops.config.model import Handoff
from loops.protocol.evidence import Commit
from loops.supervisor import gitlog
from loops.supervisor.clock import Clock
from loops.supervisor.clones import Clones, git_directory, read_ref
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


FETCH_WITHIN = 120.0
"""Seconds; a remote may hang."""
# A fetch that was killed leaves its locks, and a power cut leaves files empty; the mirror is nobody's but ours, and holds
# nothing that the remote has not.  When the remote answers and yet cannot be fetched, it is the mirror.  The remote's URL is
# used in the clone, for it may be a path relative to it.
_FETCH = """\
mirror=$0 clone=$1 ref=refs/heads/$3 broken=$4
fetch() { git --git-dir="$mirror" -c gc.autoDetach=false fetch --quiet --no-tags -- "$url" "+$ref:$ref"; }
anew() { rm -rf "$mirror" && git init --quiet --bare --template= "$mirror"; }
[ -z "$broken" ] && git --git-dir="$mirror" rev-parse --is-bare-repository >/dev/null 2>&1 || anew
rm -f "$mirror/packed-refs.lock" "$mirror/$ref.lock"
url=$(git -C "$clone" remote get-url "$2") && cd "$clone" || exit
fetch && exit
failed=$?
git ls-remote --quiet --exit-code -- "$url" "$ref" >/dev/null 2>&1 && anew && fetch || exit $failed
"""

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
        clock: Clock,
    ) -> None:
        self._errands = errands
        self._inotify = inotify
        self._mirror = mirror
        self._ask = ask
        self._tell = tell
        self._say = say
        self._clock = clock
        self._clones = Clones(inotify)
        self._branch = ""
        self._seen: dict[str, str] = {}
        self._waiting: deque[tuple[str, str]] = deque()
        self._busy = False
        self._broken = False
        """The mirror could not be read: the next fetch makes it anew."""
        self._fetching = False
        self._fetched_behind = ""
        self._suspect = ("", "")
        self._complaints: dict[str, str] = {}

    # -- what to watch

    def watch(self, clones: Iterable[str], handoff: Handoff) -> None:
        """Watch the remote-tracking ref of each clone; call it again whenever clones may have appeared."""
        self._branch = handoff.branch
        self._clones.watch(clones, handoff)

    def changed(self, directory: str) -> None:
        """A file changed in *directory*."""
        for clone in self._clones.changed(directory):
            self._look(clone, self._clones.ref(clone))

    def look_everywhere(self, *, again: bool = False) -> None:
        """Look at every clone; *again*: also at refs that have not moved (the subject changed)."""
        if again:
            self._seen.clear()
        for clone in self._clones:
            self._look(clone, self._clones.ref(clone))
        self._look_at_mirror()

    def _look_at_mirror(self) -> None:
        if self._branch:
            self._look(self._mirror, read_ref(self._mirror, f"refs/heads/{self._branch}"))

    def _look(self, clone: str, value: str) -> None:
        """If the clone's ref moved, read what is new."""
        if value and self._seen.get(clone) != value:
            self._seen[clone] = value
            self._waiting.append((clone, value))
            self._next()

    # -- the net

    def fetch(self, repo: str, handoff: Handoff) -> None:
        """Fetch the branch into the mirror, for pushes that no clone here made."""
        subject = self._ask()
        if self._fetching or subject is None or git_directory(repo) is None:
            return
        self._fetching = True
        broken, self._broken = "broken" if self._broken else "", False
        argv = ["sh", "-c", _FETCH, self._mirror, repo, handoff.remote, handoff.branch, broken]
        self._errands.run(argv, partial(self._fetched, subject.head), timeout=FETCH_WITHIN)

    def _fetched(self, head: str, result: Result) -> None:
        self._fetching = False
        if self._succeeded("fetch", self._mirror, result):
            self._fetched_behind = head
            self._look_at_mirror()

    def _succeeded(self, what: str, where: str, result: Result) -> bool:
        """Whether it did; the same failure in the same place is told once."""
        key = f"{what} in {where}"
        complaint = "" if result.code == 0 else f"git {key} failed: {result.error or f'exit {result.code}'}"
        if complaint and complaint != self._complaints.get(key):
            self._say(complaint)
        self._complaints[key] = complaint
        return not complaint

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
        ancestry, commits = gitlog.parse_log(result.output)
        if result.output and ancestry == gitlog.UNKNOWN:
            # This clone has never seen our head, so its ref is older than that.  Or the branch was rewritten, and then
            # the next fetch shows it.
            if self._shows_rewrite(reading):
                self._read_again(reading)
            else:
                self._done()
        elif not self._succeeded("log", reading.clone, result):
            self._failed(reading)
        elif ancestry == 1:
            argv = gitlog.is_older(reading.clone, reading.new, reading.subject.head)
            self._errands.run(argv, partial(self._diverged, reading))
        else:
            self._read_documents(reading, commits, rewritten=False)

    def _shows_rewrite(self, reading: _Reading) -> bool:
        """Whether the remote itself, asked after our head was known, has a branch without it: twice, the same.

        Once is not enough: a fetch that a killed supervisor left behind may still write what the remote had before.
        """
        if reading.clone != self._mirror:
            return False
        self._seen.pop(self._mirror, None)  # the same ref means more behind the next fetch
        if self._fetched_behind != reading.subject.head:
            return False
        self._fetched_behind = ""
        suspected, self._suspect = self._suspect, (reading.subject.head, reading.new)
        return suspected == self._suspect

    def _diverged(self, reading: _Reading, answer: Result) -> None:
        lags = answer.output.strip() == b"0"
        if not self._succeeded("merge-base", reading.clone, answer):
            self._failed(reading)
        elif lags and not self._shows_rewrite(reading):
            self._done()
        else:
            self._read_again(reading)

    def _read_again(self, reading: _Reading) -> None:
        """The history was rewritten: read all of it."""

        def found(result: Result) -> None:
            if self._succeeded("log", reading.clone, result):
                self._read_documents(reading, gitlog.parse_log(result.output)[1], rewritten=True)
            else:
                self._failed(reading)

        self._errands.run(gitlog.all_commits(reading.clone, reading.new), found)

    def _failed(self, reading: _Reading) -> None:
        """Look at this clone again with the next net."""
        self._seen.pop(reading.clone, None)
        self._broken = self._broken or reading.clone == self._mirror
        self._done()

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
            if self._succeeded("cat-file", reading.clone, _undamaged(result)):
                texts = gitlog.parse_objects(result.output, names)
                self._report(reading, commits, texts, inbox, quiet, rewritten)
            else:
                self._failed(reading)

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
        # Commits are dated by wall clocks; ages are judged by the steady one.
        with_documents = tuple(
            (replace(commit, time=self._clock.steady(commit.time)), subject.wanted.documents(commit, texts))
            for commit in commits
        )
        standing = tuple(
            (os.path.basename(path), texts[name][0], sha)
            for path, sha in inbox.items()
            if (name := f"{reading.new}:{path}") in texts
        )
        current = self._ask()
        if current is not None and (current.head, current.status) == (subject.head, subject.status):
            self._tell(Pushed(self._clock.now(), reading.new, with_documents, standing, quiet, rewritten))
        else:  # the phase changed while we read: read again for the new one
            self._waiting.append((reading.clone, reading.new))
        self._done()


def _undamaged(result: Result) -> Result:
    """A damaged object is no missing one, though ``git cat-file`` says the same of both and ends well: only it complains."""
    damaged = any(line.startswith(("error:", "fatal:")) for line in result.error.splitlines())
    return replace(result, code=result.code or 1) if damaged else result


@dataclass(frozen=True, slots=True)
class _Reading:
    """One reading under way."""

    clone: str
    new: str
    subject: Subject
