"""Fixtures of the machine tests: they skip, visibly, where a machine cannot be made."""

from __future__ import annotations

from pathlib import Path

import pytest
from root import Base, Missing, base


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.machine)


@pytest.fixture(scope="session")
def debian() -> Base:
    """The Debian tree and the kernel that machines are made from; nobody writes below it."""
    try:
        return base()
    except Missing as reason:
        pytest.skip(str(reason))
