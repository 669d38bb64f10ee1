"""A deployment as frozen facts, whoever runs it: the launchers' scripts, the earlier engine, or this one.

``None`` means that the source gives no value.  Whether that is "it does not tell" (a captured status names no working
directories) or "there is none" (an agents.toml whose agent has no wake), `loops.projects.deployment.telling` knows
from the form.  Times are seconds, paths absolute strings.  Nothing here says how the facts were found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Form(Enum):
    """What kind of thing the facts were read from."""

    LOOPS = "loops"
    """agents.toml of this engine, such as a staged project."""
    ENGINE = "engine"
    """agents.toml of the earlier engine (v0.1.0)."""
    LAUNCHERS = "launchers"
    """The launchers' directory: scripts, dotfiles and the environment that they are started with."""
    STATUS = "status"
    """The printed `status` of any of them."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file that matters by its bytes.  ``digest``: SHA-256, hex; empty: the file is missing."""

    path: str
    """As the deployment names it."""
    digest: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Wakes:
    """A regular wake."""

    interval: float
    prompt: Document | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """One agent or service."""

    name: str
    kind: str | None = None
    """loop, persistent, task or service."""
    session: str | None = None
    dir: str | None = None
    role: str | None = None
    backend: str | None = None
    model: str | None = None
    """Without a phase's override; empty: the backend's own default."""
    watch: str | None = None
    enabled: bool | None = None
    resume: bool | None = None
    prompt: Document | None = None
    wakes: Wakes | None = None
    schedule: str | None = None
    """When a task runs by itself: a calendar expression; empty: only when asked."""
    command: tuple[str, ...] | None = None
    """Of a service."""
    state: str | None = None
    """As status prints it; a staged project that was never started has none of it."""
    conversation: str | None = None
    """By which its conversation can be resumed."""
    further: Mapping[str, str] | None = None
    """All other settings, by key, as text (`loops.projects.deployment.further`)."""


@dataclass(frozen=True, slots=True)
class Step:
    """One phase of the plan."""

    id: str
    plan: str | None = None
    """As it is named to the agents."""
    status: str | None = None
    models: Mapping[str, str] | None = None
    """Overrides, by the agent's name (or its role)."""
    further: Mapping[str, str] | None = None
    """All other settings, by key, as text."""


@dataclass(frozen=True, slots=True)
class Relay:
    """How work passes between the agents."""

    repo: str | None = None
    branch: str | None = None
    claim: str | None = None
    review: str | None = None
    inbox: str | None = None
    builder: tuple[str, ...] | None = None
    adversary: tuple[str, ...] | None = None
    remote: str | None = None


@dataclass(frozen=True, slots=True)
class Untranslated:
    """Something of the source that has no counterpart here.  It is listed, never dropped in silence."""

    place: str
    """File, with the line where it has one, or the name of the variable."""
    what: str
    why: str
    """And what the operator can do about it."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment, as far as its source tells."""

    source: str
    """What was read, as the operator named it."""
    form: Form
    root: str | None = None
    """The directory that relative paths of the source start from."""
    prefix: str | None = None
    log_dir: str | None = None
    members: tuple[Member, ...] = ()
    steps: tuple[Step, ...] | None = None
    now: Step | None = None
    """Of a captured status, which shows one phase only: that phase, with the effective model of each loop agent."""
    count: int | None = None
    """Of a captured status: how many phases there are."""
    at: int | None = None
    """Index of the phase that it is in, from 0."""
    complete: bool | None = None
    relay: Relay | None = None
    on_complete: str | None = None
    """Name of a task; empty: none."""
    done_marker: str | None = None
    clis: Mapping[str, Mapping[str, str]] | None = None
    """The backends' own settings by backend and key (bin, flags, prompt_delivery, ...), values as text."""
    further: Mapping[str, str] | None = None
    """All other settings of the whole project, by key, as text."""
    times: Mapping[str, float] | None = None
    """Limits and intervals, by their key in ``[watchdog]``."""
    roles: Mapping[str, Document] | None = None
    """The roles' standing texts."""
    kickoffs: Mapping[tuple[str, str], str] | None = None
    """The rendered kickoff by phase id and agent."""
    template: str | None = None
    """The kickoff's template with the slots ``{phase_id} {plan} {status} {role}``."""
    templates: Mapping[str, str] = field(default_factory=dict)
    """The same by role, where no single template gives the kickoffs of all of them."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Documents that are no file of their own but stand in a script, by the path of their `Document`."""
    secrets: tuple[str, ...] = ()
    """Names of environment variables that the agents are given and whose values are secrets.  The values are nowhere here."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where facts came from, by their place (``str(facts.Place)``), as far as it is not plain."""
    plans: str | None = None
    """The directory of the phases' plans, where it is another than ``root``."""
    strange: tuple[tuple[str | int, ...], ...] = ()
    """Where its agents.toml has keys that nobody here knows."""
    untranslated: tuple[Untranslated, ...] = ()
    documents: tuple[str, ...] = field(default=())
    """Every file that was read, absolute: what a migration must leave untouched."""
    untold: tuple[str, ...] = ()
    """Places that this source does not tell although its form does, as patterns: ``agent *: resume``."""
