"""Units and environment files mean what systemd takes them for."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops.config.problems import ConfigProblems
from loops.projects.deployment import unit_file
from loops.projects.deployment.environment import gather, is_secret
from loops.projects.deployment.files import Files


def variables(value: str) -> dict[str, str | None]:
    return {each.name: each.value for each in unit_file.assignments(value, 1)}


def of_file(text: str) -> dict[str, str | None]:
    return {each.name: each.value for each in unit_file.environment_file(text)}


@pytest.mark.parametrize(
    ("value", "means"),
    [
        ("A=1 B=2", {"A": "1", "B": "2"}),
        ("\"A=word one\" B='two words'", {"A": "word one", "B": "two words"}),
        ('A="x y"z', {"A": "x yz"}),
        (r"A=a\x20b\tc\\", {"A": "a b\tc\\"}),
        (r'"A=say \"x\""', {"A": 'say "x"'}),
        ("A= B=$HOME", {"A": "", "B": "$HOME"}),
        ("A=b=c", {"A": "b=c"}),
        ("1A=x", {"1A": None}),
    ],
)
def test_an_environment_line_is_split_as_systemd_does(value: str, means: dict[str, str]):
    assert variables(value) == means


@pytest.mark.parametrize("value", ['"A=1', "A='x", r"A=\q", r"A=\x0", "A=\\", r"A=\ud800"])
def test_what_systemd_refuses_is_refused(value: str):
    with pytest.raises(ValueError, match=r"quote|escape"):
        variables(value)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("A=1\nB = 2 \n", {"A": "1", "B": "2"}),
        ("# A=1\n; B=2\n\nC=3 # no comment\n", {"C": "3 # no comment"}),
        ("A='one $x \\n'\nB=\"two\"", {"A": "one $x \\n", "B": "two"}),
        ('A="a\\"b\\$c\\d"\n', {"A": 'a"b$c\\d'}),
        ('A="first\nsecond"\nB=2\n', {"A": "first\nsecond", "B": "2"}),
        ("A=one \\\n  two\n", {"A": "one   two"}),
        ("A=  blanks  \nB='  kept  '  \n", {"A": "blanks", "B": "  kept  "}),
        ("export A=1\n", {"export A": None}),
        ("just words\nA=1\n", {"just words": None, "A": "1"}),
        ("A=\n", {"A": ""}),
    ],
)
def test_an_environment_file_is_read_as_systemd_does(text: str, means: dict[str, str]):
    assert of_file(text) == means


def test_the_lines_of_an_environment_file_are_counted():
    found = list(unit_file.environment_file('# x\nA="1\n2"\n\nB=3\n'))

    assert [(each.name, each.number) for each in found] == [("A", 2), ("B", 5)]


def test_a_continued_line_goes_on_behind_a_comment():
    text = "[Service]\nEnvironment=A=1 \\\n# not this\n   B=2\nExecStart=x\n"

    found = list(unit_file.lines(text))

    assert [(line.key, line.number) for line in found] == [("Environment", 2), ("ExecStart", 5)]
    assert variables(found[0].value) == {"A": "1", "B": "2"}


def gathered(tmp_path: Path, unit: str, *env_files: str, **settings: str):
    (tmp_path / "x.service").write_text(f"[Unit]\nEnvironment=A=no\n[Service]\n{unit}")
    return gather(Files(str(tmp_path)), str(tmp_path / "x.service"), env_files, settings)


def test_files_win_over_the_units_own_variables_and_the_operator_over_both(tmp_path: Path):
    (tmp_path / "one.env").write_text("A=file\nB=file\nC=file\n")
    (tmp_path / "two.env").write_text("B=option\nC=option\n")

    found = gathered(
        tmp_path,
        f"EnvironmentFile={tmp_path}/one.env\nEnvironment=A=unit D=unit\nExecStart=/usr/bin/env E=%p C=exec x\n",
        str(tmp_path / "two.env"),
        C="set",
    )

    assert found.values == {"A": "file", "B": "option", "C": "set", "D": "unit", "E": "%p"}
    assert found.settings["A"].origin == "one.env:1"
    assert found.settings["C"].origin == "--set C"


def test_an_empty_line_clears_what_was_set_before(tmp_path: Path):
    found = gathered(tmp_path, "Environment=A=1\nEnvironment=\nEnvironment=B=2\nUnsetEnvironment=B\n")

    assert found.values == {}


def test_a_file_that_may_be_missing_is_no_matter_and_one_that_must_not_is_listed(tmp_path: Path):
    found = gathered(tmp_path, f"EnvironmentFile=-{tmp_path}/none\nEnvironmentFile={tmp_path}/gone\n")

    assert [note.place for note in found.untranslated] == ["x.service:5"]


def test_a_specifier_of_the_service_manager_must_be_given_by_the_operator(tmp_path: Path):
    with pytest.raises(ConfigProblems, match=r"--set HERE=VALUE"):
        gathered(tmp_path, "Environment=HERE=%h/x\n")

    assert gathered(tmp_path, "Environment=HERE=%h/x\n", HERE="/home/x").values == {"HERE": "/home/x"}
    assert gathered(tmp_path, "Environment=NAME=%n%%\n").values == {"NAME": "x.service%"}


def test_a_file_of_variables_that_is_named_must_be_there(tmp_path: Path):
    with pytest.raises(ConfigProblems, match="no such file of variables"):
        gather(Files(str(tmp_path)), "", [str(tmp_path / "none")], {})


@pytest.mark.parametrize("name", ["ANTHROPIC_API_KEY", "GITHUB_TOKEN", "db_password", "SECRET", "X_CREDENTIALS"])
def test_a_secret_is_known_by_its_name_and_its_value_is_forgotten(tmp_path: Path, name: str):
    found = gathered(tmp_path, f"Environment={name}=abc123\n")

    assert found.secrets == [name]
    assert "abc123" not in repr(found)


@pytest.mark.parametrize(
    "name",
    [
        "GITHUBTOKEN",
        "DBPASS",
        "DB_PASSWORD2",
        "SSHKEY",
        "STRIPEKEY",
        "API_KEYS",
        "AUTH_TOKENS",
        "GITEA_TOKENS",
        "X_PASSWDS",
    ],
)
def test_a_secret_is_known_where_one_word_holds_two(name: str):
    assert is_secret(name, "abc123")


@pytest.mark.parametrize(
    "name",
    ["MONKEY", "KEYBOARD", "BYPASS_PERMISSIONS", "COMPASS", "GIT_ASKPASS", "MAX_OUTPUT_TOKENS", "TOKENIZER", "PASSIVE"],
)
def test_a_name_that_only_sounds_like_a_secret_is_none(name: str):
    assert not is_secret(name, "64000")


def test_a_secret_is_known_by_its_look():
    key = "sk-ant-api03-" + "Zq7testONLY0123456789" * 2

    assert is_secret("HARMLESS", key)
    assert not is_secret("API_KEY_FILE", "/run/secrets/key")
    assert is_secret("API_KEY_FILE", key)


@given(st.text())
def test_any_text_is_a_unit_and_an_environment_file(text: str):
    for line in unit_file.lines(text):
        with suppress(ValueError):
            list(unit_file.assignments(line.value, line.number))
            unit_file.specifiers(line.value, "x.service")
    list(unit_file.environment_file(text))


@given(
    st.dictionaries(st.from_regex(r"\A[A-Z_]{1,8}\Z"), st.text(st.characters(exclude_characters="\r\0")), max_size=4)
)
def test_what_is_written_in_double_quotes_is_read_back(values: dict[str, str]):
    quoted = {name: "".join(f"\\{c}" if c in '"\\`$' else c for c in value) for name, value in values.items()}

    assert of_file("".join(f'{name}="{value}"\n' for name, value in quoted.items())) == values
