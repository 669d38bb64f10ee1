"""With what launchers are started, as the operator says it: their unit, files of variables, variables."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from loops.projects.deployment.environment import is_secret


@dataclass(frozen=True, slots=True)
class Surroundings:
    """``unit``: a systemd unit's file, "" when none was named; ``env_files`` win over it, ``settings`` over both."""

    unit: str = ""
    env_files: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)

    def lasting(self) -> Surroundings:
        """What may be written down, and holds wherever it is read: absolute paths, and no value of a secret."""
        return Surroundings(
            os.path.realpath(self.unit) if self.unit else "",
            tuple(map(os.path.realpath, self.env_files)),
            dict(self._shown()),
        )

    def words(self) -> Iterator[str]:
        """The options that say this on a command line, without the secrets."""
        if self.unit:
            yield from ("--unit", self.unit)
        for path in self.env_files:
            yield from ("--env", path)
        for name, value in self._shown():
            yield from ("--set", f"{name}={value}")

    def _shown(self) -> Iterator[tuple[str, str]]:
        return ((name, value) for name, value in self.settings.items() if not is_secret(name, value))
