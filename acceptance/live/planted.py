"""Differences to plant between a live deployment and its staged project, each with what parity must say of it.

A difference is planted into the files of one side.  What it must be called is the whole list of bad findings: one that is
missing is a difference overlooked, one that is too much is noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit

from .live_plan import OPUS, PLAN, SONNET

DIFFERENT, MISSING = "DIFFERENT", "MISSING"
LOOPS = ("builder", "adversary")
Findings = dict[str, str]
"""By place: the class."""
Edit = Callable[["Side"], None]


class Side:
    """The files of one side, an agents.toml and what it names."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.doc: Any = tomlkit.parse((root / "agents.toml").read_text(encoding="utf-8"))

    def save(self) -> None:
        text = tomlkit.dumps(self.doc)
        path = self.root / "agents.toml"
        if text != path.read_text(encoding="utf-8"):
            path.write_text(text, encoding="utf-8")

    def entry(self, name: str) -> Any:
        """The table of an agent or service."""
        return next(entry for kind in ("agent", "service") for entry in self.doc[kind] if entry["name"] == name)

    def drop(self, name: str) -> None:
        for kind in ("agent", "service"):
            left = [entry for entry in self.doc[kind] if entry["name"] != name]
            if len(left) != len(self.doc[kind]):
                array = tomlkit.aot()
                for entry in left:
                    array.append(entry)
                self.doc[kind] = array

    def add(self, kind: str, /, **keys: Any) -> None:
        table = tomlkit.table()
        table.update(keys)
        self.doc[kind].append(table)

    @property
    def loop(self) -> Any:
        return self.doc["loop"]

    @property
    def phases(self) -> list[Any]:
        return [dict(phase.unwrap() if hasattr(phase, "unwrap") else phase) for phase in self.loop["phases"]]

    @phases.setter
    def phases(self, phases: list[Any]) -> None:
        """Inline tables, or tables of their own: whatever the file had, it now has an array of tables."""
        del self.loop["phases"]
        array = tomlkit.aot()
        for phase in phases:
            table = tomlkit.table()
            table.update(phase)
            array.append(table)
        self.loop["phases"] = array

    def phase(self, id: str, /, **keys: Any) -> None:
        """Set keys of a phase; None takes one away."""
        changed = self.phases
        found = next(phase for phase in changed if phase["id"] == id)
        for key, value in keys.items():
            found.pop(key, None)
            if value is not None:
                found[key] = value
        self.phases = changed

    @property
    def handoff(self) -> Any:
        return self.loop["handoff"]

    def path(self, name: str) -> Path:
        """A file by what it is: ``kickoff``, a role, an agent's prompt, ``wake`` of the orchestrator."""
        if name == "kickoff":
            return self.root / str(self.loop["kickoff_template"])
        if name in LOOPS:
            return self.root / str(self.loop["roles_dir"]) / f"{name}.md"
        if name == "wake":
            return self.root / str(self.entry("orchestrator")["wake"]["prompt_file"])
        return self.root / str(self.entry(name)["prompt_file"])

    def rewrite(self, name: str, change: Callable[[bytes], bytes]) -> None:
        path = self.path(name)
        before = path.read_bytes()
        after = change(before)
        assert after != before, f"nothing was changed in {path}"
        path.write_bytes(after)


@dataclass(frozen=True, slots=True)
class Planted:
    """One difference.  ``live``: planted into the live side instead of the staged one."""

    name: str
    edit: Edit
    finds: Findings
    live: bool = False


@contextmanager
def planted(root: Path, edit: Edit) -> Iterator[None]:
    """Plant into the files below *root*, and put every file back afterwards, byte for byte."""
    kept = {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and ".git" not in path.parts}
    try:
        side = Side(root)
        edit(side)
        side.save()
        assert any(not path.exists() or path.read_bytes() != was for path, was in kept.items()), "nothing was planted"
        yield
    finally:
        for path, was in kept.items():
            if not path.exists() or path.read_bytes() != was:
                path.write_bytes(was)


# ---- edits -----------------------------------------------------------------------------------------------------------


def setting(name: str, **keys: Any) -> Edit:
    """Set keys of an agent or service; None takes one away."""

    def edit(side: Side) -> None:
        for key, value in keys.items():
            side.entry(name).pop(key, None)
            if value is not None:
                side.entry(name)[key] = value

    return edit


def at(*path: str, to: Any = None) -> Edit:
    """Set the value at *path* of the document; None takes it away."""

    def edit(side: Side) -> None:
        table = side.doc
        for key in path[:-1]:
            table = table[key]
        if to is None:
            del table[path[-1]]
        else:
            table[path[-1]] = to

    return edit


def dropped(name: str) -> Edit:
    return lambda side: side.drop(name)


def added(kind: str, /, **keys: Any) -> Edit:
    return lambda side: side.add(kind, **keys)


def phase(id: str, /, **keys: Any) -> Edit:
    return lambda side: side.phase(id, **keys)


def phases(change: Callable[[list[Any]], list[Any]]) -> Edit:
    def edit(side: Side) -> None:
        side.phases = change(side.phases)

    return edit


def text(name: str, old: bytes, new: bytes) -> Edit:
    return lambda side: side.rewrite(name, lambda data: data.replace(old, new, 1))


def bytes_of(name: str, change: Callable[[bytes], bytes]) -> Edit:
    return lambda side: side.rewrite(name, change)


def both(*edits: Edit) -> Edit:
    def edit(side: Side) -> None:
        for each in edits:
            each(side)

    return edit


def _swapped(first: int, second: int) -> Edit:
    def change(found: list[Any]) -> list[Any]:
        found[first], found[second] = found[second], found[first]
        return found

    return phases(change)


def _flipped(data: bytes) -> bytes:
    """One bit of one byte, in the middle."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


# ---- what they must be called ----------------------------------------------------------------------------------------


def different(*places: str) -> Findings:
    return dict.fromkeys(places, DIFFERENT)


def missing(*places: str) -> Findings:
    return dict.fromkeys(places, MISSING)


def kickoffs(*agents: str, ids: tuple[str, ...] = ()) -> Findings:
    """The kickoffs of *agents*, in all phases or in those of *ids*: what follows from a changed text."""
    return different(*(f"kickoff {id}/{a}: sha256" for id in ids or [p.id for p in PLAN] for a in agents))


def models_without_override(agent: str) -> Findings:
    return different(*(f"phase {p.id}: model of {agent}" for p in PLAN if agent not in p.models))


def _role(name: str) -> Findings:
    return {**different(f"role {name}: sha256"), **kickoffs(name)}


_NEW_LIMIT = r"(?i)usage limit"

STAGED = (
    # agents and services
    Planted("assistant missing", dropped("assistant"), missing("agent assistant: present")),
    Planted("orchestrator missing", dropped("orchestrator"), missing("agent orchestrator: present")),
    Planted("upgrader missing", dropped("upgrader"), missing("agent upgrader: present")),
    Planted("cleanlogs missing", dropped("cleanlogs"), missing("agent cleanlogs: present")),
    Planted("opencode-server missing", dropped("opencode-server"), missing("agent opencode-server: present")),
    Planted(
        "report missing",
        both(dropped("report"), at("loop", "on_complete")),
        {**missing("agent report: present"), **different("loop: on_complete")},
    ),
    Planted("extra agent", added("agent", name="helper", kind="task"), different("agent helper: present")),
    Planted("extra service", added("service", name="web", command="true"), different("agent web: present")),
    Planted("wrong backend of a task", setting("upgrader", backend="claude"), different("agent upgrader: backend")),
    Planted("wrong backend of a loop", setting("builder", backend="opencode"), different("agent builder: backend")),
    Planted("wrong model of the orchestrator", setting("orchestrator", model=SONNET), different("agent orchestrator: model")),
    Planted(
        "wrong usual model of a loop",
        setting("builder", model="claude-haiku-4-5"),
        {**different("agent builder: model"), **models_without_override("builder")},
    ),
    Planted("watch weakened", setting("adversary", watch="heal"), different("agent adversary: watch")),
    Planted("session renamed", setting("adversary", session="cc-ci-adversary"), different("agent adversary: session")),
    Planted("wrong directory", setting("builder", dir="/srv/elsewhere"), different("agent builder: dir")),
    Planted("a disabled agent enabled", setting("assistant", enabled=True), different("agent assistant: enabled")),
    Planted("an agent disabled", setting("orchestrator", enabled=False), different("agent orchestrator: enabled")),
    Planted("resume lost", setting("builder", resume=False), different("agent builder: resume")),
    Planted("kind changed", setting("assistant", kind="task"), different("agent assistant: kind")),
    Planted(
        "wake interval",
        lambda side: side.entry("orchestrator")["wake"].update({"interval": 7200}),
        different("agent orchestrator: wake interval"),
    ),
    Planted(
        "wake lost",
        setting("orchestrator", wake=None),
        missing("agent orchestrator: wake interval", "agent orchestrator: wake prompt sha256"),
    ),
    Planted("service command", setting("cleanlogs", command="exec true"), different("agent cleanlogs: command")),
    Planted("service directory", setting("cleanlogs", dir="/tmp"), different("agent cleanlogs: dir")),
    # the plan
    Planted("wrong model in one phase", phase("mailu", models={"builder": SONNET}), different("phase mailu: model of builder")),
    Planted("model where there was none", phase("4", models={"adversary": OPUS}), different("phase 4: model of adversary")),
    Planted("override of one agent lost", phase("2", models={"builder": OPUS}), different("phase 2: model of adversary")),
    Planted("all overrides of a phase lost", phase("lvl5", models=None), different("phase lvl5: model of adversary")),
    Planted("two phases swapped", _swapped(6, 7), different("phases: order")),
    Planted("the last phase first", phases(lambda found: [found[-1], *found[:-1]]), different("phases: order")),
    Planted("phase missing", phases(lambda found: [p for p in found if p["id"] != "conc"]), missing("phase conc: present")),
    Planted("last phase missing", phases(lambda found: found[:-1]), missing("phase poe2e: present")),
    Planted(
        "extra phase", phases(lambda found: [*found, {"id": "prevb", "plan": "plan.md"}]), different("phase prevb: present")
    ),
    Planted(
        "phase renamed",
        phase("2w", id="2W"),
        {**missing("phase 2w: present"), **different("phase 2W: present")},
    ),
    Planted(
        "plan renamed",
        phase("shot", plan="plan-phase-shots.md"),
        {**different("phase shot: plan"), **kickoffs(*LOOPS, ids=("shot",))},
    ),
    Planted(
        "status file renamed",
        phase("1", status="STATUS-1.md"),
        {**different("phase 1: status"), **kickoffs(*LOOPS, ids=("1",))},
    ),
    # texts
    Planted("a bit of builder.md", bytes_of("builder", _flipped), _role("builder")),
    Planted("a bit of adversary.md", bytes_of("adversary", _flipped), _role("adversary")),
    Planted("CRLF", bytes_of("builder", lambda data: data.replace(b"\n", b"\r\n")), different("role builder: sha256")),
    Planted("a newline at the end", bytes_of("adversary", lambda data: data + b"\n"), different("role adversary: sha256")),
    Planted("a bit of the orchestrator's", bytes_of("orchestrator", _flipped), different("agent orchestrator: prompt sha256")),
    Planted("a bit of the upgrader's prompt", bytes_of("upgrader", _flipped), different("agent upgrader: prompt sha256")),
    Planted("a bit of the report's prompt", bytes_of("report", _flipped), different("agent report: prompt sha256")),
    Planted("a bit of the assistant's prompt", bytes_of("assistant", _flipped), different("agent assistant: prompt sha256")),
    Planted("a bit of the wake prompt", bytes_of("wake", _flipped), different("agent orchestrator: wake prompt sha256")),
    Planted("kickoff line changed", text("kickoff", b"Read all of it now", b"Read it some day"), kickoffs(*LOOPS)),
    Planted("kickoff line lost", text("kickoff", b"=== standing role & rules ===\n", b""), kickoffs(*LOOPS)),
    Planted("slot missing", text("kickoff", b"`{plan}`", b"`plan.md`"), kickoffs(*LOOPS, ids=tuple(p.id for p in PLAN[1:]))),
    Planted("slot misspelt", text("kickoff", b"{phase_id}", b"{phase}"), kickoffs(*LOOPS)),
    # how work passes, and how it ends
    Planted("handoff repository", at("loop", "handoff", "repo", to="/srv/elsewhere"), different("handoff: repo")),
    Planted("handoff branch", at("loop", "handoff", "branch", to="trunk"), different("handoff: branch")),
    Planted("claim prefix", at("loop", "handoff", "claim", to="gate("), different("handoff: claim")),
    Planted("review prefix", at("loop", "handoff", "review", to="verdict("), different("handoff: review")),
    Planted("inbox", at("loop", "handoff", "inbox", to="docs"), different("handoff: inbox")),
    Planted("handoff target", at("loop", "handoff", "adversary", to=["assistant"]), different("handoff: adversary")),
    Planted("target added", at("loop", "handoff", "adversary", to=[*LOOPS[1:], "assistant"]), different("handoff: adversary")),
    Planted("on_complete lost", at("loop", "on_complete"), different("loop: on_complete")),
    Planted("on_complete another", at("loop", "on_complete", "run", to="upgrader"), different("loop: on_complete")),
    Planted("done marker", at("loop", "done_marker", to="## FINISHED"), different("loop: done_marker")),
    # limits, intervals, programs
    Planted("stall_grace", at("watchdog", "stall_grace", to=60), different("times: stall_grace")),
    Planted("signal_interval", at("watchdog", "signal_interval", to=60), different("times: signal_interval")),
    Planted("limit_reset_slack", at("watchdog", "limit_reset_slack", to=0), different("times: limit_reset_slack")),
    Planted("limit_probe_fallback", at("watchdog", "limit_probe_fallback", to=30), different("times: limit_probe_fallback")),
    Planted("stall_idle of claude", at("backend", "claude", "stall_idle", to=30), different("backend claude: stall_idle")),
    Planted("stall_idle of opencode", at("backend", "opencode", "stall_idle", to=300), different("backend opencode: stall_idle")),
    Planted("limit_re", at("backend", "claude", "limit_re", to=_NEW_LIMIT), different("backend claude: limit_re")),
    Planted("active_re", at("backend", "claude", "active_re", to="working"), different("backend claude: active_re")),
    Planted("fatal_re", at("backend", "claude", "fatal_re", to="x{3}"), different("backend claude: fatal_re")),
    Planted("flags", at("backend", "claude", "flags", to=["--verbose"]), different("backend claude: flags")),
    Planted("submit key", at("backend", "opencode", "submit_key", to="Enter"), different("backend opencode: submit_key")),
    Planted("program", at("backend", "claude", "bin", to="/opt/claude"), different("backend claude: bin")),
    Planted("preamble", at("backend", "opencode", "preamble", to=""), different("backend opencode: preamble")),
)  # fmt: skip

LIVE = (
    Planted("agent of live only", added("agent", name="reviewer", kind="task"), missing("agent reviewer: present"), live=True),
    Planted("live's model changed since", setting("orchestrator", model=SONNET), different("agent orchestrator: model"), live=True),
    Planted("live's prompt changed since", bytes_of("upgrader", _flipped), different("agent upgrader: prompt sha256"), live=True),
    Planted(
        "live's plan grew since",
        phases(lambda found: [*found, {"id": "prevb", "plan": "plan.md", "status": "STATUS-prevb.md"}]),
        missing("phase prevb: present"),
        live=True,
    ),
    Planted("live's order changed since", _swapped(0, 1), different("phases: order"), live=True),
    Planted("live's kickoff changed since", text("kickoff", b"then work.", b"then rest."), kickoffs(*LOOPS), live=True),
)  # fmt: skip

SEVERAL = Planted(
    "several at once",
    both(dropped("cleanlogs"), phase("2", models={"builder": OPUS}), at("watchdog", "stall_grace", to=60), _swapped(3, 4)),
    {
        **missing("agent cleanlogs: present"),
        **different("phase 2: model of adversary", "times: stall_grace", "phases: order"),
    },
)  # fmt: skip
PLANTED = (*STAGED, *LIVE, SEVERAL)
