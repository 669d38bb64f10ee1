"""Fixtures of the shell's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from shell_project import ShellProject


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ShellProject]:
    monkeypatch.setenv("LOOPS_RUNTIME_DIR", "")
    project = ShellProject(tmp_path)
    yield project
    project.clear()
