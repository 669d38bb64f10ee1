"""Scratch projects for the tests of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_scratch import Scratch


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Scratch]:
    """A project with two agents and a service; whatever runs of it ends with the test."""
    project = Scratch(tmp_path)
    yield project
    project.teardown()
