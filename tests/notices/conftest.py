"""Fixtures of the channels' tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from listener import Listener, listening


@pytest.fixture
def server() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No proxy, no credential and no apprise settings of the user's own."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "CREDENTIALS_DIRECTORY", "LOOPS_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path
