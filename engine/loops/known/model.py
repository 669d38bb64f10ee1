"""The shape of what is known of one agent's command line.  Named tuples: a runner that must start at once imports them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple

_NONE: Mapping[str, Any] = MappingProxyType({})


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


class Text(NamedTuple):
    """One text: *pattern* (a regular expression, searched) finds *sample* and not *counter*."""

    meaning: Meaning
    pattern: str
    sample: str
    counter: str
    seen: str
    """Versions, and where from: ``2.1.329 [run]``."""


class Dialog(NamedTuple):
    """A question of the terminal interface that a seed prevents; *marker* is a regular expression for the screen."""

    name: str
    marker: str
    prevented_by: str
    seen: str


class Seed(NamedTuple):
    """An answer that stands in the private home before the terminal interface can ask (`loops.runner.home`).

    Strings may hold the slots {directory} (the agent's own, which the user named in agents.toml) and {tail} (the last
    20 characters of the variable ``needs``).
    """

    name: str
    file: str
    """Its path in the private home; its ending says how it is written: .json or .toml."""
    values: Mapping[str, Any]
    """Lists are added to; all else is set."""
    at: tuple[str, ...] = ()
    """The keys down to the table of ``values``."""
    grants: str = ""
    """What is allowed by it, in words: recorded as an approval.  Empty: nothing, it is about looks or news."""
    needs: str = ""
    """A variable of the environment without which there is nothing to seed."""
    permissions: tuple[str, ...] = ()
    """Only with these (`loops.config.model.Permissions` values); empty: with all."""
    keep: bool = False
    """A value that stands already is left: somebody may have chosen it."""
    seen: str = ""


class Words(NamedTuple):
    """Words of a command line; each as the member of `Known` of the same name."""

    model: tuple[str, ...] = ()
    effort: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    resume: tuple[str, ...] = ()
    permissions: Mapping[str, tuple[str, ...]] = _NONE


class Known(NamedTuple):
    """One backend.  Words may hold the slots {model} {effort} {id} {home} {directory}."""

    name: str
    package: str
    """npm package."""
    bin: str
    tested: tuple[str, ...]
    """Versions on which what stands here was observed, oldest first; the acceptance tests run on the newest."""
    headless: tuple[str, ...]
    """Words after the program that start its structured protocol."""
    tui: tuple[str, ...]
    """Words after the program that start its terminal interface."""
    tui_words: Words | None = None
    """Where the terminal interface wants other words than the protocol; None: the same."""
    model: tuple[str, ...] = ()
    effort: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    """Words that give a fresh conversation the id of our choice; empty: it chooses its own."""
    resume: tuple[str, ...] = ()
    """Words that resume a conversation (where it is done by words, not by the protocol)."""
    permissions: Mapping[str, tuple[str, ...]] = _NONE
    """By `loops.config.model.Permissions` value: words (where it is done by words)."""
    permission_env: Mapping[str, Mapping[str, str]] = _NONE
    """By the same: variables (where it is done by the environment)."""
    own_permission_flags: tuple[str, ...] = ()
    """Words of the user's ``flags`` that ``permissions`` stands for: taken out, or they would contradict it."""
    heartbeat: bytes = b""
    """What a line holds that says no more than that the program lives; empty: there are none."""
    env: Mapping[str, str] = _NONE
    """Variables of every start; {home} is the private home.  Those without it are defaults: the user's own win."""
    env_root_skips: Mapping[str, str] = _NONE
    """Variables without which the superuser may not skip permissions."""
    login: Mapping[str, str] = _NONE
    """The user's own login files: the path in the private home, by the path below the user's home."""
    keys: tuple[str, ...] = ()
    """Variables of the environment that stand for a login, as far as they are known."""
    costs: tuple[str, ...] = ()
    """By `loops.config.model.Mode` value: where it tells what its requests or turns cost, for the models that it knows."""
    hooks: tuple[str, ...] = ()
    """The events of its terminal interface that a hook reports (claude's shape)."""
    hooks_file: str = ""
    """The file in the private home that names hooks; empty: they are named by a word, ``--settings``."""
    ready: str = ""
    """A regular expression for the empty prompt on its screen; each line is one (^ and $)."""
    resumes_itself: str = ""
    """A regular expression for the message of a limit after whose reset the terminal interface goes on by itself."""
    conversations: tuple[str, str] = ("", "")
    """The directory below the home that holds a file for each conversation, and the glob of that file in it, with {id}.
    Empty: they are in no files of their own."""
    transcript: str = ""
    """The stream as which the file named ``transcript_path`` by hooks is followed; empty: hooks say it all."""
    seeds: tuple[Seed, ...] = ()
    files: Mapping[str, str] = _NONE
    """Files of this package that each start puts into the private home: the path in it, by the path below ``loops``."""
    texts: tuple[Text, ...] = ()
    dialogs: tuple[Dialog, ...] = ()
