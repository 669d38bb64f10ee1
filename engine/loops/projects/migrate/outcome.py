"""What a migration did, as frozen facts: the source of both of its reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from loops.projects.deployment.model import Untranslated
from loops.projects.deployment.surroundings import Surroundings
from loops.projects.migrate.rewriting import Change


@dataclass(frozen=True, slots=True)
class Copied:
    """A document of the staged project.  ``origin``: what it was in the live deployment; ``digest``: SHA-256, hex."""

    origin: str
    to: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file that was read, absolute, as it was then."""

    path: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Value:
    """One effective value of the staged project, and where it came from."""

    place: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A kickoff that both deployments render, to the same text.  ``digest``: SHA-256, hex."""

    phase: str
    agent: str
    digest: str


@dataclass(frozen=True, slots=True)
class Reached:
    """How far the live deployment was.  ``carried``: the staged project goes on from there."""

    carried: bool
    index: int | None
    phase: str
    complete: bool | None
    conversations: Mapping[str, str]
    left: tuple[str, ...] = ()
    """Of these, those that do not go on although it was carried, each with the reason."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration."""

    source: str
    form: str
    root: str
    told: Surroundings
    """With what it is started, as the operator said."""
    engine: str
    """Version of this engine."""
    read: tuple[ReadFile, ...]
    copied: tuple[Copied, ...]
    changes: tuple[Change, ...]
    values: tuple[Value, ...]
    kickoffs: tuple[Rendered, ...]
    untranslated: tuple[Untranslated, ...]
    reached: Reached
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Names of credentials by the variable that they are for."""
