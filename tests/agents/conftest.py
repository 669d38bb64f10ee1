"""Fixtures for the tests of the agents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_terminal import DemoAgent, Project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with a real git remote; no git configuration of the machine takes part."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return Project(tmp_path)


@pytest.fixture
def hire(project: Project) -> Iterator[Callable[..., DemoAgent]]:
    """Make agents; their processes end with the test."""
    agents: list[DemoAgent] = []

    def make(role: str, script: dict[str, Any] | None = None, name: str = "") -> DemoAgent:
        agents.append(DemoAgent(project, name or role, role, script))
        return agents[-1]

    yield make
    for agent in agents:
        agent.kill()
