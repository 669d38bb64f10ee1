"""Write a staged project from a deployment's facts: all of it or nothing."""

from __future__ import annotations

from dataclasses import dataclass

from loops.projects.deployment.model import Deployment


@dataclass(frozen=True, slots=True)
class Staged:
    """What was written.  Paths are absolute."""

    root: str
    config_path: str
    report: str
    """MIGRATION.md, for the operator."""
    facts: str
    """migration.json, for programs (``schemas/migration.schema.json``)."""


def stage(deployment: Deployment, to: str, *, carry_state: bool = False) -> Staged:
    """Write the staged project of *deployment* into the directory *to*, which must not exist or be empty.

    With *carry_state* its first start goes on with the phase and the conversations of the live deployment.

    Raises:
        LoopsError: it cannot be translated, or *to* is no place for it; nothing was written.
    """
    raise NotImplementedError
