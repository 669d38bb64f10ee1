"""fleet.toml: what it says, and every mistake in it at once."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
import tomlkit
from config_samples import FIXTURES
from hypothesis import given, settings
from hypothesis import strategies as st
from loops import resources
from loops.config import ConfigProblems, Problem, fleet_rules
from loops.config.contract import breaches
from loops.config.fleet import KEYS, Entry, load_fleet, parse_fleet
from loops.config.problems import Value
from loops.errors import UsageError
from loops.places import find_fleet
from loops.secrets.key_shapes import KEY_SHAPES

HEAD = '[[project]]\nname = "a"\nlocation = "b"\n'
"""Three lines: what is added below starts on line 4."""
KEY = KEY_SHAPES[0].sample

with open(resources.schema("fleet"), encoding="utf-8") as _file:
    SCHEMA: dict[str, Value] = json.load(_file)


def problems(text: str) -> tuple[Problem, ...]:
    return parse_fleet("/fleet.toml", text.encode()).problems


# ---- what it says ------------------------------------------------------------------------------------------------------


def test_a_file_of_the_earlier_registry_loads_unchanged():
    fleet = load_fleet(str(FIXTURES / "fleet-earlier.toml"))

    assert [each.name for each in fleet.projects] == ["cc-ci", "calculator"]
    assert fleet.projects[0] == Entry(
        "cc-ci",
        "https://git.example.org/team/cc-ci.git",
        harness="agent-orchestrator",
        ref="v0.1.0",
        enabled=False,
        secrets=("sops: secrets/cc-ci.yaml (decrypted on the host, 0600)",),
    )
    assert [note.partition(".toml:")[2] for note in fleet.notes] == [
        "21: project.calculator.owner: is no key of loops; it is left as it is"
    ]


def test_what_is_left_out_has_its_default():
    (entry,) = parse_fleet("/fleet.toml", HEAD.encode()).fleet.projects

    assert entry == Entry("a", "b", "loops", "", True, (), "agents.toml", "")


def test_an_empty_file_is_a_fleet_without_projects():
    assert parse_fleet("/fleet.toml", b"").fleet.projects == ()


def test_a_project_that_is_not_there_is_told_with_the_nearest_name():
    with pytest.raises(UsageError, match=r"no project 'calculater'; did you mean \"calculator\"\?; known: cc-ci, calc"):
        load_fleet(str(FIXTURES / "fleet-earlier.toml")).entry("calculater")


def test_a_plain_file_costs_no_validator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    path = tmp_path / "fleet.toml"
    path.write_text(
        "[fleet]\nversion = 1\n" + HEAD + 'ref = "v1.2.0"\nsecrets = "sops:secrets/x.yaml"\nenabled = false\n'
    )

    assert load_fleet(str(path)).projects[0].ref == "v1.2.0"


def test_the_file_is_found_by_option_environment_and_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("LOOPS_FLEET", raising=False)
    (tmp_path / "fleet.toml").touch()
    (tmp_path / "deep" / "er").mkdir(parents=True)
    home = os.path.realpath(tmp_path)

    assert find_fleet(start=str(tmp_path / "deep" / "er")) == f"{home}/fleet.toml"
    monkeypatch.setenv("LOOPS_FLEET", str(tmp_path / "deep"))
    assert find_fleet() == f"{home}/deep/fleet.toml"
    assert find_fleet(str(tmp_path)) == f"{home}/fleet.toml"


def test_a_nearest_file_that_leads_nowhere_is_not_passed_over_for_another_fleet(tmp_path: Path):
    (tmp_path / "fleet.toml").touch()
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "fleet.toml").symlink_to("/nowhere/fleet.toml")

    assert find_fleet(start=str(tmp_path / "deep")) == f"{os.path.realpath(tmp_path)}/deep/fleet.toml"


# ---- what is wrong -----------------------------------------------------------------------------------------------------

RULES = [
    ("[[projects]]\n", 4, "projects", 'there is no such key; did you mean "project"?'),
    ("locaton = 'x'\n", 4, "project.a.locaton", 'there is no such key; did you mean "location"?'),
    ("enable = true\n", 4, "project.a.enable", 'there is no such key; did you mean "enabled"?'),
    ("[fleet]\nversions = 1\n", 5, "fleet.versions", 'there is no such key; did you mean "version"?'),
    ("[fleet]\nversion = 'one'\n", 5, "fleet.version", 'must be a whole number, not "one": write it without quotes'),
    ("enabled = 'yes'\n", 4, "project.a.enabled", 'must be true or false, not "yes": write it without quotes'),
    ("ref = 5\n", 4, "project.a.ref", "must be a tag, a branch or a commit, or an empty text, not 5"),
    ("ref = '--upload-pack=x'\n", 4, "project.a.ref", "must be a tag, a branch or a commit"),
    ("ref = 'a..b'\n", 4, "project.a.ref", "must be a tag, a branch or a commit"),
    ("config = '../../etc/agents.toml'\n", 4, "project.a.config", "must be a path inside the project"),
    ("dir = '~/x'\n", 4, "project.a.dir", "~ is not expanded"),
    ("harness = ''\n", 4, "project.a.harness", "must be a text that is not empty"),
    ("[[project]]\nlocation = 'c'\n", 4, "project[1].name", 'is missing: add name = "cc-ci"'),
    ("[[project]]\nname = 'c'\n", 4, "project.c.location", 'is missing: add location = "projects/cc-ci"'),
    ("[[project]]\nname = 'C_c'\nlocation = 'c'\n", 5, "project.C_c.name", "small letters, digits and single dashes"),
    ("[[project]]\nname = 'a'\nlocation = 'c'\n", 5, "project.a.name", '"a" is the name of project number 1 too'),
    ("[[project]]\nname = 'c'\nlocation = '--x'\n", 6, "project.c.location", "must be a path, or the URL"),
    ("[[project]]\nname = 'c'\nlocation = 'https://u:p@h/r'\n", 6, "project.c.location", "holds a password or a token"),
    (
        '[[project]]\nname = "c"\nlocation = "https://u:p@h/\\u0001"\n',
        6,
        "project.c.location",
        "must be a path, or the URL",
    ),
    ("secrets = 5\n", 4, "project.a.secrets", "must be where secrets are"),
    ("secrets = 'TOKEN=abc'\n", 4, "project.a.secrets", "holds a value behind its name where a location belongs"),
    (f"secrets = ['/run/x', '{KEY}']\n", 4, "project.a.secrets[1]", "holds a key where a location belongs"),
    (f"owner = '{KEY}'\n", 4, "project.a.owner", "looks like a secret"),
]


@pytest.mark.parametrize(("text", "line", "key", "message"), RULES)
def test_a_mistake_is_told_with_line_key_rule_and_remedy(text: str, line: int, key: str, message: str):
    (found,) = problems(HEAD + text)

    assert (found.path, found.line, found.key) == ("/fleet.toml", line, key)
    assert message in found.message


def test_all_mistakes_are_told_at_once():
    text = HEAD + "enabled = 1\nref = '-x'\nsecrets = 'hunter2'\nlocaton = 'y'\n[[project]]\nname = 'a'\n[other]\n"

    assert [(each.line, each.key.rpartition(".")[2]) for each in ConfigProblems(problems(text)).problems] == [
        (4, "enabled"),
        (5, "ref"),
        (6, "secrets"),
        (7, "locaton"),
        (8, "location"),
        (9, "name"),
        (10, "other"),
    ]


def test_a_single_table_is_told_to_be_written_with_two_brackets():
    assert "write [[project]] with two brackets" in problems("[project]\nname = 'a'\n")[0].message


def test_no_message_shows_the_secret():
    for kind in KEY_SHAPES:
        text = f"{HEAD}secrets = {json.dumps(kind.sample)}\nowner = {json.dumps(kind.sample)}\n"
        with pytest.raises(ConfigProblems) as raised:
            raise ConfigProblems(problems(text))
        assert kind.sample not in str(raised.value)
    for text in (f"secrets = {{ x = '{KEY}' }}\n", "location = 'https://u:hunter2@h/r'\n", "secrets = ['hunter2']\n"):
        told = "\n".join(map(str, problems("[[project]]\nname = 'a'\n" + text)))
        assert told
        assert "hunter2" not in told
        assert KEY not in told


def test_what_is_sound_beside_a_mistake_is_read_all_the_same():
    reading = parse_fleet("/fleet.toml", (HEAD + "enabled = 1\nref = 'v1'\n[[project]]\nname = 'c'\n").encode())

    assert reading.fleet.projects == (Entry("a", "b", ref="v1"),)
    assert reading.places == (("project", 0),)


def test_a_secret_is_no_fact_of_the_fleet():
    texts = ("secrets = 'hunter2'\n", "secrets = ['/x', 'hunter2']\n", "location = 'https://u:hunter2@h/r'\n")
    for text in texts:
        head = HEAD if "secrets" in text else '[[project]]\nname = "a"\n'

        assert "hunter2" not in repr(parse_fleet("/fleet.toml", (head + text).encode()).fleet)


# ---- the schema --------------------------------------------------------------------------------------------------------


def keys() -> Iterator[tuple[str, dict[str, Value]]]:
    for name in ("fleet", "project"):
        for key, about in SCHEMA["$defs"][name]["properties"].items():
            target = SCHEMA["$defs"][about["$ref"].rpartition("/")[2]] if "$ref" in about else {}
            yield f"{name}.{key}", {**target, **about}


def test_the_schema_is_one_of_draft_2020_12_that_explains_every_key():
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(SCHEMA)

    assert [path for path, about in keys() if not about.get("title") or not about.get("description")] == []
    assert [path for path, about in keys() if about["title"].islower()] == []


def test_its_keys_and_defaults_are_those_of_the_facts():
    about = SCHEMA["$defs"]["project"]["properties"]
    plain = Entry("a", "b")

    assert tuple(about) == KEYS
    for key, each in about.items():
        if "default" in each:
            assert (getattr(plain, key) or each["default"]) == each["default"]
            jsonschema.Draft202012Validator({**each, "$defs": SCHEMA["$defs"]}).validate(each["default"])
    assert all("examples" in about[key] for key in SCHEMA["$defs"]["project"]["required"])


# ---- whatever stands in it ---------------------------------------------------------------------------------------------

odd = st.recursive(
    st.sampled_from(
        [0, 1, True, 1.5, float("nan"), "", "x", "a b", "~", "-x", "..", "a/../b", "\x7f", "é", "a\nb", "/", "x:y"]
    )
    | st.from_regex(r"[A-Za-z0-9_/.:@+~^*-]{1,40}", fullmatch=True),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "x"]), inner, max_size=2),
    max_leaves=3,
)
table = st.dictionaries(st.sampled_from([*KEYS, "owner", "locaton", "é"]), odd)
good = st.fixed_dictionaries({"name": st.from_regex(r"[a-z]{1,3}", fullmatch=True), "location": st.just("x")})
documents = st.fixed_dictionaries(
    {},
    optional={
        "fleet": st.dictionaries(st.sampled_from(["version", "about"]), odd) | odd,
        "project": st.lists(table | good | st.builds(lambda a, b: {**a, **b}, good, table), max_size=4) | odd,
        "projects": odd,
    },
)


@settings(deadline=None, max_examples=300)
@given(documents)
def test_any_document_gives_a_fleet_or_problems_with_lines(document: Value):
    text = tomlkit.dumps(document)

    reading = parse_fleet("/fleet.toml", text.encode())

    assert len(reading.places) == len(reading.fleet.projects)
    for problem in reading.problems:
        assert 1 <= problem.line <= text.count("\n") + 1
        assert problem.message


@settings(deadline=None, max_examples=300)
@given(documents)
def test_what_is_taken_without_the_validator_is_what_the_validator_takes(document: Value):
    if fleet_rules.is_plain(document):
        assert breaches(document, "fleet") == []


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_give_a_fleet_or_problems_of_that_file(raw: bytes):
    found: tuple[Problem, ...] = ()
    try:
        found = parse_fleet("/fleet.toml", raw).problems
    except ConfigProblems as raised:
        found = raised.problems
        assert found
    assert {problem.path for problem in found} <= {"/fleet.toml"}
