"""The sockets of a project that is a service are found without being told where they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from loops import places


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(places, "SERVICES", str(tmp_path / "services"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("LOOPS_RUNTIME_DIR", raising=False)
    return tmp_path / "services"


def test_a_service_s_directory_counts_when_it_is_there(services: Path, tmp_path: Path) -> None:
    ordinary = places.Runtime("/srv/demo/agents.toml").root
    assert ordinary.startswith(str(tmp_path / "loops"))
    name = os.path.basename(ordinary)
    (services / name).mkdir(parents=True)
    assert places.Runtime("/srv/demo/agents.toml").root == str(services / name)
    assert places.Runtime("/srv/other/agents.toml").root.startswith(str(tmp_path / "loops"))


def test_a_place_that_is_named_counts_before_it(
    services: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = os.path.basename(places.Runtime("/srv/demo/agents.toml").root)
    (services / name).mkdir(parents=True)
    monkeypatch.setenv("LOOPS_RUNTIME_DIR", str(tmp_path / "named"))
    assert places.Runtime("/srv/demo/agents.toml").root == str(tmp_path / "named" / name)
