"""The words of the command line: help, options, JSON and exit codes, without any project."""

from __future__ import annotations

import inspect
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import shtab
from loops import errors
from loops.cli import entry
from loops.cli.answer import columns
from loops.cli.verbs import VERBS

WORDS = {verb.words: verb for verb in VERBS}


def run(*words: str) -> int:
    return entry.run(words)


def facts(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory without a project, and no project by the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOOPS_CONFIG", raising=False)
    with tempfile.TemporaryDirectory(prefix="lw-", dir="/tmp") as runtime:  # sockets have 107 bytes for their path
        monkeypatch.setenv("LOOPS_RUNTIME_DIR", f"{runtime}/run")
        yield tmp_path


# ---- help --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", WORDS)
def test_the_help_of_every_verb_has_an_example_and_the_exit_codes(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words.split(), "--help") == 0

    said = capsys.readouterr().out
    assert WORDS[words].example in said
    assert entry.EXIT_CODES in said


@pytest.mark.parametrize("words", WORDS)
def test_the_example_of_every_verb_is_written_rightly(words: str) -> None:
    import shlex

    example = shlex.split(WORDS[words].example)

    assert example[0] == "loops"
    assert entry.parser().parse_args(example[1:]).code == WORDS[words].code


def test_the_top_help_lists_every_verb_and_every_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0

    said = capsys.readouterr().out
    assert all(f"    {words.split()[0]} " in said for words in WORDS)
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    assert all(f"\n  {kind.exit_code} " in said for kind in kinds)


@pytest.mark.parametrize("words", WORDS)
def test_every_verb_names_code_that_is_there(words: str) -> None:
    from importlib import import_module

    module, _, function = WORDS[words].code.partition(":")
    assert callable(getattr(import_module(f"loops.cli.{module}"), function))


# ---- options in any place ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["--config", "X", "--json", "status"],
        ["status", "--config", "X", "--json"],
        ["--json", "status", "--config", "X"],
        ["--config", "X", "config", "show", "--json"],
        ["config", "--config", "X", "show", "--json"],
        ["config", "--json", "show", "--config=X"],
    ],
)
def test_config_and_json_are_taken_before_and_after_the_verb(words: list[str]) -> None:
    args = entry.parser().parse_args(words)

    assert (args.config, args.json) == ("X", True)


# ---- wrong words -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["stauts"], 'did you mean "status"?'),
        (["config", "shwo"], 'did you mean "show"?'),
        ([], "VERB"),
        (["logs"], "NAME"),
        (["logs", "x", "-n", "-3"], "less than nothing"),
        (["down", "--timeout", "soon"], "'soon'"),
        (["down", "--timeout", "nan"], "'nan'"),
        (["up", "--frobnicate"], "--frobnicate"),
        (["phase", "set"], "loops phase set N|ID"),
        (["phase", "show", "2"], "loops phase set N|ID"),
        (["completions", "tcsh"], "'tcsh'"),
        (["attach", "x", "--json"], "loops logs"),
    ],
)
def test_wrong_words_are_code_2_and_say_what_is_right(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 2

    captured = capsys.readouterr()
    assert told in captured.out + captured.err


def test_wrong_words_are_facts_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--json", "stauts") == 2

    said = facts(capsys)
    assert said["ok"] is False
    assert said["exit"] == 2
    assert "stauts" in str(said["error"])
    assert said["problems"] == []


# ---- no project, or a bad one ------------------------------------------------------------------------------------------

ON_A_PROJECT = [
    ["validate"],
    ["config", "show"],
    ["up"],
    ["down"],
    ["stop", "--all-now"],
    ["status"],
    ["logs", "builder"],
    ["attach", "builder"],
    ["nudge", "builder", "hello"],
    ["phase"],
    ["phase", "next"],
    ["claim", "M1", "--what=a", "--how=b", "--expected=c", "--where=d"],
    ["verdict", "M1=PASS"],
    ["journal", "verify"],
    ["tokens"],
    ["watchdog"],
]

NEED_NO_FILE = ("down", "stop", "nudge", "attach", "watchdog")
"""They speak to what runs, or take no --json."""


@pytest.mark.parametrize("words", ON_A_PROJECT, ids=" ".join)
def test_without_a_project_every_verb_says_where_it_looked_and_what_helps(
    words: list[str], nowhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 3

    said = capsys.readouterr().err
    assert said.startswith(f"loops: {nowhere}/agents.toml: ")
    assert "loops init" in said
    assert not (nowhere / ".loops").exists()


@pytest.mark.parametrize("words", [w for w in ON_A_PROJECT if w[0] not in NEED_NO_FILE], ids=" ".join)
def test_a_bad_file_is_told_as_facts_by_every_verb(
    words: list[str], nowhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (nowhere / "agents.toml").write_text('[defaults]\nsesion_prefix = "x-"\nlog_dir = ".loops"\n')

    assert run(*words, "--json") == 3

    said = facts(capsys)
    problems = said["problems"]
    assert isinstance(problems, list)
    assert {"path", "line", "key", "message"} == set(problems[0])
    assert any(p["line"] == 2 and "session_prefix" in p["message"] for p in problems)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path.mkdir(), "no such file"),
        (lambda path: path.write_text("a = [1,\n"), "not TOML"),
        (lambda path: path.write_bytes(b"# \xff\xfe"), "not UTF-8"),
        (lambda path: path.symlink_to(path), "annot be read"),
        (lambda path: __import__("os").mkfifo(path), "not a regular file"),
    ],
    ids=["a directory", "broken TOML", "not UTF-8", "a loop", "a FIFO"],
)
def test_a_file_that_cannot_be_read_is_code_3_with_its_reason(
    make: object, told: str, nowhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = nowhere / "some.toml"
    make(path)  # type: ignore[operator]

    assert run("validate", "--config", str(path)) == 3
    assert told in capsys.readouterr().err


def test_a_name_that_agents_toml_does_not_know_gets_its_nearest(
    nowhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (nowhere / "agents.toml").write_text(
        '[defaults]\nsession_prefix = "x-"\nlog_dir = ".loops"\n[[service]]\nname = "ticker"\ncommand = ["true"]\n'
    )

    for words in (["up", "tikcer"], ["logs", "tikcer"], ["attach", "tikcer"], ["down", "tikcer"]):
        assert run(*words) == 2
        assert 'did you mean "ticker"?' in capsys.readouterr().err


# ---- completions -------------------------------------------------------------------------------------------------------

ASK = {
    # Taken up as the help says; then the shell itself is asked what it would offer.
    "bash": """eval "$(cat {script})"
COMP_WORDS=(loops st); COMP_CWORD=1
function=$(complete -p loops | sed 's/.*-F \\([^ ]*\\).*/\\1/')
$function loops st loops; printf '%s\\n' "${{COMPREPLY[@]}}"
""",
    # zsh offers nothing without a terminal: its function is there, is registered, and knows the verb.
    "zsh": """autoload -U compinit; compinit -D -u; eval "$(cat {script})"
[[ $_comps[loops] == _shtab_loops ]] && functions _shtab_loops _shtab_loops_commands | grep status
""",
    "fish": "source {script}; complete -C 'loops st'",
}


@pytest.mark.parametrize("shell", ASK)
def test_completions_can_be_sourced_and_know_the_verbs(
    shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed here")
    assert run("completions", shell) == 0
    script = tmp_path / "completions"
    script.write_text(capsys.readouterr().out)

    asked = subprocess.run(
        [shell, "-c", ASK[shell].format(script=script)], capture_output=True, text=True, timeout=60, check=False
    )

    assert asked.returncode == 0, asked.stderr
    assert "status" in asked.stdout
    assert not asked.stderr


@pytest.mark.parametrize("shell", ASK)
def test_completions_are_facts_too(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    if shell not in shtab.SUPPORTED_SHELLS:
        pytest.skip(f"shtab {shtab.__version__} knows no {shell}")
    assert run("completions", shell, "--json") == 0
    assert "journal" in str(facts(capsys)["script"])


# ---- laying out --------------------------------------------------------------------------------------------------------


def test_columns_are_as_wide_as_their_widest_cell_and_leave_no_blanks_at_the_end() -> None:
    assert columns([("a", "bb", "c"), ("aaa", "b", "")]) == ["a    bb  c", "aaa  b"]
    assert columns([]) == []


def test_a_shell_that_this_shtab_does_not_know_is_told_with_what_helps(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shtab, "SUPPORTED_SHELLS", ["bash", "zsh"])

    assert run("completions", "fish") == 1
    assert "knows no fish: 1.9 and later do" in capsys.readouterr().err
