"""On which line a key stands: for every document that the TOML library accepts."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loops.config.positions import locate
from loops.config.problems import DocPath, Value

AWKWARD = r'''
top = 1 # [not.a.table]
"quoted.key" = "a # b ] } ="
'literal' = 'C:\'
text = """
[fake]
key = 1 \""" still
"""""
raw = \'\'\'
x = [1, 2
\'\'\'
a.b . "c d" = 1.5
day = 1979-05-27 07:32:00

[one]                       # comment with "quote
list = [ # comment ]
  "x", 'y]',
  [1, 2], { k = [ 1,
    2 ], "}" = "{" },
  """m
n""", 5,
]
empty = []
none = {}

[[agent]]
name = "first"
env.A = "1"
[[agent]]
name = "second"
[agent.wake]
interval = 1
[[agent.deep]]
x = 1
[[agent.deep]]
x = 2
[ "sp aced" . inner ]
end = true'''.replace("\\'", "'")


def leaves(value: Value, path: DocPath = ()) -> Iterator[tuple[DocPath, Value]]:
    yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))


def paths(text: str) -> set[DocPath]:
    return {path for path, _ in leaves(tomllib.loads(text)) if path}


@pytest.mark.parametrize(
    ("path", "beginning"),
    [
        (("top",), "top ="),
        (("quoted.key",), '"quoted.key"'),
        (("literal",), "'literal'"),
        (("text",), "text ="),
        (("raw",), "raw ="),
        (("a", "b", "c d"), "a.b"),
        (("day",), "day ="),
        (("one",), "[one]"),
        (("one", "list"), "list ="),
        (("one", "list", 1), '  "x"'),
        (("one", "list", 3, "k", 1), "    2 ]"),
        (("one", "list", 3, "}"), "    2 ]"),
        (("one", "list", 4), '  """m'),
        (("one", "list", 5), 'n""", 5'),
        (("one", "empty"), "empty"),
        (("agent", 0, "env", "A"), "env.A"),
        (("agent", 1, "name"), 'name = "second"'),
        (("agent", 1, "wake", "interval"), "interval"),
        (("agent", 1, "deep", 1, "x"), "x = 2"),
        (("sp aced", "inner", "end"), "end"),
    ],
)
def test_a_key_is_found_on_its_line(path: DocPath, beginning: str) -> None:
    line = locate(AWKWARD).line(path)
    assert AWKWARD.splitlines()[line - 1].startswith(beginning)


def test_nothing_of_an_awkward_document_is_missed_or_made_up() -> None:
    assert locate(AWKWARD).paths() == paths(AWKWARD)


def test_what_is_missing_is_reported_at_the_nearest_thing_around_it() -> None:
    positions = locate('[defaults]\nmodel = "m"\n\n[[agent]]\nname = "a"\n[[agent]]\nkind = "loop"\n')
    assert positions.line(("defaults", "log_dir")) == 1
    assert positions.line(("agent", 1, "name")) == 6
    assert positions.line(("agent", 1, "kind", "deeper")) == 7
    assert positions.line(("loop", "phases", 3)) == 1


# ---- any document ---------------------------------------------------------------------------------------------------

keys = st.text("ab_-1", min_size=1, max_size=3) | st.text("[]{}=.#,\"' \\\té", max_size=3)
scalars = st.sampled_from(
    ["1", "-2.5", "1e3", "true", "07:32:00", "1979-05-27T07:32:00Z", "'[#]'", "''", '"""a\n"b" ]\n"""']
) | st.sampled_from(["'''\n{ = '\n'''", '""""q"""""', '"\\"]"', "'''''x'''''", '""'])


def quoted(key: str) -> str:
    if key and all(letter in "ab_-1" for letter in key):
        return key
    escaped = key.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
    return f'"{escaped}"'


@st.composite
def values(draw: st.DrawFn, depth: int = 2) -> str:
    shape = draw(st.sampled_from(["scalar", "scalar", "list", "table"])) if depth else "scalar"
    if shape == "scalar":
        return draw(scalars)
    if shape == "list":
        gap = draw(st.sampled_from(["", "\n", " # ] , }\n  "]))
        inner = draw(st.lists(values(depth - 1), max_size=3))
        return f"[{gap}{f'{gap},{gap}'.join(inner)}{gap}]"
    pairs = draw(st.dictionaries(keys, values(depth - 1), max_size=3))
    return "{" + ", ".join(f"{quoted(key)} = {value}" for key, value in pairs.items()) + "}"


@st.composite
def documents(draw: st.DrawFn) -> str:
    lines: list[str] = []
    for name in [None, *draw(st.lists(keys, max_size=3, unique=True))]:
        many = draw(st.integers(0, 2)) if name is not None else 0
        for _ in range(max(1, many)):
            if name is not None:
                lines.append(f"[[ {quoted(name)}.z ]]" if many else f"[{quoted(name)}]  # [x]")
            pairs = draw(st.dictionaries(keys, values(), max_size=3))
            lines += [f"{quoted(key)} = {value}" for key, value in pairs.items()]
            lines += draw(st.sampled_from([[], ["", "# a = [", ""], ["\t"]]))
    return "\n".join(lines)


@settings(deadline=None)
@given(documents())
def test_every_path_of_any_document_is_found_and_no_other(text: str) -> None:
    try:
        known = paths(text)
    except tomllib.TOMLDecodeError:
        return  # a header that repeats a key of the top
    assert locate(text).paths() == known


@settings(deadline=None)
@given(st.lists(values(), min_size=1, max_size=6))
def test_lines_stay_true_after_values_of_any_shape(before: list[str]) -> None:
    text = "\n".join(f"k{index} = {value}" for index, value in enumerate(before))
    for index in range(len(before)):
        line = locate(text).line((f"k{index}",))
        assert text.splitlines()[line - 1].startswith(f"k{index} = ")
