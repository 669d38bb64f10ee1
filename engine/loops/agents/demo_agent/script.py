"""The script: which role misbehaves how, in which phase, and how often.

A JSON file (``--script FILE``, else ``$LOOPS_DEMO_SCRIPT``)::

    {"pace": 0.2, "wait": 600, "items": {"1": ["M1"]},
     "rules": [{"role": "builder", "phase": "1", "mode": "false-claim"},
               {"role": "builder", "phase": "2", "mode": "crash", "times": 1, "after": 2}]}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any


class Mode(Enum):
    """How a turn goes."""

    OK = "ok"
    SLOW = "slow"
    FALSE_CLAIM = "false-claim"
    CRASH = "crash"
    HANG = "hang"
    LIMIT = "limit"
    PROMPT_WAITING = "prompt-waiting"
    GARBAGE = "garbage"
    TRUNCATED = "truncated"
    FATAL = "fatal"
    APPROVAL = "approval"
    """Asks before it goes on, and waits for `loops approve` or `loops deny`, no longer than ``seconds``."""
    AUTH = "auth"
    """The turn fails: no login."""


class ScriptError(Exception):
    """The script cannot be used; the text says where and why."""


class Rule:
    """One entry of ``rules``: *mode* for the first *times* turns (0 = every turn) of *role* in *phase* ("*" = any)."""

    __slots__ = ("after", "mode", "phase", "role", "seconds", "times")

    def __init__(
        self, mode: Mode, role: str = "*", phase: str = "*", times: int = 1, seconds: float = 5.0, after: int = 2
    ) -> None:
        """See the attributes."""
        self.mode = mode
        self.role = role
        self.phase = phase
        self.times = times
        self.seconds = seconds
        """For ``limit``: until the reset.  For ``slow``: a step's length."""
        self.after = after
        """Steps of the turn that are done before it goes wrong (or all of them, if the turn has fewer)."""

    @property
    def name(self) -> str:
        """What the agent's memory counts."""
        return f"{self.role}/{self.phase}/{self.mode.value}/{self.after}"

    def matches(self, role: str, phase: str) -> bool:
        """Whether the rule speaks of this role and phase."""
        return self.role in ("*", role) and self.phase in ("*", phase)


class Script:
    """A whole script; `Script()` is an agent that behaves well."""

    __slots__ = ("enter_deaf", "items", "pace", "rules", "swallow_enters", "tokens", "wait")

    def __init__(
        self,
        rules: tuple[Rule, ...] = (),
        items: Mapping[str, list[str]] | None = None,
        pace: float = 0.0,
        wait: float = 600.0,
        enter_deaf: float = 0.0,
        swallow_enters: int = 0,
        tokens: int = 0,
    ) -> None:
        """See the attributes."""
        self.rules = rules
        self.items = items or {}
        self.pace = pace
        """Seconds that each step of a turn takes."""
        self.wait = wait
        """Seconds from the end of a turn to its WAITING-UNTIL."""
        self.enter_deaf = enter_deaf
        """An Enter within so many seconds of other input is a line break (a real agent's paste detection)."""
        self.swallow_enters = swallow_enters
        """How many Enters get lost at first (upstream incident 16)."""
        self.tokens = tokens
        """Input tokens that each step reports, with a tenth of them as output; 0: nothing is reported."""

    def rule(self, role: str, phase: str, spent: Mapping[str, int]) -> Rule:
        """Return the first rule that applies and is not used up; *spent* counts uses by rule name."""
        for rule in self.rules:
            if rule.matches(role, phase) and not 0 < rule.times <= spent.get(rule.name, 0):
                return rule
        return Rule(Mode.OK)

    def labels(self, phase: str) -> list[str]:
        """The items that the Builder claims in *phase*."""
        return self.items.get(phase) or ["M1"]


def read_script(path: str, mode: str) -> Script:
    """Read the script at *path* (empty: none); *mode* applies to every turn that no rule names.

    Raises:
        ScriptError: the file cannot be read, or says something unknown.
    """
    fallback = (Rule(_mode(mode, "--mode")),) if mode else ()
    if not path:
        return Script(fallback)
    try:
        with open(path, encoding="utf-8") as file:
            raw = json.load(file)
    except (OSError, ValueError) as error:
        raise ScriptError(f"{path}: not a script: {error}") from error
    if not isinstance(raw, dict):
        raise ScriptError(f"{path}: a script is one JSON object")
    rules = tuple(_rule(entry, f"{path}: rules[{index}]") for index, entry in enumerate(raw.pop("rules", [])))
    try:
        return Script(rules + fallback, **raw)
    except TypeError as error:
        raise ScriptError(
            f"{path}: {error}; known: rules, items, pace, wait, enter_deaf, swallow_enters, tokens"
        ) from error


def _rule(entry: dict[str, Any], place: str) -> Rule:
    try:
        return Rule(**{**entry, "mode": _mode(entry["mode"], place)})
    except (TypeError, KeyError) as error:
        raise ScriptError(f"{place}: {error}; known: mode, role, phase, times, seconds, after") from error


def _mode(name: str, place: str) -> Mode:
    try:
        return Mode(name)
    except ValueError as error:
        raise ScriptError(f"{place}: unknown mode {name!r}; known: {', '.join(m.value for m in Mode)}") from error
