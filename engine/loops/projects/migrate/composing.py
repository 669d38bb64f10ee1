"""agents.toml of the staged project from facts alone: readable, and each value with the place that it came from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

import tomlkit

from loops.errors import ConfigError
from loops.projects.deployment.model import Deployment, Member
from loops.projects.migrate.copies import Copies
from loops.projects.migrate.rewriting import LOG_DIR
from loops.supervisor.table import printable

KICKOFF = "prompts/kickoff.md"
_SLOTTED = "the kickoff of the live scripts, with slots"
_SILENT = "nothing: the live kickoff holds no text of this role"
_COLUMN = 56
"""Where the comments begin, if the value leaves room."""


def compose(deployment: Deployment, copies: Copies, credentials: Mapping[str, str]) -> str:
    """Return the text; the documents go to *copies*.  *credentials*: names of credentials by their variable.

    Raises:
        ConfigError: something that every project must have is not told.
    """
    return "\n".join(_Composing(deployment, copies, credentials).lines()) + "\n"


class _Composing:
    def __init__(self, deployment: Deployment, copies: Copies, credentials: Mapping[str, str]) -> None:
        self._live, self._copies, self._credentials = deployment, copies, credentials

    def lines(self) -> Iterator[str]:
        live = self._live
        if not live.prefix:
            raise ConfigError(
                f"{live.source}: what the names of its sessions begin with is not told: give it with --set SESSION_PREFIX=NAME-"
            )
        loop = list(self._loop())  # its documents come first, for their names are not free
        yield f"# Staged by `loops migrate` from {printable(live.source)}."
        yield "# Behind each value stands where it came from; MIGRATION.md has the whole account."
        yield from ("", "[defaults]")
        yield self._line("session_prefix", live.prefix, "loop: session_prefix")
        yield self._line("log_dir", LOG_DIR, said="its own: two supervisors never share state")
        if live.times:
            yield from ("", "[watchdog]")
            for key, seconds in live.times.items():
                yield self._line(key, seconds, f"times: {key}")
        for name, settings in (live.clis or {}).items():
            if settings:
                yield from ("", f"[backend.{name}]")
                for key, value in settings.items():
                    number = float(value) if key == "stall_idle" else None
                    yield self._line(key, value if number is None else number, f"backend {name}: {key}")
        for member in live.members:
            yield from ("", "[[service]]" if member.kind == "service" else "[[agent]]")
            yield from self._member(member)
        yield from loop

    def _member(self, member: Member) -> Iterator[str]:
        place = f"agent {member.name}"
        yield self._line("name", member.name)
        if member.session is not None and member.session != f"{self._live.prefix}{member.name}":
            yield self._line("session", member.session, f"{place}: session")
        service = member.kind == "service"
        keys = ("dir", "watch") if service else ("kind", "role", "dir", "backend", "model", "watch", "schedule")
        for key in keys:
            value = getattr(member, key)
            if value is not None and (value or key == "model"):
                yield self._line(key, value, f"{place}: {key}")
        if member.enabled is False:
            yield self._line("enabled", False, f"{place}: enabled")
        if service:
            yield self._line("command", list(member.command or ()), f"{place}: command")
            return
        if member.kind == "loop":
            yield self._line("isolate", False, said="it sees what it has seen; without this line it would be isolated")
        if member.resume:
            yield self._line("resume", True, f"{place}: conversation")
        if member.prompt is not None:
            path = self._copies.take(member.prompt.path) or self._copies.absent(member.prompt.path)
            yield self._line("prompt_file", path, f"{place}: prompt sha256")
        if member.wakes is not None and member.wakes.prompt is not None:
            given = member.wakes.prompt.path
            path = self._copies.take(given, f"prompts/{os.path.basename(given)}") or self._copies.absent(given)
            wake = tomlkit.inline_table()
            wake.update({"interval": _plain(member.wakes.interval), "prompt_file": path})
            yield self._written("wake", wake.as_string(), f"{place}: wake interval")
        if self._credentials:
            table = tomlkit.inline_table()
            table.update(self._credentials)
            yield self._written(
                "credentials", table.as_string(), said="the live environment sets them: see MIGRATION.md"
            )

    def _loop(self) -> Iterator[str]:
        live = self._live
        if not live.steps and live.relay is None and not live.on_complete:
            return
        yield from ("", "[loop]")
        if live.roles:
            for role, document in live.roles.items():
                if document.path:
                    self._copies.take(document.path, f"prompts/{role}.md")
                else:  # without an empty one the engine would add its own
                    self._copies.write(f"prompts/{role}.md", "", _SILENT)
            yield self._line("roles_dir", "prompts")
        if live.template is not None:
            yield self._line("kickoff_template", self._copies.write(KICKOFF, live.template, _SLOTTED), said=_SLOTTED)
        elif live.templates:
            for role, text in live.templates.items():
                self._copies.write(f"prompts/kickoff-{role}.md", text, _SLOTTED)
            yield self._line("kickoff_template", "prompts/kickoff-{role}.md", said=f"{_SLOTTED}, one for each role")
        if live.relay is not None and live.relay.repo:
            handoff = tomlkit.inline_table()
            handoff["repo"] = live.relay.repo
            for key in ("branch", "claim", "review", "inbox"):
                if getattr(live.relay, key) is not None:
                    handoff[key] = getattr(live.relay, key)
            for key in ("builder", "adversary"):
                names = getattr(live.relay, key)
                if names:
                    handoff[key] = names[0] if len(names) == 1 else list(names)
            yield self._written("handoff", handoff.as_string(), "agent builder: dir")
        if live.on_complete:
            yield self._written("on_complete", f"{{ run = {_toml(live.on_complete)} }}", "loop: on_complete")
        if live.steps:
            yield from self._phases()

    def _phases(self) -> Iterator[str]:
        yield self._written("phases", "[", "phases: order")
        for step in self._live.steps or ():
            fields = [
                f"id = {_toml(step.id)}",
                f"plan = {_toml(step.plan or '')}",
                f"status = {_toml(step.status or '')}",
            ]
            models = step.models or {}
            if models:
                pairs = ", ".join(f"{name} = {_toml(model)}" for name, model in models.items())
                fields.append(f"models = {{ {pairs} }}")
            places = (f"phase {step.id}: model of {name}" for name in models)
            origins = dict.fromkeys(filter(None, map(self._live.origins.get, places)))
            yield f"  {{ {', '.join(fields)} }},{_comment(', '.join(origins))}"
            self._plan(step.plan or "")
        yield "]"

    def _plan(self, plan: str) -> None:
        if not plan or os.path.isabs(plan) or os.path.normpath(plan).startswith(".."):
            return
        for directory in dict.fromkeys((self._live.plans or ".", ".")):
            path = os.path.join(directory, plan)
            if self._copies.files.bytes(path) is not None:
                self._copies.take(path, os.path.normpath(plan))
                return

    def _line(self, key: str, value: object, place: str = "", said: str = "") -> str:
        return self._written(key, _toml(value), place, said)

    def _written(self, key: str, text: str, place: str = "", said: str = "") -> str:
        return f"{key} = {text}".ljust(_COLUMN if said or self._live.origins.get(place) else 0) + _comment(
            said or self._live.origins.get(place, "")
        )


def _comment(text: str) -> str:
    return f"  # {printable(text)}" if text else ""


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(_plain(value))
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return tomlkit.string(str(value)).as_string()


def _plain(number: float) -> int | float:
    return int(number) if number == int(number) else number
