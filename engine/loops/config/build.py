"""From a checked TOML document to frozen facts, and where in the document each of them came from.

Nothing here can fail: `contract` and `rules` have let the document pass.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from loops.config import addresses
from loops.config.backends import BUILT_IN
from loops.config.model import (
    Agent,
    Backend,
    Backoff,
    Budget,
    Config,
    Delivery,
    Done,
    Granularity,
    Handoff,
    Item,
    Kind,
    Loop,
    Mode,
    Network,
    NoticeKind,
    Notify,
    Permissions,
    Phase,
    Price,
    Verdicts,
    Wake,
    Watch,
    Watchdog,
)
from loops.config.problems import DocPath
from loops.config.table import Table
from loops.secrets import credentials


@dataclass(frozen=True, slots=True)
class Built:
    """The facts; and by row key, such as ``agent.builder.model``, the place of each value that the file gives."""

    config: Config
    sources: Mapping[str, DocPath]


def build(document: Mapping[str, Any], path: str, digest: str) -> Built:
    """Fill in the defaults.  *path* is the absolute path of the file, *digest* the SHA-256 of its bytes."""
    builder = _Builder(document, os.path.dirname(path))
    return Built(builder.config(path, digest), builder.sources)


class _Builder:
    def __init__(self, document: Mapping[str, Any], root: str) -> None:
        self.sources: dict[str, DocPath] = {}
        self._root = root
        self._top = Table(document, (), "", self.sources)
        self._defaults = self._top.table("defaults")
        self._prefix: str = self._defaults.get("session_prefix", "")
        self._notes: list[str] = []

    def config(self, path: str, digest: str) -> Config:
        agents = [self._agent(table) for table in self._top.tables("agent", "agent", "name")]
        services = [self._service(table) for table in self._top.tables("service", "service", "name")]
        return Config(
            path=path,
            root=self._root,
            digest=digest,
            session_prefix=self._prefix,
            log_dir=self._path(self._defaults, "log_dir"),
            watchdog=self._watchdog(),
            backends=self._backends(agents),
            agents={member.name: member for member in (*agents, *services)},
            loop=self._loop(agents),
            prices=self._prices(),
            notify=self._notify(self._top.table("notify")),
            notes=tuple(self._notes),
        )

    def _path(self, table: Table, key: str, default: str = "") -> str:
        given: str = table.get(key, default)
        return os.path.normpath(os.path.join(self._root, given)) if given else ""

    def _inherited(self, table: Table, row: str, key: str, default: str) -> str:
        """The value of an agent or a service, else that of [defaults]."""
        if key in table or key not in self._defaults:
            own: str = table.get(key, default)
            return own
        self.sources[f"{row}.{key}"] = ("defaults", key)
        inherited: str = self._defaults.get(key, default)
        return inherited

    def _watchdog(self) -> Watchdog:
        table, usual = self._top.table("watchdog"), Watchdog()
        loop = self._top.table("loop", row="watchdog")
        if "heavy_interval" in table:
            self._notes.append("watchdog.heavy_interval is accepted and not used: a dead session is seen at once")
        return Watchdog(
            signal_interval=table.time("signal_interval", usual.signal_interval),
            heavy_interval=table.time("heavy_interval", usual.heavy_interval),
            limit_probe_fallback=table.time("limit_probe_fallback", usual.limit_probe_fallback),
            limit_reset_slack=table.time("limit_reset_slack", usual.limit_reset_slack),
            stall_grace=table.time("stall_grace", usual.stall_grace),
            hang_after=table.time("hang_after", usual.hang_after),
            stop_grace=table.time("stop_grace", usual.stop_grace),
            restart_backoff=self._backoff(table.table("restart_backoff")),
            budget=self._budget(table),
            approval_timeout=table.time("approval_timeout", usual.approval_timeout),
            log_tokens=table.get("log_tokens", loop.get("log_tokens", usual.log_tokens)),
            token_granularity=Granularity(table.get("token_granularity", usual.token_granularity.value)),
        )

    def _backoff(self, table: Table) -> Backoff:
        usual = Backoff()
        return Backoff(
            first=table.time("first", usual.first),
            factor=float(table.get("factor", usual.factor)),
            max=table.time("max", usual.max),
            jitter=float(table.get("jitter", usual.jitter)),
            healthy_after=table.time("healthy_after", usual.healthy_after),
            park_after=int(table.get("park_after", usual.park_after)),
        )

    def _budget(self, owner: Table) -> Budget:
        table = owner.table("budget")
        return Budget(
            tokens=int(table.get("tokens", 0)),
            usd=float(table.get("usd", 0.0)),
            wall=table.time("wall", 0.0),
        )

    def _prices(self) -> dict[str, Price]:
        tables = self._top.table("prices")
        return {name: self._price(tables.table(name)) for name in tables.names()}

    def _price(self, table: Table) -> Price:
        fresh = float(table.get("input", 0.0))
        return Price(fresh, float(table.get("cached", fresh)), float(table.get("output", 0.0)))

    def _notify(self, table: Table) -> Notify:
        usual = Notify()
        kinds = table.texts("events", [kind.value for kind in usual.events])
        found = Notify(
            urls=tuple(
                map(addresses.shown, table.texts("urls"))
            ),  # the rest stays in the file: all of this is journaled
            url_files=tuple(self._secret(name) for name in table.texts("url_files")),
            ntfy=table.get("ntfy", usual.ntfy),
            ntfy_token_file=self._secret(table.get("ntfy_token_file", "")),
            command=self._program(table.texts("command")),
            events=tuple(NoticeKind(kind) for kind in kinds),
            limit_after=table.time("limit_after", usual.limit_after),
            per_hour=table.get("per_hour", usual.per_hour),
        )
        if "notify" in self._top and not found.channels:
            self._notes.append("notify names no urls, url_files, ntfy or command: nothing is sent")
        for number, url in enumerate(found.urls, 1):
            if addresses.is_hidden(url):
                self._notes.append(
                    f"notify.urls: number {number} ({addresses.scheme(url)}) holds a key, which everybody who reads "
                    "agents.toml sees: move it to a file of its own and name that in url_files"
                )
        return found

    def _secret(self, name: str) -> str:
        """The name of a credential as it is; a path from here."""
        if not name or name.startswith(credentials.PREFIX):
            return name
        return os.path.normpath(os.path.join(self._root, name))

    def _program(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """A program that is named by a path is looked for from here, any other on the PATH."""
        if argv and "/" in argv[0]:
            return os.path.normpath(os.path.join(self._root, argv[0])), *argv[1:]
        return argv

    def _backends(self, agents: Sequence[Agent]) -> dict[str, Backend]:
        """Those with a table in the order of the file, then the built-in ones that an agent uses."""
        tables = self._top.table("backend")
        described = {name: self._backend(name, tables.table(name)) for name in tables.names()}
        used = dict.fromkeys(agent.backend for agent in agents if agent.backend not in described)
        return described | {name: BUILT_IN[name] for name in used}

    def _backend(self, name: str, table: Table) -> Backend:
        usual = BUILT_IN.get(name, Backend(name=name))
        delivery = Delivery(table.get("prompt_delivery", usual.prompt_delivery.value))
        if delivery is Delivery.EXEC:
            # The text of `bin` is the whole process: there is nothing that the adapter of that name could drive.
            usual = replace(usual, adapter="command")
        if "bin" in table:
            # Another program than the built-in one would be taken for a wrong one by its name.
            usual = replace(usual, process_name="")
        command = table.words("command")
        program: str = table.get("bin", command[0] if command else usual.bin)
        if delivery is not Delivery.EXEC and "/" in program:
            program = os.path.normpath(os.path.join(self._root, program))
        # Of a name that is not built in, `command` starts an agent that speaks the Agent Client Protocol.
        adapter: str = table.get("adapter", "acp" if command and name not in BUILT_IN else usual.adapter)
        return Backend(
            name=name,
            adapter=adapter,
            bin=program,
            flags=table.words("flags", command[1:] if command else usual.flags),
            session_flags=table.words("session_flags", usual.session_flags),
            resume_flags=table.words("resume_flags", usual.resume_flags),
            prompt_delivery=delivery,
            process_name=table.get("process_name", usual.process_name),
            submit_key=table.get("submit_key", usual.submit_key),
            stall_idle=table.time("stall_idle", usual.stall_idle),
            active_re=table.get("active_re", usual.active_re),
            limit_re=table.get("limit_re", usual.limit_re),
            fatal_re=table.get("fatal_re", usual.fatal_re),
            ready_re=table.get("ready_re", usual.ready_re),
            dialog_re=table.get("dialog_re", usual.dialog_re),
            remote_control=table.get("remote_control", usual.remote_control),
            supports_resume=table.get("supports_resume", usual.supports_resume or adapter == "acp"),
            preamble=table.get("preamble", usual.preamble),
            mode=Mode(table.get("mode", usual.mode.value)),
            home=self._home(table),
            env=dict(table.get("env", usual.env)),
        )

    def _home(self, table: Table) -> dict[str, str] | None:
        if "home" not in table:
            return None
        files = table.table("home")
        return {place: self._secret(files.get(place, "")) for place in files.names()}

    def _paths(self, table: Table, key: str) -> tuple[str, ...]:
        return tuple(os.path.normpath(os.path.join(self._root, path)) for path in table.texts(key))

    def _agent(self, table: Table) -> Agent:
        name: str = table.get("name", "")
        row = f"agent.{name}"
        wake = table.table("wake")
        return Agent(
            name=name,
            session=table.get("session", self._prefix + name),
            kind=Kind(table.get("kind", "loop")),
            dir=self._path(table, "dir", "."),
            role=table.get("role", ""),
            backend=self._inherited(table, row, "backend", ""),
            model=self._inherited(table, row, "model", ""),
            watch=Watch(self._inherited(table, row, "watch", "none")),
            enabled=table.get("enabled", True),
            resume=table.get("resume", False),
            prompt_file=self._path(table, "prompt_file"),
            wake=Wake(wake.time("interval", 0.0), self._path(wake, "prompt_file")) if "wake" in table else None,
            schedule=table.get("schedule", ""),
            env=dict(table.get("env", {})),
            budget=self._budget(table),
            mode=Mode(table.get("mode", "")) if "mode" in table else None,
            effort=table.get("effort", ""),
            permissions=Permissions(table.get("permissions", "skip")),
            isolate=table.get("isolate", None),
            blind=table.texts("blind"),
            reads=self._paths(table, "reads"),
            writes=self._paths(table, "writes"),
            network=Network(table.get("network", "open")),
            env_keep=table.texts("env_keep"),
            credentials=dict(table.get("credentials", {})),
        )

    def _service(self, table: Table) -> Agent:
        name: str = table.get("name", "")
        command: str | list[str] = table.get("command", [])
        watch = Watch(self._inherited(table, f"service.{name}", "watch", "none"))
        return Agent(
            name=name,
            session=table.get("session", self._prefix + name),
            kind=Kind.SERVICE,
            dir=self._path(table, "dir", "."),
            watch=Watch.HEAL if watch.heals else Watch.NONE,  # without turns nothing can stall
            enabled=table.get("enabled", True),
            command=("/bin/sh", "-c", command) if isinstance(command, str) else tuple(command),
            env=dict(table.get("env", {})),
            credentials=dict(table.get("credentials", {})),
        )

    def _loop(self, agents: Sequence[Agent]) -> Loop:
        table = self._top.table("loop")
        return Loop(
            roles_dir=self._path(table, "roles_dir"),
            kickoff_template=self._path(table, "kickoff_template"),
            handoff=self._handoff(table.table("handoff"), agents) if "handoff" in table else None,
            on_complete=table.table("on_complete").get("run", ""),
            done=self._done(table),
            done_nudge=table.get("done_nudge", True),
            phases=tuple(self._phase(phase) for phase in table.tables("phases", "loop.phases", "id")),
        )

    def _done(self, loop: Table) -> Done:
        table, usual = loop.table("done"), Done()
        return Done(
            marker=table.get("marker", loop.get("done_marker", usual.marker, row="done.marker")),
            verdict_max_age=table.time("verdict_max_age", usual.verdict_max_age),
            verdicts=Verdicts(table.get("verdicts", usual.verdicts.value)),
        )

    def _handoff(self, table: Table, agents: Sequence[Agent]) -> Handoff:
        def who(key: str) -> tuple[str, ...]:
            if key in table:
                named: str | list[str] = table.get(key, [])
                return (named,) if isinstance(named, str) else tuple(named)
            by_role = tuple(agent.name for agent in agents if agent.role == key)
            return by_role or tuple(agent.name for agent in agents if agent.name == key)

        return Handoff(
            repo=self._path(table, "repo"),
            branch=table.get("branch", "main"),
            remote=table.get("remote", "origin"),
            claim=table.get("claim", "claim("),
            review=table.get("review", "review("),
            inbox=table.get("inbox", "machine-docs"),
            builder=who("builder"),
            adversary=who("adversary"),
        )

    def _phase(self, table: Table) -> Phase:
        phase_id: str = table.get("id", "")
        items: list[str | Mapping[str, Any]] = table.get("items", [])
        return Phase(
            id=phase_id,
            plan=table.get("plan", ""),
            status=table.get("status", f"STATUS-{phase_id}.md"),
            models=dict(table.get("models", {})),
            items=tuple(
                Item(item) if isinstance(item, str) else Item(item["id"], tuple(item.get("covers", ())))
                for item in items
            ),
            checks=tuple(table.get("checks", ())),
            check_timeout=table.time("check_timeout", 3600.0),
            budget=self._budget(table),
        )
