"""The shape of what is known of one agent's command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Meaning(Enum):
    """What a text of a backend stands for; the classes of a failed turn (`loops.streams`)."""

    LIMIT = "limit_reached"
    """A usage limit of the plan: it passes at its reset time."""
    BILLING = "billing"
    """No credit, no quota: it passes when somebody pays."""
    AUTH = "auth"
    """No login, a wrong key, no right to the model."""
    MODEL = "model_not_found"
    CONTEXT = "context_overflow"
    """This conversation is too long to go on."""
    RATE = "rate_limit"
    """Too many requests in a moment: it passes by itself."""
    PROVIDER = "provider_unavailable"
    RESUME = "resume_failed"
    """The conversation that was to be resumed is not there."""
    DENIED = "denied"
    TRUNCATED = "truncated"
    """The answer broke off, whether or not the backend noticed."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Text:
    """One text: *pattern* (a regular expression, searched) finds *sample* and not *counter*."""

    meaning: Meaning
    pattern: str
    sample: str
    counter: str
    seen: str
    """Versions, and where from: ``2.1.329 [run]``."""


@dataclass(frozen=True, slots=True)
class Dialog:
    """A question of the terminal interface that a seed prevents; *marker* is a regular expression for the screen."""

    name: str
    marker: str
    prevented_by: str
    seen: str


@dataclass(frozen=True, slots=True)
class Known:
    """One backend.  Words may hold the slots {model} {effort} {id} {home} {directory}."""

    name: str
    package: str
    """npm package."""
    bin: str
    tested: tuple[str, ...]
    """Versions that the acceptance tests ran on, oldest first."""
    headless: tuple[str, ...]
    """Words after the program that start its structured protocol."""
    tui: tuple[str, ...]
    """Words after the program that start its terminal interface."""
    model: tuple[str, ...] = ()
    effort: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    """Words that give a fresh conversation the id of our choice; empty: it chooses its own."""
    resume: tuple[str, ...] = ()
    """Words that resume a conversation (where it is done by words, not by the protocol)."""
    permissions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By `loops.config.model.Permissions` value: words (where it is done by words)."""
    permission_env: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By the same: variables (where it is done by the environment)."""
    own_permission_flags: tuple[str, ...] = ()
    """Words of the user's ``flags`` that ``permissions`` stands for: taken out, or they would contradict it."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables of every start; {home} is the private home."""
    env_root_skips: Mapping[str, str] = field(default_factory=dict)
    """Variables without which the superuser may not skip permissions."""
    login: Mapping[str, str] = field(default_factory=dict)
    """The user's own login files: the path in the private home, by the path below the user's home."""
    texts: tuple[Text, ...] = ()
    dialogs: tuple[Dialog, ...] = ()
