"""What every command needs of the project at hand: its configuration's path, its sockets, its supervisor."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from loops.config.model import Config
from loops.errors import SessionError, UsageError
from loops.places import Runtime, find_config


@dataclass(frozen=True, slots=True)
class Project:
    """A project as the command line names it."""

    config_path: str

    @property
    def runtime(self) -> Runtime:
        """Its sockets.  Where they are can change under us: a service that is started makes its own directory."""
        return Runtime(self.config_path)

    def config(self) -> Config:
        """The configuration.  Raises ConfigError."""
        from loops.supervisor.config_file import compiled

        return compiled(self.config_path)

    def ask(self, verb: str, *, timeout: float = 10.0, **request: Any) -> dict[str, Any] | None:
        """Ask the supervisor; None when none runs.

        Raises:
            SessionError: it refused (its own words), or does not answer within *timeout* seconds.
        """
        from loops.supervisor.control import ask

        try:
            answer = ask(self.runtime.control_socket, {"verb": verb, **request}, timeout)
        except TimeoutError as error:
            raise SessionError(self._stuck()) from error
        if answer is not None and not answer.get("ok"):
            raise SessionError(str(answer.get("error", "the supervisor gave no reason")))
        return answer

    def must_ask(self, verb: str, **request: Any) -> dict[str, Any]:
        """`ask`, and SessionError when the project is down."""
        answer = self.ask(verb, **request)
        if answer is None:
            raise SessionError(f"the project of {self.config_path} is down; `loops up` starts it")
        return answer

    def _stuck(self) -> str:
        from loops.supervisor.control import listener

        pid = listener(self.runtime.control_socket)
        remedy = (
            f"`kill -KILL {pid}` has the holder start another, and no agent notices" if pid else "see `loops doctor`"
        )
        return f"the supervisor of {self.config_path} (pid {pid or 'unknown'}) does not answer; {remedy}"


def of(args: argparse.Namespace) -> Project:
    """The project that ``--config`` names, or that the working directory lies in.

    Raises:
        ConfigError: there is none: no such file, and nothing that runs for it.
    """
    path = find_config(args.config)
    project = Project(path)
    sockets = (project.runtime.control_socket, project.runtime.holder_socket)
    if not os.path.isfile(path) and not any(map(os.path.exists, sockets)):
        project.config()  # raises, and says best what is wrong with the path
    return project


def check_names(names: Iterable[str], known: Iterable[str]) -> None:
    """Raise UsageError, with the nearest known name, unless agents.toml has all *names*."""
    known = list(known)
    for name in names:
        if name not in known:
            from loops.config.problems import nearest

            listed = ", ".join(known) or "nobody"
            raise UsageError(
                f"no agent or service is called {name!r}{nearest(name, known)}; agents.toml names {listed}"
            )
