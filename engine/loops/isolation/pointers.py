"""Where a clone leads out of its own directory: its remote, its git directory, the objects that it borrows.

An agent can write its clone's settings, and what they name is bound into its sandbox at the next start.  So what a clone
pointed to when the engine first started its agent is written down, outside the sandbox; should it point elsewhere later,
the start is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from loops.errors import LoopsError
from loops.isolation.sandbox import Access, Mount, within


@dataclass(frozen=True, slots=True)
class Pointers:
    """Real paths outside the clone; empty where it leads nowhere."""

    remote: str = ""
    """The repository to which it pushes, when that is a path."""
    git: str = ""
    """Its git directory, when it is a work tree of another repository, or a submodule."""
    common: str = ""
    """The git directory that holds the objects and refs of ``git``."""
    borrowed: tuple[str, ...] = ()
    """Directories of objects that it, or its remote, takes from elsewhere (git clone --shared, --reference)."""

    def mounts(self) -> Iterator[Mount]:
        """What the clone needs of them.  The remote's hooks run in whoever pushes, so that nobody writes them."""
        for place in self.borrowed:
            yield Mount(place, Access.READ)
        for place in dict.fromkeys((self.common, self.git)):
            if place:
                yield Mount(place, Access.WRITE)
        if self.remote:
            yield Mount(self.remote, Access.WRITE)
            yield Mount(os.path.join(self.remote, "config"), Access.READ)
            hooks = os.path.join(self.remote, "hooks")
            yield Mount(hooks, Access.READ if os.path.isdir(hooks) else Access.HIDE)

    def leads_into(self, repository: str) -> bool:
        """Whether the clone cannot work without showing the git directory *repository*."""
        return any(within(place, repository) for place in (self.git, self.common, self.remote, *self.borrowed) if place)


def common_directory(clone: str) -> str:
    """The git directory that holds the objects and refs of the clone at *clone*; empty where there is none."""
    return _git_directories(clone)[1]


def find(clone: str, remote: str) -> Pointers:
    """Return where the clone at *clone* (a real path) leads; *remote* is the remote's name.

    A directory that is no clone leads nowhere.

    Raises:
        LoopsError: its remote is a path at which there is no repository.
    """
    git, common = _git_directories(clone)
    if not git:
        return Pointers()
    url = _url(os.path.join(common, "config"), remote)
    place = _repository(url, clone) if url else ""
    borrowed = dict.fromkeys((*_borrowed(common), *(_borrowed(place) if place else ())))
    return Pointers(
        remote="" if not place or within(place, clone) else place,
        git="" if within(git, clone) else git,
        common="" if within(common, clone) else common,
        borrowed=tuple(path for path in borrowed if not within(path, clone) and not (place and within(path, place))),
    )


def _git_directories(clone: str) -> tuple[str, str]:
    path = os.path.join(clone, ".git")
    if not os.path.isdir(path):
        head, _, target = _first_line(path).partition(": ")
        if head != "gitdir":
            return "", ""
        path = os.path.join(clone, target)
    git = os.path.realpath(path)
    return git, os.path.realpath(os.path.join(git, _first_line(os.path.join(git, "commondir"))))


def _borrowed(git: str) -> Iterator[str]:
    """The directories of objects that the repository borrows, and those that these borrow."""
    todo, seen = [os.path.join(git, "objects")], set[str]()
    for objects in todo:
        try:
            with open(os.path.join(objects, "info", "alternates"), encoding="utf-8", errors="surrogateescape") as file:
                lines = file.read().splitlines()
        except OSError:
            continue
        for line in lines:
            path = os.path.realpath(os.path.join(objects, line))
            if line and not line.startswith("#") and path not in seen:
                seen.add(path)
                todo.append(path)
                yield path


def _url(config: str, remote: str) -> str:
    """The place to which *remote* pushes, as git's settings at *config* have it."""
    from subprocess import DEVNULL, run

    found = {}
    for key in ("url", "pushurl"):
        argv = ["git", "config", "--file", config, "--no-includes", "--get", f"remote.{remote}.{key}"]
        said = run(argv, stdin=DEVNULL, capture_output=True, check=False, cwd="/").stdout
        found[key] = os.fsdecode(said).rstrip("\n")
    return found["pushurl"] or found["url"]


def _repository(url: str, clone: str) -> str:
    """The real path of the repository that *url* names; empty when it is none of this machine's paths."""
    if url.startswith("file://"):
        url = url.removeprefix("file://")
    elif ":" in url.partition("/")[0]:  # scp's way (host:path), or any other scheme
        return ""
    path = os.path.realpath(os.path.join(clone, url))
    for place in (path, os.path.join(path, ".git"), f"{path}.git"):
        if os.path.isfile(os.path.join(place, "HEAD")) and os.path.isdir(os.path.join(place, "objects")):
            return place
    raise LoopsError(f"{clone}: its remote is {url}, and no git repository is there: git remote set-url, or make it")


def _first_line(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return os.fsdecode(file.readline(4096)).rstrip("\n")
    except OSError:
        return ""


def settled(found: Pointers, clone: str, record: str) -> Pointers:
    """Return *found* when it is what the file *record* says of *clone*; of a clone it does not know, it is written.

    Raises:
        LoopsError: the clone pointed elsewhere when its agent was first started.
        OSError: the record cannot be read or written.
    """
    text = json.dumps({"clone": clone, **asdict(found)}, indent=1)
    known = _read(record)
    if known == text:
        return found
    if known and json.loads(known).get("clone") == clone:
        raise LoopsError(
            f"{clone} leads elsewhere than when its agent was first started, and the agent itself may have changed that: "
            f"{json.dumps(asdict(found))}, and {record} has what it was; remove that file if the change is yours"
        )
    os.makedirs(os.path.dirname(record), mode=0o700, exist_ok=True)
    draft = f"{record}.{os.getpid()}"
    with open(draft, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(draft, record)
    return found


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""
