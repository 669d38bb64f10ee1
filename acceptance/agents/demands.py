"""What a test with real agents demands of the machine."""

from __future__ import annotations

import pytest
from pinned import lack, pin
from room import no_room


def demand(*names: str) -> None:
    """Skip, with the reason, where one of these command lines, or the room for them, is not to be had."""
    reason = next((reason for name in names if (reason := lack(pin(name)))), "") or no_room()
    if reason:
        pytest.skip(reason)
