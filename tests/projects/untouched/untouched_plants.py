"""Generated looks at live systems, and every single difference that can be planted into one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

from hypothesis import strategies as st
from loops.projects.untouched.model import (
    Baseline,
    Changed,
    Entry,
    Head,
    Kind,
    Listener,
    Pane,
    Process,
    Ref,
    Repository,
    Rule,
    Scope,
    Server,
    Session,
    Unit,
    Unseen,
)
from loops.projects.untouched.touch import Cause, Change, Thing

Expected = tuple[Thing, str, Change]
ROOT = "/srv/live"
WORDS = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=8
)
NAMES = WORDS.filter(lambda word: word not in (".", ".."))
NUMBERS = st.integers(1, 2**31)


def digest(word: object) -> str:
    return sha256(repr(word).encode()).hexdigest()


@st.composite
def entry_lists(draw: st.DrawFn) -> tuple[Entry, ...]:
    """A tree: directories first, then files of every kind in them."""
    inner = draw(st.lists(NAMES, unique=True, max_size=3))
    directories = [ROOT, *(f"{ROOT}/{name}" for name in inner)]
    names = draw(st.lists(st.tuples(st.sampled_from(directories), NAMES), unique=True, max_size=6))
    paths = dict.fromkeys([*directories, *(f"{place}/{name}" for place, name in names)])
    found = []
    for number, path in enumerate(paths):
        kind = Kind.DIRECTORY if path in directories else draw(st.sampled_from(Kind))
        found.append(draw(entries(path, kind, 1000 + number)))
    return tuple(sorted(found, key=lambda each: each.path))


@st.composite
def entries(draw: st.DrawFn, path: str, kind: Kind, inode: int) -> Entry:
    readable = kind is not Kind.FILE or draw(st.integers(0, 4)) > 0
    return Entry(
        path,
        kind,
        draw(st.integers(0, 0o7777)),
        draw(st.integers(0, 5)),
        draw(st.integers(0, 5)),
        draw(st.integers(0, 9999)),
        draw(st.integers(0, 2**62)),
        draw(st.integers(0, 2**62)),
        7,
        inode,
        draw(st.integers(1, 3)),
        digest=digest(draw(NUMBERS)) if kind is Kind.FILE and readable else "",
        target=draw(NAMES) if kind is Kind.SYMLINK else "",
        unread="" if readable else "may not be read",
    )


PANES = st.builds(Pane, st.from_regex(r"%[0-9]{1,2}", fullmatch=True), NUMBERS, NUMBERS)
SESSIONS = st.builds(
    Session,
    st.from_regex(r"\$[0-9]{1,2}", fullmatch=True),
    NAMES,
    NUMBERS,
    st.integers(1, 4),
    st.lists(PANES, min_size=1, max_size=3, unique_by=lambda pane: pane.id).map(tuple),
)
SERVERS = st.builds(
    Server,
    NAMES.map(lambda name: f"/tmp/tmux-0/{name}"),
    NUMBERS,
    NUMBERS,
    st.lists(SESSIONS, max_size=3, unique_by=lambda each: each.name).map(tuple),
)
PROCESSES = st.builds(
    Process, NUMBERS, NUMBERS, st.integers(0, 3), WORDS, st.just("/srv"), st.just("/bin/x"), st.just("/a")
)
UNITS = st.builds(Unit, NAMES, st.just("loaded"), st.just("active"), st.just("running"), NAMES, NUMBERS, st.just(0))
REPOSITORIES = st.builds(
    Repository,
    NAMES.map(lambda name: f"/srv/{name}"),
    st.just("refs/heads/main"),
    st.lists(st.builds(Ref, NAMES, NAMES), max_size=3, unique_by=lambda each: each.name).map(tuple),
    st.lists(NAMES, max_size=2).map(tuple),
    st.lists(NAMES, max_size=2).map(tuple),
    NUMBERS.map(digest),
    NUMBERS.map(digest),
    st.lists(st.builds(Changed, NAMES, NAMES), max_size=2, unique_by=lambda each: each.path).map(tuple),
)
LISTENERS = st.builds(Listener, st.sampled_from(["tcp", "udp6", "unix"]), NAMES, NUMBERS, st.integers(0, 3))
RULES = st.builds(
    Rule,
    st.just("some-rule"),
    WORDS,
    st.sampled_from(Thing),
    st.lists(st.sampled_from(Change), min_size=1, max_size=2).map(tuple),
    st.lists(WORDS, min_size=1, max_size=2).map(tuple),
    st.sampled_from([Cause.LIVE, Cause.OURS]),
    WORDS,
)


def looks(rules: st.SearchStrategy[tuple[Rule, ...]] | None = None) -> st.SearchStrategy[Baseline]:
    """Whole looks."""
    return st.builds(
        Baseline,
        made=st.floats(0, 1e10),
        host=st.just("host"),
        boot=st.just("b1"),
        uid=st.integers(0, 3),
        scope=st.just(Scope(roots=(ROOT,), ports=True)),
        entries=entry_lists(),
        servers=_some(SERVERS, lambda each: each.socket),
        processes=_some(PROCESSES, lambda each: each.pid),
        units=_some(UNITS, lambda each: each.name),
        repositories=_some(REPOSITORIES, lambda each: each.path),
        listeners=_some(LISTENERS, lambda each: (each.protocol, each.address)),
        unseen=_some(
            st.builds(Unseen, st.just(Thing.UNIT), WORDS.map("user:".__add__), WORDS), lambda each: each.place
        ),
        rules=rules if rules is not None else st.just(()),
    )


def _some(each, key):
    return st.lists(each, max_size=3, unique_by=key).map(tuple)


# ---- what can be planted ------------------------------------------------------------------------------------------------

Plant = Callable[[st.DrawFn, Baseline], tuple[Baseline, Baseline, Expected]]
"""From a look: it, with what is needed added; the look afterwards; what must be found."""


def plant(field: str, change: Change, name: Callable, mutate: Callable, when: Callable = lambda each: True) -> Plant:
    """Change one member of the look's *field*, which gets one that can be changed so if it has none."""

    def planted(draw: st.DrawFn, look: Baseline) -> tuple[Baseline, Baseline, Expected]:
        if not any(map(when, getattr(look, field))):
            look = replace(look, **{field: (*getattr(look, field), *SAMPLES[field])})
        members = getattr(look, field)
        at = draw(st.sampled_from([place for place, each in enumerate(members) if when(each)]))
        new = mutate(members[at])
        whole = [*members[:at], *([] if new is None else [new]), *members[at + 1 :]]
        return look, replace(look, **{field: tuple(whole)}), (THINGS[field], name(members[at]), change)

    return planted


def added(field: str, member: object, name: str) -> Plant:
    """Add a member that no generated look has."""
    return lambda draw, look: (
        look,
        replace(look, **{field: (*getattr(look, field), member)}),
        (THINGS[field], name, Change.ADDED),
    )


THINGS = {
    "entries": Thing.FILE,
    "servers": Thing.TMUX,
    "processes": Thing.PROCESS,
    "units": Thing.UNIT,
    "repositories": Thing.GIT,
    "listeners": Thing.PORT,
}


def path(each: Entry) -> str:
    return each.path


def readable(each: Entry) -> bool:
    return each.kind is Kind.FILE and not each.unread


def grown(each: Entry) -> Entry:
    return replace(
        each, size=each.size + 9, digest=digest("more"), head=Head(each.size, each.digest), mtime_ns=5, ctime_ns=6
    )


def first(server: Server, **changes: object) -> Server:
    """With another first session; None as ``session`` ends it."""
    return replace(server, sessions=(replace(server.sessions[0], **changes), *server.sessions[1:]))


def first_pane(server: Server, **changes: object) -> Server:
    panes = server.sessions[0].panes
    return first(server, panes=(replace(panes[0], **changes), *panes[1:]))


def session(field_change: Change, mutate: Callable) -> Plant:
    planted = plant("servers", field_change, lambda each: each.socket, mutate, lambda each: each.sessions)

    def whole(draw: st.DrawFn, look: Baseline) -> tuple[Baseline, Baseline, Expected]:
        before, after, (_, socket, _) = planted(draw, look)
        name = next(each.sessions[0].name for each in before.servers if each.socket == socket)
        return before, after, (Thing.SESSION, f"{socket}: {name}", field_change)

    return whole


def git(change: Change, what: Callable, mutate: Callable, when: Callable = lambda each: True) -> Plant:
    return plant("repositories", change, lambda each: f"{each.path}: {what(each)}", mutate, when)


def process_name(each: Process) -> str:
    return f"{each.pid} {each.command}"


def unit_name(each: Unit) -> str:
    return each.name


def address(each: Listener) -> str:
    return f"{each.protocol} {each.address}"


def _sample(name: str, kind: Kind, inode: int, **more: str) -> Entry:
    return Entry(f"{ROOT}/sample/{name}", kind, 0o644, 0, 0, 5, 10, 10, 7, 9000 + inode, 1, **more)


SAMPLES = {
    "entries": (
        _sample("file", Kind.FILE, 1, digest=digest("sample")),
        _sample("link", Kind.SYMLINK, 2, target="file"),
        _sample("fifo", Kind.FIFO, 3),
    ),
    "servers": (Server("/tmp/s/sample", 5, 5, (Session("$1", "sample", 5, 1, (Pane("%1", 5, 5),)),)),),
    "processes": (Process(2**33, 5, 0, "a sample", "/srv", "/bin/x", "/a"),),
    "units": (Unit("a/sample", "loaded", "active", "running", "5", 5, 0),),
    "repositories": (
        Repository(
            *("/srv/s/sample", "refs/heads/main", (Ref("refs/heads/main", "5"),)),
            config=digest(5),
            index=digest(6),
            status=(Changed("a/sample", "? 5"),),
        ),
    ),
    "listeners": (Listener("tcp", "127.0.0.1:5/", 2**35, 0),),
}
_NEW = Entry(f"{ROOT}/new/file", Kind.FILE, 0o644, 0, 0, 1, 1, 1, 7, 1, 1, digest=digest("new"))

PLANTS: dict[str, Plant] = {
    "file added": added("entries", _NEW, _NEW.path),
    "file removed": plant("entries", Change.REMOVED, path, lambda each: None),
    "content, times restored": plant(
        "entries", Change.CONTENT, path, lambda e: replace(e, digest=digest("x")), readable
    ),
    "content of the same size": plant(
        "entries", Change.CONTENT, path, lambda e: replace(e, digest=digest("x"), mtime_ns=1, ctime_ns=2), readable
    ),
    "shorter": plant(
        "entries",
        Change.CONTENT,
        path,
        lambda e: replace(e, size=e.size - 1, digest=digest("x"), mtime_ns=3),
        lambda e: readable(e) and e.size,
    ),
    "appended": plant("entries", Change.APPENDED, path, grown, readable),
    "grown, but not appended": plant(
        "entries",
        Change.CONTENT,
        path,
        lambda e: replace(grown(e), head=Head(e.size, digest("other"))),
        lambda e: readable(e) and e.size,
    ),
    "appended in another inode": plant(
        "entries", Change.CONTENT, path, lambda e: replace(grown(e), inode=e.inode + 5000), readable
    ),
    "inode": plant("entries", Change.REPLACED, path, lambda e: replace(e, inode=e.inode + 5000, ctime_ns=9)),
    "mode": plant("entries", Change.MODE, path, lambda e: replace(e, mode=e.mode ^ 0o020, ctime_ns=9)),
    "owner": plant("entries", Change.OWNER, path, lambda e: replace(e, uid=e.uid + 1)),
    "group": plant("entries", Change.OWNER, path, lambda e: replace(e, gid=e.gid + 1)),
    "mtime": plant("entries", Change.TIME, path, lambda e: replace(e, mtime_ns=e.mtime_ns + 1, ctime_ns=9)),
    "ctime": plant("entries", Change.INODE, path, lambda e: replace(e, ctime_ns=e.ctime_ns + 1)),
    "links": plant(
        "entries",
        Change.LINKS,
        path,
        lambda e: replace(e, links=e.links + 1, ctime_ns=9),
        lambda e: e.kind is not Kind.DIRECTORY,
    ),
    "xattrs": plant("entries", Change.XATTRS, path, lambda e: replace(e, xattrs=digest("acl")), lambda e: not e.unread),
    "target": plant(
        "entries", Change.TARGET, path, lambda e: replace(e, target=e.target + "x"), lambda e: e.kind is Kind.SYMLINK
    ),
    "type": plant(
        "entries",
        Change.TYPE,
        path,
        lambda e: replace(e, kind=Kind.FILE, digest=digest("t"), target=""),
        lambda e: e.kind in (Kind.SYMLINK, Kind.FIFO, Kind.SOCKET, Kind.DEVICE),
    ),
    "readable no more": plant(
        "entries", Change.HIDDEN, path, lambda e: replace(e, unread="may not be read", digest=""), readable
    ),
    "tmux server added": added("servers", Server("/tmp/other/x", 5, 5), "/tmp/other/x"),
    "tmux server gone": plant("servers", Change.REMOVED, lambda e: e.socket, lambda e: None),
    "tmux server answers no more": plant(
        "servers", Change.HIDDEN, lambda e: e.socket, lambda e: replace(e, sessions=(), unseen="did not answer")
    ),
    "tmux server restarted": plant(
        "servers", Change.RESTARTED, lambda e: e.socket, lambda e: replace(e, start=e.start + 1)
    ),
    "session gone": session(Change.REMOVED, lambda e: replace(e, sessions=e.sessions[1:])),
    "session made again": session(Change.RESTARTED, lambda e: first(e, created=e.sessions[0].created + 1)),
    "pane's process": session(Change.RESTARTED, lambda e: first_pane(e, pid=e.sessions[0].panes[0].pid + 1)),
    "pane's process of the same pid": session(
        Change.RESTARTED, lambda e: first_pane(e, start=e.sessions[0].panes[0].start + 1)
    ),
    "a window more": session(Change.WINDOWS, lambda e: first(e, windows=e.sessions[0].windows + 1)),
    "a pane more": session(Change.WINDOWS, lambda e: first(e, panes=(*e.sessions[0].panes, Pane("%999", 2**32, 1)))),
    "process added": added("processes", Process(2**32, 1, 0, "a new one", "/", "/b", "/a"), f"{2**32} a new one"),
    "process gone": plant("processes", Change.REMOVED, process_name, lambda e: None),
    "process became another": plant(
        "processes", Change.CONTENT, lambda e: f"{e.pid} {e.command}!", lambda e: replace(e, command=e.command + "!")
    ),
    "process restarted": plant("processes", Change.RESTARTED, process_name, lambda e: replace(e, start=e.start + 1)),
    "process of another user": plant("processes", Change.OWNER, process_name, lambda e: replace(e, uid=e.uid + 1)),
    "process in another cgroup": plant("processes", Change.MOVED, process_name, lambda e: replace(e, cgroup="/b")),
    "unit added": added("units", Unit("new/unit", "loaded", "active", "running", "1", 1, 0), "new/unit"),
    "unit gone": plant("units", Change.REMOVED, unit_name, lambda e: None),
    "unit restarted": plant("units", Change.RESTARTED, unit_name, lambda e: replace(e, invocation=e.invocation + "2")),
    "unit stopped": plant("units", Change.STATE, unit_name, lambda e: replace(e, active="inactive", sub="dead")),
    "HEAD": git(Change.MOVED, lambda e: "HEAD", lambda e: replace(e, head="refs/heads/other")),
    "new ref": git(
        Change.ADDED, lambda e: "refs/heads/new", lambda e: replace(e, refs=(*e.refs, Ref("refs/heads/new", "1")))
    ),
    "ref gone": git(Change.REMOVED, lambda e: e.refs[0].name, lambda e: replace(e, refs=e.refs[1:]), lambda e: e.refs),
    "ref moved": git(
        Change.MOVED,
        lambda e: e.refs[0].name,
        lambda e: replace(e, refs=(Ref(e.refs[0].name, e.refs[0].object + "1"), *e.refs[1:])),
        lambda e: e.refs,
    ),
    "index": git(Change.INDEX, lambda e: "index", lambda e: replace(e, index=digest("i"))),
    "git configuration": git(Change.CONFIG, lambda e: "config", lambda e: replace(e, config=digest("c"))),
    "stash": git(Change.STASH, lambda e: "stash", lambda e: replace(e, stashes=(*e.stashes, "s/"))),
    "worktree added": git(
        Change.WORKTREES, lambda e: "worktrees", lambda e: replace(e, worktrees=(*e.worktrees, "/w"))
    ),
    "changed path": git(
        Change.WORKTREE, lambda e: "a/b", lambda e: replace(e, status=(*e.status, Changed("a/b", "? " + digest(1))))
    ),
    "path as committed again": git(
        Change.WORKTREE, lambda e: e.status[0].path, lambda e: replace(e, status=e.status[1:]), lambda e: e.status
    ),
    "repository unreadable": plant(
        "repositories", Change.HIDDEN, lambda e: e.path, lambda e: Repository(e.path, "", unseen="git failed")
    ),
    "port opened": added("listeners", Listener("tcp", "127.0.0.1:1/", 2**33, 0), "tcp 127.0.0.1:1/"),
    "port closed": plant("listeners", Change.REMOVED, address, lambda e: None),
    "port of another socket": plant(
        "listeners", Change.RESTARTED, address, lambda e: replace(e, inode=e.inode + 2**34)
    ),
    "reboot": lambda draw, look: (look, replace(look, boot="b2"), (Thing.MACHINE, "host", Change.REBOOTED)),
    "another machine": lambda draw, look: (look, replace(look, host="other"), (Thing.MACHINE, "host", Change.MOVED)),
    "systemd asked no more": lambda draw, look: (
        look,
        replace(look, units=(), unseen=(*look.unseen, Unseen(Thing.UNIT, "x/", "it does not run"))),
        (Thing.UNIT, "x/", Change.HIDDEN),
    ),
}
