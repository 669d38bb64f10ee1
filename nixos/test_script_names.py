"""What the NixOS test driver defines for ./test_script.py, as far as that uses it: put in front of it, mypy can check both."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Machine(Protocol):
    """A machine of the driver (nixos/lib/test-driver of nixpkgs)."""

    def start(self, allow_reboot: bool = False) -> None:
        """Switch it on, unless it is."""

    def reboot(self) -> None:
        """Reboot in good order; only after ``start(allow_reboot=True)``."""

    def crash(self) -> None:
        """Cut its power."""

    def succeed(self, *commands: str, timeout: int | None = None) -> str:
        """Run commands that must end with 0; return what they printed."""

    def fail(self, *commands: str, timeout: int | None = None) -> str:
        """Run commands that must not end with 0; return what they printed."""

    def wait_until_succeeds(self, command: str, timeout: int = 900) -> str:
        """Run a command until it ends with 0; return what it printed then."""

    def wait_for_unit(self, unit: str, user: str | None = None, timeout: int = 900) -> None:
        """Wait until a unit is active."""


class Subtest(Protocol):
    """``with subtest("…"):``."""

    def __call__(self, name: str) -> AbstractContextManager[None]:
        """Name what follows in the log."""


machine: Machine
subtest: Subtest
change: str
change_again: str
roll_back: str
wrong_change: str
store: str
