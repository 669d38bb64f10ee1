"""Whether a test failed: what its fixtures made then tells its story."""

from __future__ import annotations

import pytest

FAILED = pytest.StashKey[bool]()


def failed(request: pytest.FixtureRequest) -> bool:
    """Whether the test that asked for this fixture has failed (`conftest.pytest_runtest_makereport` notes it)."""
    return bool(request.node.stash.get(FAILED, False))
