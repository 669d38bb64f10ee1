"""The schema itself: a contract that people and editors read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields

import jsonschema
from loops import resources
from loops.agents.keys import KEYS
from loops.agents.registry import adapter
from loops.config.backends import BUILT_IN
from loops.config.model import Agent, Backend, Backoff, Budget, Done, Handoff, Watchdog
from loops.config.problems import Value

with open(resources.schema("agents"), encoding="utf-8") as _file:
    SCHEMA: dict[str, Value] = json.load(_file)


def tables(schema: Value, path: str = "#") -> Iterator[tuple[str, dict[str, Value]]]:
    if isinstance(schema, dict):
        if "properties" in schema and isinstance(schema["properties"], dict):
            yield path, schema
        for key, inner in schema.items():
            yield from tables(inner, f"{path}/{key}")


def keys() -> Iterator[tuple[str, dict[str, Value]]]:
    for path, table in tables(SCHEMA):
        for key, about in table["properties"].items():
            target = SCHEMA["$defs"][about["$ref"].rpartition("/")[2]] if "$ref" in about else {}
            yield f"{path}/{key}", {**target, **about}


def test_it_is_a_json_schema_of_draft_2020_12() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_every_key_has_a_title_and_a_description() -> None:
    assert [path for path, about in keys() if not about.get("title") or not about.get("description")] == []


def test_every_key_that_must_be_there_has_an_example_to_show_who_left_it_out() -> None:
    needed = [(path, table["properties"][key]) for path, table in tables(SCHEMA) for key in table.get("required", ())]
    assert [path for path, about in needed if "examples" not in about and "$ref" not in about] == []
    assert [about["title"] for _, about in needed if "examples" not in about] == ["Defaults"]


def test_every_table_is_closed() -> None:
    assert [path for path, table in tables(SCHEMA) if table.get("additionalProperties") is not False] == []


def test_every_number_has_bounds() -> None:
    numbers = [(path, about) for path, about in keys() if {"number", "integer"} & {*_types(about)}]
    assert len(numbers) > 15
    assert [path for path, about in numbers if not {"minimum", "maximum"} <= about.keys()] == []


def test_every_default_is_valid_and_is_that_of_the_facts() -> None:
    for path, about in keys():
        if "default" in about:
            jsonschema.Draft202012Validator({**about, "$defs": SCHEMA["$defs"]}).validate(about["default"])
            assert path  # names the key in a failure
    for name, record in [
        ("watchdog", Watchdog()),
        ("backoff", Backoff()),
        ("budget", Budget()),
        ("backend", Backend("x")),
        ("handoff", Handoff("x")),
    ]:
        for key, about in SCHEMA["$defs"][name]["properties"].items():
            if "default" in about:
                fact = getattr(record, key)
                fact = list(fact) if isinstance(fact, tuple) else getattr(fact, "value", fact)
                assert fact == about["default"], f"{name}.{key}"
    assert Done().marker == SCHEMA["$defs"]["done"]["properties"]["marker"]["default"]


def test_every_fact_of_an_agent_and_a_backend_can_be_written_in_the_file() -> None:
    agent = {*SCHEMA["$defs"]["agent"]["properties"], *SCHEMA["$defs"]["service"]["properties"]}
    assert {item.name for item in fields(Agent)} == agent
    backend = {*SCHEMA["$defs"]["backend"]["properties"]} - {"command"}  # another spelling of bin and flags
    assert {item.name for item in fields(Backend)} - {"name"} == backend


def test_the_submit_keys_are_those_that_the_agents_know() -> None:
    assert SCHEMA["$defs"]["backend"]["properties"]["submit_key"]["enum"] == list(KEYS)


def test_the_adapters_are_those_that_the_agents_have() -> None:
    for name in SCHEMA["$defs"]["backend"]["properties"]["adapter"]["enum"]:
        adapter(Backend("x", adapter=name, bin="x"))  # raises for one that there is not
    for backend in BUILT_IN.values():
        adapter(backend)


def _types(about: dict[str, Value]) -> list[str]:
    kind = about.get("type", [])
    return [kind] if isinstance(kind, str) else list(kind)
