"""A document against its JSON Schema: every breach, in words that say what is allowed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from loops import resources
from loops.config.problems import DocPath, nearest, quoted

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

Breach: TypeAlias = tuple[DocPath, str]

_TYPES = {
    "string": "a text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "array": "a list",
    "object": "a table",
}
_LIMITS = {"minimum": "at least", "maximum": "at most"}


UNKNOWN = "there is no such key"
"""How the message of a key begins that the schema does not know."""


def breaches(document: Mapping[str, Any], name: str = "agents") -> list[Breach]:
    """Return every breach of ``schemas/<name>.schema.json`` in *document*, without any order."""
    import jsonschema  # 15 MB and 0.1 s: only the process that checks a changed file pays for it

    with open(resources.schema(name), encoding="utf-8") as file:
        schema = json.load(file)
    # Without [defaults] the two values in it are what is missing, and what the message must name.
    document = {**{table: {} for table in schema.get("required", ())}, **document}
    extend = jsonschema.validators.extend
    validator = extend(jsonschema.Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]
    errors = list(validator(schema).iter_errors(document))
    unknown = [
        breach for error in errors if error.validator == "additionalProperties" for breach in _unknown(error, schema)
    ]
    found = [*unknown, *_nan(document, ())]
    for error in errors:
        if error.validator == "required":
            found += _missing(error, unknown)
        elif error.validator != "additionalProperties":
            found.append(_wrong(error))
    return found


def _pattern(_validator: object, pattern: str, value: object, _schema: object) -> Iterator[ValidationError]:
    """As JSON Schema means it: Python's ``$`` would let a newline at the end pass."""
    import jsonschema

    if isinstance(value, str) and not re.search(pattern.replace("$", r"\Z"), value):
        yield jsonschema.ValidationError(f"{value!r} does not match {pattern!r}")


def _path(error: ValidationError) -> DocPath:
    return tuple(error.absolute_path)


def _unknown(error: ValidationError, schema: Mapping[str, Any]) -> Iterator[Breach]:
    known = error.schema["properties"]  # type: ignore[index]
    for key in error.instance.keys() - known.keys():  # type: ignore[union-attr]
        hint = nearest(key, known) or _belongs(key, schema) or f"; known here: {', '.join(sorted(known))}"
        yield (*_path(error), key), f"{UNKNOWN}{hint}"


def _belongs(key: str, schema: Mapping[str, Any]) -> str:
    """A key that another table knows."""
    tables = {"fleet": "[fleet]", "project": "[[project]]"}
    tables |= {"watchdog": "[watchdog]", "defaults": "[defaults]", "loop": "[loop]", "agent": "[[agent]]"}
    found = schema["$defs"]
    homes = [header for name, header in tables.items() if name in found and key in found[name]["properties"]]
    return f"; it belongs in {' or '.join(homes)}" if homes else ""


def _missing(error: ValidationError, unknown: list[Breach]) -> Iterator[Breach]:
    """At most one breach: the library raises an error for each missing key, and names it in prose only."""
    table: Mapping[str, Any] = error.schema  # type: ignore[assignment]
    key = error.message.split("'")[1]
    if any(path[:-1] == _path(error) and f'"{key}"' in message for path, message in unknown):
        return  # it is there, misspelt, and that was said
    about = table["properties"][key]
    example = json.dumps(about["examples"][0])
    yield (*_path(error), key), f"is missing: add {key} = {example}  ({about['description'].rstrip('.')})"


def _wrong(error: ValidationError) -> Breach:
    path = _path(error)
    if "propertyNames" in error.absolute_schema_path:
        path = (*path, str(error.instance))
    rule, value = error.validator, error.validator_value
    schema: Mapping[str, Any] = error.schema  # type: ignore[assignment]
    if rule == "enum":
        words: list[str] = value  # type: ignore[assignment]
        hint = nearest(error.instance, words) if isinstance(error.instance, str) else ""
        return path, f"must be {_either(words)}, not {_shown(error.instance)}{hint}"
    says = (
        "description" not in schema
    )  # a key's title only names it; that of a shared definition says what its value is
    if rule in _LIMITS and not says:
        return path, f"must be {_LIMITS[rule]} {value}, not {_shown(error.instance)}"
    if rule == "type" and not says:
        allowed = [value] if isinstance(value, str) else list(value)  # type: ignore[arg-type]
        wanted = " or ".join(_TYPES[name] for name in allowed)
    else:
        wanted = schema["title"] if says else "not empty"
    if schema.get("writeOnly"):  # it may hold a key, and what is refused is journaled
        return path, f"must be {wanted}"
    return path, f"must be {wanted}, not {_shown(error.instance)}{_remedy(rule, value, path, error.instance)}"


def _remedy(rule: object, wanted: object, path: DocPath, value: object) -> str:
    if rule != "type":
        return ""
    if wanted == "array" and isinstance(value, dict) and len(path) == 1:
        return f": write [[{path[0]}]] with two brackets"
    if wanted in ("boolean", "number", "integer") and isinstance(value, str):
        return ": write it without quotes"
    if isinstance(wanted, str | list) and "string" in wanted and isinstance(value, bool | int | float):
        return f': write it in quotes, "{str(value).lower()}"'
    return ""


def _either(words: list[str]) -> str:
    quoted = [f'"{word}"' for word in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if isinstance(value, bool | int | float | str):
        text = quoted(value) if isinstance(value, str) else json.dumps(value)
        return text if len(text) <= 60 else f"{text[:60]}…"
    return f"the date or time {value}"


def _nan(value: object, path: DocPath) -> Iterator[Breach]:
    """``nan`` is a TOML number that passes every bound, because it compares with nothing."""
    if isinstance(value, float) and math.isnan(value):
        yield path, "must be a number, not nan"
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _nan(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _nan(inner, (*path, index))
