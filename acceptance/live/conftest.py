"""Fixtures of the gates on a live deployment: each ends with its test and leaves nothing behind."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from scratch import GLANCE, LINGER

from .live_deployment import Live, engine_live, launchers_live
from .migration import Migration

MAKERS = {"engine": engine_live, "launchers": launchers_live}


@pytest.fixture
def short_root() -> Iterator[Path]:
    """A directory whose path leaves room for the name of a socket."""
    root = Path(tempfile.mkdtemp(prefix="ld-", dir="/tmp"))
    yield root
    shutil.rmtree(root)


@pytest.fixture(params=MAKERS)
def live(request: pytest.FixtureRequest, short_root: Path) -> Iterator[Live]:
    """A live deployment of each form, which does not run yet."""
    made = MAKERS[request.param](short_root / "srv")
    yield made
    made.stop()


@pytest.fixture
def running(live: Live) -> Live:
    """A live deployment of each form, running."""
    live.start()
    return live


@pytest.fixture
def migration(running: Live, short_root: Path) -> Iterator[Migration]:
    """A live deployment of each form that runs, and somebody beside it."""
    (short_root / "o").mkdir()
    person = Migration(short_root / "o", running)
    yield person
    running.stop()  # a cutover that was taken back has started it from the person's own environment
    deadline = time.monotonic() + LINGER
    while (left := person.processes()) and time.monotonic() < deadline:
        time.sleep(GLANCE)
    person.leaves()
    assert not left, f"left behind: {left}"
