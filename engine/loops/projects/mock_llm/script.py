"""A scripted model: which commands it runs is told by what the user said last.

A script is JSON: a list of rules, ``[{"when": REGEX, "given": REGEX, "commands": [...], "text": "..."}]``.  The newest
text of the user that some rule matches is the turn: its commands are run one after the other, one a request, then
``text`` is the answer.  ``given`` (optional) must match some text of the conversation too.  ``{{name}}`` in commands and
text is replaced by the group of that name in either.

The script keeps no state: what has been done in a turn shows in the conversation.  A command may therefore come again
after a crash, and must look before it works.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loops.errors import ConfigError
from loops.projects.mock_llm.wire import Heard, Speaker

_SLOT = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; see the module."""

    when: re.Pattern[str]
    commands: tuple[str, ...]
    text: str
    given: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Step:
    """What the model does next: ``command``, or when it is empty, ``text``."""

    command: str
    text: str


IDLE_TEXT = "MOCK-DONE"
_ANYTHING = re.compile("")


def next_step(rules: Sequence[Rule], heard: Sequence[Heard]) -> Step:
    """Return the step that the conversation calls for; without a matching rule, an idle text."""
    for place in range(len(heard) - 1, -1, -1):
        if heard[place].speaker is not Speaker.USER:
            continue
        for rule in rules:
            slots = _slots(rule, heard[place].text, heard)
            if slots is not None:
                done = sum(each.speaker is Speaker.TOOL for each in heard[place:])
                command = rule.commands[done] if done < len(rule.commands) else ""
                return Step(_filled(command, slots), _filled(rule.text, slots))
    return Step("", IDLE_TEXT)


def _slots(rule: Rule, text: str, heard: Sequence[Heard]) -> Mapping[str, str] | None:
    found = rule.when.search(text)
    if found is None:
        return None
    users = (each.text for each in reversed(heard) if each.speaker is Speaker.USER)
    given = next((match for said in users if (match := rule.given.search(said))), None)
    if given is None:
        return None
    return {name: value for match in (given, found) for name, value in match.groupdict().items() if value is not None}


def _filled(text: str, slots: Mapping[str, str]) -> str:
    return _SLOT.sub(lambda slot: slots.get(slot[1], slot[0]), text)


def read_script(path: str) -> tuple[Rule, ...]:
    """Read the rules in the file at *path*.

    Raises:
        ConfigError: it cannot be read, or is no script.
    """
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; --script names a JSON file with rules, or a role") from error
    except ValueError as error:
        raise ConfigError(f"{path}: no JSON: {error}") from error
    if not isinstance(document, list):
        raise ConfigError(f'{path}: a script is a list of rules: [{{"when": "...", "commands": ["..."]}}]')
    return tuple(_rule(f"{path}: rule {number}", each) for number, each in enumerate(document, 1))


def _rule(place: str, facts: Any) -> Rule:
    if not isinstance(facts, dict) or not isinstance(facts.get("when"), str):
        raise ConfigError(f'{place}: needs "when", a regular expression for the text of the user')
    unknown = sorted(set(facts) - {"when", "given", "commands", "text"})
    if unknown:
        raise ConfigError(f"{place}: unknown key {unknown[0]!r}; known are when, given, commands, text")
    commands = facts.get("commands", [])
    if not isinstance(commands, list) or not all(isinstance(each, str) for each in commands):
        raise ConfigError(f'{place}: "commands" must be a list of shell commands')
    patterns = {name: _pattern(f"{place}: {name}", str(facts.get(name, ""))) for name in ("when", "given")}
    return Rule(patterns["when"], tuple(commands), str(facts.get("text", IDLE_TEXT)), patterns["given"])


def _pattern(place: str, text: str) -> re.Pattern[str]:
    try:
        return re.compile(text, re.DOTALL) if text else _ANYTHING
    except re.error as error:
        raise ConfigError(f"{place}: no regular expression: {error}") from error
