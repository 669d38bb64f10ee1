from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from runner_seat import Seat


@pytest.fixture
def seat(tmp_path: Path) -> Iterator[Callable[..., Seat]]:
    """Makes seats in one directory: a later one finds the home of the earlier."""
    made: list[Seat] = []

    def make(**order: Any) -> Seat:
        made.append(Seat(tmp_path, **order))
        return made[-1]

    yield make
    for one in made:
        one.close()
