"""A journal's directory, and journals that are closed whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from journal_samples import SOURCE
from loops.journal import Journal


@pytest.fixture
def directory(tmp_path: Path) -> str:
    """Where the journal goes."""
    return str(tmp_path / "journal")


@pytest.fixture
def opened() -> Iterator[Callable[..., Journal]]:
    """Open journals that are closed at the end whatever happened."""
    journals: list[Journal] = []

    def open_journal(directory: str, **options: int) -> Journal:
        journals.append(Journal.open(directory, source=SOURCE, **options))  # type: ignore[arg-type]
        return journals[-1]

    yield open_journal
    for journal in journals:
        journal.close()
