"""Reading a file of rules (``schemas/parity-rules.schema.json``): all its mistakes together, each with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from loops.config.contract import Breach, breaches
from loops.config.problems import ConfigProblems
from loops.config.toml_file import read_toml, too_deep
from loops.projects.parity.rules import Rule
from loops.projects.parity.wholes import PRESENT

_ABSENT = "write one, or name another with --allow"


def load_rules(path: str) -> tuple[Rule, ...]:
    """Read the rules in the file at *path*, in its order.  Raises ConfigProblems, with every mistake in it."""
    file = read_toml(path, name="rule file", absent=_ABSENT)
    document = _with_days(file.document)
    try:
        misread = breaches(document, "parity-rules")
    except RecursionError:
        raise too_deep(file.path) from None
    places = {place for place, _ in misread}
    sound = [(index, rule) for index, rule in _tables(document) if not any(p[:2] == ("rule", index) for p in places)]
    broken = [*misread, *_impossible(sound), *_doubled(document)]
    if broken:
        raise ConfigProblems(file.problem(place, message) for place, message in dict.fromkeys(broken))
    return tuple(_rule(table) for _, table in _tables(document))


def _with_days(document: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON has it: a day of TOML's as its text.  A moment stays what it is, and is refused."""
    rules = document.get("rule")
    if not isinstance(rules, list):
        return dict(document)
    return {**document, "rule": [_with_day(each) for each in rules]}


def _with_day(table: object) -> object:
    if not isinstance(table, dict):
        return table
    day = table.get("expires")
    if isinstance(day, date) and not isinstance(day, datetime):
        return {**table, "expires": day.isoformat()}
    return table


def _tables(document: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    rules = document.get("rule", ())
    for index, table in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(table, dict):
            yield index, table


def _impossible(rules: list[tuple[int, Mapping[str, Any]]]) -> Iterator[Breach]:
    """What the schema cannot say."""
    for index, rule in rules:
        try:
            date.fromisoformat(rule["expires"])
        except ValueError:
            yield ("rule", index, "expires"), f"there is no such day as {rule['expires']}"
        head, _, field = rule["place"].rpartition(": ")
        if field == PRESENT and any(letter in head for letter in "*?["):
            yield ("rule", index, "place"), "a whole agent, service or phase must be named exactly, without * ? ["


def _doubled(document: Mapping[str, Any]) -> Iterator[Breach]:
    seen: dict[str, int] = {}
    for index, rule in _tables(document):
        id = rule.get("id")
        if isinstance(id, str) and seen.setdefault(id, index) != index:
            yield ("rule", index, "id"), f"there are two rules {id}; name one of them otherwise"


def _rule(table: Mapping[str, Any]) -> Rule:
    return Rule(
        id=table["id"],
        place=table["place"],
        reason=table["reason"].strip(),
        expires=date.fromisoformat(table["expires"]),
        live=table.get("from"),
        staged=table.get("to"),
    )
