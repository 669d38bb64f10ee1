"""A machine without anybody's git settings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from work_list_clone import WorkListClone


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkListClone:
    """A clone whose gate can be claimed."""
    for name in [name for name in os.environ if name.startswith(("GIT_", "LOOPS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return WorkListClone(tmp_path)
