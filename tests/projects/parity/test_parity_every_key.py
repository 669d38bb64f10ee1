"""No key of agents.toml can be changed without parity saying so."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from loops import resources
from loops.projects.deployment.configured import read
from loops.projects.deployment.model import Form
from loops.projects.parity.compare import compare
from loops.projects.parity.comparison import Verdict

TODAY = date(2026, 6, 1)
DOCUMENT: dict[str, Any] = {
    "defaults": {"session_prefix": "cc-", "log_dir": ".loops", "backend": "mine", "model": "small", "watch": "heal"},
    "watchdog": {
        "signal_interval": 31.0,
        "heavy_interval": 301.0,
        "limit_probe_fallback": 301.0,
        "limit_reset_slack": 46.0,
        "stall_grace": 181.0,
        "hang_after": 1801.0,
        "stop_grace": 11.0,
        "restart_backoff": {"first": 2.0},
        "budget": {"tokens": 5},
        "approval_timeout": 3601.0,
        "log_tokens": False,
        "token_granularity": "gate",
    },
    "backend": {
        "mine": {
            "adapter": "command",
            "bin": "mine",
            "flags": ["-a"],
            "resume_flags": ["-r", "{id}"],
            "session_flags": ["-s", "{id}"],
            "prompt_delivery": "arg",
            "process_name": "mine",
            "submit_key": "Enter",
            "stall_idle": 301.0,
            "active_re": "a",
            "limit_re": "b",
            "fatal_re": "c",
            "ready_re": "d",
            "dialog_re": "e",
            "remote_control": False,
            "supports_resume": False,
            "preamble": "p",
            "env": {"A": "1"},
        },
        "codex": {"mode": "headless"},
    },
    "agent": [
        {
            "name": "builder",
            "session": "cc-b",
            "kind": "loop",
            "role": "builder",
            "dir": "work",
            "backend": "codex",
            "model": "m",
            "watch": "heal",
            "enabled": True,
            "resume": False,
            "env": {"A": "1"},
            "budget": {"tokens": 5},
            "mode": "headless",
            "effort": "low",
            "permissions": "skip",
            "reads": ["r"],
            "writes": ["w"],
            "network": "open",
            "credentials": {"API_KEY": "one"},
            "env_keep": ["A"],
            "isolate": True,
            "blind": ["x"],
        },
        {"name": "adversary", "role": "adversary", "dir": "adv"},
        {
            "name": "boss",
            "kind": "persistent",
            "prompt_file": "a.md",
            "wake": {"interval": 60.0, "prompt_file": "a.md"},
        },
        {"name": "report", "kind": "task", "prompt_file": "a.md", "schedule": "Sun 02:00"},
        {"name": "other", "kind": "task", "prompt_file": "a.md"},
    ],
    "service": [
        {
            "name": "logs",
            "command": ["true"],
            "dir": "work",
            "session": "cc-l",
            "enabled": True,
            "watch": "heal",
            "env": {"A": "1"},
            "credentials": {"API_KEY": "one"},
        }
    ],
    "loop": {
        "kickoff_template": "k.md",
        "roles_dir": "roles",
        "done": {"marker": "## DONE", "verdict_max_age": "24h", "verdicts": "required"},
        "done_nudge": True,
        "handoff": {
            "repo": "work",
            "branch": "main",
            "remote": "origin",
            "claim": "claim(",
            "review": "review(",
            "inbox": "docs",
            "builder": ["builder"],
            "adversary": ["adversary"],
        },
        "on_complete": {"run": "report"},
        "phases": [
            {
                "id": "1",
                "plan": "plan.md",
                "status": "S.md",
                "models": {"builder": "x"},
                "items": [{"id": "D1", "covers": ["a"]}],
                "checks": ["true"],
                "budget": {"tokens": 5},
                "check_timeout": 60.0,
            },
            {"id": "2", "plan": "plan.md", "checks": ["true"]},
        ],
    },
}
BY_HAND: dict[str, Any] = {
    "defaults.backend": "codex",
    "defaults.watch": "none",
    "watchdog.token_granularity": "phase",
    "watchdog.restart_backoff": {"first": 3.0},
    "watchdog.budget": {"tokens": 6},
    "backend.mine.prompt_delivery": "ping",
    "backend.mine.submit_key": "C-j",
    "backend.mine.resume_flags": ["-R", "{id}"],
    "backend.mine.session_flags": ["-S", "{id}"],
    "backend.codex.mode": "tui",
    "agent.builder.kind": "task",
    "agent.builder.role": "adversary",
    "agent.builder.backend": "mine",
    "agent.builder.watch": "none",
    "agent.builder.budget": {"tokens": 6},
    "agent.builder.mode": "tui",
    "agent.builder.effort": "high",
    "agent.builder.permissions": "ask",
    "agent.builder.network": "none",
    "agent.builder.credentials": {"API_KEY": "two"},
    "agent.builder.env_keep": ["B"],
    "agent.boss.kind": "task",
    "agent.other.kind": "persistent",
    "agent.boss.wake": {"interval": 61.0, "prompt_file": "a.md"},
    "agent.boss.prompt_file": "b.md",
    "agent.report.schedule": "Mon 02:00",
    "service.logs.watch": "none",
    "service.logs.credentials": {"API_KEY": "two"},
    "loop.kickoff_template": "k2.md",
    "loop.roles_dir": "roles2",
    "loop.done.verdict_max_age": "25h",
    "loop.done.verdicts": "optional",
    "loop.handoff.builder": ["boss"],
    "loop.handoff.adversary": ["boss"],
    "loop.on_complete": {"run": "other"},
    "loop.phases.1.models": {"builder": "y"},
    "loop.phases.1.items": [{"id": "D1", "covers": ["b"]}],
    "loop.phases.1.budget": {"tokens": 6},
}
"""New values where a plain change of the old one would be refused, by the key's place."""
EXEMPT = {
    "defaults.log_dir": "each project has its own: it is expected to differ",
    "backend.command": "the earlier spelling of bin",
    "backend.adapter": "another adapter is another backend: it takes other keys",
    "backend.home": "only of known adapters, and then as a table of files",
    "loop.done_marker": "the earlier spelling of done.marker",
    "loop.log_tokens": "the earlier place of watchdog.log_tokens",
}
TOLD_ELSEWHERE = ("notify", "prices")
"""How the operator is told of things, and what they cost: it changes nothing that is run."""


def keys() -> Iterator[tuple[str, ...]]:
    """Every key that stands in the document, as a path."""
    for table in ("defaults", "watchdog"):
        yield from ((table, key) for key in DOCUMENT[table])
    for name, backend in DOCUMENT["backend"].items():
        yield from (("backend", name, key) for key in backend)
    for table in ("agent", "service"):
        for each in DOCUMENT[table]:
            yield from ((table, each["name"], key) for key in each)
    for key in DOCUMENT["loop"]:
        if key in ("done", "handoff"):
            yield from (("loop", key, inner) for inner in DOCUMENT["loop"][key])
        elif key != "phases":
            yield "loop", key
    for phase in DOCUMENT["loop"]["phases"]:
        yield from (("loop", "phases", phase["id"], key) for key in phase)


def table_of(document: Any, path: tuple[str, ...]) -> Any:
    here = document
    for part in path[:-1]:
        here = (
            next(each for each in here if part in (each.get("name"), each.get("id")))
            if isinstance(here, list)
            else here[part]
        )
    return here


def other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, float):
        return value + 1
    if isinstance(value, dict):
        return {key: other(each) for key, each in value.items()}
    if isinstance(value, list):
        return [*value, *value[:1], "more"]
    return f"{value}2"


def written(root: Path, document: dict[str, Any]) -> str:
    for name, text in (("a.md", "a"), ("b.md", "b"), ("k.md", "k {phase_id}"), ("k2.md", "k2"), ("plan.md", "p")):
        (root / name).write_text(text)
    for folder in ("roles", "roles2"):
        (root / folder).mkdir(exist_ok=True)
        for role in ("builder", "adversary", "builder2", "adversary2"):
            (root / folder / f"{role}.md").write_text(f"{folder} {role}")
    path = root / "agents.toml"
    path.write_text(tomlkit.dumps(document))
    return str(path)


def test_every_key_of_the_schema_is_tried_here():
    with open(resources.schema("agents"), encoding="utf-8") as file:
        schema = json.load(file)
    tables = {"defaults", "watchdog", "backend", "agent", "service", "loop", "handoff", "done", "phase"}
    known = {f"{table}.{key}" for table in tables for key in schema["$defs"][table]["properties"]}
    top = set(schema["properties"]) - {"defaults", "watchdog", "backend", "agent", "service", "loop"}

    places = {"phases": "phase"}
    tried = {f"{places.get(path[-3], path[-3]) if len(path) > 3 else path[0]}.{path[-1]}" for path in keys()}
    tried |= {f"{path[1]}.{path[2]}" for path in keys() if path[0] == "loop" and path[1] in ("done", "handoff")}

    assert known - tried - set(EXEMPT) == {"loop.done", "loop.handoff", "loop.phases"}
    assert top == set(TOLD_ELSEWHERE)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory):
    root = tmp_path_factory.mktemp("base")
    return root, read(written(root, DOCUMENT), Form.LOOPS)


def is_changed(path: tuple[str, ...]) -> bool:
    if path[-1] in ("name", "id") or path == ("agent", "report", "kind"):  # of a schedule only a task can be the agent
        return False
    return f"{path[0]}.{path[-1]}" not in EXEMPT


CHANGED = [path for path in keys() if is_changed(path)]


@pytest.mark.parametrize("path", CHANGED, ids=".".join)
def test_a_changed_key_is_found(path: tuple[str, ...], base):
    root, live = base
    document = copy.deepcopy(DOCUMENT)
    table = table_of(document, path)
    table[path[-1]] = BY_HAND.get(".".join(path), other(table[path[-1]]))

    staged = read(written(root, document), Form.LOOPS)

    found = compare(live, staged, (), TODAY)
    assert any(finding.verdict.bad for finding in found.findings)


@pytest.mark.parametrize("path", [path for path in CHANGED if path[-1] == "env" and path[0] != "backend"], ids=".".join)
def test_a_variable_is_named_and_its_value_is_not_shown(path: tuple[str, ...], base):
    root, live = base
    document = copy.deepcopy(DOCUMENT)
    table_of(document, path)["env"] = {"A": "a secret", "B": "more"}

    staged = read(written(root, document), Form.LOOPS)

    found = {str(f.place): f for f in compare(live, staged, (), TODAY).findings if f.verdict.bad}
    assert set(found) == {f"agent {path[1]}: env A", f"agent {path[1]}: env B"}
    assert "secret" not in str(found)


def test_what_only_this_engine_has_is_a_difference_when_staged_sets_it(tmp_path: Path):
    """Checks, a sandbox, a budget: the live deployment does without them."""
    document = copy.deepcopy(DOCUMENT)
    document["service"][0]["env"] = {}
    live = read(written(tmp_path, document), Form.ENGINE)
    staged = read(written(tmp_path, DOCUMENT), Form.LOOPS)

    found = compare(live, staged, (), TODAY)

    ours = [f"agent builder: {key}" for key in ("isolate", "effort", "blind", "reads", "writes", "env_keep", "budget")]
    ours += [f"phase 1: {key}" for key in ("items", "checks", "budget", "check_timeout")] + ["phase 2: checks"]
    ours += ["loop: restart_backoff", "loop: budget", "agent logs: env A"]
    assert {str(f.place) for f in found.findings if f.verdict.bad} == set(ours)
    assert {f.verdict for f in found.findings if f.verdict.bad} == {Verdict.DIFFERENT}
    assert "agent builder: credentials" in {str(gap.place) for gap in found.gaps}
