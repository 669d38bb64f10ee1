"""What runs, in two looks, compared: tmux, processes, units, ports, the machine itself.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from loops.projects.untouched.difference import NOTHING, Difference, clock
from loops.projects.untouched.model import Baseline, Listener, Process, Server, Session, Unit
from loops.projects.untouched.processes import in_scope
from loops.projects.untouched.touch import Change, Thing
from loops.projects.untouched.units import PERSONAL


def machine(before: Baseline, after: Baseline) -> Iterator[Difference]:
    """A reboot, or another machine: nothing that runs can be the same."""
    if before.host != after.host:
        yield Difference(Thing.MACHINE, before.host, Change.MOVED, before.host, after.host)
    elif before.boot != after.boot:
        yield Difference(Thing.MACHINE, before.host, Change.REBOOTED, f"boot {before.boot}", f"boot {after.boot}")


def lived(before: Baseline, after: Baseline) -> frozenset[str]:
    """The names of the sessions, and the command lines of the processes, that are the very same in both looks.

    Ours are left out: our own watchdog heals nothing of the live system.
    """
    panes = {(server.socket, each.name): _panes(each) for server in before.servers for each in server.sessions}
    names = {
        each.name
        for server in after.servers
        for each in server.sessions
        if panes.get((server.socket, each.name)) == _panes(each) and not any(pane.mark for pane in each.panes)
    }
    known = {(each.pid, each.start) for each in before.processes}
    return frozenset(
        names | {each.command for each in after.processes if (each.pid, each.start) in known and not each.mark}
    )


# ---- tmux --------------------------------------------------------------------------------------------------------------


def tmux(before: Sequence[Server], after: Sequence[Server]) -> Iterator[Difference]:
    """Servers by their sockets, sessions by their names."""
    earlier, later = {each.socket: each for each in before}, {each.socket: each for each in after}
    for socket in sorted({*earlier, *later}):
        nobody = Server(socket, 0, 0)
        old, new = earlier.get(socket, nobody), later.get(socket, nobody)
        if not old.unseen or old.pid:
            yield from _server(old, new)
        if new.pid and old.pid and not old.unseen and not new.unseen:
            yield from _sessions(old, new)


def _server(old: Server, new: Server) -> Iterator[Difference]:
    mark, texts = new.mark or old.mark, (_server_text(old), _server_text(new))
    if old.pid and not new.pid:
        change = Change.HIDDEN if new.unseen else Change.REMOVED
        yield Difference(Thing.TMUX, old.socket, change, texts[0], new.unseen or NOTHING, mark=old.mark)
    elif new.pid and not old.pid:
        yield Difference(Thing.TMUX, old.socket, Change.ADDED, NOTHING, texts[1], mark=mark, beside=True)
    elif (old.pid, old.start) != (new.pid, new.start):
        yield Difference(Thing.TMUX, old.socket, Change.RESTARTED, *texts, mark=mark)
    elif new.unseen and not old.unseen:
        yield Difference(Thing.TMUX, old.socket, Change.HIDDEN, texts[0], new.unseen)


def _server_text(server: Server) -> str:
    return f"server {server.pid}, {len(server.sessions)} sessions"


def _sessions(old: Server, new: Server) -> Iterator[Difference]:
    earlier, later = {each.name: each for each in old.sessions}, {each.name: each for each in new.sessions}
    for name in sorted({*earlier, *later}):
        was, now = earlier.get(name), later.get(name)
        change = _session_change(was, now)
        if change is None:
            continue
        texts = (_session_text(was), _session_text(now))
        if change is Change.RESTARTED and was and now and was.created != now.created:
            hints: tuple[str, ...] = ("the whole session was made anew under its name",)
        else:
            hints = ()
        yield Difference(
            Thing.SESSION,
            f"{old.socket}: {name}",
            change,
            *texts,
            names=(name,),
            mark=_session_mark(now or was),
            beside=bool(new.mark),  # a view of our own
            hints=hints,
        )


def _session_change(was: Session | None, now: Session | None) -> Change | None:
    if was is None:
        return Change.ADDED
    if now is None:
        return Change.REMOVED
    if (was.id, was.created) != (now.id, now.created):
        return Change.RESTARTED
    if _panes(was)[2] != _panes(now)[2]:
        kept = set(_panes(was)[2]) & set(_panes(now)[2])
        return Change.WINDOWS if kept and len(was.panes) != len(now.panes) else Change.RESTARTED
    return Change.WINDOWS if was.windows != now.windows else None


def _panes(session: Session) -> tuple[str, int, tuple[tuple[str, int, int], ...]]:
    return session.id, session.created, tuple((pane.id, pane.pid, pane.start) for pane in session.panes)


def _session_text(session: Session | None) -> str:
    if session is None:
        return NOTHING
    pids = ", ".join(f"{pane.pid}" if pane.start else f"{pane.pid} (dead)" for pane in session.panes)
    windows = f", {session.windows} windows" if session.windows != 1 else ""
    return f"created {clock(session.created)}, pid {pids}{windows}"


def _session_mark(session: Session | None) -> str:
    return next((pane.mark for pane in session.panes if pane.mark), "") if session is not None else ""


# ---- processes ---------------------------------------------------------------------------------------------------------


def processes(before: Baseline, after: Baseline) -> Iterator[Difference]:
    """By pid and start; what went and what came are one restart when they show in the same session, or look alike."""
    earlier, later = _by_identity(before.processes), _by_identity(after.processes)
    for identity in sorted(earlier.keys() & later.keys()):
        yield from _same(earlier[identity], later[identity])
    gone = [each for identity, each in earlier.items() if identity not in later]
    new = [each for identity, each in later.items() if identity not in earlier]
    pairs = dict(_successions(gone, new, _session_pids(before.servers), _session_pids(after.servers)))
    servers = {each.pid for each in (*before.servers, *after.servers)}
    workers = {pid for pid, _ in earlier.keys() & later.keys()} - servers
    heirs = set(pairs.values())
    for each in gone:
        heir = pairs.get(each)
        if heir is not None:
            yield _process(heir, Change.RESTARTED, _process_text(each), _process_text(heir))
        else:
            yield _process(each, _coming(each, Change.REMOVED, workers), _process_text(each), NOTHING)
    for each in new:
        if each not in heirs:
            beside = not in_scope(each, before.scope)
            yield _process(each, _coming(each, Change.ADDED, workers), NOTHING, _process_text(each), beside=beside)


def _by_identity(processes: Iterable[Process]) -> dict[tuple[int, int], Process]:
    return {(each.pid, each.start): each for each in processes}


def _same(old: Process, new: Process) -> Iterator[Difference]:
    if (old.command, old.exe) != (new.command, new.exe) and old.exe and new.exe:
        texts = (old.command, new.command) if old.command != new.command else (old.exe, new.exe)
        yield _process(new, Change.CONTENT, *texts)
    if old.uid != new.uid:
        yield _process(new, Change.OWNER, f"uid {old.uid}", f"uid {new.uid}")
    if old.cgroup != new.cgroup:
        yield _process(new, Change.MOVED, old.cgroup, new.cgroup)


def _session_pids(servers: Sequence[Server]) -> dict[int, str]:
    return {
        pane.pid: f"{server.socket}:{session.name}:{number}"
        for server in servers
        for session in server.sessions
        for number, pane in enumerate(session.panes)
    }


def _successions(
    gone: Sequence[Process], new: Sequence[Process], was: Mapping[int, str], now: Mapping[int, str]
) -> Iterator[tuple[Process, Process]]:
    places = {place: pid for pid, place in now.items()}
    free = {each.pid: each for each in new}
    for each in gone:
        heir = free.pop(places.get(was.get(each.pid, ""), 0), None)
        if heir is None:
            alike = (
                one for one in free.values() if (one.command, one.cwd, one.uid) == (each.command, each.cwd, each.uid)
            )
            heir = next(alike, None)
            if heir is not None:
                del free[heir.pid]
        if heir is not None:
            yield each, heir


def _coming(process: Process, change: Change, workers: set[int]) -> Change:
    return Change.CHILD if workers.intersection(process.parents) else change


def _process(process: Process, change: Change, before: str, after: str, *, beside: bool = False) -> Difference:
    place = f"{process.pid} {process.command}"
    return Difference(Thing.PROCESS, place, change, before, after, (process.command,), process.mark, beside)


def _process_text(process: Process) -> str:
    return f"pid {process.pid}, start {process.start}, uid {process.uid}"


# ---- units and ports -----------------------------------------------------------------------------------------------------


def units(before: Baseline, after: Baseline) -> Iterator[Difference]:
    """By name; a service manager that could not be asked the first time is not compared."""
    blind = [{each.place for each in look.unseen if each.thing is Thing.UNIT} for look in (before, after)]
    for name in sorted(blind[1] - blind[0]):
        yield Difference(Thing.UNIT, name, Change.HIDDEN, "told by systemd", _why(after, name), (name,))
    deaf = {_personal(name) for name in blind[0] | blind[1]}
    earlier, later = ({each.name: each for each in look.units} for look in (before, after))
    for name in sorted({*earlier, *later}):
        if _personal(name) not in deaf:
            yield from _unit(name, earlier.get(name), later.get(name))


def _why(look: Baseline, name: str) -> str:
    return next(each.why for each in look.unseen if each.thing is Thing.UNIT and each.place == name)


def _personal(name: str) -> bool:
    return name.startswith(PERSONAL)


def _unit(name: str, old: Unit | None, new: Unit | None) -> Iterator[Difference]:
    texts = (_unit_text(old), _unit_text(new))
    if old is None or new is None:
        yield Difference(Thing.UNIT, name, Change.ADDED if old is None else Change.REMOVED, *texts)
    elif (old.invocation, old.pid, old.restarts) != (new.invocation, new.pid, new.restarts):
        hints = ("systemd restarted it by itself: it had ended",) if new.restarts > old.restarts else ()
        yield Difference(Thing.UNIT, name, Change.RESTARTED, *texts, hints=hints)
    elif old != new:
        yield Difference(Thing.UNIT, name, Change.STATE, *texts)


def _unit_text(unit: Unit | None) -> str:
    if unit is None:
        return NOTHING
    loaded = "" if unit.load == "loaded" else f"{unit.load}, "
    return f"{loaded}{unit.active} ({unit.sub}), invocation {unit.invocation[:12] or 'none'}, pid {unit.pid}"


def ports(before: Sequence[Listener], after: Sequence[Listener]) -> Iterator[Difference]:
    """By protocol and address; several sockets can wait at one."""
    earlier, later = _by_address(before), _by_address(after)
    for protocol, address in sorted({*earlier, *later}):
        old, new = earlier.get((protocol, address), []), later.get((protocol, address), [])
        if {each.inode for each in old} == {each.inode for each in new}:
            continue
        change = Change.ADDED if not old else Change.REMOVED if not new else Change.RESTARTED
        mark = next((each.mark for each in new or old if each.mark), "")
        name = f"{protocol} {address}"
        texts = (_ports_text(old), _ports_text(new))
        beside = not old or all(each.mark for each in old)
        yield Difference(Thing.PORT, name, change, *texts, mark=mark, beside=beside)


def _by_address(listeners: Sequence[Listener]) -> dict[tuple[str, str], list[Listener]]:
    found: dict[tuple[str, str], list[Listener]] = {}
    for each in listeners:
        found.setdefault((each.protocol, each.address), []).append(each)
    return found


def _ports_text(listeners: Sequence[Listener]) -> str:
    if not listeners:
        return NOTHING
    each = listeners[0]
    owner = f"pid {each.pids[0]}: {each.command}" if each.pids else "a process that may not be seen"
    return f"{owner} (socket {', '.join(str(one.inode) for one in listeners)})"
