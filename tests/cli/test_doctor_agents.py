"""The doctor's look at the agents' command lines, with stand-ins for them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from loops import config as configuration
from loops.config.model import Config
from loops.known.all import KNOWN
from loops.places import Runtime
from loops.projects import doctor_agents
from loops.projects.finding import Finding, Level

VERSIONS = {"claude": "2.1.329 (Claude Code)", "codex": "codex-cli 0.169.0", "opencode": "1.18.33", "pi": "0.73.1"}
Env = dict[str, str]


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Env:
    """A machine with nothing but a shell, and no login."""
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    for known in KNOWN.values():
        for name in known.env:
            monkeypatch.delenv(name, raising=False)
    return {"PATH": f"{tmp_path}/bin"}


@pytest.fixture
def install(tmp_path: Path) -> Callable[..., Path]:
    """Put a stand-in on PATH, which says *says*."""

    def put(name: str, says: str = "", first: str = "#!/bin/sh") -> Path:
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"{first}\necho '{says or VERSIONS[name]}'\nset > {tmp_path}/asked\n")
        program.chmod(0o755)
        return program

    return put


def project(tmp_path: Path, backend: str, table: str = "", agent: str = "") -> tuple[Config, Runtime]:
    """One agent of *backend*; *table* and *agent*: more lines of their tables."""
    path = tmp_path / "agents.toml"
    (tmp_path / "work").mkdir(exist_ok=True)
    path.write_text(
        f'[defaults]\nsession_prefix = "t-"\nlog_dir = ".loops"\n[backend.{backend}]\n{table}\n'
        f'[[agent]]\nname = "a"\nkind = "persistent"\nbackend = "{backend}"\ndir = "work"\n{agent}\n'
    )
    return configuration.load(str(path), env={}), Runtime(str(path))


def used(found: tuple[Config, Runtime], env: Env) -> list[Finding]:
    config, runtime = found
    return list(doctor_agents.used_backend(config, config.backends[config.agents["a"].backend], runtime, env))


def bad(findings: list[Finding]) -> list[str]:
    return [finding.text for finding in findings if finding.level is not Level.OK]


@pytest.mark.parametrize("backend", sorted(VERSIONS))
def test_a_tested_version_with_a_login_is_well(
    backend: str, env: Env, install: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    install(backend)
    for below in KNOWN[backend].login:
        login = tmp_path / "user" / below
        login.parent.mkdir(parents=True)
        login.write_text('{"token": "made up"}')

    found = used(project(tmp_path, backend), env)

    assert not bad(found)
    assert "made up" not in str(found)
    assert {finding.check for finding in found} == {f"backend {backend}", f"backend {backend}: login"}


@pytest.mark.parametrize(
    ("says", "level", "text"),
    [
        ("2.1.329 (Claude Code)", Level.OK, "2.1.329"),
        ("2.1.250 (Claude Code)", Level.OK, "between the tested"),
        ("2.1.100 (Claude Code)", Level.WARN, "older"),
        ("2.4.0 (Claude Code)", Level.WARN, "newer"),
        ("3.0.1 (Claude Code)", Level.WARN, "major"),
        ("error: no such thing", Level.FAIL, "does not tell its version"),
    ],
)
def test_the_version_is_held_against_those_that_were_tested(
    says: str, level: Level, text: str, env: Env, install: Callable[..., Path], tmp_path: Path
):
    install("claude", says)
    version, *_ = used(project(tmp_path, "claude"), env)
    assert (version.level, text in version.text) == (level, True)
    assert level is Level.OK or "npm install -g @anthropic-ai/claude-code@2.1.329" in version.remedy


def test_a_command_line_is_asked_with_nothing_of_the_users_around_it(
    env: Env, install: Callable[..., Path], tmp_path: Path
):
    install("claude")
    used(project(tmp_path, "claude"), {**env, "ANTHROPIC_API_KEY": "made-up"})
    asked = (tmp_path / "asked").read_text()
    assert "made-up" not in asked
    assert str(tmp_path / "user") not in asked
    assert "CLAUDE_CONFIG_DIR" in asked


def test_a_missing_program_and_a_missing_node_are_said(env: Env, install: Callable[..., Path], tmp_path: Path):
    first, *_ = used(project(tmp_path, "pi"), env)
    assert (first.level, first.text) == (Level.FAIL, "'pi' is not on PATH")
    install("pi", first="#!/usr/bin/env node")
    first, *_ = used(project(tmp_path, "pi"), env)
    assert first.level is Level.FAIL
    assert "needs Node.js" in first.text


def test_without_a_login_and_a_key_an_agent_cannot_begin(env: Env, install: Callable[..., Path], tmp_path: Path):
    install("codex")
    found = used(project(tmp_path, "codex"), env)
    assert [(f.check, f.level) for f in found if f.level is Level.FAIL] == [("backend codex: login", Level.FAIL)]
    assert not bad(used(project(tmp_path, "codex"), {**env, "OPENAI_API_KEY": "made-up"}))
    assert not bad(used(project(tmp_path, "codex", 'env = { MY_PROVIDER_KEY = "made-up" }'), env))


def test_files_for_the_home_must_be_there(env: Env, install: Callable[..., Path], tmp_path: Path):
    install("pi")
    assert (
        "not there" in bad(used(project(tmp_path, "pi", 'home = { ".pi/agent/models.json" = "models.json" }'), env))[0]
    )
    (tmp_path / "models.json").write_text("{}")
    assert not bad(used(project(tmp_path, "pi", 'home = { ".pi/agent/models.json" = "models.json" }'), env))


def test_a_key_that_an_isolated_agent_will_not_see_is_none(
    env: Env, install: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(doctor_agents, "ability", lambda: True)
    install("codex")
    keyed = {**env, "OPENAI_API_KEY": "made-up"}
    text, *_ = bad(used(project(tmp_path, "codex", agent="isolate = true"), keyed))
    assert "OPENAI_API_KEY" in text
    assert not bad(used(project(tmp_path, "codex", agent='isolate = true\nenv_keep = ["OPENAI_API_KEY"]'), keyed))


def test_an_isolated_agent_cannot_push_by_ssh(
    env: Env, install: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(doctor_agents, "ability", lambda: True)
    install("codex")
    found = project(tmp_path, "codex", 'env = { X_KEY = "k" }', "isolate = true")
    for words in (("init", "-q"), ("remote", "add", "origin", "git@forge.example:us/project.git")):
        subprocess.run(["git", "-C", str(tmp_path / "work"), *words], check=True)
    assert "by ssh" in bad(used(found, env))[0]


def test_root_without_a_sandbox_is_worth_a_warning(
    env: Env, install: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    install("claude")
    found = project(tmp_path, "claude", 'env = { ANTHROPIC_API_KEY = "k" }')
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert not bad(used(found, env))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "as root" in bad(used(found, env))[0]


def test_codex_sandbox_wants_a_home_outside_tmp(env: Env, install: Callable[..., Path], tmp_path: Path):
    install("codex")
    config, runtime = project(tmp_path, "codex", 'env = { X_KEY = "k" }', 'permissions = "edits"')
    below = replace(config, log_dir="/tmp/of-a-project")
    assert "below /tmp" in bad(used((below, runtime), env))[0]


def test_hooks_need_a_short_socket(
    env: Env, install: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    install("claude")
    config, _ = project(tmp_path, "claude", 'env = { X_KEY = "k" }\nmode = "tui"')
    monkeypatch.setenv("LOOPS_RUNTIME_DIR", "/run/" + "x" * 100)
    assert "too long" in bad(used((config, Runtime(config.path)), env))[0]


def test_every_known_agent_can_be_looked_for_without_a_project(env: Env, install: Callable[..., Path]):
    install("opencode")
    found = list(doctor_agents.known_agents({**env, "ANTHROPIC_API_KEY": "made-up"}))
    levels = {finding.check: finding.level for finding in found}
    assert levels == {
        "agent claude": Level.WARN,
        "agent codex": Level.WARN,
        "agent opencode": Level.OK,
        "agent opencode: login": Level.OK,
        "agent pi": Level.WARN,
    }
    assert "made-up" not in json.dumps([finding.text for finding in found])


@pytest.mark.parametrize(
    ("backend", "more", "prices", "warned"),
    [
        ("codex", "budget = { usd = 5 }", "", True),
        ("codex", 'budget = { usd = 5 }\nmodel = "m"', '[prices."m"]\ninput = 1\noutput = 2\n', False),
        ("codex", "budget = { tokens = 5 }", "", False),
        ("claude", "budget = { usd = 5 }", "", False),
        ("claude", 'budget = { usd = 5 }\nmode = "tui"', "", True),
        ("pi", 'budget = { usd = 5 }\nmode = "tui"', "", False),
    ],
)
def test_a_budget_in_usd_wants_a_price(
    backend: str, more: str, prices: str, warned: bool, env: Env, install: Callable[..., Path], tmp_path: Path
):
    install(backend)
    found = bad(used(project(tmp_path, backend, agent=f"{more}\n{prices}"), env))
    assert any("does not tell what it costs" in text for text in found) == warned
