"""``python3 engine/agents.py VERB`` in a project that pins this repository as its ``engine/`` submodule."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

# Stands in for the command line: tells what it was given and by whom.
PROBE = """
import json, os, sys

def main():
    if sys.argv[1:] == ["needs-a-package"]:
        import package_that_nobody_has
    print(json.dumps({
        "argv": sys.argv[1:], "python": sys.executable, "package": __file__, "config": os.environ.get("LOOPS_CONFIG"),
        "python path": os.environ.get("PYTHONPATH"),
    }))
    return 7
"""


def git(*words, cwd):
    subprocess.run(["git", "-c", "protocol.file.allow=always", *words], cwd=cwd, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with this engine as a real submodule; the engine's own repository has an agents.toml to fall for."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "LOOPS_CONFIG", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Somebody")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "somebody@example.org")

    upstream = tmp_path / "upstream"
    (upstream / "engine" / "loops").mkdir(parents=True)
    for name in ("agents.py", ".gitignore"):
        shutil.copy(CHECKOUT / name, upstream)
    (upstream / "engine" / "loops" / "__init__.py").touch()
    (upstream / "engine" / "loops" / "__main__.py").write_text(PROBE)
    (upstream / "agents.toml").write_text("# the engine's own, never the project's\n")
    git("init", "-q", "-b", "main", cwd=upstream)
    git("add", "-A", cwd=upstream)
    git("commit", "-qm", "engine", cwd=upstream)

    project = tmp_path / "project"
    project.mkdir()
    git("init", "-q", "-b", "main", cwd=project)
    git("submodule", "add", "-q", f"file://{upstream}", "engine", cwd=project)
    (project / "agents.toml").write_text("# the project's\n")
    return project


def run(project, *words, cwd=None, **environment):
    command = [sys._base_executable, "-B", project / "engine" / "agents.py", *words]
    return subprocess.run(
        command, cwd=cwd or project, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("where", [".", "engine", "..", "/"])
def test_the_configuration_is_the_projects_own_from_any_directory(project, where):
    done = run(project, "status", "--json", cwd=project / where)
    told = json.loads(done.stdout)
    assert told["config"] == str(project / "agents.toml")
    assert told["argv"] == ["status", "--json"]
    assert told["package"] == str(project / "engine" / "engine" / "loops" / "__main__.py")
    assert done.returncode == 7  # what main returns is the exit code


def test_what_it_starts_finds_the_engine_too(project):
    told = json.loads(run(project, "status", PYTHONPATH="/mine").stdout)
    assert told["python path"] == f"{project}/engine/engine{os.pathsep}/mine"
    assert json.loads(run(project, "status").stdout)["python path"] == f"{project}/engine/engine"


def test_a_configuration_that_was_named_wins(project):
    assert (
        json.loads(run(project, "status", LOOPS_CONFIG="/elsewhere/agents.toml").stdout)["config"]
        == "/elsewhere/agents.toml"
    )


def test_outside_any_project_the_search_from_the_current_directory_is_left_to_the_command(project):
    (project / "agents.toml").unlink()
    assert json.loads(run(project, "init").stdout)["config"] is None


def test_the_checkouts_own_environment_is_used_and_leaves_the_submodule_clean(project):
    venv = project / "engine" / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    assert json.loads(run(project, "status").stdout)["python"] == str(venv / "bin" / "python")
    dirty = subprocess.run(
        ["git", "status", "--porcelain"], cwd=project / "engine", capture_output=True, text=True, check=True
    )
    assert dirty.stdout == ""


def test_an_environment_whose_interpreter_is_gone_is_passed_over(project):
    python = project / "engine" / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/nowhere/python3.11")
    assert json.loads(run(project, "status").stdout)["python"] != str(python)


def test_a_missing_package_is_a_sentence_that_says_what_to_type(project):
    done = run(project, "needs-a-package")
    assert done.returncode == 1
    assert (
        done.stderr
        == f"agents.py: the Python package 'package_that_nobody_has' is not installed; run {project}/engine/dev setup\n"
    )
