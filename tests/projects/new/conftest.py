"""A machine without anybody's git settings, and an engine's repository that is small."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from engine_repository import EngineRepository


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git knows nobody here, and no repository around the tests takes part."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / ".config"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def engine(tmp_path: Path) -> EngineRepository:
    """An engine's repository: a tag v1, and a newer main."""
    return EngineRepository(tmp_path / "engine-source")
