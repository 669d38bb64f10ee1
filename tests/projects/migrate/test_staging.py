"""Staging: what is refused, what is written, and that it is all or nothing."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from loops import config
from loops.cli.entry import run
from loops.errors import LoopsError, UsageError
from loops.projects.deployment.printed import parse
from loops.projects.deployment.reading import read
from loops.projects.migrate.staging import NotStaged, stage

AGENTS = """\
# ours since the beginning
[defaults]
session_prefix = "ci-"      # nobody else's
log_dir = "../logs"
backend = "claude"

[[agent]]
name = "builder"

role = "builder"

# judges
[[agent]]
name = "adversary"
role = "adversary"
dir = "../adv" # its own clone

[loop]
roles_dir = "prompts"
kickoff_template = "kick.txt"
handoff = { repo = "../b" }
phases = [{ id = "1", plan = "plan.md" }]  # more to come
"""
LAUNCH = """\
from pathlib import Path
PREFIX = "ci-"
BUILDER_SESSION = "ci-builder"
PHASES_SPEC = "1|plan.md|STATUS.md"
def build_loop_kickoff(role, phase_id, plan, status):
    head = "Plan: " + plan + "\\n"
    if @TEST@:
        head += "Build.\\n"
    return head + Path(__file__).with_name("prompts").joinpath(role + ".md").read_text()
"""


@pytest.fixture
def live(tmp_path: Path) -> Path:
    root = tmp_path / "srv" / "plan"
    (root / "prompts").mkdir(parents=True)
    (root / "agents.toml").write_text(AGENTS)
    (root / "kick.txt").write_text("Phase {phase_id}: {plan}\n")
    (root / "plan.md").write_text("# all of it\n")
    for role in ("builder", "adversary"):
        (root / "prompts" / f"{role}.md").write_bytes(f"You are the {role}.\r\n".encode())
    return root


@pytest.fixture
def launchers(live: Path) -> Path:
    (live / "agents.toml").unlink()
    (live / "launch.py").write_text(LAUNCH.replace("@TEST@", "phase_id == '1'"))
    return live


def nothing_was_written(tmp_path: Path) -> bool:
    return sorted(path.name for path in tmp_path.iterdir()) == ["srv"]


def test_the_file_stays_as_it_is_but_for_what_must_change(live: Path, tmp_path: Path):
    staged = stage(read(str(live)), str(tmp_path / "staged"))

    lines = Path(staged.config_path).read_text().split("\n")[1:]
    assert [line for line in AGENTS.split("\n") if line not in lines] == [
        'log_dir = "../logs"',
        'dir = "../adv" # its own clone',
        'kickoff_template = "kick.txt"',
        'handoff = { repo = "../b" }',
    ]
    assert f'dir = "{tmp_path}/srv/adv" # its own clone; was ../adv' in lines
    assert 'session_prefix = "ci-"      # nobody else\'s' in lines
    assert lines.index("# judges") > lines.index('role = "builder"')


def test_documents_are_copied_byte_for_byte(live: Path, tmp_path: Path):
    root = Path(stage(read(str(live)), str(tmp_path / "staged")).root)

    for role in ("builder", "adversary"):
        assert (root / "prompts" / f"{role}.md").read_bytes() == (live / "prompts" / f"{role}.md").read_bytes()
    assert (root / "prompts" / "kickoff.md").read_bytes() == (live / "kick.txt").read_bytes()
    assert (root / "plan.md").read_bytes() == (live / "plan.md").read_bytes()
    assert config.check_files(config.load(str(root / "agents.toml"))) == ()


def test_the_project_is_a_repository_with_everything_in_its_first_commit(live: Path, tmp_path: Path):
    root = stage(read(str(live)), str(tmp_path / "staged"), carry_state=False).root

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", root, *words], capture_output=True, text=True, check=True).stdout

    assert git("status", "--porcelain", "--ignored") == ""
    assert git("rev-list", "--count", "HEAD") == "1\n"
    again = stage(read(str(live)), str(tmp_path / "again")).root
    head = subprocess.run(["git", "-C", again, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
    assert git("rev-parse", "HEAD") == head


def test_an_empty_directory_is_taken_and_any_other_is_refused(live: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    (tmp_path / "file").touch()

    stage(read(str(live)), str(tmp_path / "empty"))

    for name in ("full", "file", "empty"):
        with pytest.raises(UsageError, match="is there already"):
            stage(read(str(live)), str(tmp_path / name))
    with pytest.raises(UsageError, match="make that directory"):
        stage(read(str(live)), str(tmp_path / "none" / "staged"))


@pytest.mark.parametrize("where", [".", "staged", "../adv/staged"])
def test_nothing_is_staged_into_the_live_deployment(live: Path, where: str):
    (live.parent / "adv").mkdir()

    with pytest.raises(UsageError, match=r"lies in|is there already"):
        stage(read(str(live)), str(live / where))

    assert not (live / "staged").exists()


def test_a_symlink_into_the_live_deployment_is_seen_through(live: Path, tmp_path: Path):
    (tmp_path / "link").symlink_to(live)

    with pytest.raises(UsageError, match="lies in"):
        stage(read(str(live)), str(tmp_path / "link" / "staged"))


def test_a_captured_status_is_too_little(tmp_path: Path):
    with pytest.raises(NotStaged, match="tells too little"):
        stage(parse("b loop claude m heal RUNNING\n", "status.txt"), str(tmp_path / "staged"))


@pytest.mark.parametrize("path", ["agents.toml", "prompts/builder.md", "kick.txt"])
def test_a_key_in_what_would_be_copied_is_refused_and_not_shown(live: Path, tmp_path: Path, path: str):
    deployment = read(str(live))
    key = "sk-ant-api03-" + "Zq7testONLY0123456789" * 2
    with (live / path).open("a") as file:
        file.write(f"# {key}\n")

    with pytest.raises(LoopsError, match="secret") as told:
        stage(deployment, str(tmp_path / "staged"))

    assert str(live / path) in str(told.value)
    assert key not in str(told.value)
    assert nothing_was_written(tmp_path)


def test_a_kickoff_that_would_be_another_is_a_failure_with_its_first_line(launchers: Path, tmp_path: Path):
    deployment = read(str(launchers))

    with pytest.raises(NotStaged) as told:
        stage(deployment, str(tmp_path / "staged"))

    assert 'kickoff 1/builder: sha256: line 2: live "Build.", staged "You are the builder."' in str(told.value)
    assert nothing_was_written(tmp_path)


def test_roles_that_are_told_different_things_have_a_template_each(launchers: Path, tmp_path: Path):
    (launchers / "launch.py").write_text(LAUNCH.replace("@TEST@", "role == 'builder'"))
    live = read(str(launchers))

    staged = stage(live, str(tmp_path / "staged"))

    again = read(staged.root)
    assert again.kickoffs == live.kickoffs
    root = Path(staged.root)
    assert (root / "prompts" / "kickoff-builder.md").read_text() == "Plan: {plan}\nBuild.\n{role_text}"
    assert (root / "prompts" / "kickoff-adversary.md").read_text() == "Plan: {plan}\n{role_text}"
    assert config.check_files(config.load(staged.config_path)) == ()
    twice = stage(again, str(tmp_path / "again"))
    assert read(twice.root).kickoffs == live.kickoffs


def test_an_unreadable_place_leaves_nothing_behind(live: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "agents.toml")

    monkeypatch.setattr("loops.projects.migrate.staging._write_files", full)

    with pytest.raises(NotStaged, match="No space left"):
        stage(read(str(live)), str(tmp_path / "staged"))

    assert nothing_was_written(tmp_path)


def test_a_journal_that_cannot_be_written_leaves_nothing_behind(
    live: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (live.parent / "logs" / "state").mkdir(parents=True)
    (live.parent / "logs" / "state" / "phase-idx").write_text("0\n")

    def refuse(*_: object, **__: object) -> None:
        raise LoopsError("the journal is broken")

    monkeypatch.setattr("loops.supervisor.offline.carry", refuse)

    with pytest.raises(LoopsError, match="the journal is broken"):
        stage(read(str(live)), str(tmp_path / "staged"), carry_state=True)

    assert nothing_was_written(tmp_path)


def test_an_index_that_cannot_be_read_is_not_carried(live: Path, tmp_path: Path):
    (live.parent / "logs" / "state").mkdir(parents=True)
    (live.parent / "logs" / "state" / "phase-idx").write_text("tor")
    (live.parent / "logs" / "state" / "builder.id").write_text("0f1de1a2-2f3c-4c55-8d6b-7b7b7c0d2f11")

    with pytest.raises(NotStaged, match="holds no whole number"):
        stage(read(str(live)), str(tmp_path / "staged"), carry_state=True)

    assert nothing_was_written(tmp_path)


def test_the_report_says_what_to_do_about_a_missing_prompt(live: Path, tmp_path: Path):
    text = AGENTS + '\n[[agent]]\nname = "boss"\nkind = "persistent"\nprompt_file = "prompts/boss.md"\n'
    (live / "agents.toml").write_text(text)

    staged = stage(read(str(live)), str(tmp_path / "staged"))

    assert "| prompts/boss.md | the prompt of boss |" in Path(staged.report).read_text()
    told = json.loads(Path(staged.facts).read_text())
    assert [note["what"] for note in told["untranslated"]] == ["the prompt of boss"]


def test_the_new_directory_has_the_usual_mode(live: Path, tmp_path: Path):
    mask = os.umask(0o022)
    try:
        root = stage(read(str(live)), str(tmp_path / "staged")).root
    finally:
        os.umask(mask)

    assert os.stat(root).st_mode & 0o777 == 0o755


def test_keys_that_nobody_here_knows_are_left_out_and_listed(live: Path, tmp_path: Path):
    strange = AGENTS.replace("[loop]\n", "[loop]\ncolour = 'red'\n").replace(
        'name = "builder"\n', 'name = "builder"\nnice = 5\n'
    )
    (live / "agents.toml").write_text(strange + "\n[supervisor]\npet = true\n")

    live_one = read(str(live))
    staged = stage(live_one, str(tmp_path / "staged"))

    assert {note.place: note.what for note in live_one.untranslated} == {
        "agents.toml:9": "the key agent.builder.nice",
        "agents.toml:20": "the key loop.colour",
        "agents.toml:26": "the key supervisor",
    }
    text = Path(staged.config_path).read_text()
    assert not any(word in text for word in ("nice", "colour", "pet"))
    assert config.load(staged.config_path).agents["builder"].role == "builder"


def test_a_strange_key_in_a_staged_project_is_a_mistake(live: Path, tmp_path: Path):
    path = Path(stage(read(str(live)), str(tmp_path / "staged")).config_path)
    path.write_text(path.read_text() + "\n[supervisor]\npet = true\n")

    with pytest.raises(config.ConfigProblems, match="there is no such key"):
        read(str(path))


def test_a_variable_that_is_a_secret_by_its_name_is_pointed_at(live: Path, tmp_path: Path):
    service = '\n[[service]]\nname = "web"\ncommand = "x"\nenv = { DB_PASSWORD = "abc", COLOUR = "red" }\n'
    (live / "agents.toml").write_text(AGENTS + service)

    staged = stage(read(str(live)), str(tmp_path / "staged"))

    assert [note.what for note in staged.migration.untranslated] == ["the value of DB_PASSWORD, a secret by its name"]
    assert "abc" not in Path(staged.report).read_text() + Path(staged.facts).read_text()


def test_the_state_is_a_place_of_its_own(live: Path, tmp_path: Path):
    staged = stage(read(str(live)), str(tmp_path / "staged"))

    assert config.load(staged.config_path).log_dir == f"{staged.root}/.loops"
    assert (Path(staged.root) / ".gitignore").read_text() == "/.loops/\n"


@pytest.mark.parametrize(
    ("ending", "template"),
    [
        ('plan + "\\n\\n" + text', "{plan}\n\n"),
        ('plan + "\\n" + text', "{plan}\n{role_text}"),
        ('plan + "\\n\\n" + text.strip()', "{plan}\n\n{role_text_stripped}"),
        ('plan + "\\n\\n" + text.strip() + "\\n"', "{plan}\n\n"),
    ],
)
def test_the_template_is_the_plainest_that_gives_the_same_kickoff(
    launchers: Path, tmp_path: Path, ending: str, template: str
):
    head = LAUNCH.partition("    head")[0]
    text = '    text = Path(__file__).with_name("prompts").joinpath(role + ".md").read_text()\n'
    (launchers / "launch.py").write_text(f"{head}{text}    return {ending}\n")

    staged = stage(read(str(launchers)), str(tmp_path / "staged"))

    assert (Path(staged.root) / "prompts" / "kickoff.md").read_text() == template


@pytest.mark.parametrize(
    ("told", "files"),
    [
        ('"Read prompts/" + role + ".md, then " + plan + ".\\n"', ("builder", "adversary")),
        ('"Read prompts/" + role + ".md, then " + plan + "."', ("builder", "adversary")),
        ('"\\n" + role + ": " + plan + "\\n\\n"', ()),
        ('("Build " if role == "builder" else "Judge ") + plan + "\\n"', ("builder",)),
    ],
)
def test_a_kickoff_that_holds_no_role_text_stays_without_one(
    launchers: Path, tmp_path: Path, told: str, files: tuple[str, ...]
):
    (launchers / "launch.py").write_text(f"{LAUNCH.partition('    head')[0]}    return {told}\n")
    for role in {"builder", "adversary"} - set(files):
        (launchers / "prompts" / f"{role}.md").unlink()
    live = read(str(launchers))

    staged = stage(live, str(tmp_path / "staged"))

    again = read(staged.root)
    assert again.kickoffs == live.kickoffs
    assert len(live.kickoffs or ()) == 2
    assert config.check_files(config.load(staged.config_path)) == ()
    assert (Path(staged.root) / "prompts" / "builder.md").read_text() == ""
    assert run(["parity", str(launchers), staged.root, "--all"]) == 0


def test_only_the_role_whose_kickoff_holds_its_text_has_one(launchers: Path, tmp_path: Path):
    head = LAUNCH.partition("    head")[0]
    (launchers / "launch.py").write_text(
        f"{head}    if role == 'adversary':\n        return 'Judge.\\n'\n"
        "    return Path(__file__).with_name('prompts').joinpath(role + '.md').read_text()\n"
    )
    live = read(str(launchers))

    root = Path(stage(live, str(tmp_path / "staged")).root)

    assert read(str(root)).kickoffs == live.kickoffs
    assert (root / "prompts" / "adversary.md").read_text() == ""
    assert (root / "prompts" / "builder.md").read_bytes() == (launchers / "prompts" / "builder.md").read_bytes()
    assert run(["parity", str(launchers), str(root)]) == 0


def test_a_conversation_that_does_not_go_on_is_told_everywhere(live: Path, tmp_path: Path):
    (live / "agents.toml").write_text(f'{AGENTS}\n[[agent]]\nname = "sweep"\nkind = "task"\n')
    state = live.parent / "logs" / "state"
    state.mkdir(parents=True)
    (state / "phase-idx").write_text("0")
    (state / "sweep.id").write_text("0f1de1a2-2f3c-4c55-8d6b-7b7b7c0d2f11")

    staged = stage(read(str(live)), str(tmp_path / "staged"), carry_state=True)

    (line,) = staged.migration.reached.left
    assert line.startswith("sweep: conversation 0f1de1a2-2f3c-4c55-8d6b-7b7b7c0d2f11: it stays behind")
    assert f"- {line}" in Path(staged.report).read_text()
    assert json.loads(Path(staged.facts).read_text())["reached"]["left"] == [line]
    assert subprocess.run(["git", "-C", staged.root, "status", "--porcelain"], capture_output=True).stdout == b""


def test_a_phase_that_the_journal_does_not_take_ends_the_migration(live: Path, tmp_path: Path):
    deployment = replace(read(str(live)), at=7)

    with pytest.raises(LoopsError, match="index 7"):
        stage(deployment, str(tmp_path / "staged"), carry_state=True)

    assert nothing_was_written(tmp_path)
