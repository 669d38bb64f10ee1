"""schemas/event.schema.json, as a function."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from loops.resources import schema


@cache
def _validators() -> tuple[Draft202012Validator, dict[str, Draft202012Validator]]:
    with open(schema("event"), encoding="utf-8") as file:
        contract: dict[str, Any] = json.load(file)
    Draft202012Validator.check_schema(contract)
    envelope = Draft202012Validator({**contract, "allOf": []})
    types = {
        rule["if"]["properties"]["type"]["const"]: Draft202012Validator(
            {"$ref": rule["then"]["properties"]["data"]["$ref"], "$defs": contract["$defs"]}
        )
        for rule in contract["allOf"]
    }
    return envelope, types


def types() -> set[str]:
    """Return the types that the contract knows."""
    return set(_validators()[1])


def problems(line: bytes) -> list[str]:
    """Return what in one encoded event is against the contract."""
    event = json.loads(line)
    envelope, data = _validators()
    found = list(envelope.iter_errors(event))
    if not found:
        found = list(data[event["type"]].iter_errors(event["data"]))
    return [f"{event.get('type')}: {error.json_path}: {error.message}" for error in found]
