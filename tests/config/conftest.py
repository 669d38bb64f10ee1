"""A file in an empty directory, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_samples import FIXTURES, Problems, Shipped, Write
from loops import config


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write the text as agents.toml and return its path."""

    def to_file(text: str) -> str:
        path = tmp_path / "agents.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return to_file


@pytest.fixture
def problems(write: Write) -> Problems:
    """Load the text and return all that is wrong with it."""

    def of(text: str) -> tuple[config.Problem, ...]:
        with pytest.raises(config.ConfigProblems) as raised:
            config.load(write(text))
        return raised.value.problems

    return of


@pytest.fixture
def shipped() -> Shipped:
    """Load one of the fixtures."""
    return lambda name: config.load(str(FIXTURES / f"{name}.toml"))
