"""What every command needs of the project at hand: its configuration's path, its sockets, its supervisor."""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass
from typing import Any

from loops.errors import SessionError
from loops.places import Runtime, find_config


@dataclass(frozen=True, slots=True)
class Project:
    """A project as the command line names it."""

    config_path: str
    runtime: Runtime

    def ask(self, verb: str, **request: Any) -> dict[str, Any] | None:
        """Ask the supervisor; None when none runs.

        Raises:
            SessionError: it refused (its own words), or does not answer.
        """
        from loops.supervisor.control import ask

        try:
            answer = ask(self.runtime.control_socket, {"verb": verb, **request})
        except TimeoutError as error:
            raise SessionError(self._stuck()) from error
        if answer is not None and not answer.get("ok"):
            raise SessionError(str(answer.get("error", "the supervisor gave no reason")))
        return answer

    def _stuck(self) -> str:
        from loops.supervisor.control import listener

        pid = listener(self.runtime.control_socket)
        remedy = (
            f"`kill -KILL {pid}` has the holder start another, and no agent notices" if pid else "see `loops doctor`"
        )
        return f"the supervisor of {self.config_path} (pid {pid or 'unknown'}) does not answer; {remedy}"

    def wait_for_supervisor(self, timeout: float = 15.0) -> None:
        """Wait until the supervisor answers.  Raises SessionError after *timeout* seconds."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if os.path.exists(self.runtime.control_socket) and self.ask("status") is not None:
                return
            time.sleep(0.01)
        raise SessionError(f"the supervisor did not come up within {timeout:.0f} s; its reasons are in holder.log")


def of(args: argparse.Namespace) -> Project:
    """The project that ``--config`` names, or that the working directory lies in."""
    path = find_config(args.config)
    return Project(path, Runtime(path))


def say(text: str) -> None:
    """One line of progress for a person, on standard error: standard output is for results."""
    print(text, file=sys.stderr, flush=True)


def overrides(names: list[str], env: dict[str, str]) -> dict[str, dict[str, str]]:
    """One-shot overrides from ``AGENT_MODEL_<name>`` and ``AGENT_BACKEND_<name>`` for these agents."""
    found: dict[str, dict[str, str]] = {}
    for name in names:
        for word in ("model", "backend"):
            for spelled in (name, name.replace("-", "_")):
                value = env.get(f"AGENT_{word.upper()}_{spelled}")
                if value:
                    found.setdefault(name, {})[word] = value
    return found
