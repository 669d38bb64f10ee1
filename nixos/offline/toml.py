"""JSON on standard input -> TOML on standard output: what nixpkgs' `formats.toml` has remarshal do."""

import json
import re
import sys


def key(name: str) -> str:
    """A key as TOML writes it."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def value(given: object) -> str:
    """A value on one line."""
    if isinstance(given, dict):
        return "{ " + ", ".join(f"{key(name)} = {value(each)}" for name, each in given.items()) + " }"
    if isinstance(given, list):
        return "[" + ", ".join(map(value, given)) + "]"
    return json.dumps(given, ensure_ascii=False).replace("\x7f", "\\u007f")  # JSON's texts are TOML's but for DEL


def tables(name: str, given: object) -> list[tuple[str, dict]]:
    """The value as [name] or [[name]] tables; empty where it is no table and no list of tables."""
    if isinstance(given, dict):
        return [(f"[{key(name)}]", given)]
    if isinstance(given, list) and given and all(isinstance(each, dict) for each in given):
        return [(f"[[{key(name)}]]", each) for each in given]
    return []


document = json.load(sys.stdin)
for name in sorted(document, key=lambda name: bool(tables(name, document[name]))):  # plain keys come first
    if not tables(name, document[name]):
        print(f"{key(name)} = {value(document[name])}")
    for heading, table in tables(name, document[name]):
        print(f"\n{heading}")
        for inner, each in table.items():
            print(f"{key(inner)} = {value(each)}")
