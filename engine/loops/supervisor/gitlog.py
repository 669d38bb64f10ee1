"""What git is asked and how its answers are read: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loops.protocol.evidence import Commit, Documents

_FIELDS = 6
_FORMAT = "%x00%H%x00%an%x00%ae%x00%ct%x00%P%x00%s"
"""NUL is the one byte that no subject, author or path can hold: whoever commits cannot forge a record."""
UNKNOWN = 128
"""Ancestry: one of the two commits is unknown in this clone (git's exit code for it)."""
MOST_COMMITS = 5000
"""History that is read when a phase begins; a verdict never looks further back than its phase."""

ANCESTRY = 'git cat-file -e "$2^{commit}" && { git merge-base --is-ancestor "$1" "$2" 2>/dev/null; echo "$?"; } && '
# Settings in the clone are the agent's: none may add to the output, or run a program of its choice (gpg.program).
_LOG = (
    "exec git -c log.showSignature=false -c i18n.logOutputEncoding=UTF-8 log --topo-order --reverse -c --no-renames "
    f"--name-only -z --format={_FORMAT} "
)


def new_commits(clone: str, old: str, new: str) -> list[str]:
    """The command that prints how *old* relates to *new* (0 older, 1 not, 128 unknown here), then the commits between.

    Nothing is printed when *new* itself cannot be read.
    """
    script = f'cd "$0" && {ANCESTRY}{_LOG}"$1".."$2" --'
    return ["sh", "-c", script, clone, old, new]


def all_commits(clone: str, new: str) -> list[str]:
    """The command that prints the history up to *new*, in the same form."""
    return ["sh", "-c", f'cd "$0" && echo 0 && {_LOG}-n {MOST_COMMITS} "$1" --', clone, new]


def is_older(clone: str, new: str, old: str) -> list[str]:
    """The command that prints 0 when *new* is an ancestor of *old*."""
    return ["sh", "-c", f'cd "$0" && {ANCESTRY}:', clone, new, old]


def objects(clone: str) -> list[str]:
    """The command that prints the objects named on its standard input."""
    return ["git", "-C", clone, "cat-file", "--batch"]


def parse_log(output: bytes) -> tuple[int, list[Commit]]:
    """Read the answer of `new_commits` or `all_commits`: the ancestry's exit code and the commits, oldest first."""
    first, _, rest = output.partition(b"\n")
    tokens = rest.decode("utf-8", "replace").split("\0")
    commits = []
    at = 0
    while at + _FIELDS < len(tokens):
        if not tokens[at]:  # what parts two commits: no hash and no path is empty
            at += 1
            continue
        sha, author, email, when, parents, subject = tokens[at : at + _FIELDS]
        at += _FIELDS
        end = tokens.index("", at)
        paths = tuple(tokens[at:end])
        if paths:  # git puts one newline before the first path, which may begin with another
            paths = (paths[0].removeprefix("\n"), *paths[1:])
        commits.append(Commit(sha, author, email, float(when), subject, paths, merge=" " in parents))
        at = end
    return int(first) if first.isdigit() else UNKNOWN, commits


def parse_objects(output: bytes, asked: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Read the answer of `objects`: name -> (object id, text); what is missing is left out."""
    found: dict[str, tuple[str, str]] = {}
    offset = 0
    for name in asked:
        end = output.find(b"\n", offset)
        if end < 0:
            break
        head = output[offset:end].decode("utf-8", "replace")
        offset = end + 1
        words = head.rsplit(" ", 2)
        if len(words) == 3 and words[1] in ("blob", "tree", "commit", "tag") and words[2].isdecimal():
            size = int(words[2])
            if words[1] == "blob":
                found[name] = (words[0], output[offset : offset + size].decode("utf-8", "replace"))
            offset += size + 1
    return found


# ---- which documents a commit touched ----------------------------------------------------------------------------------


def places(folder: str, name: str) -> tuple[str, ...]:
    """Where a document may lie: in the documents' folder, else in the repository's root."""
    return (f"{folder.strip('/')}/{name}", name) if folder.strip("/") else (name,)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which documents are read, and at which commits: those that touched one, merges, and the agents' signals."""

    folder: str
    status: str
    review: str
    signals: tuple[str, ...]

    def at(self, commit: Commit) -> bool:
        """Whether the documents are needed at *commit*."""
        named = {path.rpartition("/")[2] for path in commit.paths}
        return commit.merge or bool(named & {self.status, self.review}) or commit.subject.startswith(self.signals)

    def objects(self, commits: Sequence[Commit]) -> list[str]:
        """The objects to read for *commits*."""
        return [
            f"{commit.sha}:{path}"
            for commit in commits
            if self.at(commit)
            for name in (self.status, self.review)
            for path in places(self.folder, name)
        ]

    def documents(self, commit: Commit, found: Mapping[str, tuple[str, str]]) -> Documents | None:
        """The documents at *commit*, or None when they are not needed there."""
        if not self.at(commit):
            return None
        return Documents(self._text(commit, self.status, found), self._text(commit, self.review, found))

    def _text(self, commit: Commit, name: str, found: Mapping[str, tuple[str, str]]) -> str | None:
        names = (f"{commit.sha}:{path}" for path in places(self.folder, name))
        return next((found[each][1] for each in names if each in found), None)


def inbox_files(commits: Sequence[Commit], folder: str) -> dict[str, str]:
    """Inbox files that *commits* touched: path -> the last commit that did."""
    names = {place for name in ("BUILDER-INBOX.md", "ADVERSARY-INBOX.md") for place in places(folder, name)}
    return {path: commit.sha for commit in commits for path in commit.paths if path in names}
